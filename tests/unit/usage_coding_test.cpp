// Content codings: which are known and how they nest, that flushed parts are told as they come, and the bounds that
// keep damaged, lying and hostile bodies from doing harm.
#include <gtest/gtest.h>
#include <malloc.h>

#include <array>
#include <random>

#include "tests/unit/usage_support.hpp"
#include "tracking/usage/decoder.hpp"

namespace {

using namespace usage_test;
using nlohmann::json;
using tracking::usage::decode_limits;
using tracking::usage::decoded_sink;
using tracking::usage::decoder;

const std::string answer = R"({"usage":{"prompt_tokens":3,"completion_tokens":4}})";

answer_head head_of(std::string_view coding, std::string_view type = "application/json") {
    return {.content_type = type,
            .content_encoding = coding,
            .status = 200,
            .provider = "",
            .is_head_request = false,
            .counts = {}};
}

json facts_of(std::string_view body, const answer_head& head) { return scan(head, {body}).facts(); }

struct byte_count final : decoded_sink {
    void on_decoded(std::string_view piece) noexcept override { bytes += piece.size(); }
    std::size_t bytes = 0;
};

std::size_t decoded_size(decoder& by, std::string_view bytes) {
    byte_count to;
    by.feed(bytes, to);
    return to.bytes;
}

TEST(Decoder, KnowsTheCodingsByName) {
    decoder d;
    for (const char* known :
         {"", "identity", "gzip", "x-gzip", "GZip", "deflate", "identity, gzip", " gzip ", "br", "BR", "zstd", "Zstd",
          "gzip, br", "gzip,gzip", "identity, br, identity, zstd", "none", "None", "none, gzip"}) {
        EXPECT_TRUE(d.begin(known)) << known;
    }
    for (const char* unknown :
         {"compress", "gzipp", "brotli", "zst", "dcb", "dcz", "aws-chunked", "gzip, compress", "br, gzip, zstd"}) {
        EXPECT_FALSE(d.begin(unknown)) << unknown;
        byte_count to;
        EXPECT_FALSE(d.feed("abc", to)) << unknown;
        EXPECT_EQ(to.bytes, 0U) << unknown;
    }
}

TEST(Decoder, StopsAtItsLimits) {
    const std::string text(8U << 20U, 'x');
    for (const auto& [coding, bytes] : in_every_coding(text)) {
        for (const decode_limits& limits : {decode_limits{.bytes = 2U << 20U}, decode_limits{.ratio = 100}}) {
            decoder d(limits);
            ASSERT_TRUE(d.begin(coding));
            byte_count to;
            EXPECT_FALSE(d.feed(bytes, to)) << coding;
            EXPECT_LE(to.bytes, (2U << 20U) + 16384U) << coding;
        }
    }
}

TEST(Decoder, IsReadyAgainAfterAnything) {
    const std::string text(100'000, 'x');
    decoder d;
    for (const auto& [coding, bytes] : in_every_coding(text)) {
        for (const std::string& garbage : {std::string("garbage"), bytes.substr(0, bytes.size() / 2)}) {
            d.begin(coding);
            decoded_size(d, garbage);
            ASSERT_TRUE(d.begin(coding));
            EXPECT_EQ(decoded_size(d, bytes), text.size()) << coding;
            d.rest();
            ASSERT_TRUE(d.begin(coding));
            EXPECT_EQ(decoded_size(d, bytes), text.size()) << coding;
        }
    }
}

TEST(Decoder, TellsNothingMoreOnceItRests) {
    decoder d;
    ASSERT_TRUE(d.begin("br"));
    d.rest();
    byte_count to;
    EXPECT_FALSE(d.feed(brotlied("abc"), to));
    EXPECT_EQ(to.bytes, 0U);
}

// ---- Memory -----------------------------------------------------------------------------------------------------

// Bytes that this process got from malloc and did not give back.
std::size_t in_use() {
    const struct mallinfo2 now = mallinfo2();
    return now.uordblks + now.hblkhd;
}

std::string numbers(std::size_t bytes) {
    std::string text;
    std::mt19937 random(7);
    while (text.size() < bytes) text += std::to_string(random()) + " ";
    return text;
}

TEST(Decoder, AtRestItHoldsNoneOfTheLargeWindows) {
    const std::string text = numbers(3U << 20U);
    const std::size_t before = in_use();
    std::array<decoder, 8> many;
    for (const auto& [coding, bytes] : std::vector<coded_body>{
             {"br", brotli_parts({text}, 22)[0]}, {"zstd", zstd_parts({text}, 22)[0]}, {"gzip", deflated(text, 31)}}) {
        for (decoder& d : many) {
            ASSERT_TRUE(d.begin(coding));
            ASSERT_EQ(decoded_size(d, bytes), text.size()) << coding;
            d.rest();
        }
    }
    EXPECT_LT(in_use(), before + many.size() * 50'000);  // gzip keeps its 40 KB
}

TEST(Decoder, RefusesWindowsThatTakeTooMuchMemory) {
    // RFC 8878, 3.1.1.1.2: exponent in the upper five bits, window = 2^(10 + exponent); then a last raw block of 3
    // bytes.
    const auto frame = [](int exponent) {
        return std::string("\x28\xB5\x2F\xFD\x00", 5) + static_cast<char>(exponent << 3) +
               std::string(
                   "\x19\x00\x00"
                   "abc",
                   6);
    };
    decoder d;
    ASSERT_TRUE(d.begin("zstd"));
    EXPECT_EQ(decoded_size(d, frame(13)), 3U);  // 8 MiB: what RFC 9659 allows in HTTP
    for (const int exponent : {14, 17, 21, 31}) {
        ASSERT_TRUE(d.begin("zstd"));
        EXPECT_EQ(decoded_size(d, frame(exponent)), 0U) << exponent;
    }
    ASSERT_TRUE(d.begin("br"));
    EXPECT_EQ(decoded_size(d, brotli_parts({answer}, 26, true)[0]), 0U);
}

TEST(Decoder, ReadsBrotliOfTheLargestWindow) {
    const std::string_view text = answer;
    decoder d;
    ASSERT_TRUE(d.begin("br"));
    EXPECT_EQ(decoded_size(d, brotli_parts({text}, 24)[0]), answer.size());
    ASSERT_TRUE(d.begin("br"));
    std::size_t flushed = 0;
    for (const std::string& part : brotli_parts({text.substr(0, 9), text.substr(9)}, 24))
        flushed += decoded_size(d, part);
    EXPECT_EQ(flushed, answer.size());
    const std::string longer = numbers(12U << 20U);
    ASSERT_TRUE(d.begin("br"));
    EXPECT_EQ(decoded_size(d, brotli_parts({longer}, 24)[0]), longer.size());
}

TEST(Decoder, ALongBodyTakesItsWindowAndNoMore) {
    const std::string text = numbers(24U << 20U);
    for (const auto& [coding, bytes, window] : std::vector<std::tuple<std::string, std::string, std::size_t>>{
             {"br", brotli_parts({text}, 24)[0], 16U << 20U}, {"zstd", zstd_parts({text}, 23)[0], 8U << 20U}}) {
        const std::size_t before = in_use();
        decoder d;
        ASSERT_TRUE(d.begin(coding));
        decoded_size(d, std::string_view(bytes).substr(0, bytes.size() - bytes.size() / 8));
        EXPECT_LT(in_use(), before + window + (1U << 20U)) << coding;
    }
}

// ---- Frames, members, parts -------------------------------------------------------------------------------------

TEST(Decoder, ReadsSeveralZstdFramesAndSkipsThoseThatSayNothing) {
    const std::string skipped = std::string("\x5A\x2A\x4D\x18\x04\x00\x00\x00", 8) + "user";
    const std::string empty_skipped("\x50\x2A\x4D\x18\x00\x00\x00\x00", 8);
    const std::string body = skipped + zstandard(answer.substr(0, 20)) + empty_skipped +
                             zstd_parts({answer.substr(20)}, 18, false)[0] + skipped;
    for (const auto& pieces : {std::vector<std::string_view>{body}, byte_by_byte(body)}) {
        EXPECT_EQ(scan(head_of("zstd"), pieces).facts().at("output_tokens"), json(4));
    }
}

TEST(Decoder, KnowsNoZstdOfBeforeItsStandard) {
    for (const char last : {'\x25', '\x26', '\x27', '\x23', '\x1E'}) {
        decoder d;
        ASSERT_TRUE(d.begin("zstd"));
        byte_count to;
        EXPECT_FALSE(d.feed(std::string(1, last) + "\xB5\x2F\xFD rest", to));
    }
}

TEST(UsageCoding, ReadsSeveralGzipMembersAndIgnoresPadding) {
    const std::string coded =
        deflated(answer.substr(0, 20), 31) + deflated(answer.substr(20), 31) + std::string(512, '\0');
    EXPECT_EQ(facts_of(coded, head_of("gzip")).at("output_tokens"), json(4));
    EXPECT_EQ(scan(head_of("gzip"), byte_by_byte(coded)).facts().at("output_tokens"), json(4));
}

TEST(UsageCoding, WhatFollowsTheEndIsIgnored) {
    for (const auto& [coding, bytes] : in_every_coding(answer)) {
        EXPECT_EQ(facts_of(bytes + std::string(20, '\0'), head_of(coding)).at("output_tokens"), json(4)) << coding;
    }
}

TEST(UsageCoding, EventsThatAServerFlushedAreToldAsTheyCome) {
    const std::vector<std::string_view> events{
        ": nothing yet\n\n", "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n",
        "data: {\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\n", "data: [DONE]\n\n"};
    for (const auto& [coding, parts] : std::vector<std::pair<std::string, std::vector<std::string>>>{
             {"br", brotli_parts(events)}, {"zstd", zstd_parts(events)}}) {
        const std::vector<std::string_view> pieces(parts.begin(), parts.end());
        EXPECT_EQ(scan(head_of(coding, "text/event-stream"), pieces).first_token_piece, 1) << coding;
        const auto cut = scan(head_of(coding, "text/event-stream"), {pieces[0], pieces[1], pieces[2]}).facts();
        EXPECT_EQ(cut.at("input_tokens"), json(5)) << coding;
    }
}

TEST(UsageCoding, EveryCutOfEveryCodingSaysTheSame) {
    const json whole = facts_of(answer, head_of(""));
    answer_scanner scanner;
    for (const auto& [coding, bytes] : in_every_coding(answer)) {
        for (std::size_t at = 0; at <= bytes.size(); ++at) {
            ASSERT_EQ(scan(scanner, head_of(coding), in_two(bytes, at)).facts(), whole) << coding << " " << at;
        }
    }
}

// Filler packs into almost nothing, which is no reason to read less of it.
TEST(UsageCoding, FiftyMegabytesOfFillerAreRead) {
    const std::string body =
        R"({"text":")" + std::string(50U << 20U, 'x') + R"(","usage":{"prompt_tokens":3,"completion_tokens":4}})";
    for (const auto& [coding, bytes] : std::vector<coded_body>{{"gzip", deflated(body, 31)},
                                                               {"deflate", deflated(body, 15)},
                                                               {"br", brotli_parts({body}, 22)[0]},
                                                               {"br", brotli_parts({body}, 24)[0]},
                                                               {"zstd", zstd_parts({body}, 21)[0]}}) {
        EXPECT_EQ(facts_of(bytes, head_of(coding)).at("output_tokens"), json(4)) << coding;
    }
}

// ---- Nonsense ---------------------------------------------------------------------------------------------------

TEST(UsageCoding, ALyingContentEncodingTurnsTheTapOffAndNothingElse) {
    for (const char* coding : {"gzip", "br", "zstd", "gzip, br", "compress"}) {
        EXPECT_EQ(facts_of(answer, head_of(coding)).at("input_tokens"), json()) << coding;
    }
}

TEST(UsageCoding, CorruptDataKeepsWhatWasKnown) {
    const std::string first = "data: {\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\n";
    std::string rest;
    std::mt19937 random(7);
    for (int i = 0; i < 2000; ++i) rest += "data: " + std::to_string(random()) + "\n\n";
    const std::vector<std::string_view> parts{first, rest};
    for (const auto& [coding, coded] : std::vector<std::pair<std::string, std::vector<std::string>>>{
             {"gzip", {deflated(first, 31), deflated(rest, 31)}},
             {"br", brotli_parts(parts)},
             {"zstd", zstd_parts(parts)}}) {
        std::string damaged = coded[1];
        for (std::size_t i = damaged.size() / 2; i < damaged.size(); ++i) damaged[i] = '\xFF';
        const outcome found = scan(head_of(coding, "text/event-stream"), {coded[0], damaged, coded[1]});
        EXPECT_EQ(found.facts().at("input_tokens"), json(5)) << coding;
        EXPECT_EQ(found.facts().at("output_tokens"), json(1)) << coding;
    }
}

TEST(UsageCoding, NoDamagedByteDoesHarm) {
    answer_scanner scanner;
    for (const auto& [coding, bytes] : in_every_coding(answer)) {
        for (std::size_t at = 0; at < bytes.size(); ++at) {
            for (const unsigned flip : {1U, 0x80U, 0xFFU}) {
                std::string damaged = bytes;
                damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ flip);
                scan(scanner, head_of(coding), {damaged});
            }
        }
        EXPECT_EQ(scan(scanner, head_of(coding), {bytes}).facts().at("output_tokens"), json(4)) << coding;
    }
}

TEST(UsageCoding, StopsUnpackingABomb) {
    const std::string body = "{\"text\":\"" + std::string(80U << 20U, 'x') + "\",\"usage\":{\"prompt_tokens\":1}}";
    for (const auto& [coding, bytes] : std::vector<coded_body>{{"gzip", deflated(body, 31)},
                                                               {"br", brotlied(body)},
                                                               {"zstd", zstandard(body)},
                                                               {"gzip, gzip", deflated(deflated(body, 31), 31)}}) {
        const json facts = facts_of(bytes, head_of(coding));
        EXPECT_EQ(facts.at("input_tokens"), json()) << coding;
        EXPECT_LE(facts.at("text_bytes").get<std::uint64_t>(), (64U << 20U) + 65536U) << coding;
    }
}

}  // namespace
