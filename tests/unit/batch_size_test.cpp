#include "tracking/store/batch_size.hpp"

#include <gtest/gtest.h>

namespace tracking::store {
namespace {

std::size_t settled(std::size_t records_each, double record_us, double batch_us = 0) {
    batch_size size;
    for (int i = 0; i < 50; ++i) {
        const auto records = records_each > 0 ? records_each : size.most();
        size.took(records, static_cast<std::int64_t>(batch_us + record_us * static_cast<double>(records)));
    }
    return size.most();
}

TEST(BatchSize, IsWhatRedisAppliesInTenMilliseconds) {
    EXPECT_NEAR(static_cast<double>(settled(0, 50)), 200, 1);
    EXPECT_NEAR(static_cast<double>(settled(0, 10)), 1'000, 1);
    EXPECT_NEAR(static_cast<double>(settled(0, 15, 1'000)), 600, 5);  // 1 ms for itself and 9 ms of records
}

TEST(BatchSize, HasBounds) {
    EXPECT_EQ(settled(0, 1'000), 100U);
    EXPECT_EQ(settled(0, 1), 2'000U);
}

TEST(BatchSize, IsNotMadeSmallByBatchesOfAFewRecords) {
    const std::size_t before = batch_size().most();
    EXPECT_EQ(settled(10, 15, 1'000), before);
    batch_size size;
    size.took(1'000, 0);   // not told
    size.took(1'000, -5);  // a clock that was set
    size.took(1'000, 1'800'000'000'000'000);
    EXPECT_EQ(size.most(), before);
}

}  // namespace
}  // namespace tracking::store
