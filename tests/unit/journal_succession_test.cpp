// Two processes at one data_dir, an aimeter and its successor: whose each journal is, and that the lock has no gap.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/journal_kit.hpp"
#include "tracking/journal/journal.hpp"

namespace {

using namespace kit;
using testing::HasSubstr;

// What is handed over is the open file, as a descriptor that is inherited.
journal::directory::options as_successor_of(const journal::directory& old, journal::directory::options how) {
    how.data_lock = ::fcntl(old.lock_descriptor(), F_DUPFD_CLOEXEC, 0);
    return how;
}

TEST(JournalSuccession, TheLockHasNoGap) {
    const temp_folder folder;
    const auto how = options_for(folder.path());
    auto old = open(how);
    auto fresh = open(as_successor_of(*old, how));
    EXPECT_THAT(error_of(how), HasSubstr("is locked by another aimeter"));
    old.reset();
    EXPECT_THAT(error_of(how), HasSubstr("is locked by another aimeter"));
    fresh->name_holder(4321);
    EXPECT_THAT(error_of(how), HasSubstr("(pid 4321)"));
    fresh.reset();
    EXPECT_EQ(error_of(how), "");
}

// The old one goes on with its journal until it has drained.
TEST(JournalSuccession, WhenTheNewOneDiesTheNextStartNeedNotWaitForTheOldOne) {
    const temp_folder folder;
    const auto how = options_for(folder.path());
    auto old = open(how);
    one_request(*old, 1);
    auto fresh = open(as_successor_of(*old, how));
    old->let_go_of_lock();
    EXPECT_THAT(error_of(how), HasSubstr("is locked by another aimeter"));
    fresh.reset();
    auto next = open(how);
    EXPECT_THAT(next->journals(), testing::SizeIs(1)) << "the living one's is not an orphan";
    one_request(*old, 2);
    const auto left = old->journals()[0];
    old.reset();
    EXPECT_THAT(error_of(how), HasSubstr("is locked by another aimeter"));
    EXPECT_TRUE(next->adopt_ended());
    EXPECT_EQ(numbers(read_all(*next, left)), (std::vector<std::int64_t>{1, 2}));
}

TEST(JournalSuccession, ALockOfAnotherDataDirIsRefused) {
    const temp_folder folder, other;
    auto old = open(options_for(folder.path()));
    open(options_for(other.path())).reset();
    EXPECT_THAT(error_of(as_successor_of(*old, options_for(other.path()))), HasSubstr("takes a restart"));
}

TEST(JournalSuccession, AJournalIsItsOwnersUntilThatHasEndedAndThenTheSuccessors) {
    const temp_folder folder;
    const auto how = options_for(folder.path(), 64ULL << 20, small_segment);
    auto old = open(how);
    const auto before = old->journals()[0];
    one_request(*old, 1);
    const auto open_request = old->writer_of(0).begin(some_record(2));
    auto fresh = open(as_successor_of(*old, how));
    EXPECT_THAT(fresh->journals(), testing::SizeIs(1)) << "the living one's is not an orphan";
    EXPECT_FALSE(fresh->adopt_ended());
    EXPECT_TRUE(old->writer_of(0).end(open_request, some_record(2)));
    one_request(*old, 3);
    old->writer_of(0).begin(some_record(4));
    one_request(*fresh, 10);
    EXPECT_FALSE(fresh->adopt_ended());

    auto looked = journal::directory::open_read_only(folder.path());
    auto& reading = *std::get<std::unique_ptr<journal::directory>>(looked);
    EXPECT_EQ(numbers(read_all(reading, before)), (std::vector<std::int64_t>{1, 2, 3})) << "4 is still running";

    old.reset();
    EXPECT_TRUE(fresh->adopt_ended());
    EXPECT_FALSE(fresh->adopt_ended());
    ASSERT_THAT(fresh->journals(), testing::SizeIs(2));
    EXPECT_FALSE(fresh->is_own(before));
    EXPECT_EQ(numbers(read_all(*fresh, before)), (std::vector<std::int64_t>{1, 2, 3, 4}));
    looked = journal::directory::open_read_only(folder.path());
    EXPECT_EQ(numbers(read_all(*std::get<std::unique_ptr<journal::directory>>(looked), before)),
              (std::vector<std::int64_t>{1, 2, 3, 4}))
        << "the adopted one is of a dead process";
}

// The old one may hold the whole bound, for journal.keep, in segments that only it may remove.
TEST(JournalSuccession, ASuccessorRecordsAlthoughTheOldOneHasUsedTheWholeBound) {
    const temp_folder folder;
    const auto how = options_for(folder.path(), 4ULL << 20, small_segment);
    auto old = open(how);
    while (old->writer_of(0).end(0, some_record(1))) old->maintain(0);
    auto fresh = open(as_successor_of(*old, how));
    for (std::int64_t i = 0; i < 100; ++i) one_request(*fresh, 1'000'000 + i);
    EXPECT_EQ(fresh->current().lost, 0U);
    EXPECT_GE(fresh->current().bytes, old->current().bytes) << "what the old one holds is told, too";
}

TEST(JournalSuccession, WhatAProcessHasAdoptedIsNotAdoptedByItsSuccessorToo) {
    const temp_folder folder;
    const auto how = options_for(folder.path(), 64ULL << 20, small_segment);
    auto first = open(how);
    const auto orphan = first->journals()[0];
    one_request(*first, 1);
    first.reset();
    auto second = open(how);
    EXPECT_THAT(second->journals(), testing::Contains(orphan));
    auto third = open(as_successor_of(*second, how));
    EXPECT_THAT(third->journals(), testing::Not(testing::Contains(orphan)));
    second.reset();
    EXPECT_TRUE(third->adopt_ended());
    EXPECT_EQ(numbers(read_all(*third, orphan)), (std::vector<std::int64_t>{1}));
}

TEST(JournalSuccession, WhatASuccessorThatFailedHasLeftIsAdopted) {
    const temp_folder folder;
    const auto how = options_for(folder.path(), 64ULL << 20, small_segment);
    auto old = open(how);
    auto failing = open(as_successor_of(*old, how));
    const auto left = failing->journals()[0];
    one_request(*failing, 7);
    EXPECT_FALSE(old->adopt_ended());
    failing.reset();
    EXPECT_FALSE(old->adopt_ended()) << "nobody told it to look";
    old->expect_ended();
    EXPECT_TRUE(old->adopt_ended());
    EXPECT_EQ(numbers(read_all(*old, left)), (std::vector<std::int64_t>{7}));
    EXPECT_FALSE(old->adopt_ended());
}

TEST(JournalSuccession, TheSizeCountsWhatTheLivingOneHolds) {
    const temp_folder folder;
    const auto how = options_for(folder.path(), 16 * small_segment, small_segment);
    auto old = open(how);
    while (old->writer_of(0).end(0, some_record(1))) {
    }
    const std::uint64_t held = old->current().bytes;
    auto fresh = open(as_successor_of(*old, how));
    const std::uint64_t both = fresh->current().bytes;
    EXPECT_GE(both, held);
    EXPECT_LE(both, how.size + how.size / 2) << "beyond the bound by the part that its writer is guaranteed, at most";
    old.reset();
    EXPECT_TRUE(fresh->adopt_ended());
    EXPECT_LE(fresh->current().bytes, both) << "counted once";
}

}  // namespace
