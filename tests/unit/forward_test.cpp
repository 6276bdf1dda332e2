// Heads as they go on: what stays is byte for byte what came, in its order; what is ours is written anew.
#include "proxy/forward.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tests {
namespace {

using proxy::field_id;

// A request as it goes upstream, without what is added about the peer.
std::string request_sent_on(const std::string& received) {
    proxy::request_head head;
    proxy::request_parser parser;
    EXPECT_EQ(parser.feed(received, head, {}), proxy::head_status::complete) << received;
    const proxy::framing_verdict verdict = proxy::check_request(head);
    EXPECT_EQ(verdict.refusal, 0) << verdict.problem;
    std::string out;
    proxy::write_request_head(out, head, verdict.body, {.peer = "192.0.2.1", .request_id = "r", .upstream_host = "u"});
    return out.substr(0, out.find("X-Forwarded-For"));
}

std::string answer_sent_on(const std::string& received) {
    proxy::response_head head;
    proxy::response_parser parser;
    EXPECT_EQ(parser.feed(received, head, {}), proxy::head_status::complete) << received;
    const proxy::framing_verdict verdict = proxy::check_response(head, false);
    EXPECT_EQ(verdict.refusal, 0) << verdict.problem;
    std::string out;
    proxy::write_response_head(out, head, {.body = verdict.body, .strip_facts = true});
    return out;
}

TEST(RequestSentOn, WhatStaysIsAsItCameAndInItsOrder) {
    const std::string start = "POST /x?a=%20b HTTP/1.1\r\n";
    const std::string lines = "hOsT: a:81\r\nX-B: 1\r\nx-a: \xff, 2\r\nX-B: 3\r\nContent-Length: 12\r\nAccept: */*\r\n";
    EXPECT_EQ(request_sent_on(start + lines + "\r\n"), start + lines);
}

TEST(RequestSentOn, WhatIsOfThisHopIsCutOutBetweenLinesThatStay) {
    EXPECT_EQ(request_sent_on("GET / HTTP/1.1\r\nX-1: a\r\nKeep-Alive: 5\r\nHost: h\r\nConnection: x-2, close\r\n"
                              "X-2: gone\r\nX-3: b\r\nX_Forwarded_For: 1\r\nX-Forwarded-Proto: ftp\r\nX-4: c\r\n\r\n"),
              "GET / HTTP/1.1\r\nX-1: a\r\nHost: h\r\nX-3: b\r\nX-4: c\r\n");
}

TEST(RequestSentOn, OurCookieStaysHereAndOthersGoOn) {
    const auto cookies_sent_on = [](const std::string& fields) {
        proxy::request_head head;
        proxy::request_parser parser;
        const std::string received = "GET /admin/x HTTP/1.1\r\nHost: h\r\n" + fields + "X-1: a\r\n\r\n";
        EXPECT_EQ(parser.feed(received, head, {}), proxy::head_status::complete) << received;
        std::string out;
        proxy::write_request_head(out, head, proxy::check_request(head).body,
                                  {.peer = "192.0.2.1", .request_id = "r", .upstream_host = "u", .own_cookie = "ours"});
        return out.substr(0, out.find("X-1: a")).substr(sizeof "GET /admin/x HTTP/1.1\r\nHost: h\r\n" - 1);
    };
    EXPECT_EQ(cookies_sent_on("Cookie: a=1; ours=2.3; b=\"4\"\r\n"), "Cookie: a=1; b=\"4\"\r\n");
    EXPECT_EQ(cookies_sent_on("cookie: ours=2;ours=3\r\n"), "");
    EXPECT_EQ(cookies_sent_on("Cookie: ours=\r\nCookie: a=ours=1\r\n"), "Cookie: a=ours=1\r\n");
    for (const std::string other :
         {"Cookie: a=1;;b=2 \r\n", "Cookie: theirs=1; ours\r\n", "Cookie: xours=1; Ours=2\r\n"})
        EXPECT_EQ(cookies_sent_on(other).substr(0, 15), other.substr(0, 15)) << "no cookie of ours: as it came";
}

TEST(RequestSentOn, OneFormOfWhiteSpaceAndLengths) {
    EXPECT_EQ(
        request_sent_on("PUT / HTTP/1.1\r\nHost:h\r\nA:\t1\r\nB:  2\r\nC: 3 \r\nD:\r\nE: \r\nF: 4\r\n"
                        "Content-Length: 007\r\nG: 5\r\n\r\n"),
        "PUT / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: \r\nE: \r\nF: 4\r\nContent-Length: 7\r\nG: 5\r\n");
    EXPECT_EQ(request_sent_on("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"),
              "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n");
    EXPECT_EQ(request_sent_on("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:  Chunked\r\nA: 1\r\n\r\n"),
              "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nA: 1\r\n");
}

TEST(AnswerSentOn, FactsForUsAndTheHopsFieldsAreCutOut) {
    EXPECT_EQ(answer_sent_on("HTTP/1.1 200 Fine\r\nA: 1\r\nX-AI-Model: m\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
                             "Keep-Alive: timeout=5\r\nContent-Length: 3\r\nX-AI-Other: stays\r\n\r\n"),
              "HTTP/1.1 200 Fine\r\nA: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 3\r\n"
              "X-AI-Other: stays\r\n\r\n");
}

TEST(FieldNames, AreKnownInAnyCaseAndNothingElseIsTakenForThem) {
    const std::vector<std::pair<std::string, field_id>> known = {
        {"te", field_id::te},
        {"Host", field_id::host},
        {"DATE", field_id::date},
        {"EXPECT", field_id::expect},
        {"Cookie", field_id::cookie},
        {"upgrade", field_id::upgrade},
        {"cOnNeCtIoN", field_id::connection},
        {"Content-Type", field_id::content_type},
        {"content-LENGTH", field_id::content_length},
        {"X-Forwarded-For", field_id::x_forwarded_for},
        {"Content-Encoding", field_id::content_encoding},
        {"Transfer-Encoding", field_id::transfer_encoding},
    };
    for (const auto& [name, id] : known) {
        EXPECT_EQ(proxy::identify_field(name), id) << name;
        for (std::size_t i = 0; i < name.size(); ++i) {
            for (const char other : {'!', '0', '~', '^', '.', 'z'}) {
                std::string near = name;
                if ((near[i] | 0x20) == other) continue;
                near[i] = other;
                EXPECT_EQ(proxy::identify_field(near), field_id::other) << near;
            }
        }
    }
    for (const char* name : {"X_Forwarded_For", "content_length", "Transfer-Encoding", "x-request_id"})
        EXPECT_NE(proxy::identify_field(name), field_id::other) << name;
    EXPECT_EQ(proxy::identify_field("Content_Type"), field_id::other);
}

TEST(FieldValues, OneControlCharacterAnywhereIsFound) {
    for (std::size_t size = 1; size < 40; ++size) {
        const std::string fine = std::string(size - 1, '\t') + "\xa0";
        EXPECT_TRUE(proxy::is_text(fine)) << size;
        for (std::size_t i = 0; i < size; ++i) {
            for (const char bad : {'\0', '\x01', '\r', '\n', '\x1f', '\x7f'}) {
                std::string text = fine;
                text[i] = bad;
                EXPECT_FALSE(proxy::is_text(text)) << size << " " << i << " " << static_cast<int>(bad);
            }
        }
    }
}

}  // namespace
}  // namespace tests
