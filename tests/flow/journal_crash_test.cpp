// kill -9 at random moments: a child process writes begin and end frames as fast as it can and tells, through a pipe,
// each call that has returned. Whatever it told must be in the journal afterwards, once; what it had begun and not
// ended must be there as interrupted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "tests/support/journal_kit.hpp"

namespace {

using namespace kit;
using tracking::outcome;

struct told {
    std::int64_t number;  // of the request
    std::int64_t ended;   // 0: begin() has returned
};

journal::directory::options how(const std::string& data_dir) { return options_for(data_dir, 64ULL << 20, 128 * 1024); }

// The child: never returns.
[[noreturn]] void write_until_killed(const std::string& data_dir, int pipe, unsigned seed) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto opened = journal::directory::open(how(data_dir));
    auto* made = std::get_if<std::unique_ptr<journal::directory>>(&opened);
    if (!made) ::_exit(2);
    auto& writer = (*made)->writer_of(0);
    std::mt19937 random(seed);
    std::vector<std::pair<std::uint64_t, std::int64_t>> open_ones;
    const auto tell = [&](std::int64_t number, std::int64_t ended) {
        const told what{number, ended};
        if (::write(pipe, &what, sizeof(what)) != sizeof(what)) ::_exit(3);
    };
    for (std::int64_t n = 1;; ++n) {
        const std::uint64_t ticket = writer.begin(some_record(n));
        if (ticket == 0) ::_exit(4);
        tell(n, 0);
        open_ones.emplace_back(ticket, n);
        while (!open_ones.empty() && random() % 4 != 0) {
            const std::size_t which = random() % open_ones.size();
            if (!writer.end(open_ones[which].first, some_record(open_ones[which].second))) ::_exit(5);
            tell(open_ones[which].second, 1);
            open_ones.erase(open_ones.begin() + static_cast<std::ptrdiff_t>(which));
        }
        if (n % 64 == 0) (*made)->maintain(n);
    }
}

struct acknowledged {
    std::set<std::int64_t> begun, ended;
};

acknowledged run_and_kill(const std::string& data_dir, unsigned seed, std::chrono::microseconds life) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(ends[0]);
        write_until_killed(data_dir, ends[1], seed);
    }
    ::close(ends[1]);
    acknowledged all;
    told what{};
    std::optional<std::chrono::steady_clock::time_point> first;
    bool killed = false;
    while (::read(ends[0], &what, sizeof(what)) == sizeof(what)) {
        (what.ended ? all.ended : all.begun).insert(what.number);
        const auto now = std::chrono::steady_clock::now();
        if (!first) first = now;
        if (!killed && now - *first >= life) {
            ::kill(child, SIGKILL);  // what is still in the pipe was told before
            killed = true;
        }
    }
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        << "the child ended by itself: " << status;
    return all;
}

TEST(JournalCrash, NothingThatWasAcknowledgedIsLostOrDoubled) {
    std::mt19937 random(20261122);
    for (unsigned round = 0; round < 20; ++round) {
        SCOPED_TRACE(round);
        const temp_folder folder;
        const acknowledged told = run_and_kill(folder.path(), round, std::chrono::microseconds(random() % 40'000));
        ASSERT_FALSE(told.begun.empty());

        const auto opened = open(how(folder.path()));
        const auto ids = opened->journals();
        ASSERT_EQ(ids.size(), 2U);
        const auto all = read_all(*opened, ids[1]);
        EXPECT_EQ(sequences(all), from_to<std::uint64_t>(1, all.size()));
        std::map<std::int64_t, outcome> found;
        for (const auto& each : all)
            ASSERT_TRUE(found.emplace(number_of(each.what), each.what.result).second) << number_of(each.what);
        for (const std::int64_t number : told.ended) ASSERT_EQ(found.at(number), outcome::ok) << number;
        for (const std::int64_t number : told.begun) ASSERT_TRUE(found.contains(number)) << number;
        // One call at most had been made and not told.
        EXPECT_LE(found.size(), told.begun.size() + 1);
        std::size_t ended = 0;
        for (const auto& [number, result] : found) ended += result == outcome::ok;
        EXPECT_LE(ended, told.ended.size() + 1);
        EXPECT_EQ(opened->current().damaged, 0U) << "a torn end is no damage";
        EXPECT_EQ(sequences(read_all(*opened, ids[1])), sequences(all));
    }
}

}  // namespace
