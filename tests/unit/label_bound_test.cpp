// The first labels of a day keep their names, whichever worker sees them first; the bound holds for all together.
#include "tracking/store/label_bound.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/sanitizer.hpp"

namespace tracking::store {
namespace {

TEST(LabelBound, AdmitsTheFirstOnesAndKnowsThemAllDay) {
    label_bound bound(3);
    for (int round = 0; round < 2; ++round) {
        EXPECT_TRUE(bound.admit(20'000, "a"));
        EXPECT_TRUE(bound.admit(20'000, "b"));
        EXPECT_TRUE(bound.admit(20'000, "c"));
        EXPECT_FALSE(bound.admit(20'000, "d"));
    }
    EXPECT_TRUE(bound.admit(20'000, "")) << "no label, nothing to bound";
}

TEST(LabelBound, BeginsAnewEachDay) {
    label_bound bound(1);
    EXPECT_TRUE(bound.admit(20'000, "a"));
    EXPECT_FALSE(bound.admit(20'000, "b"));
    EXPECT_TRUE(bound.admit(20'001, "b"));
    EXPECT_FALSE(bound.admit(20'001, "a"));
    EXPECT_FALSE(bound.admit(20'000, "a")) << "a late record is bounded as one of today";
    EXPECT_TRUE(bound.admit(20'000, "b"));
}

TEST(LabelBound, GoesBackWithAClockThatWasAheadForAMoment) {
    label_bound bound(1);
    EXPECT_TRUE(bound.admit(20'365, "b"));
    EXPECT_FALSE(bound.admit(20'365, "a"));
    EXPECT_TRUE(bound.admit(20'000, "a")) << "the year that it was ahead is not waited for";
    EXPECT_FALSE(bound.admit(20'000, "c"));
    EXPECT_TRUE(bound.admit(20'001, "c"));
}

TEST(LabelBound, HoldsForManyDaysAndLabels) {
    label_bound bound(500);
    for (int day = 20'000; day < 20'100; ++day) {
        int admitted = 0;
        for (int i = 0; i < 2'000; ++i) admitted += bound.admit(day, "label-" + std::to_string(i * 7 + day));
        EXPECT_EQ(admitted, 500) << day;
        EXPECT_TRUE(bound.admit(day, "label-" + std::to_string(day)));
    }
}

// track.max_users may be many: what nobody uses of the table takes no memory.
TEST(LabelBound, TakesMemoryForTheLabelsThatCameOnly) {
    if (tests::built_with_sanitizer()) GTEST_SKIP() << "a sanitizer keeps accounts of memory that is handed out";
    const auto resident_kb = [] {
        std::ifstream in("/proc/self/statm");
        std::int64_t size = 0, pages = 0;
        in >> size >> pages;
        return pages * ::sysconf(_SC_PAGESIZE) / 1024;
    };
    const auto before = resident_kb();
    label_bound bound(10'000'000);
    EXPECT_TRUE(bound.admit(20'000, "a"));
    EXPECT_TRUE(bound.has_room_for(20'000, "b"));
    EXPECT_LT(resident_kb() - before, 16 * 1024) << "of a table of 512 MB";
}

TEST(LabelBound, HoldsForAllWorkersTogether) {
    label_bound bound(100);
    std::vector<std::atomic<bool>> admitted(1'000);
    std::vector<std::thread> workers;
    for (int worker = 0; worker < 4; ++worker) {
        workers.emplace_back([&, worker] {
            for (int i = 0; i < 1'000; ++i) {
                const int label = (i * 13 + worker * 250) % 1'000;
                if (bound.admit(20'000, "label-" + std::to_string(label)))
                    admitted[static_cast<std::size_t>(label)] = true;
            }
        });
    }
    for (auto& worker : workers) worker.join();
    int sum = 0;
    for (const auto& one : admitted) sum += one;
    EXPECT_EQ(sum, 100);
    for (int i = 0; i < 1'000; ++i) {
        EXPECT_EQ(bound.admit(20'000, "label-" + std::to_string(i)), admitted[static_cast<std::size_t>(i)].load());
    }
}

TEST(LabelBound, AskingTakesNoPlace) {
    label_bound bound(2);
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(bound.has_room_for(20'000, "label-" + std::to_string(i)));
    EXPECT_TRUE(bound.admit(20'000, "a"));
    EXPECT_TRUE(bound.admit(20'000, "b"));
    EXPECT_TRUE(bound.has_room_for(20'000, "a"));
    EXPECT_FALSE(bound.has_room_for(20'000, "c"));
    EXPECT_TRUE(bound.has_room_for(20'001, "c"));
}

}  // namespace
}  // namespace tracking::store
