// What comes before the final answer, or before the request is whole: 1xx answers, Expect: 100-continue, early answers.
#include <gmock/gmock.h>

#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

class proxy_interim : public proxy_test {};

TEST_F(proxy_interim, informational_answers_are_relayed) {
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

TEST_F(proxy_interim, informational_answers_are_kept_from_http_1_0) {
    AIMETER_ONLY();
    upstream.next({wait_head(), send("HTTP/1.1 103 Early Hints\r\n\r\n" + ok_response("end"))});
    start();
    EXPECT_EQ(ask("GET / HTTP/1.0\r\nHost: a\r\n\r\n").body, "end");
}

TEST_F(proxy_interim, expect_continue_body_follows_the_100) {
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

TEST_F(proxy_interim, expect_continue_refused_by_the_upstream_is_final) {
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

TEST_F(proxy_interim, early_answer_arrives_while_the_body_is_still_being_sent) {
    upstream.next({wait_head(), send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")});
    start();
    raw_client client = connect();
    client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nfirst bytes");
    const auto answer = client.read();
    EXPECT_EQ(answer.status(), 401);
    EXPECT_EQ(answer.body, "no");
    // The rest of the body is never taken for a request.
    client.send(std::string(989 - 40, 'x') + "GET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n1234");
    expect_still_serving();
    for (const auto& request : upstream.requests()) EXPECT_NE(request.target(), "/smuggled");
}

}  // namespace
}  // namespace tests
