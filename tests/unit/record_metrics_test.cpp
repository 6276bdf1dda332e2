// What is counted of records for /metrics: the counters of Redis, and histograms with OpenTelemetry's bounds, by names
// whose number is bounded.
#include "tracking/store/record_metrics.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <random>

#include "tests/support/sample_records.hpp"
#include "tracking/store/backlog_age.hpp"
#include "tracking/store/counting.hpp"

namespace tracking::store {
namespace {

using namespace std::chrono_literals;
constexpr std::int64_t noon = 1795348800'000;

record with_model(const std::string& model) {
    record one = tests::plain_record(noon);
    one.ai_model = one.requested_model = model;
    return one;
}

TEST(RecordMetrics, CountsWhatRedisCounts) {
    record_metrics metrics(10'000);
    std::mt19937_64 random(7);
    counters expected{}, found{};
    std::int64_t duration_us = 0;
    for (int i = 0; i < 5'000; ++i) {
        const record one = tests::random_record(random, noon, noon + 1'000);
        metrics.count(one);
        const counters values = count(one);
        for (std::size_t c = 0; c < counter_count; ++c) expected[c] += values[c];
    }
    for (const auto& one : metrics.series()) {
        for (std::size_t c = 0; c < counter_count; ++c) found[c] += one->sums[c];
        duration_us += one->duration_us.sum;
        EXPECT_EQ(one->duration_us.count(),
                  static_cast<std::uint64_t>(one->sums[std::size_t(counter::duration_count)]));
    }
    EXPECT_EQ(found, expected);
    EXPECT_EQ(duration_us, expected[std::size_t(counter::duration_us)]);
    EXPECT_EQ(metrics.folded(), 0U);
}

TEST(RecordMetrics, NamesBeyondTheBoundAreOther) {
    record_metrics metrics(3);
    for (int round = 0; round < 2; ++round)
        for (int i = 0; i < 10; ++i) metrics.count(with_model("m" + std::to_string(i)));
    record failed = with_model("m9");
    failed.success = false, failed.status = 500, failed.result = outcome::error;
    metrics.count(failed);
    ASSERT_EQ(metrics.series().size(), 5U) << "three, and one \"other\" for each way of ending";
    EXPECT_EQ(metrics.folded(), 15U);
    EXPECT_EQ(metrics.series()[2]->model, "m2");
    EXPECT_EQ(metrics.series()[2]->sums[std::size_t(counter::requests)], 2);
    EXPECT_EQ(metrics.series()[3]->model, "other");
    EXPECT_EQ(metrics.series()[3]->feature, "other");
    EXPECT_EQ(metrics.series()[3]->sums[std::size_t(counter::requests)], 14);
    EXPECT_EQ(metrics.series()[4]->labels.error, "500");
}

TEST(RecordMetrics, WhatAClientCallsItsModelTakesNoPlaceOnceTheDayIsFull) {
    record_metrics metrics(100);
    for (int i = 0; i < 50; ++i) {
        record one = with_model("other");
        one.raw_model = one.requested_model = "nonsense-" + std::to_string(i);
        metrics.count(one);
    }
    EXPECT_EQ(metrics.series().size(), 1U);
}

// The bounds as the convention lists them; each belongs to its bucket.
TEST(RecordMetrics, BoundsAreThoseOfOpenTelemetry) {
    const auto bucket_of = [](std::span<const std::int64_t> bounds, std::int64_t value) {
        bounded_histogram of;
        of.add(bounds, value);
        return std::size_t(std::find(of.counts.begin(), of.counts.end(), 1U) - of.counts.begin());
    };
    std::int64_t bound = 10'000;  // 0.01 s, doubled each time, up to 81.92
    for (std::size_t i = 0; i < 14; ++i, bound *= 2) {
        EXPECT_EQ(bucket_of(duration_bounds_us, bound), i);
        EXPECT_EQ(bucket_of(duration_bounds_us, bound + 1), i + 1);
    }
    bound = 1;  // 1, 4, 16 ... 67108864 tokens
    for (std::size_t i = 0; i < 14; ++i, bound *= 4) {
        EXPECT_EQ(bucket_of(token_bounds, bound), i);
        EXPECT_EQ(bucket_of(token_bounds, bound + 1), i + 1);
    }
    const std::vector<double> seconds{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10};
    for (std::size_t i = 0; i < seconds.size(); ++i)
        EXPECT_EQ(bucket_of(first_token_bounds_us, static_cast<std::int64_t>(seconds[i] * 1e6 + .5)), i);
}

TEST(RecordMetrics, HistogramsHoldWhatWasGenerated) {
    record_metrics metrics(10);
    record one = tests::plain_record(noon);
    one.first_token_us = 1'200'000;  // of a stream: not the first byte (900 ms)
    metrics.count(one);
    one.cached = true, one.input_tokens = one.output_tokens = 0;  // a cache answered: nothing was generated
    metrics.count(one);
    one = tests::plain_record(noon);
    one.usage_from = usage_source::estimated;  // "otherwise it MUST NOT report usage"
    metrics.count(one);
    ASSERT_EQ(metrics.series().size(), 1U);
    const auto& of = *metrics.series()[0];
    EXPECT_EQ(of.input.count(), 1U);
    EXPECT_EQ(of.input.sum, 1200);
    EXPECT_EQ(of.output.sum, 323);
    EXPECT_EQ(of.first_token_us.count(), 2U);
    EXPECT_EQ(of.first_token_us.sum, 1'200'000 + 900'000);
    EXPECT_EQ(of.duration_us.count(), 3U);
}

TEST(RecordMetrics, ErrorsAndOperationsAreAFewWords) {
    record one = tests::plain_record(noon);
    EXPECT_EQ(error_type_of(one), "");
    one.success = false;
    EXPECT_EQ(error_type_of(one), "in_answer") << "a 200 whose stream told an error";
    const auto status = [&](int number) {
        one.result = outcome::error;
        one.status = number;
        return error_type_of(one);
    };
    EXPECT_EQ(status(429), "429");
    EXPECT_EQ(status(529), "529");
    EXPECT_EQ(status(418), "_OTHER");
    EXPECT_EQ(status(0), "_OTHER");
    one.result = outcome::client_abort;
    EXPECT_EQ(error_type_of(one), "client_abort");
    one.result = outcome::upstream_abort;
    EXPECT_EQ(error_type_of(one), "upstream_abort");
    one.result = outcome::interrupted;
    EXPECT_EQ(error_type_of(one), "interrupted");
    one.result = outcome::blocked;
    EXPECT_EQ(error_type_of(one), "blocked");

    EXPECT_EQ(operation_of(one), "chat");
    one.content_type = "streamGenerateContent";
    EXPECT_EQ(operation_of(one), "generate_content");
    one.content_type = "chat/completions";
    EXPECT_EQ(operation_of(one), "chat");
    one.content_type = "embeddings";
    EXPECT_EQ(operation_of(one), "embeddings");
    one.content_type = "completions";
    EXPECT_EQ(operation_of(one), "text_completion");
}

// ---- how long records wait ------------------------------------------------------------------------------------------

class BacklogAge : public testing::Test {
protected:
    backlog_age age;
    const backlog_age::time_point start{1'000s};
};

TEST_F(BacklogAge, IsThatOfTheOldestRecordThatWaits) {
    age.seen(1, start);
    EXPECT_EQ(age.since(0), start);
    age.applied(1);
    age.seen(2, start + 1h);
    EXPECT_EQ(age.since(1), start + 1h) << "not of the one before, which is in Redis";
    age.seen(3, start + 2h);
    EXPECT_EQ(age.since(1), start + 1h);
    age.applied(2);
    EXPECT_EQ(age.since(2), start + 2h);
}

TEST_F(BacklogAge, IsRightToASecondWhileRecordsKeepComing) {
    std::uint64_t applied = 0;
    for (std::uint64_t i = 1; i <= 100'000; ++i) {  // 1,000 a second, shipped 5 s later
        age.seen(i, start + i * 1ms);
        if (i <= 5'000) continue;
        age.applied(applied = i - 5'000);
        const auto since = age.since(applied);
        ASSERT_TRUE(since);
        const auto exact = start + (applied + 1) * 1ms;
        ASSERT_LE(*since, exact);
        ASSERT_GE(*since, exact - 1s);
    }
}

TEST_F(BacklogAge, StaysBoundedAndNearWhileRedisIsAwayForADay) {
    const auto second = [&](std::uint64_t at) { return start + at * 1s; };
    for (std::uint64_t i = 1; i <= 86'400; ++i) age.seen(i, second(i));
    EXPECT_EQ(age.since(0), second(1));
    for (std::uint64_t applied : {10'000U, 40'000U, 86'000U}) {
        age.applied(applied);
        const auto exact = second(applied + 1);
        EXPECT_LE(*age.since(applied), exact);
        EXPECT_GE(*age.since(applied), exact - 86'400s / 30);
    }
}

}  // namespace
}  // namespace tracking::store
