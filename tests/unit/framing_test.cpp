// The parser of heads, the framing checks and the bodies: what is refused, what passes, and that it does not matter
// how the bytes are cut. Expectations are those of RFC 9110 and RFC 9112.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proxy/body.hpp"
#include "proxy/framing.hpp"
#include "proxy/head.hpp"

namespace {

using namespace std::string_literals;
using proxy::body_kind;
using proxy::head_status;

struct verdict {
    head_status parsed;
    int refusal;  // of the framing check; 0 = may be forwarded
    bool operator==(const verdict&) const = default;
};

// Feeds `bytes` in two pieces, the first `cut` bytes long; the buffer does not move in between.
verdict judge_request(const std::string& bytes, std::size_t cut) {
    proxy::request_parser parser;
    proxy::request_head head;
    const proxy::head_limits limits{1024, 16};
    head_status status = parser.feed(std::string_view(bytes).substr(0, cut), head, limits);
    if (status == head_status::incomplete) status = parser.feed(bytes, head, limits);
    return {status, status == head_status::complete ? proxy::check_request(head).refusal : -1};
}

// The verdict, which must be the same however the head is cut.
verdict judge_request(const std::string& bytes) {
    const verdict whole = judge_request(bytes, bytes.size());
    for (std::size_t cut = 0; cut < bytes.size(); ++cut)
        EXPECT_EQ(judge_request(bytes, cut), whole) << "cut at " << cut;
    return whole;
}

std::string request(const std::string& fields, const std::string& line = "POST /api/ai/x HTTP/1.1") {
    return line + "\r\nHost: app.example\r\n" + fields + "\r\n";
}

TEST(RequestHead, OrdinaryRequestsPass) {
    const verdict fine{head_status::complete, 0};
    EXPECT_EQ(judge_request(request("")), fine);
    EXPECT_EQ(judge_request(request("Content-Length: 0\r\n")), fine);
    EXPECT_EQ(judge_request(request("Transfer-Encoding: chunked\r\n")), fine);
    EXPECT_EQ(judge_request(request("Transfer-Encoding: Chunked\r\n")), fine);
    EXPECT_EQ(judge_request(request("X-Empty:\r\nX-Utf8: caf\xc3\xa9\r\nX-Tab:\ta\tb\r\n")), fine);
    EXPECT_EQ(judge_request(request("", "GET /a/../b%2f?q={}|\\ HTTP/1.1")), fine);
    EXPECT_EQ(judge_request(request("", "GET http://other.example:81/x HTTP/1.1")), fine);
    EXPECT_EQ(judge_request(request("", "OPTIONS * HTTP/1.1")), fine);
    EXPECT_EQ(judge_request("\r\n" + request("")), fine);
    EXPECT_EQ(judge_request("GET / HTTP/1.0\r\n\r\n"), fine);
    EXPECT_EQ(judge_request("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"), fine);
}

TEST(RequestHead, MalformedHeadsAreRefusedByTheParser) {
    const std::vector<std::string> malformed = {
        "GET / HTTP/1.1\nHost: a\n\n",                   // bare LF
        "GET / HTTP/1.1\r\nHost: a\n\r\n",               // bare LF behind a field
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",  // bare CR
        "GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n",    // white space before the colon
        "GET / HTTP/1.1\r\nHost: a\r\n X: a\r\n\r\n",    // obs-fold
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"s,  // NUL
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\x7f\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n",  // no name
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX\x80: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",  // two spaces
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET / http/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.10\r\nHost: a\r\n\r\n",
        "GET /\r\n\r\n",                         // HTTP/0.9
        "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",  // fragment
        "GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",  // too many empty lines
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s,  // a TLS ClientHello
    };
    for (const std::string& bytes : malformed) EXPECT_EQ(judge_request(bytes).parsed, head_status::malformed) << bytes;
    EXPECT_EQ(judge_request("GET / HTTP/2.0\r\n\r\n").parsed, head_status::version_unsupported);
}

TEST(RequestHead, LimitsHoldAtTheBoundary) {
    const std::string shell = request("X: \r\n");
    const std::string fits = request("X: " + std::string(1024 - shell.size(), 'a') + "\r\n");
    ASSERT_EQ(fits.size(), 1024U);
    EXPECT_EQ(judge_request(fits).parsed, head_status::complete);
    EXPECT_EQ(judge_request(request("X: " + std::string(1025 - shell.size(), 'a') + "\r\n")).parsed,
              head_status::too_large);
    EXPECT_EQ(judge_request(request("X: " + std::string(2000, 'a') + "\r\n")).parsed, head_status::too_large);
    EXPECT_EQ(judge_request(request("", "GET /" + std::string(2000, 'a') + " HTTP/1.1")).parsed,
              head_status::target_too_long);
    std::string many;
    for (int i = 0; i < 16; ++i) many += "X: a\r\n";
    EXPECT_EQ(judge_request(request(many)).parsed, head_status::too_large);
}

TEST(RequestFraming, WhateverCouldBeReadInTwoWaysIsRefused) {
    const std::vector<std::string> refused = {
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: chun ked\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5a\r\n",
        "Content-Length:\r\n",
        "Content-Length: 9223372036854775808\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Host: app.example\r\n",
    };
    for (const std::string& fields : refused) EXPECT_EQ(judge_request(request(fields)).refusal, 400) << fields;
    EXPECT_EQ(judge_request(request("Transfer-Encoding: gzip, chunked\r\n")).refusal, 501);
    EXPECT_EQ(judge_request(request("Transfer-Encoding: xchunked\r\n")).refusal, 501);
    EXPECT_EQ(judge_request("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").refusal, 400);
}

TEST(RequestFraming, HostAndTargetAreChecked) {
    EXPECT_EQ(judge_request("GET / HTTP/1.1\r\n\r\n").refusal, 400);
    for (const char* host : {"", "a b", "a/b", "u@h", "a:80:80", "a:port", "[::1", "[]", ":80", "a?b"})
        EXPECT_EQ(judge_request("GET / HTTP/1.1\r\nHost: "s + host + "\r\n\r\n").refusal, 400) << host;
    for (const char* line : {"GET held HTTP/1.1", "GET evil:80 HTTP/1.1", "GET * HTTP/1.1", "GET http:// HTTP/1.1",
                             "GET http://u@h/ HTTP/1.1", "GET ftp://h/ HTTP/1.1"})
        EXPECT_EQ(judge_request(request("", line)).refusal, 400) << line;
    EXPECT_EQ(judge_request(request("", "CONNECT evil:80 HTTP/1.1")).refusal, 405);
    EXPECT_EQ(judge_request(request("", "TRACE / HTTP/1.1")).refusal, 405);
}

proxy::framing_verdict judge_response(const std::string& bytes, bool to_head = false) {
    proxy::response_parser parser;
    proxy::response_head head;
    if (parser.feed(bytes, head, {}) != head_status::complete) return {{}, 502, parser.problem()};
    return proxy::check_response(head, to_head);
}

TEST(ResponseFraming, FollowsTheStatusAndTheFields) {
    EXPECT_EQ(judge_response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").body.length, 5U);
    EXPECT_EQ(judge_response("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n").body.kind, body_kind::chunked);
    EXPECT_EQ(judge_response("HTTP/1.0 200 OK\r\n\r\n").body.kind, body_kind::until_close);
    EXPECT_EQ(judge_response("HTTP/1.1 204 No Content\r\n\r\n").body.kind, body_kind::none);
    EXPECT_EQ(judge_response("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n").body.kind, body_kind::none);
    EXPECT_EQ(judge_response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true).body.kind, body_kind::none);
    for (const char* fields :
         {"Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
          "Transfer-Encoding: gzip\r\n", "Content-Length: -1\r\n"})
        EXPECT_EQ(judge_response("HTTP/1.1 200 OK\r\n"s + fields + "\r\n").refusal, 502) << fields;
    for (const char* line :
         {"HTTP/1.1 099 X", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/2 200 OK", "ICY 200 OK", "HTTP/1.1  200 OK"})
        EXPECT_EQ(judge_response(line + "\r\n\r\n"s).refusal, 502) << line;
}

struct body_result {
    std::string payload, trailers, problem;
    std::size_t consumed = 0;
    bool done = false;
    bool operator==(const body_result&) const = default;
};

// Takes a chunked body apart in pieces of at most `most` bytes.
body_result take_chunked(const std::string& bytes, std::size_t most) {
    proxy::body_reader reader;
    reader.begin({body_kind::chunked, 0}, 256, proxy::body_of::request);
    body_result result;
    std::string copy = bytes;
    while (result.consumed < copy.size() && !reader.done() && !reader.failed()) {
        const std::size_t n = std::min(most, copy.size() - result.consumed);
        const auto step = reader.take({copy.data() + result.consumed, n});
        result.payload += step.payload;
        result.consumed += step.consumed;
    }
    result.trailers = reader.trailers();
    result.problem = reader.problem();
    result.done = reader.done();
    return result;
}

body_result take_chunked(const std::string& bytes) {
    const body_result whole = take_chunked(bytes, bytes.size());
    for (std::size_t most = 1; most < bytes.size(); ++most)
        EXPECT_EQ(take_chunked(bytes, most), whole) << "pieces of " << most;
    return whole;
}

TEST(ChunkedBody, PayloadAndTrailersAreTakenApart) {
    const std::string body = "5\r\nhello\r\n00A;name=\"a;\\\"b\"\r\n wonderful\r\n0\r\nX-Sum: 1\r\nHost: evil\r\n\r\n";
    const auto got = take_chunked(body + "GET /");
    EXPECT_EQ(got.payload, "hello wonderful");
    EXPECT_EQ(got.trailers, "X-Sum: 1\r\n");  // a trailer must not become a Host
    EXPECT_TRUE(got.done);
    EXPECT_EQ(got.consumed, body.size());  // the next request is not touched
}

TEST(ChunkedBody, BadFramingIsRefused) {
    for (const char* bytes : {"5\nhello\r\n",
                              "5\r\nhello!\r\n",
                              "5\r\nhello\n0\r\n\r\n",
                              "g\r\n",
                              "-5\r\n",
                              "0x5\r\n",
                              "\r\n",
                              "5 \r\nhello\r\n",
                              "5 x\r\nhello\r\n",
                              "10000000000000000\r\n",
                              "FFFFFFFFFFFFFFFF\r\n",
                              "5;a\nb\r\nhello\r\n",
                              "5;a=\"\r\nhello\r\n",
                              "5;\r\n",
                              "5;;a\r\n",
                              "5;a b\r\n",
                              "5;a=\r\n",
                              "5;a=b c\r\n",
                              "5;a=\"b\"c\r\n",
                              "5;a[=b\r\n",
                              "5;a \r\n",
                              "5;a=\"\\\x01\"\r\n",
                              "5\t\r\n",
                              "10000000000000\r\n",
                              "5\rx\r\nhello",
                              "0\r\nX : a\r\n\r\n",
                              "0\r\n X: a\r\n\r\n",
                              "0\r\nX: a\n\r\n"})
        EXPECT_NE(take_chunked(bytes).problem, "") << bytes;
    EXPECT_NE(take_chunked("5;" + std::string(300, 'a') + "\r\nhello\r\n0\r\n\r\n").problem, "");
    EXPECT_NE(take_chunked("0\r\nX: " + std::string(300, 'a') + "\r\n\r\n").problem, "");
}

TEST(ChunkedBody, SizesHaveAnyNumberOfZerosAndExtensionsAnyBlanksBetweenTheirParts) {
    for (const char* line :
         {"5", "005", "000000000000000000000005", "5;a", "5;a;b=c", "5 \t; a = b\t;c= \"d;\\\"\xff\"", "5;a=\"\""}) {
        const auto got = take_chunked(std::string(line) + "\r\nhello\r\n00000000000000000\r\n\r\n");
        EXPECT_EQ(got.problem, "") << line;
        EXPECT_EQ(got.payload, "hello") << line;
        EXPECT_TRUE(got.done) << line;
    }
    EXPECT_NE(take_chunked(std::string(300, '0') + "5\r\nhello\r\n").problem, "") << "but a line has a limit";
}

TEST(ChunkedBody, AnAnswerMayFillUpItsSizeLines) {
    for (const std::string line : {"5  ", "5\t", "5;a ", "5;a=b \t", "5;a=\"b\" "}) {
        std::string bytes = line + "\r\nhello\r\n0 \r\n\r\n";
        proxy::body_reader reader;
        reader.begin({body_kind::chunked, 0}, 256, proxy::body_of::answer);
        EXPECT_EQ(reader.take({bytes.data(), bytes.size()}).payload, "hello") << line;
        EXPECT_TRUE(reader.done()) << line << reader.problem();
    }
    std::string bytes = "5 x\r\nhello";
    proxy::body_reader reader;
    reader.begin({body_kind::chunked, 0}, 256, proxy::body_of::answer);
    reader.take({bytes.data(), bytes.size()});
    EXPECT_TRUE(reader.failed());
}

TEST(SizedBody, EndsAtItsLengthAndLeavesTheRest) {
    proxy::body_reader reader;
    reader.begin({body_kind::length, 3}, 256, proxy::body_of::request);
    std::string bytes = "abcdef";
    const auto step = reader.take({bytes.data(), bytes.size()});
    EXPECT_EQ(step.payload, "abc");
    EXPECT_EQ(step.consumed, 3U);
    EXPECT_TRUE(reader.done());
}

TEST(SizedBody, EndOfStreamCompletesOnlyAnUnframedBody) {
    proxy::body_reader reader;
    reader.begin({body_kind::length, 3}, 256, proxy::body_of::request);
    EXPECT_FALSE(reader.end_of_stream());
    reader.begin({body_kind::chunked, 0}, 256, proxy::body_of::request);
    EXPECT_FALSE(reader.end_of_stream());
    reader.begin({body_kind::until_close, 0}, 256, proxy::body_of::request);
    EXPECT_TRUE(reader.end_of_stream());
}

std::string joined(std::span<const iovec> pieces) {
    std::string all;
    for (const iovec& piece : pieces) all.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    return all;
}

TEST(FramedPiece, ChunkedHasItsSizeInHexadecimal) {
    proxy::body_reader open;
    open.begin({body_kind::chunked, 0}, 256, proxy::body_of::request);
    const std::string text(0x1a2b, 'x');
    EXPECT_EQ(joined(proxy::framed_piece({}, "a", body_kind::chunked, open).pieces()), "1\r\na\r\n");
    EXPECT_EQ(joined(proxy::framed_piece("HEAD", text, body_kind::chunked, open).pieces()),
              "HEAD1a2b\r\n" + text + "\r\n");
    EXPECT_EQ(joined(proxy::framed_piece({}, {}, body_kind::chunked, open).pieces()), "");
}

TEST(FramedPiece, TheEndOfAChunkedBodyCarriesItsTrailers) {
    proxy::body_reader done;
    std::string wire = "0\r\nX-Sum: 7\r\n\r\n";
    done.begin({body_kind::chunked, 0}, 256, proxy::body_of::request);
    done.take(wire);
    ASSERT_TRUE(done.done());
    EXPECT_EQ(joined(proxy::framed_piece({}, {}, body_kind::chunked, done).pieces()), wire);
    EXPECT_EQ(joined(proxy::framed_piece({}, "ab", body_kind::chunked, done).pieces()),
              "2\r\nab\r\n0\r\nX-Sum: 7\r\n\r\n");
    EXPECT_EQ(joined(proxy::framed_piece("HEAD", "ab", body_kind::length, done).pieces()), "HEADab");
}

TEST(FramedPiece, AHeadThatFitsInFrontOfItsBodyGoesWithItInOnePiece) {
    const std::string head = "HTTP/1.1 200 OK\r\n\r\n";
    proxy::body_reader open;
    open.begin({body_kind::length, 4}, 100, proxy::body_of::answer);
    for (const std::size_t spare : {std::size_t{0}, head.size() - 1, head.size(), head.size() + 9}) {
        std::string block(spare, '.');
        block += "body and more";
        proxy::framed_piece out(head, std::string_view(block).substr(spare, 4), body_kind::length, open, spare);
        EXPECT_EQ(out.pieces().size(), spare < head.size() ? 2U : 1U) << spare;
        EXPECT_EQ(joined(out.pieces()), head + "body") << spare;
        EXPECT_EQ(block.substr(spare), "body and more");
        EXPECT_EQ(block.substr(0, spare - std::min(spare, head.size())),
                  std::string(spare - std::min(spare, head.size()), '.'));
    }
}

}  // namespace
