// What a record adds to the counters, and what a batch asks of Redis: its keys grow with what it touches, not with its
// records. How Redis applies it is shown by the flow tests.
#include "tracking/store/batch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/sample_records.hpp"
#include "tracking/store/counting.hpp"
#include "tracking/store/message_pack.hpp"

namespace tracking::store {
namespace {

using testing::Contains;
using testing::Not;

constexpr std::int64_t at_0541 = 1795326060'000;  // 2026-11-22T05:41:00Z

std::int64_t get(const counters& of, counter which) { return of[static_cast<std::size_t>(which)]; }

TEST(Counting, TellsFourEndsApart) {
    record one = tests::plain_record(at_0541);
    EXPECT_EQ(ending_of(one), ending::success);
    one.success = false;
    EXPECT_EQ(ending_of(one), ending::error) << "delivered, but an error event was in the stream";
    for (const auto result : {outcome::error, outcome::upstream_abort, outcome::interrupted}) {
        one.result = result;
        EXPECT_EQ(ending_of(one), ending::error);
    }
    one.result = outcome::client_abort;
    EXPECT_EQ(ending_of(one), ending::aborted);
    one.result = outcome::blocked;
    EXPECT_EQ(ending_of(one), ending::blocked);
}

TEST(Counting, CountsASuccess) {
    const auto values = count(tests::plain_record(at_0541));
    EXPECT_EQ(get(values, counter::requests), 1);
    EXPECT_EQ(get(values, counter::success), 1);
    EXPECT_EQ(get(values, counter::errors), 0);
    EXPECT_EQ(get(values, counter::identified), 1);
    EXPECT_EQ(get(values, counter::usage_known), 1);
    EXPECT_EQ(get(values, counter::input_tokens), 1200);
    EXPECT_EQ(get(values, counter::output_tokens), 323);
    EXPECT_EQ(get(values, counter::tokens_used), 1523);
    EXPECT_EQ(get(values, counter::cost_nano), 453'000);
    EXPECT_EQ(get(values, counter::wasted_nano), 0);
    EXPECT_EQ(get(values, counter::duration_us), 3'194'000);
    EXPECT_EQ(get(values, counter::duration_count), 1);
    EXPECT_EQ(get(values, counter::ttft_count), 1);
}

TEST(Counting, WastesTheCostOfErrorsAndAbortedRequests) {
    record one = tests::plain_record(at_0541);
    one.result = outcome::client_abort;
    EXPECT_EQ(get(count(one), counter::wasted_nano), 453'000);
    one.result = outcome::interrupted;
    EXPECT_EQ(get(count(one), counter::wasted_nano), 453'000);
    one.result = outcome::blocked;
    EXPECT_EQ(get(count(one), counter::wasted_nano), 0);
}

TEST(Counting, TellsDurationsOnlyOfRequestsThatReachedTheUpstream) {
    record one = tests::plain_record(at_0541);
    one.upstream_us.reset();
    const auto values = count(one);
    EXPECT_EQ(get(values, counter::duration_us), 0);
    EXPECT_EQ(get(values, counter::duration_count), 0);
    EXPECT_EQ(get(values, counter::ttft_count), 0);
}

TEST(Counting, CountsUnknownPricesAndAnonymousUsers) {
    record one = tests::plain_record(at_0541);
    one.cost_nano.reset();
    one.cost_from = cost_source::unknown;
    one.user_from = user_source::anonymous;
    one.usage_from = usage_source::estimated;
    one.estimated = true;
    const auto values = count(one);
    EXPECT_EQ(get(values, counter::unpriced), 1);
    EXPECT_EQ(get(values, counter::cost_nano), 0);
    EXPECT_EQ(get(values, counter::identified), 0);
    EXPECT_EQ(get(values, counter::usage_known), 0);
    EXPECT_EQ(get(values, counter::estimated), 1);
}

TEST(Counting, StopsAtTheEndOfInt64) {
    EXPECT_EQ(saturating_sum(INT64_MAX, 1), INT64_MAX);
    EXPECT_EQ(saturating_sum(INT64_MIN, -1), INT64_MIN);
    EXPECT_EQ(saturating_sum(-5, 3), -2);
}

TEST(ErrorLabel, IsTheMessageCutAtACharacterOrWhatIsKnownElse) {
    record one;
    one.result = outcome::error;
    one.status = 503;
    EXPECT_EQ(error_label(one), "status 503");
    one.status = 0;
    EXPECT_EQ(error_label(one), "no answer");
    one.result = outcome::upstream_abort;
    EXPECT_EQ(error_label(one), "upstream_abort");
    one.error_message = std::string(159, 'x') + "\xC3\xA9!";
    EXPECT_EQ(error_label(one), std::string(159, 'x'));
    one.error_message = "quota exceeded";
    EXPECT_EQ(error_label(one), "quota exceeded");
}

TEST(MessagePack, WritesEachFormAsTheSpecificationSays) {
    message_pack pack;
    pack.text("ab");
    pack.integer(7);
    pack.integer(300);
    pack.integer(-1);
    const auto array = pack.open_array();
    pack.close_array(array, 258);
    pack.text(std::string(32, 'x'));
    const std::string expected = std::string("\xA2", 1) + "ab" + "\x07" + std::string("\xCD\x01\x2C", 3) +
                                 "\xD3\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF" + std::string("\xDD\x00\x00\x01\x02", 5) +
                                 "\xD9\x20" + std::string(32, 'x');
    EXPECT_EQ(pack.bytes(), expected);
    message_pack large;
    large.integer(1'000'000'000'000'000);  // doubles end soon: as text
    EXPECT_EQ(large.bytes(),
              "\xB0"
              "1000000000000000");
}

class BatchKeys : public testing::Test {
protected:
    std::vector<std::string> keys_of(const std::vector<record>& records) {
        batch one(names, when);
        std::uint64_t sequence = 0;
        for (const auto& what : records) one.add({}, 0, {++sequence, what});
        const auto words = one.apply({.script = "sha", .by_sha = true, .dataset = "d", .stream_maxlen = 0});
        EXPECT_EQ(words[0], "EVALSHA");
        const auto count = std::stoul(words[2]);
        EXPECT_EQ(words.size(), 4 + count);
        return {words.begin() + 3, words.end() - 1};
    }
    key_names names{"aimeter"};
    calendar when = std::get<calendar>(calendar::open("Asia/Kolkata"));
};

TEST_F(BatchKeys, AreThoseOfTheRecordsTimeInTheConfiguredZone) {
    const auto keys = keys_of({tests::plain_record(at_0541)});  // 11:11 in India
    for (const char* expected : {"aimeter:usage",
                                 "aimeter:analytics",
                                 "aimeter:usage:total",
                                 "aimeter:analytics:total",
                                 "aimeter:usage:month:2026-11",
                                 "aimeter:usage:day:2026-11-22",
                                 "aimeter:usage:hour:2026-11-22T11",
                                 "aimeter:usage:minute:2026-11-22T11:11",
                                 "aimeter:usage:day:2026-11-22:feature:content-gen",
                                 "aimeter:usage:month:2026-11:feature:content-gen",
                                 "aimeter:usage:day:2026-11-22:model:gemini-2.0-flash-exp",
                                 "aimeter:usage:day:2026-11-22:provider:gemini",
                                 "aimeter:usage:month:2026-11:plan:pro",
                                 "aimeter:usage:month:2026-11:user:user_1",
                                 "aimeter:analytics:day:2026-11-22",
                                 "aimeter:analytics:month:2026-11",
                                 "aimeter:usage:day:2026-11-22:users:requests",
                                 "aimeter:usage:day:2026-11-22:users:cost",
                                 "aimeter:usage:day:2026-11-22:latency",
                                 "aimeter:usage:day:2026-11-22:feature:content-gen:latency",
                                 "aimeter:usage:day:2026-11-22:status",
                                 "aimeter:usage:day:2026-11-22:active",
                                 "aimeter:journals",
                                 "aimeter:meta"}) {
        EXPECT_THAT(keys, Contains(expected));
    }
    EXPECT_THAT(keys, Not(Contains(testing::HasSubstr(":variant:"))));
    EXPECT_THAT(keys, Not(Contains("aimeter:usage:day:2026-11-22:errors"))) << "nothing failed";
}

TEST_F(BatchKeys, DoNotGrowWithTheRecords) {
    const record one = tests::plain_record(at_0541);
    EXPECT_EQ(keys_of(std::vector<record>(500, one)), keys_of({one}));
}

TEST_F(BatchKeys, AreDistinct) {
    std::mt19937_64 random(7);
    std::vector<record> records;
    for (int i = 0; i < 300; ++i) {
        records.push_back(tests::random_record(random, at_0541 - 40LL * 86'400'000, at_0541));
    }
    auto keys = keys_of(records);
    std::sort(keys.begin(), keys.end());
    EXPECT_EQ(std::adjacent_find(keys.begin(), keys.end()), keys.end());
}

TEST_F(BatchKeys, GiveARequestWithoutFeatureOrUserANameAllTheSame) {
    record one = tests::plain_record(at_0541);
    one.feature.clear();
    one.user_id.clear();
    const auto keys = keys_of({one});
    EXPECT_THAT(keys, Contains("aimeter:usage:day:2026-11-22:feature:other"));
    EXPECT_THAT(keys, Contains("aimeter:usage:month:2026-11:user:anonymous"));
}

}  // namespace
}  // namespace tracking::store
