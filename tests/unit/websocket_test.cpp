// The WebSocket protocol as a server must speak it; bytes and codes are those of RFC 6455.
#include "admin-api/websocket.hpp"

#include <gtest/gtest.h>

#include <tuple>
#include <vector>

namespace {

using namespace std::string_literals;
using admin::websocket::accept_of;
using admin::websocket::append_frame;
using admin::websocket::close_code;
using admin::websocket::close_frame;
using admin::websocket::is_key;
using admin::websocket::opcode;
using admin::websocket::reader;
using found = reader::found;

constexpr std::size_t longest = 4096;

// A client's frame with the mask of the RFC's examples (5.7); `first` is its first byte.
std::string masked(int first, const std::string& payload, std::string length = {}) {
    const std::string mask = "\x37\xfa\x21\x3d";
    std::string out(1, static_cast<char>(first));
    if (length.empty()) length = std::string(1, static_cast<char>(payload.size()));
    length[0] = static_cast<char>(length[0] | 0x80);
    out += length + mask;
    for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ mask[i % 4]);
    return out;
}

std::string of_126(std::size_t size) { return {'\x7E', static_cast<char>(size >> 8), static_cast<char>(size & 0xFF)}; }

struct event {
    found is;
    std::string payload;
    close_code code;
    bool operator==(const event&) const = default;
};

// Everything up to the last frame, fed in pieces of this size.
std::vector<event> read_all(const std::string& bytes, std::size_t piece) {
    reader from(longest);
    std::vector<event> events;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        std::string_view part = std::string_view(bytes).substr(at, piece);
        for (;;) {
            const found is = from.next(part);
            if (is == found::nothing) break;
            const bool control = is == found::ping || is == found::pong;
            const bool last = is == found::close || is == found::failure;
            events.push_back({is, control ? from.payload() : "", last ? from.code() : close_code::none});
            if (last) return events;
        }
    }
    return events;
}

std::vector<event> read_all(const std::string& bytes) {
    const auto whole = read_all(bytes, bytes.size());
    for (const std::size_t piece : {1U, 2U, 3U, 7U}) EXPECT_EQ(read_all(bytes, piece), whole) << piece;
    return whole;
}

close_code failure_of(const std::string& bytes) {
    const auto events = read_all(bytes);
    if (events.empty() || events.back().is != found::failure) return close_code::none;
    return events.back().code;
}

TEST(WebSocket, AnswersTheKeyOfTheRfc) {
    EXPECT_EQ(accept_of("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocket, AKeyIsSixteenBytesInBase64) {
    EXPECT_TRUE(is_key("dGhlIHNhbXBsZSBub25jZQ=="));
    for (const char* const wrong : {"", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25j",
                                    "dGhlIHNhbXBsZSBub25jZWQ=", "dGhlIHNhbXBsZSBub25jZ-==", "dGhlIHNhbXBsZSBub25 ZQ=="})
        EXPECT_FALSE(is_key(wrong)) << wrong;
}

TEST(WebSocket, FramesAreThoseOfTheRfcsExamples) {
    std::string hello, empty_ping, medium, large;
    append_frame(hello, opcode::text, "Hello");
    EXPECT_EQ(hello, "\x81\x05Hello");
    append_frame(empty_ping, opcode::ping, {});
    EXPECT_EQ(empty_ping, "\x89\x00"s);
    append_frame(medium, opcode::binary, std::string(256, 'x'));
    EXPECT_EQ(medium.substr(0, 4), "\x82\x7E\x01\x00"s);
    append_frame(large, opcode::binary, std::string(65536, 'x'));
    EXPECT_EQ(large.substr(0, 10), "\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00"s);
    EXPECT_EQ(large.size(), 65546U);
    EXPECT_EQ(close_frame(close_code::going_away), "\x88\x02\x03\xE9"s);
    EXPECT_EQ(close_frame(close_code::none), "\x88\x00"s);
}

TEST(WebSocket, LengthsChangeTheirFormAtTheirBounds) {
    for (const auto& [size, header] :
         {std::pair<std::size_t, std::size_t>{125, 2}, {126, 4}, {65535, 4}, {65536, 10}}) {
        std::string frame;
        append_frame(frame, opcode::text, std::string(size, 'x'));
        EXPECT_EQ(frame.size(), size + header) << size;
    }
}

TEST(WebSocket, ReadsAClientsFramesWhereverTheyAreCut) {
    const std::string rfc_hello = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";  // 5.7, a single-frame masked text
    ASSERT_EQ(masked(0x81, "Hello"), rfc_hello);
    const auto events = read_all(rfc_hello + masked(0x89, "Hello") + masked(0x8A, "") +
                                 masked(0x88,
                                        "\x03\xE8"
                                        "bye"s));
    const std::vector<event> wanted{{found::message, "", close_code::none},
                                    {found::ping, "Hello", close_code::none},
                                    {found::pong, "", close_code::none},
                                    {found::close, "", close_code::normal}};
    EXPECT_EQ(events, wanted);
}

TEST(WebSocket, AMessageMayComeInFragmentsWithControlFramesBetween) {
    const auto events = read_all(masked(0x01, "Hel") + masked(0x89, "?") + masked(0x00, "") + masked(0x80, "lo"));
    const std::vector<event> wanted{{found::ping, "?", close_code::none}, {found::message, "", close_code::none}};
    EXPECT_EQ(events, wanted);
}

TEST(WebSocket, ACharacterMayBeCutByAFragmentButNotByTheMessage) {
    EXPECT_EQ(failure_of(masked(0x01, "\xE2\x82") + masked(0x80, "\xAC")), close_code::none);
    EXPECT_EQ(failure_of(masked(0x81, "\xE2\x82")), close_code::not_utf8);
    EXPECT_EQ(failure_of(masked(0x81, "\xED\xA0\x80")), close_code::not_utf8);   // a surrogate
    EXPECT_EQ(failure_of(masked(0x81, "\xC0\xAF")), close_code::not_utf8);       // longer than it must be
    EXPECT_EQ(failure_of(masked(0x88, "\x03\xE8\xFF"s)), close_code::not_utf8);  // in a reason, too
}

TEST(WebSocket, WhatBreaksTheProtocolIsCalledSo) {
    const std::vector<std::pair<const char*, std::string>> wrong{
        {"not masked", "\x81\x05Hello"},
        {"RSV1", masked(0xC1, "Hello")},
        {"RSV2", masked(0xA1, "Hello")},
        {"RSV3", masked(0x91, "Hello")},
        {"opcode 3", masked(0x83, "")},
        {"opcode 7", masked(0x87, "")},
        {"opcode B", masked(0x8B, "")},
        {"opcode F", masked(0x8F, "")},
        {"ping in fragments", masked(0x09, "")},
        {"ping of 126 bytes", masked(0x89, std::string(126, 'x'), of_126(126))},
        {"continuation of nothing", masked(0x80, "x")},
        {"a message within a message", masked(0x01, "x") + masked(0x81, "y")},
        {"16 bits for 125", masked(0x81, std::string(125, 'x'), of_126(125))},
        {"64 bits for 65535", masked(0x81, "", "\x7F\x00\x00\x00\x00\x00\x00\xFF\xFF"s)},
        {"64 bits, the highest set", masked(0x81, "", "\x7F\x80\x00\x00\x00\x00\x01\x00\x00"s)},
        {"close with half a code", masked(0x88, "\x03")},
    };
    for (const auto& [what, bytes] : wrong) EXPECT_EQ(failure_of(bytes), close_code::protocol_error) << what;
}

TEST(WebSocket, ACloseCodeMustBeOneThatMayBeSent) {
    const auto closing = [](unsigned code) {
        return masked(0x88, {static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)});
    };
    for (const unsigned fine : {1000U, 1001U, 1002U, 1003U, 1007U, 1011U, 3000U, 4999U})
        EXPECT_EQ(read_all(closing(fine)).back().code, static_cast<close_code>(fine)) << fine;
    for (const unsigned wrong : {0U, 999U, 1004U, 1005U, 1006U, 1015U, 2999U, 5000U, 65535U})
        EXPECT_EQ(failure_of(closing(wrong)), close_code::protocol_error) << wrong;
    EXPECT_EQ(read_all(masked(0x88, "")).back(), (event{found::close, "", close_code::none}));
}

TEST(WebSocket, ClientsSendNoDataToSpeakOf) {
    EXPECT_EQ(failure_of(masked(0x82, "x")), close_code::unsupported_data);
    EXPECT_EQ(failure_of(masked(0x81, std::string(longest, 'x'), of_126(longest))), close_code::none);
    // It is refused by its length, before it comes.
    EXPECT_EQ(failure_of(masked(0x81, "", of_126(longest + 1))), close_code::too_big);
    EXPECT_EQ(failure_of(masked(0x81, "", "\x7F\x00\x00\x00\x00\x10\x00\x00\x00"s)), close_code::too_big);
    const std::string half = masked(0x01, std::string(3000, 'x'), of_126(3000));
    EXPECT_EQ(failure_of(half + masked(0x80, "", of_126(longest + 1 - 3000))), close_code::too_big);
    // Each message has the whole room.
    EXPECT_EQ(read_all(half + masked(0x80, "") + half + masked(0x80, "")).size(), 2U);
}

}  // namespace
