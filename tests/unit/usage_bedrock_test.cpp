// The binary event stream of AWS and what Bedrock puts into it; beside these the samples in fixtures/provider.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/usage_support.hpp"
#include "tracking/usage/aws_event_stream.hpp"

namespace {

using namespace usage_test;
using nlohmann::json;
using tracking::usage::aws_event_stream;
using tracking::usage::head_counts;
using tracking::usage::message_sink;

// ---- Messages ---------------------------------------------------------------------------------------------------

struct message_list final : message_sink {
    void on_message() noexcept override { payload.clear(); }
    void on_payload(std::string_view piece) noexcept override { payload += piece; }
    void on_message_end() noexcept override {
        told.push_back(std::string(stream.message_type()) + "|" + std::string(stream.name()) + "|" +
                       std::string(stream.error_message()) + "|" + payload);
    }
    aws_event_stream stream{*this};
    std::string payload;
    std::vector<std::string> told;
};

struct reading {
    std::vector<std::string> told;
    bool broken = false;
};

reading read(const std::vector<std::string_view>& pieces) {
    message_list list;
    list.stream.reset();
    for (const std::string_view piece : pieces) list.stream.feed(std::string(piece));
    return {list.told, list.stream.broken()};
}

TEST(AwsEventStream, ReadsTheMessagesOfItsSpecification) {
    using testing::ElementsAre;
    // Written out by hand: 16 bytes without headers and payload, and one with a header and two bytes.
    const std::string empty("\x00\x00\x00\x10\x00\x00\x00\x00\x05\xC2\x48\xEB\x7D\x98\xC8\xFF", 16);
    EXPECT_EQ(aws_message("", ""), empty);
    EXPECT_THAT(read({empty}).told, ElementsAre("|||"));
    EXPECT_THAT(read({aws_event("a", "xy") + empty + aws_exception("b", "")}).told,
                ElementsAre("event|a||xy", "|||", "exception|b||"));
    const std::string error = aws_message(
        aws_text(":message-type", "error") + aws_text(":error-code", "c") + aws_text(":error-message", "m"), "");
    EXPECT_THAT(read({error}).told, ElementsAre("error|c|m|"));
}

TEST(AwsEventStream, PassesOverHeadersOfEveryType) {
    std::string headers;
    const std::vector<std::size_t> sizes{0, 0, 1, 2, 4, 8};
    for (int type = 0; type < 6; ++type) {
        headers +=
            aws_header("h" + std::to_string(type), type, std::string(sizes[static_cast<std::size_t>(type)], '\7'));
    }
    headers += aws_header("bytes", 6, big_endian(3, 2) + "abc") + aws_header("time", 8, std::string(8, '\1')) +
               aws_header("uuid", 9, std::string(16, '\2')) + aws_text("empty", "") +
               aws_text("a-name-that-is-longer-than-any-that-is-kept", "x") +
               aws_header(":event-type", 6, big_endian(3, 2) + "not") + aws_text(":event-type", "told") +
               aws_text(":message-type", "event");
    const std::string body = aws_message(headers, "{}");
    for (const auto& pieces : {std::vector<std::string_view>{body}, byte_by_byte(body)}) {
        EXPECT_THAT(read(pieces).told, testing::ElementsAre("event|told||{}"));
    }
}

TEST(AwsEventStream, ReadsAlikeInWhateverPieces) {
    const std::string body = aws_event("first", "{\"a\":1}") + aws_event("second", "") + aws_event("third", "xyz");
    const std::vector<std::string> whole = read({body}).told;
    ASSERT_EQ(whole.size(), 3U);
    EXPECT_EQ(read(byte_by_byte(body)).told, whole);
    for (std::size_t at = 0; at <= body.size(); ++at) EXPECT_EQ(read(in_two(body, at)).told, whole) << at;
}

TEST(AwsEventStream, NonsenseTurnsItOffUntilReset) {
    const std::string good = aws_event("good", "{}");
    const auto lying = [](std::uint32_t total, std::uint32_t headers) {
        const std::string lengths = big_endian(total, 4) + big_endian(headers, 4);
        return lengths + big_endian(checksum(lengths), 4) + std::string(64, '\0');
    };
    std::string wrong_end = good;
    wrong_end.back() = static_cast<char>(wrong_end.back() ^ 1);
    std::string wrong_prelude = good;
    wrong_prelude[9] = static_cast<char>(wrong_prelude[9] ^ 1);
    const std::vector<std::string> nonsense{
        wrong_end,
        wrong_prelude,
        "HTTP/1.1 200 OK\r\n\r\n",
        std::string(40, '\0'),
        lying(15, 0),
        lying(0, 0),
        lying(17, 2),
        lying(100, 0xFFFFFFF0U),
        lying(0xFFFFFFFFU, 0),
        lying(aws_event_stream::longest_message + 1, 0),
        lying(1U << 20U, aws_event_stream::longest_headers + 1),
        aws_message(aws_header("h", 10, ""), ""),                        // no such type
        aws_message(aws_header("", 0, ""), ""),                          // no name
        aws_message(aws_text("name", "value").substr(0, 9), "payload"),  // a value beyond the headers
        aws_message(aws_header("name", 7, big_endian(500, 2) + "v"), "payload"),
    };
    for (const std::string& bad : nonsense) {
        const reading found = read({good + bad + good});
        EXPECT_TRUE(found.broken) << testing::PrintToString(bad);
        EXPECT_THAT(found.told, testing::ElementsAre("event|good||{}")) << testing::PrintToString(bad);
        const reading bytes = read(byte_by_byte(good + bad + good));
        EXPECT_TRUE(bytes.broken);
        EXPECT_EQ(bytes.told, found.told);
    }
}

// ---- Bedrock ----------------------------------------------------------------------------------------------------

constexpr std::string_view aws_type = "application/vnd.amazon.eventstream";

answer_head head_of(std::string_view type = aws_type, const head_counts& counts = {}) {
    return {.content_type = type,
            .content_encoding = "",
            .status = 200,
            .provider = "bedrock",
            .is_head_request = false,
            .counts = counts};
}

json facts_of(const std::string& body, const answer_head& head = head_of()) {
    const json whole = scan(head, {body}).facts();
    EXPECT_EQ(scan(head, byte_by_byte(body)).facts(), whole);
    return whole;
}

TEST(Bedrock, AnyJsonThatHoldsAChunkIsUnderstood) {
    const std::string inner = R"({"generation":"a?b>c~","prompt_token_count":7,"generation_token_count":3})";
    const std::string coded = base64(inner);
    std::string escaped;
    for (const char c : coded)
        escaped += c == '/' ? "\\/" : c == '=' ? "\\u003d" : c == 'e' ? "\\u0065" : std::string(1, c);
    const std::string unpadded = coded.substr(0, coded.find('='));
    for (const std::string& payload :
         {R"({"bytes":")" + coded + R"("})", R"({"p":"bytes","bytes":")" + coded + R"("})",
          R"({ "x" : {"bytes":"AAAA","y":[1,{"bytes":"??"}]} , "bytes" : ")" + coded + R"(" , "z":null })",
          R"({"bytes":")" + escaped + R"("})", R"({"bytes":")" + unpadded + R"("})",
          R"({"by\"tes":"??","bytesbytesbytes":"??","\u0062ytes":")" + coded + R"("})"}) {
        EXPECT_EQ(facts_of(aws_event("chunk", payload)).at("output_tokens"), json(3)) << payload;
    }
    for (const std::string& payload : {std::string(), std::string("{}"), R"(["bytes",")" + coded + R"("])",
                                       R"({"bytes":"!)" + coded + R"("})", R"({"bytes":"====)" + coded + R"("})",
                                       std::string(R"({"bytes":["??"]})"), R"({"bytes":"\u00zz)" + coded + R"("})",
                                       R"({"a":{"bytes":")" + coded + R"("}})", coded, std::string("}}}}")}) {
        EXPECT_EQ(facts_of(aws_event("chunk", payload)).at("output_tokens"), json()) << payload;
    }
}

TEST(Bedrock, AChunkOfAnyLengthIsRead) {
    const std::string text(3U << 20U, 'x');
    const json facts =
        scan(head_of(), {aws_chunk(R"({"generation":")" + text + R"(","prompt_token_count":7})")}).facts();
    EXPECT_EQ(facts.at("input_tokens"), json(7));
    EXPECT_EQ(facts.at("text_bytes"), json(text.size()));
}

TEST(Bedrock, AnErrorIsToldByTheBestWordsThatItHas) {
    const std::string begun = aws_event("contentBlockDelta", R"({"delta":{"text":"Hi"}})");
    const std::string code = aws_text(":message-type", "error") + aws_text(":error-code", "InternalError");
    for (const auto& [error, words] : std::vector<std::pair<std::string, std::string>>{
             {aws_exception("validationException", R"({"message":"Malformed input"})"), "Malformed input"},
             {aws_exception("validationException", R"({"Message":"Malformed"})"), "Malformed"},
             {aws_exception("validationException", "{}"), "validationException"},
             {aws_exception("validationException", ""), "validationException"},
             {aws_message(code, ""), "InternalError"},
             {aws_message(code + aws_text(":error-message", "It broke."), ""), "It broke."}}) {
        const json facts = facts_of(begun + error);
        EXPECT_EQ(facts.at("error_event"), json(true)) << words;
        EXPECT_EQ(facts.at("error"), json(words));
        EXPECT_EQ(facts.at("text_bytes"), json(2)) << words;
    }
}

TEST(Bedrock, DamageKeepsWhatWasKnownAndSaysNothingWrong) {
    const std::string known = aws_event("metadata", R"({"usage":{"inputTokens":4,"outputTokens":2}})");
    const std::string second = aws_event("metadata", R"({"usage":{"inputTokens":9,"outputTokens":9}})");
    answer_scanner scanner;
    for (std::size_t at = 0; at < second.size(); ++at) {
        for (const unsigned flip : {1U, 0x20U, 0x80U, 0xFFU}) {
            std::string damaged = second;
            damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ flip);
            const std::string body = known + damaged + second;
            const json facts = scan(scanner, head_of(), {body}).facts();
            ASSERT_EQ(facts.at("input_tokens"), json(4)) << at;
            ASSERT_EQ(facts.at("output_tokens"), json(2)) << at;
            ASSERT_EQ(facts.at("stream"), json(true)) << at;
        }
    }
    EXPECT_EQ(scan(scanner, head_of(), {known + second}).facts().at("output_tokens"), json(9));
}

TEST(Bedrock, JsonUnderTheContentTypeOfAStreamIsRead) {
    const json facts = facts_of(R"({"message":"Access denied","usage":{"inputTokens":4,"outputTokens":2}})");
    EXPECT_EQ(facts.at("output_tokens"), json(2));
    EXPECT_EQ(facts.at("stream"), json(false));
}

// ---- Counts in the head -----------------------------------------------------------------------------------------

head_counts counts_of(const std::vector<std::pair<std::string, std::string>>& fields) {
    head_counts counts;
    for (const auto& [name, value] : fields) counts.take(name, value);
    return counts;
}

TEST(BedrockHead, CountsStandInForABodyThatSaysNothing) {
    const head_counts counts = counts_of({{"X-Amzn-Bedrock-Input-Token-Count", "12"},
                                          {"x-amzn-bedrock-output-token-count", "34"},
                                          {"X-Amzn-Bedrock-Cache-Read-Input-Token-Count", "100"},
                                          {"X-Amzn-Bedrock-Cache-Write-Input-Token-Count", "0"},
                                          {"X-Amzn-Bedrock-Invocation-Latency", "567"},
                                          {"Content-Type", "application/json"}});
    const std::string body = R"({"outputs":[{"text":"Salut","stop_reason":"stop"}]})";
    const json facts = facts_of(body, head_of("application/json", counts));
    EXPECT_EQ(facts.at("input_tokens"), json(112));  // cached ones are counted apart
    EXPECT_EQ(facts.at("output_tokens"), json(34));
    EXPECT_EQ(facts.at("cached_tokens"), json(100));
    EXPECT_EQ(facts.at("cache_write_tokens"), json(0));
    EXPECT_EQ(facts.at("uncounted_text_bytes"), json(0));  // the head counts all, even when the body is cut
    EXPECT_EQ(facts_of(body, head_of("application/json")).at("input_tokens"), json());
}

TEST(BedrockHead, TheBodyGoesFirst) {
    const head_counts counts =
        counts_of({{"X-Amzn-Bedrock-Input-Token-Count", "1"}, {"X-Amzn-Bedrock-Cache-Read-Input-Token-Count", "9"}});
    const json facts = facts_of(R"({"generation":"x","prompt_token_count":7,"generation_token_count":3})",
                                head_of("application/json", counts));
    EXPECT_EQ(facts.at("input_tokens"), json(7));
    EXPECT_EQ(facts.at("cached_tokens"), json());
}

TEST(BedrockHead, WhatIsNoCountIsLeftOut) {
    for (const char* none : {"", "-1", "1.5", "12 tokens", "0x10", "99999999999999999999"}) {
        EXPECT_FALSE(counts_of({{"X-Amzn-Bedrock-Input-Token-Count", none}}).input_tokens) << none;
    }
}

}  // namespace
