#include "tracking/store/lane.hpp"

#include <gtest/gtest.h>

#include "tests/support/sample_records.hpp"

namespace tracking::store {
namespace {

TEST(Lane, TheLagGoesOnGrowingWhileRedisRefusesAndAllIsReadAgain) {
    tests::memory_journal journal;
    const auto id = journal.add_journal();
    for (int i = 0; i < 120; ++i) journal.append(id, tests::plain_record(1'000 + i));
    lane one(journal, id);
    one.go_on_from(10);
    one.look_ahead(50);
    EXPECT_EQ(one.lag(), 50U);
    one.go_on_from(10);
    one.look_ahead(50);
    EXPECT_EQ(one.lag(), 100U);
    one.go_on_from(10);
    one.look_ahead(50);
    EXPECT_EQ(one.lag(), 110U);
    one.applied(120);
    EXPECT_EQ(one.lag(), 0U);
}

TEST(Lane, TheLagIsSeenBeforeRedisWasReached) {
    tests::memory_journal journal;
    const auto id = journal.add_journal();
    for (int i = 0; i < 30; ++i) journal.append(id, tests::plain_record(1'000 + i));
    lane one(journal, id);
    one.look_ahead(50);
    EXPECT_EQ(one.lag(), 30U);
    one.go_on_from(20);
    EXPECT_EQ(one.lag(), 10U);
}

}  // namespace
}  // namespace tracking::store
