// The other way round of keys.hpp: what a key that is found in Redis holds, by its name. Pure. Used by the audit, which
// must also know keys that no record explains.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tracking/store/calendar.hpp"
#include "tracking/store/periods.hpp"

namespace tracking::store {

enum class content : std::uint8_t {
    bucket,          // hash of all counters: a period's, or a label's in it
    analytics,       // hash of the general view's counters
    user,            // hash: a user's month
    latency,         // hash: histogram
    status,          // hash: requests by HTTP status
    errors,          // zset: messages, bounded
    users_requests,  // zset
    users_cost,      // zset
    active,          // HyperLogLog
    labels           // set
};

struct key_parts {
    content holds;
    std::string period;  // "total", "month:2026-11", "day:2026-11-22", "hour:...", "minute:..."; "" = the set of months
    std::string kind;    // of label: "feature", ..., "user"; "" = none
    std::string label;   // as recorded, not escaped; "" = none
    // What is compared and mended together: the day of all that is shorter than a month, the month, or the user's key.
    std::string group(std::string_view key) const;
};

// nullopt: not one of the keys that are derived from records.
std::optional<key_parts> parts_of(std::string_view key, std::string_view prefix);

struct period_times {
    std::int64_t begins_ms = 0, expires = 0;  // expires: seconds since the epoch; 0 = the period's keys stay
};
// Of the key's period; nullopt = there is no such period. `total` begins at the beginning.
std::optional<period_times> times_of(const key_parts& key, const calendar& when, minute_cache& periods);

}  // namespace tracking::store
