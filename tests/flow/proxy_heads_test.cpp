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
    EXPECT_THAT(got.all("x-forwarded-proto"), ElementsAre("http"));
    EXPECT_THAT(got.all("x-forwarded-host"), ElementsAre("inner"));
}

TEST_F(proxy_heads, forwarded_fields_are_added_when_absent) {
    AIMETER_ONLY();
    start();
    ask("GET / HTTP/1.1\r\nHost: inner:8080\r\n\r\n");
    const auto got = first_request();
    EXPECT_THAT(got.all("x-forwarded-for"), ElementsAre("127.0.0.1"));
    EXPECT_THAT(got.all("x-forwarded-proto"), ElementsAre("http"));
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

TEST_F(proxy_heads, connection_cannot_name_away_what_the_proxy_answers_for) {
    AIMETER_ONLY();
    start();
    const auto answer =
        ask("POST / HTTP/1.1\r\nHost: a\r\nConnection: Host, Content-Length, X-Forwarded-For\r\n"
            "Content-Length: 3\r\n\r\nabc");
    if (answer.status() == 400) return;  // refusing it is as good
    const auto got = first_request();
    EXPECT_THAT(got.all("host"), ElementsAre("a"));
    EXPECT_EQ(got.body, "abc");
    EXPECT_EQ(got.count("x-forwarded-for"), 1U);
}

}  // namespace
}  // namespace tests
