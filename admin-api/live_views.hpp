// The messages of GET /ai/live as JSON (docs/admin-api.md): the only code that knows their field names.
#pragma once

#include <cstdint>
#include <string>

#include "admin-api/views.hpp"

namespace admin {

// Everything that a message may say, as of one look at Redis.
struct live_figures {
    overview_figures overview;
    stats_figures stats;
    tracking::store::counters total{};  // since the beginning; read before the others
    std::int64_t past_read_ms = 0;      // when the part of the overview that hardly changes was read
};

struct redis_state {
    bool up = true;
    std::int64_t since_ms = 0;  // 0 = it has not changed
};

std::string snapshot_json(std::uint64_t seq, const live_figures& now, const tracking::store::calendar& when);
std::string delta_json(std::uint64_t seq, const live_figures& before, const live_figures& now,
                       const tracking::store::calendar& when);
std::string state_json(const redis_state& now, const tracking::store::calendar& when);

}  // namespace admin
