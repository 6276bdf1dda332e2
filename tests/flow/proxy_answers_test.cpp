// Transparency of answers, and every way in which an answer can say where it ends.
#include <gmock/gmock.h>

#include "tests/support/passed_fields.hpp"
#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

using ::testing::ElementsAre;

class proxy_answers : public proxy_test {};

TEST_F(proxy_answers, response_head_arrives_with_its_order_case_and_duplicates) {
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

TEST_F(proxy_answers, head_204_and_304_have_no_body_and_keep_the_connection) {
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

TEST_F(proxy_answers, head_answered_with_chunked_framing_has_no_body) {
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

TEST_F(proxy_answers, close_delimited_answer_is_whole) {
    upstream.next({wait_head(), send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"), send("until "),
                   send("the end"), close_now()});
    start();
    const auto answer = ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(answer.body, "until the end");
    EXPECT_TRUE(answer.complete);
}

TEST_F(proxy_answers, http_1_0_upstream_is_understood) {
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

TEST_F(proxy_answers, http_1_0_client_gets_no_chunks_and_a_close) {
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
