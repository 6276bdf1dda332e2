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

// ---- which requests are upgrades ----------------------------------------------------------------------------------

TEST_F(proxy_upgrade, only_a_whole_offer_is_passed_on) {
    AIMETER_ONLY();  // nginx passes on what it is configured to
    struct row {
        std::string name, request;
        std::optional<std::string> offered;
    };
    const std::string line = "GET / HTTP/1.1\r\nHost: a\r\n";
    start();
    for (const row& row : std::vector<row>{
             {"any protocol", line + "Connection: upgrade\r\nUpgrade: custom/2, other\r\n\r\n", "custom/2, other"},
             {"not named by Connection", line + "Upgrade: websocket\r\n\r\n", std::nullopt},
             {"named, not there", line + "Connection: Upgrade\r\n\r\n", std::nullopt},
             {"h2c", line + "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", std::nullopt},
             {"h2c in a list", line + "Connection: Upgrade\r\nUpgrade: websocket, H2C\r\n\r\n", std::nullopt},
             {"h2c in a second field", line + "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n",
              "websocket"},
             {"HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
              std::nullopt}}) {
        SCOPED_TRACE(row.name);
        EXPECT_EQ(ask(row.request).status(), 200);
        EXPECT_EQ(upstream.requests().back().field("upgrade"), row.offered);
        EXPECT_EQ(upstream.requests().back().field("connection").has_value(), row.offered.has_value());
    }
}

TEST_F(proxy_upgrade, a_switch_that_was_not_offered_is_502) {
    AIMETER_ONLY();
    upstream.otherwise({wait_head(), send(websocket_answer + "evil")});
    start();
    for (const std::string fields : {"", "Upgrade: websocket\r\n", "Connection: upgrade\r\nUpgrade: h2c\r\n"}) {
        raw_client client = connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");
        expect_problem(client.read(), 502);
    }
    upstream.otherwise({wait_head(), send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\nevil")});
    expect_problem(ask(websocket_request), 502);  // RFC 9110, 15.2.2: it must say to what
    for (const std::string other : {"h2c", "web", "websocket, h2c"}) {
        upstream.otherwise({wait_head(), send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " +
                                              other + "\r\n\r\nevil")});
        expect_problem(ask(websocket_request), 502);  // RFC 9110, 7.8: it may be nothing else
    }
    upstream.otherwise(
        {wait_head(), send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n")});
    EXPECT_EQ(ask(websocket_request).status(), 101) << "names of protocols have no case";
}

TEST_F(proxy_upgrade, a_body_goes_before_the_switch) {
    const std::string request =
        "POST /exec HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 4\r\n\r\n";
    upstream.next({wait_request(), send(websocket_answer), wait_for("hello"), send("got it")});
    start();
    raw_client client = connect();
    client.send(request + "bo");
    ASSERT_TRUE(upstream.wait_received(0, "bo"));
    client.send("dyhello");
    ASSERT_EQ(client.read().status(), 101);
    EXPECT_TRUE(client.read_until("got it"));
    EXPECT_EQ(first_request().body, "body");
}

TEST_F(proxy_upgrade, a_switch_in_the_middle_of_the_body_is_502) {
    AIMETER_ONLY();  // RFC 9110, 7.8: not before the request is whole
    upstream.next({wait_for("bo"), send(websocket_answer + "evil")});
    start();
    raw_client client = connect();
    client.send(
        "POST /exec HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 4\r\n\r\nbo");
    expect_problem(client.read(), 502);
    EXPECT_TRUE(client.ends());
    EXPECT_TRUE(upstream.wait_ended(0, prompt));
    expect_still_serving();
}

TEST_F(proxy_upgrade, upgrade_required_says_to_what) {
    AIMETER_ONLY();
    upstream.otherwise(
        {serve(answer_with("HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                           "Content-Length: 0\r\n\r\n"))});
    start();
    const auto answer = ask("GET /ws HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(answer.field("upgrade"), "websocket") << "RFC 9110, 15.5.22";
    EXPECT_EQ(answer.field("connection"), "Upgrade");
    const auto last = ask("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(last.all("connection"), ::testing::UnorderedElementsAre("Upgrade", "close"));
}

// ---- tunnels ------------------------------------------------------------------------------------------------------

TEST_F(proxy_upgrade, interim_answers_may_come_before_the_switch) {
    AIMETER_ONLY();
    upstream.next({wait_head(), send("HTTP/1.1 103 Early Hints\r\n\r\n" + websocket_answer + "hi")});
    start();
    raw_client client = connect();
    client.send(websocket_request);
    EXPECT_EQ(client.read().status(), 103);
    EXPECT_EQ(client.read().status(), 101);
    EXPECT_TRUE(client.read_until("hi"));
}

TEST_F(proxy_upgrade, each_side_of_a_tunnel_may_finish_first) {
    AIMETER_ONLY();  // nginx ends both
    upstream.next({wait_head(), send(websocket_answer), wait_for("last words"), send("and mine"), half_close()});
    start();
    raw_client client = connect();
    client.send(websocket_request);
    ASSERT_EQ(client.read().status(), 101);
    client.send("last words");
    client.half_close();
    EXPECT_EQ(client.read_to_end(), "and mine");
    EXPECT_EQ(client.ended(), ending::fin);
    EXPECT_TRUE(upstream.wait_ended(0, prompt));
}

TEST_F(proxy_upgrade, a_tunnel_is_idle_only_when_both_sides_are_silent) {
    AIMETER_ONLY();
    script steps{wait_head(), send(websocket_answer)};
    std::vector<std::shared_ptr<event>> gates;
    for (int i = 0; i < 8; ++i) {
        gates.push_back(make_gate());
        steps.push_back(pause(gates.back()));
        steps.push_back(send("tick"));
    }
    upstream.next(steps);
    start({.config = "[limits]\nupstream_read_timeout = \"500ms\""});
    raw_client client = connect();
    client.send(websocket_request);
    ASSERT_EQ(client.read().status(), 101);
    for (const auto& gate : gates) {  // 1.2 s in all, in which the client says nothing
        ASSERT_TRUE(client.silent(milliseconds(150)));
        gate->set();
        ASSERT_TRUE(client.read_until("tick"));
    }
    EXPECT_TRUE(client.ends());
    EXPECT_TRUE(upstream.wait_ended(0, prompt));
}

}  // namespace
}  // namespace tests
