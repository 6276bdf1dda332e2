// What shippers do for their journals whatever Redis does, each time they look: segments are prepared and removed,
// synced when configured, and read ahead now and then for the lag. One Redis or all shards of a cluster. Control
// thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "conf/config.hpp"
#include "tracking/clock.hpp"
#include "tracking/journal/journal.hpp"

namespace tracking::store {

constexpr std::chrono::milliseconds look_ahead_pause{100};
constexpr std::size_t look_ahead_records = 5'000;  // of a journal, each time

class journal_upkeep {
public:
    using steady_clock = std::chrono::steady_clock;

    // All must outlive it.
    journal_upkeep(journal::directory& journals, const conf::settings& settings)
        : journals_(journals), settings_(settings) {}

    // `away`: Redis, or a part of it, is, and may come back from an older state (journal::directory::keep_shipped).
    void run(bool away, steady_clock::time_point now) {
        journals_.keep_shipped(away);
        journals_.maintain(steady_ms(now));
        if (!settings_.journal.sync || now < next_sync_) return;
        journals_.sync();
        const auto every = *settings_.journal.sync;
        next_sync_ = every < look_pause ? now + every : next_look(now, every);
    }

    // When to run again: with everything else that looks by itself, or earlier for a sync that is to be more frequent.
    steady_clock::time_point next_run(steady_clock::time_point now) const {
        const auto look = next_look(now);
        return settings_.journal.sync ? std::min(look, next_sync_) : look;
    }

    // True once every look_ahead_pause.
    bool is_time_to_look_ahead(steady_clock::time_point now) {
        if (now < next_look_ahead_) return false;
        next_look_ahead_ = next_look(now, look_ahead_pause);
        return true;
    }

private:
    journal::directory& journals_;
    const conf::settings& settings_;
    steady_clock::time_point next_sync_{}, next_look_ahead_{};
};

}  // namespace tracking::store
