#include "tracking/store/lane.hpp"

#include <gtest/gtest.h>

#include "tests/support/sample_records.hpp"

namespace tracking::store {
namespace {

class Lane : public testing::Test {
protected:
    void append(int records) {
        for (int i = 0; i < records; ++i) journal_.append(id_, tests::plain_record(1'000 + i));
    }

    tests::memory_journal journal_;
    const journal::journal_id id_ = journal_.add_journal();
};

TEST_F(Lane, TheLagGoesOnGrowingWhileRedisRefusesAndAllIsReadAgain) {
    append(120);
    lane one(journal_, id_);
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

TEST_F(Lane, TheLagIsSeenBeforeRedisWasReached) {
    append(30);
    lane one(journal_, id_);
    one.look_ahead(50);
    EXPECT_EQ(one.lag(), 30U);
    one.go_on_from(20);
    EXPECT_EQ(one.lag(), 10U);
}

}  // namespace
}  // namespace tracking::store
