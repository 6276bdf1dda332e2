// Bodies and streams: they flow as they arrive, both ways at once, whole, with back-pressure and in bounded
// memory.
#include <gmock/gmock.h>

#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class proxy_stream : public proxy_test {};

// ---- bodies -------------------------------------------------------------------------------------------------------

TEST_F(proxy_stream, chunked_bodies_and_trailers_pass_both_ways) {
    AIMETER_ONLY();
    upstream.next(
        {wait_request(), send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                              "5;ext=\"a;b\"\r\nhello\r\n000006\r\n world\r\n0\r\nX-Sum: 11\r\nX-sum: 12\r\n\r\n")});
    start();
    const auto answer =
        ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nTrailer: X-Check\r\n\r\n"
            "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nX-Check: yes\r\nx-check: no\r\n\r\n");
    EXPECT_TRUE(answer.complete);
    EXPECT_TRUE(answer.chunked);
    EXPECT_EQ(answer.body, "hello world");
    EXPECT_EQ(answer.trailers, (field_list{{"X-Sum", "11"}, {"X-sum", "12"}}));
    const auto got = first_request();
    EXPECT_EQ(got.body, "abc0123456789");
    EXPECT_EQ(got.trailers, (field_list{{"X-Check", "yes"}, {"x-check", "no"}}));
    EXPECT_THAT(got.all("transfer-encoding"), ElementsAre("chunked"));
    EXPECT_THAT(upstream.everything(), Not(HasSubstr("x=y"))) << "chunk extensions belong to one hop";
}

TEST_F(proxy_stream, trailers_cannot_steer_routing_or_identity) {
    AIMETER_ONLY();
    start();
    ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nHost: evil\r\nContent-Length: "
        "9\r\n"
        "Authorization: evil\r\nX-Fine: 1\r\n\r\n");
    const auto got = first_request();
    EXPECT_THAT(got.all("host"), ElementsAre("a"));
    EXPECT_FALSE(got.field("authorization"));
    for (const auto& [name, value] : got.trailers) {
        EXPECT_FALSE(equals_ignoring_case(name, "host") || equals_ignoring_case(name, "content-length")) << name;
    }
    expect_still_serving();
}

std::string pattern(std::size_t size) {
    std::string out(size, '\0');
    std::uint32_t state = 1;
    for (char& c : out) c = static_cast<char>((state = state * 1664525U + 1013904223U) >> 24U);
    return out;
}

constexpr std::size_t large = 50'000'000;
constexpr long growth_kib = 8 * 1024;

TEST_F(proxy_stream, large_request_body_in_bounded_memory) {
    upstream.otherwise({serve([](const http_message& r) { return ok_response(std::to_string(r.body.size())); })});
    start();
    const long before = memory_kib(proxy->pid(), "VmHWM");
    const std::string body = pattern(large);
    raw_client client = connect();
    ASSERT_TRUE(
        client.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(large) + "\r\n\r\n" + body,
                    std::chrono::seconds(60)));
    EXPECT_EQ(client.read(http_reader::kind::response, std::chrono::seconds(60)).body, std::to_string(large));
    EXPECT_TRUE(upstream.requests().back().body == body);
    if (!built_with_sanitizer()) {
        EXPECT_LT(memory_kib(proxy->pid(), "VmHWM") - before, growth_kib);
    }
}

TEST_F(proxy_stream, large_response_body_in_bounded_memory) {
    const std::string body = pattern(large);
    std::string chunks;
    for (std::size_t at = 0; at < body.size(); at += 100'000) {
        chunks += "186a0\r\n" + body.substr(at, 100'000) + "\r\n";
    }
    upstream.next({wait_head(), send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + "0\r\n\r\n")});
    start();
    const long before = memory_kib(proxy->pid(), "VmHWM");
    raw_client client = connect();
    client.send("GET /down HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto answer = client.read(http_reader::kind::response, std::chrono::seconds(60));
    EXPECT_TRUE(answer.complete);
    EXPECT_TRUE(answer.body == body);
    if (!built_with_sanitizer()) {
        EXPECT_LT(memory_kib(proxy->pid(), "VmHWM") - before, growth_kib);
    }
}

TEST_F(proxy_stream, an_upstream_that_does_not_read_holds_the_client_back) {
    upstream.next({wait_head(), stall()});
    start();
    const long before = memory_kib(proxy->pid(), "VmHWM");
    raw_client client = connect();
    const std::string head = "POST /stalled HTTP/1.1\r\nHost: a\r\nContent-Length: 300000000\r\n\r\n";
    ASSERT_TRUE(client.send(head));
    // Until two pairs of kernel buffers are full; a proxy that hoards would take all of it.
    EXPECT_LT(client.send_some(std::string(200'000'000, 'x'), milliseconds(300)), 150'000'000U);
    if (!built_with_sanitizer()) {
        EXPECT_LT(memory_kib(proxy->pid(), "VmHWM") - before, growth_kib);
    }
}

TEST_F(proxy_stream, a_client_that_does_not_read_holds_the_upstream_back) {
    upstream.next(
        {wait_head(), send("HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n" + std::string(200'000'000, 'x'))});
    start();
    raw_client client = connect();
    const long before = memory_kib(proxy->pid(), "VmHWM");
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read_head().status(), 200);
    expect_still_serving();  // on another connection, while this one is stuck
    if (!built_with_sanitizer()) {
        EXPECT_LT(memory_kib(proxy->pid(), "VmHWM") - before, growth_kib);
    }
}

TEST_F(proxy_stream, both_directions_flow_at_once) {
    // Each piece comes back before the next is sent: neither direction waits for the other's end.
    const int pieces = 20;
    upstream.next({wait_head(), send("HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n"), echo(200)});
    start();
    raw_client client = connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200\r\n\r\n");
    ASSERT_EQ(client.read_head().status(), 200);
    for (int i = 0; i < pieces; ++i) {
        const std::string piece = "piece " + std::to_string(1000 + i);
        client.send(piece);
        ASSERT_EQ(client.read_until(piece), piece) << i;
    }
}

// ---- streams ------------------------------------------------------------------------------------------------------

TEST_F(proxy_stream, each_event_arrives_before_the_next_is_sent) {
    std::vector<std::shared_ptr<event>> gates;
    script steps{wait_request(),
                 send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")};
    for (int i = 0; i < 5; ++i) {
        gates.push_back(make_gate());
        steps.push_back(send("9\r\ndata: " + std::to_string(i) + "\n\n\r\n"));
        steps.push_back(pause(gates.back()));
    }
    steps.push_back(send("0\r\n\r\n"));
    upstream.next(steps);
    start();
    raw_client client = connect();
    client.send("POST /api/ai/stream HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}");
    ASSERT_EQ(client.read_head().status(), 200);
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(client.read_until("data: " + std::to_string(i) + "\n\n")) << i;
        gates[static_cast<std::size_t>(i)]->set();
    }
    EXPECT_TRUE(client.read_until("0\r\n\r\n"));
}

TEST_F(proxy_stream, a_request_that_comes_during_a_stream_is_answered_behind_it) {
    const auto gate = make_gate();
    upstream.next({wait_request(),
                   send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "9\r\ndata: 0\n\n\r\n"),
                   pause(gate), send("9\r\ndata: 1\n\n\r\n0\r\n\r\n"), serve(answer_with(ok_response("next")))});
    start();
    raw_client client = connect();
    client.send("POST /api/ai/stream HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}GET /ahead HTTP/1.1\r\nHo");
    ASSERT_EQ(client.read_head().status(), 200);
    ASSERT_TRUE(client.read_until("data: 0\n\n"));
    client.send("st: a\r\n\r\nPOST /behind HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
    gate->set();
    ASSERT_TRUE(client.read_until("data: 1\n\n"));
    ASSERT_TRUE(client.read_until("0\r\n\r\n"));
    EXPECT_EQ(client.read().status(), 200);
    EXPECT_EQ(client.read().status(), 200);
    const auto seen = upstream.requests();
    ASSERT_EQ(seen.size(), 3U);
    EXPECT_EQ(seen[1].start_line, "GET /ahead HTTP/1.1");
    EXPECT_EQ(seen[2].start_line, "POST /behind HTTP/1.1");
    EXPECT_EQ(seen[2].body, "body");
}

TEST_F(proxy_stream, a_response_head_is_not_held_back_until_the_body) {
    auto gate = make_gate();
    upstream.next({wait_head(), send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"), pause(gate), send("body")});
    start();
    raw_client client = connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read_head().status(), 200);
    gate->set();
    EXPECT_TRUE(client.read_until("body"));
}

}  // namespace
}  // namespace tests
