#include "tracking/store/batch_size.hpp"

#include <gtest/gtest.h>

namespace tracking::store {
namespace {

// After 50 batches of `part` of what is allowed.
std::size_t settled(double part, double record_us, double batch_us = 0) {
    batch_size size;
    for (int i = 0; i < 50; ++i) {
        const auto records = static_cast<std::size_t>(static_cast<double>(size.most()) * part);
        size.took(records, static_cast<std::int64_t>(batch_us + record_us * static_cast<double>(records)));
    }
    return size.most();
}

TEST(BatchSize, IsWhatRedisAppliesInFiveMilliseconds) {
    EXPECT_NEAR(static_cast<double>(settled(0.9, 50)), 100, 1);
    EXPECT_NEAR(static_cast<double>(settled(0.9, 10)), 500, 1);
}

TEST(BatchSize, IsTwiceThatWhileThereIsMoreToShip) {
    EXPECT_NEAR(static_cast<double>(settled(1, 50)), 200, 1);
    EXPECT_NEAR(static_cast<double>(settled(1, 15, 1'000)), 600, 5);  // 1 ms for itself and 9 ms of records
    batch_size size;
    for (int i = 0; i < 50; ++i) size.took(size.most(), static_cast<std::int64_t>(50 * size.most()));
    const std::size_t behind = size.most();
    size.took(behind / 2, static_cast<std::int64_t>(50 * (behind / 2)));
    EXPECT_NEAR(static_cast<double>(size.most()), 100, 1);
}

TEST(BatchSize, HasBounds) {
    EXPECT_EQ(settled(1, 1'000), 50U);
    EXPECT_EQ(settled(1, 1), 2'000U);
}

TEST(BatchSize, IsNotMadeSmallByBatchesOfAFewRecords) {
    const std::size_t before = batch_size().most();
    batch_size size;
    for (int i = 0; i < 50; ++i) size.took(10, 10 * 15 + 1'000);
    EXPECT_EQ(size.most(), before);
    size.took(1'000, 0);   // not told
    size.took(1'000, -5);  // a clock that was set
    size.took(1'000, 1'800'000'000'000'000);
    EXPECT_EQ(size.most(), before);
}

}  // namespace
}  // namespace tracking::store
