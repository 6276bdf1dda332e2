// Transparency of requests: method, target and fields reach the upstream as the client sent them, but for what RFC
// 9110/9112 demand of an intermediary.
#include <gmock/gmock.h>

#include <set>

#include "tests/support/passed_fields.hpp"
#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class proxy_heads : public proxy_test {};

TEST_F(proxy_heads, request_head_arrives_with_its_order_case_and_duplicates) {
    AIMETER_ONLY();
    start();
    ask("PATCH /a%2Fb/../c?x=1&y=%20%zz&&z HTTP/1.1\r\nx-Zeta: 1\r\nHost: app.example:81\r\nX-alpha: a\r\nx-ZETA: 2\r\n"
        "Cookie: a=b\r\nX-Empty:\r\nx_under: _\r\nCookie: c=d\r\nX-alpha: b, c\r\nContent-Length: 2\r\n\r\nhi");
    const auto got = first_request();
    EXPECT_EQ(got.start_line, "PATCH /a%2Fb/../c?x=1&y=%20%zz&&z HTTP/1.1");
    EXPECT_THAT(got.all("host"), ElementsAre("app.example:81"));
    EXPECT_THAT(passed_fields(got), ElementsAre("x-Zeta: 1", "X-alpha: a", "x-ZETA: 2", "Cookie: a=b",
                                                "X-Empty: ", "x_under: _", "Cookie: c=d", "X-alpha: b, c"));
    EXPECT_EQ(got.body, "hi");
    EXPECT_THAT(got.all("content-length"), ElementsAre("2"));
}

TEST_F(proxy_heads, unknown_methods_and_targets_pass) {
    start();
    const std::vector<std::string> lines{"PROPFIND /dav/x", "M-SEARCH /", "DELETE /thing?q", "OPTIONS /x",
                                         "PURGE /" + std::string(3000, 'p')};
    for (const auto& line : lines) {
        EXPECT_EQ(ask(line + " HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200) << line.substr(0, 40);
        EXPECT_EQ(upstream.requests().back().start_line, line + " HTTP/1.1");
    }
}

TEST_F(proxy_heads, methods_are_any_token_and_options_of_the_server_itself_passes) {
    AIMETER_ONLY();
    start();
    EXPECT_EQ(ask("get|x /lower HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200);
    EXPECT_EQ(ask("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200);
    EXPECT_EQ(upstream.requests().front().start_line, "get|x /lower HTTP/1.1");
    EXPECT_EQ(upstream.requests().back().start_line, "OPTIONS * HTTP/1.1");
}

TEST_F(proxy_heads, absolute_form_becomes_origin_form_and_its_host_wins) {
    start();
    EXPECT_EQ(ask("GET http://real.example/p?q=1 HTTP/1.1\r\nHost: real.example\r\n\r\n").status(), 200);
    EXPECT_EQ(first_request().start_line, "GET /p?q=1 HTTP/1.1");
    EXPECT_THAT(first_request().all("host"), ElementsAre("real.example"));
}

TEST_F(proxy_heads, absolute_form_with_another_host_field_is_sent_for_the_target) {
    AIMETER_ONLY();
    start();
    const auto got = ask("GET http://real.example:81?q HTTP/1.1\r\nHost: other\r\n\r\n");
    ASSERT_EQ(got.status(), 200);
    EXPECT_EQ(first_request().start_line, "GET /?q HTTP/1.1");
    EXPECT_THAT(first_request().all("host"), ElementsAre("real.example:81"));
}

TEST_F(proxy_heads, one_empty_line_before_a_request_is_ignored) {
    start();
    EXPECT_EQ(ask("\r\nGET /after HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200);
    EXPECT_EQ(first_request().start_line, "GET /after HTTP/1.1");
}

TEST_F(proxy_heads, forwarded_fields_of_a_trusted_peer_are_kept_and_extended) {
    AIMETER_ONLY();
    start();
    ask("GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"
        "X-Forwarded-Host: outer\r\n\r\n");
    const auto got = first_request();
    EXPECT_THAT(got.all("x-forwarded-for"), ElementsAre("203.0.113.7, 127.0.0.1"));
    EXPECT_THAT(got.all("x-forwarded-proto"), ElementsAre("https"));
    EXPECT_THAT(got.all("x-forwarded-host"), ElementsAre("outer"));
}

TEST_F(proxy_heads, forwarded_fields_of_a_stranger_are_replaced) {
    AIMETER_ONLY();
    start({.config = "[forward]\ntrusted_proxies = [\"10.9.8.7/32\"]"});
    ask("GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"
        "X-Forwarded-Host: outer\r\n\r\n");
    const auto got = first_request();
    ASSERT_EQ(got.count("x-forwarded-for"), 1U);
    EXPECT_TRUE(got.field("x-forwarded-for")->ends_with("127.0.0.1"));
    EXPECT_THAT(got.all("x-forwarded-proto"), ElementsAre(scheme_of_clients()));
    EXPECT_THAT(got.all("x-forwarded-host"), ElementsAre("inner"));
}

TEST_F(proxy_heads, forwarded_fields_are_added_when_absent) {
    AIMETER_ONLY();
    start();
    ask("GET / HTTP/1.1\r\nHost: inner:8080\r\n\r\n");
    const auto got = first_request();
    EXPECT_THAT(got.all("x-forwarded-for"), ElementsAre("127.0.0.1"));
    EXPECT_THAT(got.all("x-forwarded-proto"), ElementsAre(scheme_of_clients()));
    EXPECT_THAT(got.all("x-forwarded-host"), ElementsAre("inner:8080"));
}

TEST_F(proxy_heads, request_id_is_kept_when_fit_and_made_when_not) {
    AIMETER_ONLY();
    start();
    const auto id_for = [&](const std::string& field) {
        EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: a\r\n" + field + "\r\n").status(), 200) << field.substr(0, 40);
        const auto ids = upstream.requests().back().all("x-request-id");
        EXPECT_EQ(ids.size(), 1U);
        return ids.empty() ? "" : ids.front();
    };
    EXPECT_EQ(id_for("X-Request-Id: req-0193_a.b\r\n"), "req-0193_a.b");
    EXPECT_EQ(id_for("x-request-ID: 7f0e7a52-8f2b-4c8b-9d0e-000000000001\r\n"), "7f0e7a52-8f2b-4c8b-9d0e-000000000001");
    std::set<std::string> made;
    for (const std::string& unfit :
         {std::string(), std::string("X-Request-Id:\r\n"), "X-Request-Id: " + std::string(5000, 'x') + "\r\n",
          std::string("X-Request-Id: a\tb \"c\"\r\n"), std::string("X-Request-Id: \xff\xfe\r\n"),
          std::string("X-Request-Id: one\r\nX-Request-Id: two\r\n")}) {
        const std::string id = id_for(unfit);
        EXPECT_GE(id.size(), 16U);
        EXPECT_EQ(id.find_first_not_of("0123456789abcdefABCDEF-"), std::string::npos) << id;
        EXPECT_TRUE(made.insert(id).second) << "the same id twice: " << id;
    }
}

TEST_F(proxy_heads, hop_by_hop_fields_stay_on_their_hop) {
    AIMETER_ONLY();
    upstream.next({wait_head(),
                   send("HTTP/1.1 200 OK\r\nConnection: X-Inner, keep-alive\r\nX-Inner: 1\r\nKeep-Alive: timeout=9\r\n"
                        "Proxy-Connection: keep-alive\r\nX-Stays: 1\r\nContent-Length: 0\r\n\r\n")});
    start();
    const auto answer =
        ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop , close-not,x-hop-2\r\nX-Hop: 1\r\nX-HOP-2: 2\r\n"
            "Keep-Alive: 5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: h2c\r\nX-Stays: 1\r\n\r\n");
    ASSERT_TRUE(upstream.wait_received(0, "\r\n\r\n"));
    const auto got = parse_message(upstream.connection(0).received, http_reader::kind::request);
    EXPECT_THAT(passed_fields(got), ElementsAre("X-Stays: 1")) << got.raw_head;
    EXPECT_THAT(got.field("connection").value_or(""), Not(HasSubstr("op")));
    EXPECT_THAT(passed_fields(answer), ElementsAre("X-Stays: 1")) << answer.raw_head;
    EXPECT_THAT(answer.field("connection").value_or(""), Not(HasSubstr("nner")));
}

// ---- byte for byte ------------------------------------------------------------------------------------------------

TEST_F(proxy_heads, targets_arrive_byte_for_byte) {
    struct row {
        std::string target;
        bool nginx = true;  // passes it, too
    };
    // nginx judges the path that it would look up: no broken escapes, nothing above the root, no NUL.
    const std::vector<row> rows{{"/"},
                                {"//"},
                                {"//a//b//"},
                                {"/?"},
                                {"/a?"},
                                {"/a??b=?&&=&"},
                                {"/./a/../b/."},
                                {"/..", false},
                                {"/%2e%2E/%2e%2E/etc", false},
                                {"/a%2Fb%2fc"},
                                {"/%00", false},
                                {"/%0d%0aX:%20y"},
                                {"/%zz", false},
                                {"/%", false},
                                {"/?%zz&%"},
                                {"/a;b=c;d?e;f"},
                                {"/-._~!$&'()*+,;=:@"},
                                {"/[x]{y}|\\^`\"<>"},
                                {"/?[x]{y}|\\^`\"<>/../?"},
                                {"/http://evil/"},
                                {"/@user:80"},
                                {"/:80"},
                                {"/" + std::string(7000, 'p') + "?" + std::string(7000, 'q'), false}};
    start();
    for (const auto& row : rows) {
        if (proxy_is_nginx() && !row.nginx) continue;
        EXPECT_EQ(ask("GET " + row.target + " HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200) << row.target;
        EXPECT_EQ(upstream.requests().back().start_line, "GET " + row.target + " HTTP/1.1");
    }
}

TEST_F(proxy_heads, hosts_arrive_as_sent) {
    start();
    for (const std::string host : {"a", "A.Example", "a.", "a:80", "a:", "a_b", "xn--bcher-kva.example", "1.2.3.4:5",
                                   "[::1]", "[::1]:8080", "[::ffff:1.2.3.4]:80", "a~b!c"}) {
        EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n").status(), 200) << host;
        EXPECT_THAT(upstream.requests().back().all("host"), ElementsAre(host));
    }
}

TEST_F(proxy_heads, names_and_values_arrive_byte_for_byte) {
    start();
    std::string obs_text;
    for (int byte = 0x80; byte <= 0xff; ++byte) obs_text.push_back(static_cast<char>(byte));
    const std::vector<std::string> fields{"X-Obs: " + obs_text,
                                          "X-Utf8: caf\xc3\xa9 \xe2\x9c\x85",
                                          "X-Tab: a\tb",
                                          "X-Inner: a  b   c",
                                          "X-Visible: !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~",
                                          "X-Commas: ,,a,,b,",
                                          "X-Colons: :a::b:",
                                          "X-Empty: ",
                                          "X-Same: 1",
                                          "x-same: 2",
                                          "X-SAME: 1",
                                          "Accept: */*",
                                          "Cookie: a=b; c=\"d\"",
                                          "Cookie: e",
                                          "!#$%&'*+-.^_`|~09AZaz: every byte of a name",
                                          "X-Long: " + std::string(7000, 'v'),
                                          "Authorization: Bearer a.b.c",
                                          "X-Last: z"};
    std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (const auto& field : fields) head += field + "\r\n";
    EXPECT_EQ(ask(head + "\r\n").status(), 200);
    EXPECT_EQ(passed_fields(first_request()), fields);
}

TEST_F(proxy_heads, white_space_around_a_value_is_not_part_of_it) {
    start();
    EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost:a\r\nX-None:v\r\nX-Around: \t v w\t \r\nX-Blank: \t\r\n\r\n").status(), 200);
    EXPECT_THAT(passed_fields(first_request()), ElementsAre("X-None: v", "X-Around: v w", "X-Blank: "));
    EXPECT_THAT(first_request().all("host"), ElementsAre("a"));
}

// ---- the hop's own fields -----------------------------------------------------------------------------------------

TEST_F(proxy_heads, connection_cannot_name_away_what_the_proxy_answers_for) {
    AIMETER_ONLY();  // nginx takes no field away for being named
    start({.config = "[identity]\nheader = \"x-user-id\"\nplan_header = \"x-user-plan\""});
    const std::string fields =
        "Content-Length: 3\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: outer\r\n"
        "X-Request-Id: req-1\r\nX-User-Id: user_42\r\nX-User-Plan: pro\r\nAuthorization: Bearer x\r\nX-Hop: 1\r\n";
    for (const std::string& connection : std::vector<std::string>{
             "Host, Content-Length, Transfer-Encoding, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, "
             "X-Request-Id, X-User-Id, X-User-Plan, Authorization, X-Hop",
             "host,content-length,transfer-encoding,x-forwarded-for\r\nConnection: x-forwarded-proto , ,, "
             "x-forwarded-host\r\nConnection: x-request-id,x-user-id\tx\r\nconnection: X-USER-ID, x-user-plan,"
             "authorization, x-hop, close"}) {
        SCOPED_TRACE(connection);
        EXPECT_EQ(ask("POST / HTTP/1.1\r\nHost: a\r\nConnection: " + connection + "\r\n" + fields + "\r\nabc").status(),
                  200);
        const auto got = upstream.requests().back();
        EXPECT_THAT(got.all("host"), ElementsAre("a"));
        EXPECT_EQ(got.body, "abc");
        EXPECT_THAT(got.all("x-forwarded-for"), ElementsAre("203.0.113.7, 127.0.0.1"));
        EXPECT_THAT(got.all("x-forwarded-proto"), ElementsAre("https"));
        EXPECT_THAT(got.all("x-forwarded-host"), ElementsAre("outer"));
        EXPECT_THAT(got.all("x-request-id"), ElementsAre("req-1"));
        EXPECT_THAT(got.all("x-user-id"), ElementsAre("user_42")) << "the upstream would take it for anonymous";
        EXPECT_THAT(got.all("x-user-plan"), ElementsAre("pro"));
        // The sender may say that these are for this hop only (RFC 9110, 7.6.1).
        EXPECT_FALSE(got.field("authorization"));
        EXPECT_FALSE(got.field("x-hop"));
        EXPECT_FALSE(got.field("connection")) << got.raw_head;
    }
}

TEST_F(proxy_heads, options_of_connection_are_whole_words) {
    AIMETER_ONLY();  // nginx looks for the letters anywhere in the value
    start();
    raw_client client = connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: x-close, closed\r\n\r\n");
    EXPECT_EQ(client.read().status(), 200);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: x-foo,\tClose\r\n\r\n");
    const auto last = client.read();
    EXPECT_EQ(last.status(), 200);
    EXPECT_EQ(last.field("connection"), "close");
    EXPECT_TRUE(client.ends());
}

TEST_F(proxy_heads, only_trailers_of_te_concern_the_upstream) {
    AIMETER_ONLY();
    start();
    struct row {
        std::string sent;
        bool kept;
    };
    for (const auto& row : std::vector<row>{{"Connection: TE\r\nTE: trailers\r\n", true},
                                            {"Connection: te\r\nTE: gzip;q=0.5, Trailers\r\n", true},
                                            {"Connection: te\r\nTE: gzip\r\nTE: trailers\r\n", true},
                                            {"TE: trailers\r\n", true},
                                            {"Connection: te\r\nTE: gzip\r\n", false},
                                            {"Connection: te\r\nTE: trailers;q=0.5\r\n", false},
                                            {"Connection: te\r\nTE:\r\n", false},
                                            {"Connection: te\r\n", false}}) {
        SCOPED_TRACE(row.sent);
        EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: a\r\n" + row.sent + "\r\n").status(), 200);
        const auto got = upstream.requests().back();
        EXPECT_EQ(got.field("te"), row.kept ? std::optional<std::string>("trailers") : std::nullopt) << got.raw_head;
        EXPECT_EQ(got.field("connection").has_value(), row.kept) << got.raw_head;
    }
}

TEST_F(proxy_heads, trailers_cannot_name_a_user) {
    AIMETER_ONLY();  // the upstream may merge them into its fields (RFC 9110, 6.5.1)
    start({.config = "[identity]\nheader = \"x-user-id\"\n[forward]\ntrusted_proxies = []"});
    EXPECT_EQ(ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-User-Id: root\r\n"
                  "X_User_Id: root\r\nX_Forwarded_For: 6.6.6.6\r\nX-Sum: 1\r\n\r\n")
                  .status(),
              200);
    EXPECT_EQ(first_request().trailers, (field_list{{"X-Sum", "1"}}));
}

TEST_F(proxy_heads, fields_in_disguise_do_not_pass_for_those_that_the_proxy_vouches_for) {
    AIMETER_ONLY();
    // A gateway interface that makes HTTP_X_USER_ID of a name cannot tell "_" from "-" (RFC 3875, 4.1.18).
    start({.config = "[identity]\nheader = \"x-user-id\"\n[forward]\ntrusted_proxies = []"});
    EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: a\r\nX_User_Id: root\r\nX-User_Id: root\r\nX_Forwarded_For: 6.6.6.6\r\n"
                  "X_FORWARDED_PROTO: https\r\nX_Forwarded_Host: evil\r\nX_Request_Id: evil\r\nContent_Length: 7\r\n"
                  "Transfer_Encoding: chunked\r\nx_under: stays\r\n\r\n")
                  .status(),
              200);
    EXPECT_THAT(passed_fields(first_request()), ElementsAre("x_under: stays"));
}

// ---- methods and forms of the target ------------------------------------------------------------------------------

TEST_F(proxy_heads, options_of_the_server_itself) {
    AIMETER_ONLY();
    start();
    struct row {
        std::string sent, arrives;
    };
    for (const auto& row : std::vector<row>{{"OPTIONS * HTTP/1.1", "OPTIONS * HTTP/1.1"},
                                            {"OPTIONS http://a HTTP/1.1", "OPTIONS * HTTP/1.1"},
                                            {"OPTIONS http://a/ HTTP/1.1", "OPTIONS / HTTP/1.1"},
                                            {"OPTIONS http://a?q HTTP/1.1", "OPTIONS /?q HTTP/1.1"},
                                            {"GET HTTPS://a HTTP/1.1", "GET / HTTP/1.1"}}) {
        EXPECT_EQ(ask(row.sent + "\r\nHost: a\r\n\r\n").status(), 200) << row.sent;
        EXPECT_EQ(upstream.requests().back().start_line, row.arrives) << row.sent;
    }
}

TEST_F(proxy_heads, trace_and_connect_are_not_served) {
    AIMETER_ONLY();
    start();
    for (const std::string line : {"TRACE / HTTP/1.1", "TRACE /evil HTTP/1.1\r\nMax-Forwards: 0",
                                   "CONNECT a:443 HTTP/1.1", "CONNECT / HTTP/1.1", "CONNECT http://a:80 HTTP/1.1"}) {
        const auto answer = ask(line + "\r\nHost: a\r\n\r\n");
        expect_problem(answer, 405);
        EXPECT_TRUE(answer.field("allow")) << "RFC 9110, 15.5.6";
    }
    EXPECT_EQ(upstream.connections(), 0U);
    expect_still_serving();
}

TEST_F(proxy_heads, max_forwards_counts_hops_of_options_only) {
    AIMETER_ONLY();
    start();
    const auto forwarded = [&](const std::string& request) {
        EXPECT_EQ(ask(request).status(), 200) << request;
        return upstream.requests().back().all("max-forwards");
    };
    EXPECT_THAT(forwarded("OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 5\r\n\r\n"), ElementsAre("4"));
    EXPECT_THAT(forwarded("OPTIONS * HTTP/1.1\r\nHost: a\r\nmax-forwards: 1\r\n\r\n"), ElementsAre("0"));
    EXPECT_THAT(forwarded("GET / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n"), ElementsAre("0"));
    const auto so_far = upstream.requests().size();
    const auto answer = ask("OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n");
    EXPECT_EQ(answer.status(), 200) << "the recipient of hop 0 answers itself (RFC 9110, 7.6.2)";
    EXPECT_TRUE(answer.field("allow"));
    EXPECT_EQ(upstream.requests().size(), so_far);
}

TEST_F(proxy_heads, http_1_0_needs_no_host_and_gets_one) {
    AIMETER_ONLY();
    start();
    EXPECT_EQ(ask("GET /old HTTP/1.0\r\n\r\n").status(), 200);
    EXPECT_EQ(first_request().start_line, "GET /old HTTP/1.1");
    EXPECT_THAT(first_request().all("host"), ElementsAre("127.0.0.1:" + std::to_string(upstream.port())));
    EXPECT_EQ(ask("GET http://b/old HTTP/1.0\r\n\r\n").status(), 200);
    EXPECT_THAT(upstream.requests().back().all("host"), ElementsAre("b"));
}

}  // namespace
}  // namespace tests
