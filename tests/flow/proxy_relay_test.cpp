// Connections: kept and shared on both sides, and requests in a row on one of them.
#include <gmock/gmock.h>

#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

using ::testing::ElementsAre;

class proxy_relay : public proxy_test {};

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
    const auto got = six->requests().front();
    EXPECT_THAT(got.all("host"), ElementsAre("[::1]:80"));
    EXPECT_THAT(got.all("x-forwarded-for"), ElementsAre("::1"));
}

TEST_F(proxy_relay, a_client_of_ipv4_is_one_whichever_listener_it_came_to) {
    AIMETER_ONLY();
    try {
        start({.config = "[forward]\ntrusted_proxies = [\"127.0.0.0/30\"]", .listen = "[::]:0"});
    } catch (const std::exception&) {
        GTEST_SKIP() << "no IPv6 here";
    }
    raw_client client("127.0.0.1", proxy->port());
    ASSERT_TRUE(client.connected());
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n\r\n");
    EXPECT_EQ(client.read().status(), 200);
    EXPECT_THAT(first_request().all("x-forwarded-for"), ElementsAre("203.0.113.7, 127.0.0.1"));
    EXPECT_THAT(first_request().all("x-forwarded-proto"), ElementsAre("https")) << "127.0.0.0/30 is trusted";
    raw_client six("::1", proxy->port());
    ASSERT_TRUE(six.connected());
    six.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n");
    EXPECT_EQ(six.read().status(), 200);
    EXPECT_THAT(upstream.requests().back().all("x-forwarded-for"), ElementsAre("::1"));
    EXPECT_THAT(upstream.requests().back().all("x-forwarded-proto"), ElementsAre("http")) << "::1 is not";
}

// ---- one request behind another -----------------------------------------------------------------------------------

const step echo_target =
    serve([](const http_message& request) { return ok_response(request.target() + " " + request.body); });

TEST_F(proxy_relay, pipelined_requests_may_be_cut_anywhere) {
    upstream.otherwise({echo_target});
    const std::string requests =
        "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\ndef\r\n0\r\nX: y\r\n\r\n"
        "\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n";
    start();
    for (std::size_t cut = 1; cut < requests.size(); ++cut) {
        raw_client client = connect();
        client.send(std::string_view(requests).substr(0, cut));
        client.silent(milliseconds(1));  // lets the proxy read the first piece alone; an answer may come already
        client.send(std::string_view(requests).substr(cut));
        ASSERT_EQ(client.read().body, "/1 abc") << "cut at " << cut;
        ASSERT_EQ(client.read().body, "/2 def") << "cut at " << cut;
        ASSERT_EQ(client.read().body, "/3 ") << "cut at " << cut;
    }
    EXPECT_EQ(upstream.requests().size(), 3 * (requests.size() - 1));
}

TEST_F(proxy_relay, a_hundred_pipelined_requests_are_answered_in_order) {
    upstream.otherwise({echo_target});
    start();
    std::string requests;
    for (int i = 0; i < 100; ++i) {
        const std::string line = (i % 3 == 0 ? "HEAD /" : "GET /") + std::to_string(i);
        requests += line + " HTTP/1.1\r\nHost: a\r\nX: " + std::string(700, 'x') + "\r\n\r\n";
    }
    raw_client client = connect();
    client.send(requests);
    for (int i = 0; i < 100; ++i) {
        const bool to_head = i % 3 == 0;
        const auto answer = client.read(to_head ? http_reader::kind::response_to_head : http_reader::kind::response);
        ASSERT_EQ(answer.status(), 200) << i;
        ASSERT_EQ(answer.body, to_head ? "" : "/" + std::to_string(i) + " ");
    }
}

TEST_F(proxy_relay, nothing_behind_a_request_to_close_is_served) {
    start();
    raw_client client = connect();
    client.send(
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: "
        "1\r\n\r\n"
        "xGET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read().body, "ok");
    EXPECT_EQ(client.read().field("connection"), "close");
    EXPECT_EQ(client.read_to_end(), "");
    for (const auto& request : upstream.requests()) EXPECT_NE(request.target(), "/3");
}

TEST_F(proxy_relay, empty_lines_between_requests_are_no_request) {
    AIMETER_ONLY();
    start({.config = "[limits]\nheader_timeout = \"200ms\"\nidle_timeout = \"400ms\""});
    raw_client client = connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx\r\n");
    EXPECT_EQ(client.read().body, "ok");
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n");
    EXPECT_EQ(client.read().body, "ok");
    // The client waits for nothing: a 408 would be taken for the answer to its next request.
    EXPECT_EQ(client.read_to_end(), "");
    EXPECT_EQ(client.ended(), ending::fin);
}

TEST_F(proxy_relay, empty_lines_behind_a_request_hold_no_drain_up) {
    AIMETER_ONLY();
    start({.drain_timeout = "20s"});
    raw_client client = connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx\r\n");
    EXPECT_EQ(client.read().body, "ok");
    proxy->process().signal(SIGTERM);
    EXPECT_TRUE(client.ends(prompt));
    EXPECT_EQ(proxy->process().wait_exit(), 0) << proxy->process().err();
    ends_well = false;
}

TEST_F(proxy_relay, empty_lines_before_a_request_are_bounded) {
    AIMETER_ONLY();
    start();
    raw_client client = connect();
    const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(get + "\r\n");
    EXPECT_EQ(client.read().status(), 200);
    client.send("\r\n" + get);
    EXPECT_EQ(client.read().status(), 200) << "two of them";
    client.send("\r\n\r\n");
    EXPECT_TRUE(client.silent(milliseconds(100)));
    client.send("\r\n" + get);
    EXPECT_EQ(client.read().status(), 400) << "three of them, however they are cut";
}

TEST_F(proxy_relay, an_error_has_its_body_whatever_was_asked_before) {
    AIMETER_ONLY();
    start({.config = "[limits]\nheader_bytes = 2048\nheader_timeout = \"300ms\""});
    const std::string much(4000, 'x');
    struct row {
        std::string before, bytes;
        int status;
        bool body;
    };
    for (const row& row : std::vector<row>{{"HEAD", "GET /" + much + " HTTP/1.1\r\nHost: a\r\n\r\n", 414, true},
                                           {"HEAD", "GET / HTTP/1.1\r\nX: " + much + "\r\n\r\n", 431, true},
                                           {"HEAD", "GET / HTTP/1.1\r\nHo", 408, true},
                                           {"HEAD", "GE", 408, true},
                                           {"HEAD", "G\x01T / HTTP/1.1\r\n\r\n", 400, true},
                                           {"HEAD", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, true},
                                           {"GET", "HEAD / HTTP/1.1\r\nX: " + much + "\r\n\r\n", 431, false},
                                           {"GET", "HEAD / HTTP/1.1\r\nX\r\n\r\n", 400, false},
                                           {"GET", "HEAD / HTTP/1.1\r\n\r\n", 400, false}}) {
        SCOPED_TRACE(row.before + " " + row.bytes.substr(0, 20));
        raw_client client = connect();
        client.send(row.before + " / HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_EQ(client.read(row.before == "HEAD" ? http_reader::kind::response_to_head : http_reader::kind::response)
                      .status(),
                  200);
        client.send(row.bytes);
        const auto answer = client.read(row.body ? http_reader::kind::response : http_reader::kind::response_to_head);
        EXPECT_EQ(answer.status(), row.status);
        EXPECT_TRUE(answer.complete) << answer.raw_head << answer.body;
        EXPECT_EQ(answer.body.empty(), !row.body);
        EXPECT_EQ(client.read_to_end(), "");
    }
    expect_still_serving();
}

TEST_F(proxy_relay, a_failure_names_its_own_request) {
    AIMETER_ONLY();
    // The request's bytes move while it is under way, and others use the memory where they were.
    auto gate = make_gate();
    upstream.next({wait_request(), pause(gate), reset_now()});
    upstream.otherwise({serve(answer_with(ok_response(std::string(20'000, 'z'))))});
    start();
    const std::string id = "an-id-that-must-not-change-" + std::string(90, 'i');
    raw_client client = connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nX-Request-Id: " + id + "\r\nX: " + std::string(25'000, 'x') +
                "\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n");
    ASSERT_TRUE(upstream.wait_received(0, "\r\n\r\n"));
    client.send("x\r\n0\r\n\r\n" + std::string("GET / HTTP/1.1\r\nX: ") + std::string(20'000, 'y'));
    ASSERT_TRUE(upstream.wait(0, [](const auto& c) { return c.requests.size() == 1; }));
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(29'000, 'z') + "\r\n\r\n").status(), 200);
    }
    gate->set();
    EXPECT_NE(client.read().body.find("urn:request:" + id), std::string::npos);
}

TEST_F(proxy_relay, a_client_that_finishes_sending_early_has_left) {
    AIMETER_ONLY();  // forward.half_close = false; nginx answers it
    auto gate = make_gate();
    upstream.next({wait_request(), pause(gate), send(ok_response("late"))});
    start();
    raw_client client = connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.half_close();
    EXPECT_EQ(client.read_to_end(), "");
    EXPECT_NE(client.ended(), ending::none);
    EXPECT_TRUE(upstream.connections() == 0 || upstream.wait_ended(0, prompt));
    gate->set();
    expect_still_serving();
}

}  // namespace
}  // namespace tests
