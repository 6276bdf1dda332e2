// Upgrades: tunnels both ways, and what is no upgrade.
#include <gmock/gmock.h>

#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

class proxy_upgrade : public proxy_test {};

const std::string websocket_request =
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
    "13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const std::string websocket_answer =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

TEST_F(proxy_upgrade, websocket_is_tunnelled_both_ways) {
    upstream.next({wait_head(), send(websocket_answer + "from upstream at once"), wait_for("\x01\x02 from client"),
                   send("second"), wait_for("bye"), close_now()});
    start();
    raw_client client = connect();
    client.send(websocket_request);
    const auto answer = client.read();
    ASSERT_EQ(answer.status(), 101);
    EXPECT_EQ(answer.field("upgrade"), "websocket");
    EXPECT_TRUE(equals_ignoring_case(answer.field("connection").value_or(""), "upgrade"));
    EXPECT_TRUE(client.read_until("from upstream at once"));
    const auto got = parse_message(upstream.connection(0).received, http_reader::kind::request);
    EXPECT_EQ(got.field("upgrade"), "websocket");
    EXPECT_TRUE(equals_ignoring_case(got.field("connection").value_or(""), "upgrade")) << got.raw_head;
    client.send("\x01\x02 from client");
    EXPECT_TRUE(client.read_until("second"));
    client.send("bye");
    EXPECT_TRUE(client.ends());
}

TEST_F(proxy_upgrade, a_tunnel_ends_at_the_upstream_when_the_client_leaves) {
    upstream.otherwise({wait_head(), send(websocket_answer)});
    start();
    for (const bool with_reset : {false, true}) {
        const std::size_t index = upstream.connections();
        raw_client client = connect();
        client.send(websocket_request);
        ASSERT_EQ(client.read().status(), 101);
        with_reset ? client.reset() : client.close();
        EXPECT_TRUE(upstream.wait_ended(index, prompt)) << (with_reset ? "RST" : "FIN");
    }
}

TEST_F(proxy_upgrade, bytes_sent_right_behind_the_upgrade_reach_the_upstream) {
    upstream.next({wait_head(), send(websocket_answer), wait_for("hasty"), send("got it")});
    start();
    raw_client client = connect();
    client.send(websocket_request + "hasty");
    ASSERT_EQ(client.read().status(), 101);
    EXPECT_TRUE(client.read_until("got it"));
}

TEST_F(proxy_upgrade, a_refused_upgrade_is_an_ordinary_answer) {
    start();
    raw_client client = connect();
    client.send(websocket_request);
    EXPECT_EQ(client.read().body, "ok");
    client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read().body, "ok");
}

TEST_F(proxy_upgrade, h2c_is_not_offered_to_the_upstream) {
    start();
    const auto answer =
        ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n");
    EXPECT_EQ(answer.status(), 200);
    if (proxy_is_nginx()) return;  // hands it through
    EXPECT_FALSE(first_request().field("upgrade"));
    EXPECT_FALSE(first_request().field("http2-settings"));
}

}  // namespace
}  // namespace tests
