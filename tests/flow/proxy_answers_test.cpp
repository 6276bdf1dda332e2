// Transparency of answers, and every way in which an answer can say where it ends.
#include <gmock/gmock.h>

#include <cmath>
#include <cstdio>
#include <ctime>

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

// ---- byte for byte ------------------------------------------------------------------------------------------------

TEST_F(proxy_answers, status_lines_arrive_as_sent) {
    struct row {
        std::string sent, arrives;
        bool nginx = true;
    };
    start();
    for (const auto& row :
         std::vector<row>{{"HTTP/1.1 200 OK", "HTTP/1.1 200 OK"},
                          {"HTTP/1.1 200 ", "HTTP/1.1 200 "},
                          {"HTTP/1.1 200", "HTTP/1.1 200 ", false},  // the space belongs to the grammar
                          {"HTTP/1.1 299 Fine, \"thank\" \t you", "HTTP/1.1 299 Fine, \"thank\" \t you"},
                          {"HTTP/1.1 404 caf\xc3\xa9", "HTTP/1.1 404 caf\xc3\xa9"},
                          {"HTTP/1.1 600 What", "HTTP/1.1 600 What"},
                          {"HTTP/1.1 999 Denied", "HTTP/1.1 999 Denied"},
                          {"HTTP/1.0 200 Old", "HTTP/1.1 200 Old"},
                          {"HTTP/1.9 200 New", "HTTP/1.1 200 New"}}) {
        if (proxy_is_nginx() && !row.nginx) continue;
        upstream.otherwise({wait_request(), send(row.sent + "\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")});
        const auto got = ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_EQ(got.start_line, row.arrives);
        EXPECT_EQ(got.body, "ok");
    }
}

TEST_F(proxy_answers, names_and_values_arrive_byte_for_byte) {
    AIMETER_ONLY();  // nginx moves and drops fields
    std::string obs_text;
    for (int byte = 0x80; byte <= 0xff; ++byte) obs_text.push_back(static_cast<char>(byte));
    const std::vector<std::string> fields{"X-Obs: " + obs_text,        "X-Tab: a\tb  c",
                                          "Set-Cookie: a=1",           "X-Empty: ",
                                          "set-cookie: b=2",           "Set-Cookie: a=1",
                                          "!#$%&'*+-.^_`|~09AZaz: v",  "X-Long: " + std::string(20'000, 'v'),
                                          "Location: //a/../%zz?\"<>", "WWW-Authenticate: Basic realm=\"a, b\"",
                                          "WWW-Authenticate: Bearer",  "X-AI-Model: not tracked, not stripped"};
    std::string head = "HTTP/1.1 200 OK\r\n";
    for (const auto& field : fields) head += field + "\r\n";
    upstream.next({wait_head(), send(head + "Content-Length: 0\r\n\r\n")});
    start();
    EXPECT_EQ(passed_fields(ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")), fields);
}

TEST_F(proxy_answers, an_answer_without_a_date_gets_that_of_its_arrival) {
    const std::string sent = "Mon, 23 Nov 2026 01:02:03 GMT";
    start();
    upstream.otherwise({wait_request(), send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")});
    for (const std::string method : {"GET", "HEAD"}) {
        const auto dates = ask(method + " / HTTP/1.1\r\nHost: a\r\n\r\n").all("date");
        ASSERT_EQ(dates.size(), 1U) << "RFC 9110, 6.6.1";
        std::tm parsed{};
        ASSERT_NE(::strptime(dates.front().c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parsed), nullptr) << dates.front();
        EXPECT_LE(std::abs(std::difftime(::timegm(&parsed), std::time(nullptr))), 60);
    }
    if (proxy_is_nginx()) return;  // puts its own in the place of any
    upstream.otherwise(
        {wait_request(), send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\ndate: " + sent +
                              "\r\nContent-Length: 0\r\n\r\n")});
    raw_client client = connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_FALSE(client.read().field("date")) << "of an interim answer";
    EXPECT_THAT(client.read().all("date"), ElementsAre(sent));
}

std::string every_byte(std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < 256 * times; ++i) out.push_back(static_cast<char>(i * 7));
    return out;
}

std::string in_chunks(const std::string& body, std::size_t size) {
    std::string out;
    char digits[24];
    for (std::size_t at = 0; at < body.size(); at += size) {
        const std::string piece = body.substr(at, size);
        std::snprintf(digits, sizeof digits, "%zX\r\n", piece.size());
        out += digits + piece + "\r\n";
    }
    return out + "0\r\n\r\n";
}

TEST_F(proxy_answers, bodies_of_any_bytes_pass_in_every_framing) {
    const std::string body = every_byte(300);
    const std::string length = "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    const std::vector<std::string> framed{length, "Transfer-Encoding: chunked\r\n\r\n" + in_chunks(body, body.size()),
                                          "Transfer-Encoding: chunked\r\n\r\n" + in_chunks(body, 977),
                                          "Transfer-Encoding: chunked\r\n\r\n" + in_chunks(body, 3)};
    start();
    for (const auto& sent : framed) {
        upstream.next({wait_request(), send("HTTP/1.1 200 OK\r\nConnection: close\r\n" + sent), close_now()});
        EXPECT_TRUE(ask("POST / HTTP/1.1\r\nHost: a\r\n" + sent).body == body);
        EXPECT_TRUE(upstream.requests().back().body == body);
    }
    upstream.next({wait_request(), send("HTTP/1.1 200 OK\r\n\r\n" + body), close_now()});
    EXPECT_TRUE(ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").body == body);
}

TEST_F(proxy_answers, chunk_sizes_may_be_filled_up_and_extended) {
    start();
    for (const std::string size : {"5", "0005", "00000000000000000000005", "5  ", "5 \t", "5;a", "5 ; a = \"b;\\\"c\"",
                                   "5;a=b;c;d=\"\"", "5;a=b ", "5;a  "}) {
        upstream.next(
            {wait_request(), send("HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + size +
                                  "\r\nhello\r\n000  \r\n\r\n")});
        const auto answer = ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_EQ(answer.body, "hello") << size;
        EXPECT_TRUE(answer.complete) << size;
    }
}

// ---- where an answer ends -----------------------------------------------------------------------------------------

TEST_F(proxy_answers, answers_without_a_body_take_none_of_what_follows) {
    struct row {
        std::string name, method, bytes;
        std::optional<std::string> length;
    };
    const std::vector<row> rows{
        {"HEAD, length", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n", "8"},
        {"HEAD, length and body", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned", "8"},
        {"HEAD, no framing", "HEAD", "HTTP/1.1 200 OK\r\n\r\n", std::nullopt},
        {"HEAD, no framing, body", "HEAD", "HTTP/1.1 200 OK\r\n\r\npoisoned", std::nullopt},
        {"HEAD, chunked body", "HEAD",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\npoisoned\r\n0\r\n\r\n", std::nullopt},
        {"HEAD, 304", "HEAD", "HTTP/1.1 304 Not Modified\r\nContent-Length: 8\r\n\r\n", "8"},
        {"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", std::nullopt},
        {"204, body", "GET", "HTTP/1.1 204 No Content\r\n\r\npoisoned", std::nullopt},
        {"204, chunked body", "GET",
         "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n8\r\npoisoned\r\n0\r\n\r\n", std::nullopt},
        {"304", "GET", "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n", std::nullopt},
        {"304, length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 8\r\n\r\n", "8"},
        {"304, length and body", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 8\r\n\r\npoisoned", "8"},
        {"length 0", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "0"},
        {"length 0, body", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\npoisoned", "0"},
        {"205", "POST", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", "0"},
    };
    start();
    raw_client client = connect();
    for (const auto& row : rows) {
        SCOPED_TRACE(row.name);
        upstream.otherwise({wait_request(), send(row.bytes), wait_request(), send(ok_response("again")), close_now()});
        client.send(row.method + " / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        const auto answer =
            client.read(row.method == "HEAD" ? http_reader::kind::response_to_head : http_reader::kind::response);
        EXPECT_EQ(answer.raw_head.substr(0, 12), row.bytes.substr(0, 12));
        EXPECT_EQ(answer.field("content-length"), row.length) << answer.raw_head;
        // Whatever came behind it: neither this client nor the next one gets it for an answer.
        upstream.otherwise({serve(answer_with(ok_response("fresh", "Connection: close\r\n")))});
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        const auto next = client.read();
        EXPECT_TRUE(next.body == "again" || next.body == "fresh") << next.raw_head << next.body;
        // nginx drops what it has read behind a HEAD answer, and uses the connection again.
        if (row.bytes.find("poisoned") != std::string::npos && !proxy_is_nginx()) {
            EXPECT_EQ(next.body, "fresh");
        }
    }
}

TEST_F(proxy_answers, content_length_is_not_sent_with_204) {
    AIMETER_ONLY();  // RFC 9110, 8.6; nginx passes it on
    upstream.next({wait_head(), send("HTTP/1.1 204 No Content\r\nContent-Length: 8\r\n\r\npoisoned")});
    start();
    EXPECT_FALSE(ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").field("content-length"));
    EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").body, "ok");
}

TEST_F(proxy_answers, bytes_that_come_late_are_nobodys_answer) {
    // The answer was whole when its connection was put back; what comes then makes it unusable.
    const std::string second = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned";
    start();
    for (const std::string& first : {ok_response("one"), std::string("HTTP/1.1 204 No Content\r\n\r\n"),
                                     std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")}) {
        const std::size_t index = upstream.connections();
        auto gate = make_gate();
        upstream.next({wait_request(), send(first), pause(gate), send(second)});
        upstream.otherwise({wait_request(), send(ok_response("two", "Connection: close\r\n")), close_now()});
        EXPECT_LT(ask("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").status(), 205);
        gate->set();
        EXPECT_TRUE(upstream.wait_ended(index, prompt));
        EXPECT_EQ(ask("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").body, "two");
    }
}

TEST_F(proxy_answers, framing_for_http_1_0_and_1_1_clients) {
    AIMETER_ONLY();
    struct row {
        std::string request, answer;
        bool chunked, kept;
    };
    const std::string get = "GET / HTTP/1.";
    const std::string one = "1\r\nHost: a\r\n\r\n";
    const std::string zero = "0\r\nHost: a\r\n\r\n";
    const std::string zero_kept = "0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n";
    const std::string one_close = "1\r\nHost: a\r\nConnection: close\r\n\r\n";
    const std::string length = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";
    const std::string chunks =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 4\r\n\r\n";
    const std::string till_end = "HTTP/1.1 200 OK\r\n\r\nbody";
    const std::string old = "HTTP/1.0 200 OK\r\n\r\nbody";
    start();
    for (const row& row : std::vector<row>{{get + one, length, false, true},
                                           {get + one, chunks, true, true},
                                           {get + one, till_end, true, true},
                                           {get + one, old, true, true},
                                           {get + one_close, length, false, false},
                                           {get + one_close, till_end, true, false},
                                           {get + zero, length, false, false},
                                           {get + zero, chunks, false, false},
                                           {get + zero, till_end, false, false},
                                           {get + zero_kept, length, false, true},
                                           {get + zero_kept, chunks, false, false},
                                           {get + zero_kept, till_end, false, false}}) {
        SCOPED_TRACE(row.request + row.answer);
        upstream.otherwise({wait_request(), send(row.answer), close_now()});
        raw_client client = connect();
        client.send(row.request);
        const auto answer = client.read();
        EXPECT_TRUE(answer.complete);
        EXPECT_EQ(answer.body, "body");
        EXPECT_EQ(answer.chunked, row.chunked);
        EXPECT_EQ(answer.trailers.size(), row.chunked && row.answer == chunks ? 1U : 0U);
        // Who must know: an HTTP/1.0 client that it stays, an HTTP/1.1 client that it does not (RFC 9112, 9.3).
        const bool old_client = row.request.starts_with(get + "0");
        const auto expected = !row.kept    ? std::optional<std::string>("close")
                              : old_client ? std::optional<std::string>("keep-alive")
                                           : std::nullopt;
        EXPECT_EQ(answer.field("connection"), expected) << answer.raw_head;
        if (!row.kept) {
            EXPECT_TRUE(client.ends());
            EXPECT_EQ(client.ended(), ending::fin);
            continue;
        }
        upstream.otherwise({wait_request(), send(ok_response("next")), close_now()});
        client.send(row.request);
        EXPECT_EQ(client.read().body, "next");
    }
}

TEST_F(proxy_answers, head_limits_at_their_boundary) {
    AIMETER_ONLY();
    start();
    const auto sized = [](std::size_t size) {
        const std::string start = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ";
        return start + std::string(size - start.size() - 4, 'x') + "\r\n\r\n";
    };
    const auto counted = [](int fields) {
        std::string out = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
        for (int i = 1; i < fields; ++i) out += "X: y\r\n";
        return out + "\r\n";
    };
    const auto status_of = [&](const std::string& answer) {
        upstream.otherwise({wait_head(), send(answer), close_now()});
        return ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status();
    };
    EXPECT_EQ(status_of(sized(65'536)), 200);
    EXPECT_EQ(status_of(sized(65'537)), 502);
    EXPECT_EQ(status_of(counted(512)), 200);
    EXPECT_EQ(status_of(counted(513)), 502);
    upstream.otherwise({serve(answer_with(ok_response("ok")))});
    expect_still_serving();
}

TEST_F(proxy_answers, a_short_answer_loses_no_byte_that_was_sent) {
    auto gate = make_gate();
    upstream.next({wait_request(),
                   send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + std::string(200'000, 'x')), pause(gate),
                   send("0123456789"), close_now()});
    start();
    raw_client client = connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_EQ(client.read_head().status(), 200);
    gate->set();
    const std::string got = client.read_to_end();
    EXPECT_EQ(got.size(), 200'010U);
    EXPECT_TRUE(got.ends_with("x0123456789"));
    EXPECT_NE(client.ended(), ending::none);
}

}  // namespace
}  // namespace tests
