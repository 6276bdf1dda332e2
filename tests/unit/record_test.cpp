// A record's names, ids, money, its journal form and its textual forms, as contract sections 4 and 6 state them.
#include "tracking/record.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>
#include <set>

namespace tracking {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

record full_record() {
    record r;
    for (std::size_t i = 0; i < r.id.size(); ++i) r.id[i] = static_cast<std::uint8_t>(i * 17);
    r.request_id = "0af7651916cd43dd";
    r.ts_ms = 1'795'325'000'123;
    r.user_id = "u-1";
    r.clerk_user_id = "user_2x";
    r.plan = "pro";
    r.user_claim = "claimed";
    r.user_from = user_source::jwt;
    r.provider = "gemini";
    r.ai_model = "gemini-2.0-flash-001";
    r.requested_model = "gemini-2.0-flash";
    r.content_type = "experience-description";
    r.feature = "content-gen";
    r.input_tokens = 1200;
    r.cached_tokens = 200;
    r.cache_write_tokens = 0;
    r.cache_write_1h_tokens = 0;
    r.audio_input_tokens = 40;
    r.image_input_tokens = 50;
    r.output_tokens = 323;
    r.reasoning_tokens = 23;
    r.audio_output_tokens = 60;
    r.image_output_tokens = 70;
    r.tokens_used = 1523;
    r.units = {.audio_ms = 12'345, .images = 2, .pages = 3, .search_units = 4, .web_searches = 5, .characters = 6'000};
    r.service_tier = "batch";
    r.usage_from = usage_source::body;
    r.cost_nano = 453'000;
    r.cost_from = cost_source::catalogue;
    r.price_id = "gemini-2.0-flash@2026-11";
    r.saved_nano = 1;
    r.saved_tokens = 7;
    r.cached = true;
    r.cache_rule = "x-cache: HIT";
    r.success = true;
    r.status = 200;
    r.finish_reason = "STOP";
    r.error_message = "none \xC3\xA4";
    r.duration_us = 3'194'120;
    r.upstream_us = 3'100'001;
    r.ttft_us = 250'000;
    r.first_token_us = 999;
    r.stream = true;
    r.estimated = true;
    r.attempts = 2;
    r.result = outcome::client_abort;
    r.variant = "prompt-v2=concise";
    r.flags = "cacheConflict";
    r.raw_feature = "feature 501";
    r.raw_model = "model-501";
    r.raw_provider = "provider-501";
    r.raw_user_id = "user 200001";
    return r;
}

std::map<std::string, std::string> fields_of(const record& r) {
    std::map<std::string, std::string> all;
    for_each_usage_field(r, [&](std::size_t at, std::string_view value) {
        const std::string_view name = usage_fields()[at].name;
        EXPECT_TRUE(all.emplace(name, value).second) << name;
    });
    return all;
}

std::string encoded(const record& r) {
    std::string bytes(record_bytes_max, '\0');
    bytes.resize(encode(r, bytes));
    return bytes;
}

TEST(Usd, IsPlainDecimalWithoutTrailingZeros) {
    EXPECT_EQ(usd_text(453'000), "0.000453");
    EXPECT_EQ(usd_text(0), "0");
    EXPECT_EQ(usd_text(-500'000'000), "-0.5");
    EXPECT_EQ(usd_text(1), "0.000000001");
    EXPECT_EQ(usd_text(1'000'000'000), "1");
    EXPECT_EQ(usd_text(12'340'000'000), "12.34");
    EXPECT_EQ(usd_text(std::numeric_limits<std::int64_t>::max()), "9223372036.854775807");
    EXPECT_EQ(usd_text(std::numeric_limits<std::int64_t>::min()), "-9223372036.854775808");
}

TEST(Uuid, IsVersion7WithItsTimeInFront) {
    const uuid id = make_uuid7(0x0192'3456'789A * 1000 + 500);
    const std::string text = to_text(id);
    EXPECT_EQ(text.substr(0, 18), "01923456-789a-7800") << "the half of a millisecond is that of 4096";
    EXPECT_THAT(text[19], testing::AnyOf('8', '9', 'a', 'b'));
    EXPECT_EQ(text.size(), 36U);
    EXPECT_EQ(
        to_text(uuid{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10}),
        "01234567-89ab-cdef-fedc-ba9876543210");
}

TEST(Uuid, AscendsWithinAMicrosecondAndWhenTheClockStepsBack) {
    uuid last = make_uuid7(2'000'000'000'000'000);
    for (int i = 0; i < 100'000; ++i) {
        const uuid next = make_uuid7(2'000'000'000'000'000 - i);
        ASSERT_LT(last, next);
        last = next;
    }
}

TEST(RecordFields, AreThoseOfTheContractInThisOrder) {
    std::vector<std::string_view> names;
    for (const auto& each : usage_fields()) names.push_back(each.name);
    EXPECT_THAT(names, ElementsAre("id", "requestId", "ts", "userId", "clerkUserId", "plan", "userSource", "userClaim",
                                   "provider", "aiModel", "requestedModel", "contentType", "feature", "inputTokens",
                                   "cachedTokens", "cacheWriteTokens", "cacheWrite1hTokens", "audioInputTokens",
                                   "imageInputTokens", "outputTokens", "reasoningTokens", "audioOutputTokens",
                                   "imageOutputTokens", "tokensUsed", "audioSeconds", "images", "pages", "searchUnits",
                                   "webSearches", "characters", "serviceTier", "usageSource", "cost", "costSource",
                                   "priceId", "saved", "savedTokens", "cached", "cacheRule", "success", "status",
                                   "finishReason", "errorMessage", "requestDuration", "upstreamDuration", "ttft",
                                   "firstToken", "stream", "estimated", "attempts", "outcome", "variant", "flags",
                                   "rawFeature", "rawModel", "rawProvider", "rawUserId"));
}

TEST(RecordFields, HaveTheirPublicForm) {
    const auto fields = fields_of(full_record());
    EXPECT_EQ(fields.size(), usage_fields().size());
    EXPECT_EQ(fields.at("id"), "00112233-4455-6677-8899-aabbccddeeff");
    EXPECT_EQ(fields.at("ts"), "1795325000123");
    EXPECT_EQ(fields.at("userSource"), "jwt");
    EXPECT_EQ(fields.at("inputTokens"), "1200");
    EXPECT_EQ(fields.at("cacheWriteTokens"), "0");
    EXPECT_EQ(fields.at("cacheWrite1hTokens"), "0");
    EXPECT_EQ(fields.at("imageOutputTokens"), "70");
    EXPECT_EQ(fields.at("audioSeconds"), "12.345");
    EXPECT_EQ(fields.at("searchUnits"), "4");
    EXPECT_EQ(fields.at("characters"), "6000");
    EXPECT_EQ(fields.at("serviceTier"), "batch");
    EXPECT_EQ(fields.at("cost"), "0.000453");
    EXPECT_EQ(fields.at("costSource"), "catalogue");
    EXPECT_EQ(fields.at("saved"), "0.000000001");
    EXPECT_EQ(fields.at("cached"), "1");
    EXPECT_EQ(fields.at("requestDuration"), "3194.120");
    EXPECT_EQ(fields.at("upstreamDuration"), "3100.001");
    EXPECT_EQ(fields.at("firstToken"), "0.999");
    EXPECT_EQ(fields.at("status"), "200");
    EXPECT_EQ(fields.at("outcome"), "client_abort");
}

TEST(RecordFields, AreAbsentWhenNotKnownAndFlagsAreAlwaysThere) {
    const auto fields = fields_of(record{});
    std::vector<std::string> names;
    for (const auto& [name, value] : fields) names.push_back(name);
    EXPECT_THAT(names, testing::UnorderedElementsAre("id", "ts", "userSource", "usageSource", "costSource", "cached",
                                                     "success", "stream", "estimated", "attempts", "outcome"));
    for (const char* flag : {"cached", "success", "stream", "estimated"}) EXPECT_EQ(fields.at(flag), "0");
}

TEST(RecordCodec, BringsBackEveryField) {
    const record original = full_record();
    record back;
    back.user_id = "left over";
    ASSERT_TRUE(decode(encoded(original), back));
    EXPECT_EQ(fields_of(back), fields_of(original));
}

TEST(RecordCodec, KeepsUnknownApartFromZero) {
    record original;
    original.cost_nano = 0;
    record back = full_record();
    ASSERT_TRUE(decode(encoded(original), back));
    EXPECT_EQ(back.cost_nano, 0);
    EXPECT_EQ(back.input_tokens, std::nullopt);
    EXPECT_TRUE(back.user_id.empty());
    EXPECT_FALSE(back.success);
}

TEST(RecordCodec, KeepsExtremeNumbers) {
    record original = full_record();
    original.ts_ms = -1;
    original.cost_nano = std::numeric_limits<std::int64_t>::min();
    original.input_tokens = std::numeric_limits<std::int64_t>::max();
    original.status = std::numeric_limits<int>::max();
    record back;
    ASSERT_TRUE(decode(encoded(original), back));
    EXPECT_EQ(fields_of(back), fields_of(original));
}

TEST(RecordCodec, StaysWithinItsBoundAndCutsBetweenCharacters) {
    record r = full_record();
    std::string text;
    for (int i = 0; i < 5000; ++i) text += "\xE2\x82\xAC";  // three bytes each
    r.user_id = "a" + text;
    r.error_message = text;
    for (auto each :
         {&record::request_id, &record::clerk_user_id, &record::plan, &record::user_claim, &record::provider,
          &record::ai_model, &record::requested_model, &record::content_type, &record::feature, &record::price_id,
          &record::cache_rule, &record::finish_reason, &record::variant, &record::service_tier, &record::flags,
          &record::raw_feature, &record::raw_model, &record::raw_provider, &record::raw_user_id})
        r.*each = text;
    for (auto each :
         {&record::input_tokens, &record::cached_tokens, &record::cache_write_tokens, &record::cache_write_1h_tokens,
          &record::audio_input_tokens, &record::image_input_tokens, &record::output_tokens, &record::reasoning_tokens,
          &record::audio_output_tokens, &record::image_output_tokens, &record::tokens_used, &record::cost_nano,
          &record::saved_nano, &record::saved_tokens, &record::duration_us, &record::upstream_us, &record::ttft_us,
          &record::first_token_us})
        r.*each = std::numeric_limits<std::int64_t>::min();
    constexpr auto least = std::numeric_limits<std::int64_t>::min();
    r.units = {least, least, least, least, least, least};
    const std::string bytes = encoded(r);
    ASSERT_GT(bytes.size(), 0U);
    ASSERT_LE(bytes.size(), record_bytes_max);
    record back;
    ASSERT_TRUE(decode(bytes, back));
    EXPECT_EQ(back.error_message, text.substr(0, 300));
    EXPECT_EQ(back.user_id.size() % 3, 1U);
    EXPECT_EQ(back.user_id, r.user_id.substr(0, back.user_id.size()));
    EXPECT_EQ(back.cost_nano, std::numeric_limits<std::int64_t>::min());

    std::string tight(record_bytes_tight, '\0');
    const std::size_t size = encode_tight(r, tight);
    ASSERT_GT(size, 0U);
    ASSERT_TRUE(decode(std::span(tight).first(size), back));
    EXPECT_EQ(back.plan, text.substr(0, 63));
    EXPECT_EQ(back.cost_nano, std::numeric_limits<std::int64_t>::min());
}

TEST(RecordCodec, SaysWhenTheRoomIsTooSmall) {
    const std::string bytes = encoded(full_record());
    std::string exact(bytes.size(), '\0');
    EXPECT_EQ(encode(full_record(), exact), bytes.size());
    EXPECT_EQ(exact, bytes);
    EXPECT_EQ(encode(full_record(), std::span(exact).first(bytes.size() - 1)), 0U);
    EXPECT_EQ(encode(full_record(), {}), 0U);
}

TEST(RecordCodec, IsTotalOnAnyBytes) {
    record back;
    EXPECT_FALSE(decode({}, back));
    const std::string bytes = encoded(full_record());
    for (std::size_t size = 0; size < bytes.size(); ++size)
        static_cast<void>(decode(std::span(bytes).first(size), back));
    std::mt19937 random(7);
    for (int i = 0; i < 5'000; ++i) {
        std::string changed = bytes;
        for (int n = 0; n < 3; ++n) changed[random() % changed.size()] = static_cast<char>(random());
        if (!decode(changed, back)) continue;
        fields_of(back);
        log_line(back);
    }
}

// A record as the first release wrote it: format 1, the id (tag 64), the arrival (65), user (2), input tokens (32),
// cost (38), status (67) and the four kinds (69 to 72), each tag doubled, numbers zigzag.
TEST(RecordCodec, ReadsTheJournalOfAnOlderRelease) {
    std::string bytes = "\x01\x81\x10";
    bytes += "0123456789abcdef";
    for (const int byte : {0x82, 0xF4, 0x03,              // ts 250
                           0x05, 0x03, 0x75, 0x2D, 0x31,  // user
                           0x40, 0x90, 0x03,              // 200 input tokens
                           0x4C, 0x0E,                    // 7 nano-USD
                           0x86, 0x90, 0x03,              // status 200
                           0x8A, 0x00, 0x8C, 0x01, 0x8E, 0x03, 0x90, 0x00})
        bytes += static_cast<char>(byte);
    record back = full_record();
    ASSERT_TRUE(decode(bytes, back));
    EXPECT_EQ(back.ts_ms, 250);
    EXPECT_EQ(back.user_id, "u-1");
    EXPECT_EQ(back.input_tokens, 200);
    EXPECT_EQ(back.cost_nano, 7);
    EXPECT_EQ(back.cost_from, cost_source::catalogue);
    EXPECT_FALSE(back.cache_write_1h_tokens || back.audio_input_tokens || back.image_output_tokens);
    EXPECT_FALSE(back.units.any());
    EXPECT_EQ(back.service_tier, "");
}

TEST(RecordCodec, SkipsFieldsOfANewerRelease) {
    std::string bytes = encoded(full_record());
    bytes += std::string("\xF0\x05", 2);  // number 120: a varint
    bytes += std::string(
        "\xF3\x03"
        "abc",
        5);  // number 121: three bytes
    record back;
    ASSERT_TRUE(decode(bytes, back));
    EXPECT_EQ(fields_of(back), fields_of(full_record()));
}

TEST(LogLine, IsThatOfTheContract) {
    record r = full_record();
    r.cached = false;
    r.ai_model = "gemini-2.0-flash-exp";
    EXPECT_EQ(log_line(r),
              "[AI Analytics] ✅ Tracked experience-description (feature: content-gen, cost: $0.000453, cached: false, "
              "model: gemini-2.0-flash-exp, tokens: 1523, status: 200, 3194 ms)");
    r.success = false;
    r.cached = true;
    EXPECT_EQ(log_line(r),
              "[AI Analytics] ❌ Tracked experience-description (feature: content-gen, cost: $0.000453, cached: true, "
              "model: gemini-2.0-flash-exp, tokens: 1523, status: 200, 3194 ms)");
}

TEST(LogLine, SaysUnknownAndNeverZeroForWhatIsNotKnown) {
    EXPECT_EQ(
        log_line(record{}),
        "[AI Analytics] ❌ Tracked unknown (feature: unknown, cost: unknown, cached: false, model: unknown, tokens: "
        "unknown, status: none, unknown ms)");
}

TEST(LogLine, EscapesWhatCouldForgeALineOrDriveATerminal) {
    record r = full_record();
    r.ai_model =
        "a\nb\x1b[31m\xC2\x9B"
        "c\\d\xFF\xC3\xA4";
    const std::string line = log_line(r);
    EXPECT_THAT(line, HasSubstr("model: a\\x0ab\\x1b[31m\\xc2\\x9bc\\\\d\\xff\xC3\xA4,"));
    EXPECT_THAT(line, Not(HasSubstr("\n")));
}

TEST(LogJson, TypesEachField) {
    const std::string json = log_json(full_record());
    EXPECT_THAT(json, testing::StartsWith("{\"id\":\"00112233-4455-6677-8899-aabbccddeeff\",\"requestId\":"));
    for (const char* part : {"\"ts\":1795325000123,", "\"inputTokens\":1200,", "\"cost\":0.000453,", "\"cached\":true,",
                             "\"success\":true,", "\"requestDuration\":3194.120,", "\"userSource\":\"jwt\","})
        EXPECT_THAT(json, HasSubstr(part));
    EXPECT_THAT(json, testing::EndsWith("\"variant\":\"prompt-v2=concise\",\"flags\":\"cacheConflict\",\"rawFeature\":"
                                        "\"feature 501\",\"rawModel\":\"model-501\",\"rawProvider\":\"provider-501\","
                                        "\"rawUserId\":\"user 200001\"}"));
}

TEST(LogJson, EscapesTextAndReplacesWhatIsNotUtf8) {
    record r;
    r.user_id = "a\"b\\c\n\x7F\xED\xA0\x80";  // the last three: a surrogate, which UTF-8 does not have
    EXPECT_THAT(log_json(r), HasSubstr("\"userId\":\"a\\\"b\\\\c\\u000a\\u007f\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""));
}

TEST(Record, ClearIsTheInitialState) {
    record r = full_record();
    r.clear();
    EXPECT_EQ(fields_of(r), fields_of(record{}));
    EXPECT_TRUE(r.clerk_user_id.empty() && r.user_claim.empty());
}

}  // namespace
}  // namespace tracking
