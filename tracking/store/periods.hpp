// The minutes, hours, days and months that records belong to: their names and when their keys expire. Calendar
// arithmetic is done once per minute that occurs, not per record. Used by batch.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "tracking/store/calendar.hpp"

namespace tracking::store {

struct minute_names {
    std::string minute, hour, day, month;  // "minute:2026-11-22T05:41", ..., as key_names takes them
    std::int64_t minute_expires, hour_expires, day_expires, users_expire;  // seconds since the epoch; months stay
};

class minute_cache {
public:
    explicit minute_cache(const calendar& when) : when_(when) {}
    const minute_names& at(std::int64_t ms);  // valid until the next call

private:
    minute_names names_of(std::int64_t ms, int& utc_offset) const;

    const calendar& when_;
    std::unordered_map<std::int64_t, minute_names> minutes_;
    minute_names uncached_;
};

}  // namespace tracking::store
