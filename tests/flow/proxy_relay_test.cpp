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

}  // namespace
}  // namespace tests
