// Key names are what users type into redis-cli: spelled out here exactly as the contract's section 5 has them.
#include "tracking/store/keys.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace tracking::store {
namespace {

TEST(Labels, KeepPlainBytesAndEscapeTheRest) {
    EXPECT_EQ(escape_label("content-gen"), "content-gen");
    EXPECT_EQ(escape_label("gemini/gemini-2.0_flash@eu"), "gemini/gemini-2.0_flash@eu");
    EXPECT_EQ(escape_label("a:b {c}*%"), "a%3Ab%20%7Bc%7D%2A%25");
    EXPECT_EQ(escape_label("\xC3\xA9\n"), "%C3%A9%0A");
    EXPECT_EQ(escape_label(std::string_view("\0", 1)), "%00");
}

TEST(Labels, ComeBackAsTheyWere) {
    std::string all;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    EXPECT_EQ(unescape_label(escape_label(all)), all);
    EXPECT_EQ(unescape_label("50%"), "50%");
    EXPECT_EQ(unescape_label("%zz%4"), "%zz%4");
}

TEST(Keys, AreSpelledAsTheContractSays) {
    const key_names keys("aimeter");
    EXPECT_EQ(keys.usage_stream(), "aimeter:usage");
    EXPECT_EQ(keys.analytics_stream(), "aimeter:analytics");
    EXPECT_EQ(keys.meta(), "aimeter:meta");
    EXPECT_EQ(keys.journals(), "aimeter:journals");
    EXPECT_EQ(keys.total(), "aimeter:usage:total");
    EXPECT_EQ(keys.usage("month:2026-11"), "aimeter:usage:month:2026-11");
    EXPECT_EQ(keys.usage("minute:2026-11-22T05:41"), "aimeter:usage:minute:2026-11-22T05:41");
    EXPECT_EQ(keys.usage_by("day:2026-11-22", "feature", "job matcher"),
              "aimeter:usage:day:2026-11-22:feature:job%20matcher");
    EXPECT_EQ(keys.usage_by("month:2026-11", "user", "user_1"), "aimeter:usage:month:2026-11:user:user_1");
    EXPECT_EQ(keys.analytics("total"), "aimeter:analytics:total");
    EXPECT_EQ(keys.analytics("day:2026-11-22"), "aimeter:analytics:day:2026-11-22");
    EXPECT_EQ(keys.users_requests("day:2026-11-22"), "aimeter:usage:day:2026-11-22:users:requests");
    EXPECT_EQ(keys.users_cost("day:2026-11-22"), "aimeter:usage:day:2026-11-22:users:cost");
    EXPECT_EQ(keys.latency("day:2026-11-22"), "aimeter:usage:day:2026-11-22:latency");
    EXPECT_EQ(keys.feature_latency("day:2026-11-22", "x:y"), "aimeter:usage:day:2026-11-22:feature:x%3Ay:latency");
    EXPECT_EQ(keys.status("day:2026-11-22"), "aimeter:usage:day:2026-11-22:status");
    EXPECT_EQ(keys.errors("day:2026-11-22"), "aimeter:usage:day:2026-11-22:errors");
    EXPECT_EQ(keys.active("day:2026-11-22"), "aimeter:usage:day:2026-11-22:active");
}

TEST(Keys, TakeThePrefixOfTheConfiguration) {
    EXPECT_EQ(key_names("shop-1").usage("day:2026-11-22"), "shop-1:usage:day:2026-11-22");
}

TEST(Counters, HaveTheNamesOfTheContract) {
    const char* expected[] = {"requests",    "success",       "errors",       "blocked",          "aborted",
                              "cached",      "estimated",     "unpriced",     "identified",       "usageKnown",
                              "inputTokens", "outputTokens",  "cachedTokens", "cacheWriteTokens", "reasoningTokens",
                              "tokensUsed",  "savedTokens",   "costNanoUsd",  "savedNanoUsd",     "wastedNanoUsd",
                              "durationUs",  "durationCount", "ttftUs",       "ttftCount"};
    ASSERT_EQ(std::size(expected), counter_count);
    for (std::size_t i = 0; i < counter_count; ++i) EXPECT_EQ(field_of(static_cast<counter>(i)), expected[i]);
}

TEST(Histogram, MiddleIsWithinOnePercentOfEveryValue) {
    for (std::int64_t us = 1; us < (std::int64_t{1} << 60); us += us / 97 + 1) {
        const double middle = static_cast<double>(histogram_middle(histogram_bucket(us)));
        EXPECT_LE(std::abs(middle - static_cast<double>(us)), static_cast<double>(us) * 0.01) << us;
    }
}

TEST(Histogram, BucketsAscendWithoutHoles) {
    int last = -1;
    for (std::int64_t us = 0; us < 100'000; ++us) {
        const int bucket = histogram_bucket(us);
        ASSERT_TRUE(bucket == last || bucket == last + 1) << us;
        last = bucket;
    }
    EXPECT_EQ(histogram_bucket(-5), 0);
    EXPECT_EQ(histogram_bucket(0), 0);
    EXPECT_EQ(histogram_bucket(128), histogram_bucket(129));  // two values a bucket from 128 on
    EXPECT_NE(histogram_bucket(129), histogram_bucket(130));
    EXPECT_GT(histogram_middle(histogram_bucket(INT64_MAX)), INT64_MAX / 2);
}

}  // namespace
}  // namespace tracking::store
