// The stage of the fault matrix (docs/reliability.md): clients under load, an upstream, one or more real aimeters, a
// real Redis behind a wire that a test may disturb. A row does something to somebody; at its end curtain() looks from
// outside: every request that was answered or reached the upstream stands exactly once in each stream, streams and
// hashes agree to the nano-dollar, `aimeter verify` finds no difference, and what had to be lost was counted.
#pragma once

#include <gmock/gmock.h>
#include <signal.h>

#include <cstdlib>
#include <optional>
#include <random>

#include "tests/support/counted_load.hpp"
#include "tests/support/own_redis.hpp"
#include "tests/support/proxy_test.hpp"
#include "tests/support/redis_wire.hpp"

namespace tests {

// AIMETER_FAULT_SEED chooses the moments; AIMETER_FAULT_ROUNDS=20 does what is repeated twenty times as often.
std::uint64_t fault_seed();
int fault_rounds(int usual);

struct fault_setting {
    std::string config{};  // further TOML, beginning with a section
    int aimeters = 1;
    bool embedded = false;    // Redis is aimeter's own
    std::string redis_url{};  // "" = through the wire
    milliseconds pace{8};     // between two requests of a client
    std::map<std::string, std::string> env{};
};

class fault_stage : public testing::Test {
protected:
    void SetUp() override;
    void TearDown() override;

    // Redis, wire, aimeters and clients, and the first requests.
    void curtain_up(fault_setting how = {});
    // Ends the load, waits until all is recorded, and looks. What may be missing was counted as lost.
    void curtain();

    void play(std::size_t requests = 100) { ASSERT_TRUE(load->go_on_for(requests)) << first().process().err(); }
    // The fault lasts: /readyz says so (a part of the text), and clients notice nothing.
    void meanwhile(const std::string& told, std::size_t requests = 100);
    std::string ready(std::size_t which = 0) const;
    std::int64_t ready_number(const std::string& field) const;  // of the first aimeter
    bool ready_says(const std::string& part, milliseconds within = milliseconds(20'000)) const;

    aimeter_process& first() const { return *aimeters.front(); }
    void kill_aimeter(std::size_t which = 0);
    void start_aimeter(std::size_t which = 0);
    int stop_aimeter(std::size_t which = 0);  // SIGTERM; its exit code
    void restart_aimeter(std::size_t which = 0) {
        kill_aimeter(which);
        start_aimeter(which);
    }
    std::size_t log_lines(std::string_view with) const;  // of the first aimeter
    std::size_t at_random(std::size_t below) { return random() % below; }
    redis_view data(milliseconds within = patience) const {
        return how_.embedded ? first().redis(within) : redis.view();
    }
    std::size_t recorded() const;  // entries of the usage stream, trimmed ones included

    own_redis redis;
    scripted_upstream upstream;
    std::unique_ptr<redis_wire> wire;  // null with the embedded Redis
    std::vector<std::unique_ptr<aimeter_process>> aimeters;
    std::unique_ptr<counted_load> load;
    std::mt19937_64 random{fault_seed()};

    // What the row promises beyond nothing lost, nothing double.
    bool clients_notice_nothing = true;    // false: aimeter itself was killed or stopped
    std::int64_t may_lose = 0;             // records, all of them counted in /readyz
    std::size_t may_miss = 0;              // records that somebody else took away: damaged files
    std::size_t redis_log_lines_most = 8;  // one per change of state, never one per try
    std::vector<std::string> never_logged{};

private:
    std::vector<std::uint16_t> ports() const;
    std::set<std::string> wanted() const;
    bool all_recorded(std::size_t wanted) const;
    void watch_sums();
    void look_at_streams(const redis_view& view);
    void look_at_hashes(const redis_view& view, std::size_t entries, std::int64_t cost) const;
    void look_at_processes() const;

    fault_setting how_;
    long memory_before_ = 0;
    std::string earlier_logs_;  // of processes that were killed
    std::atomic<bool> over_{false};
    std::thread watcher_;  // what Redis counts never falls and never exceeds what was sent

protected:
    std::atomic<bool> redis_forgets{false};       // the row takes data away from Redis
    std::atomic<std::size_t> extra_requests = 0;  // that the row itself made
};

}  // namespace tests
