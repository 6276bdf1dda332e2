// Transparency: what the client sends is what the upstream gets, and the other way round, but for what RFC 9110/9112
// demand of an intermediary.
#include <gmock/gmock.h>

#include <set>

#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class proxy_relay : public proxy_test {};

// Fields that an intermediary writes itself; all others must pass as they came.
const std::set<std::string, std::less<>> own_fields{"host",
                                                    "content-length",
                                                    "transfer-encoding",
                                                    "connection",
                                                    "x-forwarded-for",
                                                    "x-forwarded-proto",
                                                    "x-forwarded-host",
                                                    "x-request-id",
                                                    "via",
                                                    "date",
                                                    "server"};

std::vector<std::string> passed_fields(const http_message& message) {
    std::vector<std::string> out;
    for (const auto& [name, value] : message.fields) {
        std::string lower = name;
        for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        if (!own_fields.contains(lower)) out.push_back(name + ": " + value);
    }
    return out;
}

http_message first_request(const scripted_upstream& upstream) {
    const auto all = upstream.requests();
    return all.empty() ? http_message{} : all.front();
}

// ---- heads --------------------------------------------------------------------------------------------------------

TEST_F(proxy_relay, request_head_arrives_with_its_order_case_and_duplicates) {
    AIMETER_ONLY();
    start();
    ask("PATCH /a%2Fb/../c?x=1&y=%20%zz&&z HTTP/1.1\r\nx-Zeta: 1\r\nHost: app.example:81\r\nX-alpha: a\r\nx-ZETA: 2\r\n"
        "Cookie: a=b\r\nX-Empty:\r\nx_under: _\r\nCookie: c=d\r\nX-alpha: b, c\r\nContent-Length: 2\r\n\r\nhi");
    const auto got = first_request(upstream);
    EXPECT_EQ(got.start_line, "PATCH /a%2Fb/../c?x=1&y=%20%zz&&z HTTP/1.1");
    EXPECT_THAT(got.all("host"), ElementsAre("app.example:81"));
    EXPECT_THAT(passed_fields(got), ElementsAre("x-Zeta: 1", "X-alpha: a", "x-ZETA: 2", "Cookie: a=b",
                                                "X-Empty: ", "x_under: _", "Cookie: c=d", "X-alpha: b, c"));
    EXPECT_EQ(got.body, "hi");
    EXPECT_THAT(got.all("content-length"), ElementsAre("2"));
}

TEST_F(proxy_relay, response_head_arrives_with_its_order_case_and_duplicates) {
    AIMETER_ONLY();
    upstream.next({wait_head(), send("HTTP/1.1 299 Fine, Thank You\r\nx-Zeta: 1\r\nSet-Cookie: a=1\r\nX-alpha: a\r\n"
                                     "set-cookie: b=2\r\nX-Empty:\r\nServer: app/1\r\nContent-Length: 2\r\n\r\nok")});
    start();
    const auto got = ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(got.start_line, "HTTP/1.1 299 Fine, Thank You");
    EXPECT_THAT(passed_fields(got),
                ElementsAre("x-Zeta: 1", "Set-Cookie: a=1", "X-alpha: a", "set-cookie: b=2", "X-Empty: "));
    EXPECT_THAT(got.all("server"), ElementsAre("app/1"));
    EXPECT_EQ(got.body, "ok");
    EXPECT_TRUE(got.complete);
}

TEST_F(proxy_relay, unknown_methods_and_targets_pass) {
    start();
    const std::vector<std::string> lines{"PROPFIND /dav/x", "M-SEARCH /", "DELETE /thing?q", "OPTIONS /x",
                                         "PURGE /" + std::string(3000, 'p')};
    for (const auto& line : lines) {
        EXPECT_EQ(ask(line + " HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200) << line.substr(0, 40);
        EXPECT_EQ(upstream.requests().back().start_line, line + " HTTP/1.1");
    }
}

TEST_F(proxy_relay, methods_are_any_token_and_options_of_the_server_itself_passes) {
    AIMETER_ONLY();
    start();
    EXPECT_EQ(ask("get|x /lower HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200);
    EXPECT_EQ(ask("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200);
    EXPECT_EQ(upstream.requests().front().start_line, "get|x /lower HTTP/1.1");
    EXPECT_EQ(upstream.requests().back().start_line, "OPTIONS * HTTP/1.1");
}

TEST_F(proxy_relay, absolute_form_becomes_origin_form_and_its_host_wins) {
    start();
    EXPECT_EQ(ask("GET http://real.example/p?q=1 HTTP/1.1\r\nHost: real.example\r\n\r\n").status(), 200);
    EXPECT_EQ(first_request(upstream).start_line, "GET /p?q=1 HTTP/1.1");
    EXPECT_THAT(first_request(upstream).all("host"), ElementsAre("real.example"));
}

TEST_F(proxy_relay, absolute_form_with_another_host_field_is_sent_for_the_target) {
    AIMETER_ONLY();
    start();
    const auto got = ask("GET http://real.example:81?q HTTP/1.1\r\nHost: other\r\n\r\n");
    ASSERT_EQ(got.status(), 200);
    EXPECT_EQ(first_request(upstream).start_line, "GET /?q HTTP/1.1");
    EXPECT_THAT(first_request(upstream).all("host"), ElementsAre("real.example:81"));
}

TEST_F(proxy_relay, one_empty_line_before_a_request_is_ignored) {
    start();
    EXPECT_EQ(ask("\r\nGET /after HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200);
    EXPECT_EQ(first_request(upstream).start_line, "GET /after HTTP/1.1");
}

TEST_F(proxy_relay, forwarded_fields_of_a_trusted_peer_are_kept_and_extended) {
    AIMETER_ONLY();
    start();
    ask("GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"
        "X-Forwarded-Host: outer\r\n\r\n");
    const auto got = first_request(upstream);
    EXPECT_THAT(got.all("x-forwarded-for"), ElementsAre("203.0.113.7, 127.0.0.1"));
    EXPECT_THAT(got.all("x-forwarded-proto"), ElementsAre("https"));
    EXPECT_THAT(got.all("x-forwarded-host"), ElementsAre("outer"));
}

TEST_F(proxy_relay, forwarded_fields_of_a_stranger_are_replaced) {
    AIMETER_ONLY();
    start({.config = "[forward]\ntrusted_proxies = [\"10.9.8.7/32\"]"});
    ask("GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"
        "X-Forwarded-Host: outer\r\n\r\n");
    const auto got = first_request(upstream);
    ASSERT_EQ(got.count("x-forwarded-for"), 1U);
    EXPECT_TRUE(got.field("x-forwarded-for")->ends_with("127.0.0.1"));
    EXPECT_THAT(got.all("x-forwarded-proto"), ElementsAre("http"));
    EXPECT_THAT(got.all("x-forwarded-host"), ElementsAre("inner"));
}

TEST_F(proxy_relay, forwarded_fields_are_added_when_absent) {
    AIMETER_ONLY();
    start();
    ask("GET / HTTP/1.1\r\nHost: inner:8080\r\n\r\n");
    const auto got = first_request(upstream);
    EXPECT_THAT(got.all("x-forwarded-for"), ElementsAre("127.0.0.1"));
    EXPECT_THAT(got.all("x-forwarded-proto"), ElementsAre("http"));
    EXPECT_THAT(got.all("x-forwarded-host"), ElementsAre("inner:8080"));
}

TEST_F(proxy_relay, request_id_is_kept_when_fit_and_made_when_not) {
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

TEST_F(proxy_relay, hop_by_hop_fields_stay_on_their_hop) {
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

TEST_F(proxy_relay, connection_cannot_name_away_what_the_proxy_answers_for) {
    AIMETER_ONLY();
    start();
    const auto answer =
        ask("POST / HTTP/1.1\r\nHost: a\r\nConnection: Host, Content-Length, X-Forwarded-For\r\n"
            "Content-Length: 3\r\n\r\nabc");
    if (answer.status() == 400) return;  // refusing it is as good
    const auto got = first_request(upstream);
    EXPECT_THAT(got.all("host"), ElementsAre("a"));
    EXPECT_EQ(got.body, "abc");
    EXPECT_EQ(got.count("x-forwarded-for"), 1U);
}

// ---- connections --------------------------------------------------------------------------------------------------

TEST_F(proxy_relay, many_requests_use_one_connection_on_each_side) {
    start();
    raw_client client = connect();
    for (int i = 0; i < 20; ++i) {
        client.send("POST /n HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n" + std::to_string(i % 10));
        const auto answer = client.read();
        ASSERT_EQ(answer.status(), 200) << i;
        EXPECT_EQ(answer.body, "ok");
    }
    EXPECT_EQ(upstream.connections(), 1U);
    EXPECT_EQ(upstream.requests().size(), 20U);
}

TEST_F(proxy_relay, connections_are_pooled_across_clients) {
    start();
    for (int i = 0; i < 5; ++i) EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200);
    EXPECT_EQ(upstream.connections(), 1U);
}

TEST_F(proxy_relay, pipelined_requests_are_answered_in_order) {
    upstream.otherwise(
        {serve([](const http_message& request) { return ok_response(request.target() + request.body); })});
    start();
    raw_client client = connect();
    client.send(
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        "POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n"
        "GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(client.read().body, "/1");
    EXPECT_EQ(client.read().body, "/2abc");
    EXPECT_EQ(client.read().body, "/3de");
    EXPECT_EQ(client.read().body, "/4");
    EXPECT_TRUE(client.ends());
}

TEST_F(proxy_relay, connection_close_of_the_client_is_honoured) {
    start();
    raw_client client = connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const auto answer = client.read();
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(answer.field("connection"), "close");
    EXPECT_TRUE(client.ends());
    EXPECT_EQ(client.ended(), ending::fin);
}

TEST_F(proxy_relay, connection_close_of_the_upstream_does_not_end_the_client) {
    upstream.next(
        {wait_head(), send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1"), close_now()});
    start();
    raw_client client = connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read().body, "1");
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read().body, "ok");
    EXPECT_EQ(upstream.connections(), 2U);
}

TEST_F(proxy_relay, ipv6_both_sides) {
    AIMETER_ONLY();
    std::unique_ptr<scripted_upstream> six;
    try {
        six = std::make_unique<scripted_upstream>("::1");
    } catch (const std::exception&) {
        GTEST_SKIP() << "no IPv6 here";
    }
    start({.upstream = six->url(), .listen = "[::1]:0"});
    raw_client client("::1", proxy->port());
    ASSERT_TRUE(client.connected());
    client.send("GET /six HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
    EXPECT_EQ(client.read().body, "ok");
    const auto got = first_request(*six);
    EXPECT_THAT(got.all("host"), ElementsAre("[::1]:80"));
    EXPECT_THAT(got.all("x-forwarded-for"), ElementsAre("::1"));
}

// ---- kinds of answers ---------------------------------------------------------------------------------------------

TEST_F(proxy_relay, head_204_and_304_have_no_body_and_keep_the_connection) {
    upstream.otherwise({serve([](const http_message& request) -> std::string {
        if (request.target() == "/204") return "HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n";
        if (request.target() == "/304") return "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\nContent-Length: 77\r\n\r\n";
        if (request.method() == "HEAD") return "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n";
        return ok_response("next");
    })});
    start();
    raw_client client = connect();
    client.send("HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read(http_reader::kind::response_to_head).field("content-length"), "1234");
    client.send("GET /204 HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto none = client.read();
    EXPECT_EQ(none.status(), 204);
    EXPECT_FALSE(none.field("content-length") || none.field("transfer-encoding")) << none.raw_head;
    client.send("GET /304 HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read().status(), 304);
    client.send("GET /after HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read().body, "next");
    EXPECT_EQ(upstream.connections(), 1U);
}

TEST_F(proxy_relay, head_answered_with_chunked_framing_has_no_body) {
    upstream.otherwise({serve([](const http_message& request) -> std::string {
        return request.method() == "HEAD" ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                          : ok_response("next");
    })});
    start();
    raw_client client = connect();
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read(http_reader::kind::response_to_head).status(), 200);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read().body, "next");
}

TEST_F(proxy_relay, informational_answers_are_relayed) {
    AIMETER_ONLY();
    upstream.next({wait_head(),
                   send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"),
                   send(ok_response("end"))});
    start();
    raw_client client = connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto hints = client.read();
    EXPECT_EQ(hints.status(), 103);
    EXPECT_EQ(hints.field("link"), "</a.css>");
    EXPECT_EQ(client.read().status(), 102);
    EXPECT_EQ(client.read().body, "end");
}

TEST_F(proxy_relay, informational_answers_are_kept_from_http_1_0) {
    AIMETER_ONLY();
    upstream.next({wait_head(), send("HTTP/1.1 103 Early Hints\r\n\r\n" + ok_response("end"))});
    start();
    EXPECT_EQ(ask("GET / HTTP/1.0\r\nHost: a\r\n\r\n").body, "end");
}

TEST_F(proxy_relay, expect_continue_body_follows_the_100) {
    upstream.next({wait_head(), send("HTTP/1.1 100 Continue\r\n\r\n"), wait_bytes(4), send(ok_response("thanks"))});
    start();
    raw_client client = connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    EXPECT_EQ(client.read().status(), 100);
    client.send("body");
    auto answer = client.read();
    if (answer.status() == 100) answer = client.read();  // one from the proxy and one from the upstream is allowed
    EXPECT_EQ(answer.body, "thanks");
    EXPECT_THAT(upstream.everything(), ::testing::EndsWith("\r\n\r\nbody"));
}

TEST_F(proxy_relay, expect_continue_refused_by_the_upstream_is_final) {
    AIMETER_ONLY();
    upstream.next({wait_head(), send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno")});
    start();
    raw_client client = connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    const auto answer = client.read();
    EXPECT_EQ(answer.status(), 417);
    EXPECT_EQ(answer.body, "no");
    // The body was never sent: another request on this connection must not be taken for it.
    expect_still_serving();
}

TEST_F(proxy_relay, close_delimited_answer_is_whole) {
    upstream.next({wait_head(), send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"), send("until "),
                   send("the end"), close_now()});
    start();
    const auto answer = ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(answer.body, "until the end");
    EXPECT_TRUE(answer.complete);
}

TEST_F(proxy_relay, http_1_0_upstream_is_understood) {
    upstream.next({wait_head(), send("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold"), close_now()});
    start();
    raw_client client = connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto answer = client.read();
    EXPECT_EQ(answer.body, "old");
    EXPECT_TRUE(answer.start_line.starts_with("HTTP/1.1 200")) << answer.start_line;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read().body, "ok");
}

TEST_F(proxy_relay, http_1_0_client_gets_no_chunks_and_a_close) {
    upstream.next(
        {wait_head(), send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")});
    start();
    raw_client client = connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    const auto answer = client.read();
    EXPECT_EQ(answer.status(), 200);
    EXPECT_FALSE(answer.chunked);
    EXPECT_EQ(answer.body, "abcde");
    EXPECT_TRUE(client.ends());
    EXPECT_EQ(client.ended(), ending::fin);
}

}  // namespace
}  // namespace tests
