// Who records steps aside for who serves: the slices that the kernel was asked for, as it tells them.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <thread>

#include "tracking/time_slice.hpp"

namespace tests {
namespace {

// Of the calling thread, in ns (sched_getattr(2): 24 bytes in).
std::uint64_t slice() {
    char attributes[48] = {};
    if (::syscall(SYS_sched_getattr, 0, attributes, sizeof attributes, 0) != 0) return 0;
    std::uint64_t nanoseconds = 0;
    std::memcpy(&nanoseconds, attributes + 24, sizeof nanoseconds);
    return nanoseconds;
}

TEST(TimeSlice, IsLongForWhatAThreadStartsUntilThatAsksForTheUsualOne) {
    const std::uint64_t usual = slice();
    std::uint64_t before = 0, inherited = 0, after = 0;
    std::thread([&] {
        tracking::run_in_long_slices();
        before = slice();
        std::thread([&] {
            inherited = slice();
            tracking::run_in_usual_slices();
            after = slice();
        }).join();
    }).join();
    if (before == usual) GTEST_SKIP() << "this kernel has one slice for all";
    EXPECT_EQ(before, 100'000'000U);
    EXPECT_EQ(inherited, before);
    EXPECT_EQ(after, usual);
    EXPECT_EQ(slice(), usual) << "of another thread";
}

}  // namespace
}  // namespace tests
