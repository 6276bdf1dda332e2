#include "tracking/store/periods.hpp"

namespace tracking::store {

namespace {

constexpr std::size_t minutes_max = 1'000;
constexpr std::int64_t day_seconds = 86'400;
constexpr std::int64_t keep_minutes = 2 * day_seconds;
constexpr std::int64_t keep_hours = 400 * day_seconds;
constexpr std::int64_t keep_users = 400 * day_seconds;
constexpr std::int64_t keep_days = 800 * day_seconds;

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

}  // namespace

minute_names minute_cache::names_of(std::int64_t ms, int& utc_offset) const {
    const civil_time civil = when_.at(ms);
    utc_offset = civil.utc_offset;
    const std::string text = when_.minute_key(ms);  // 2026-11-22T05:41
    const std::size_t date = text.find('T');
    const std::int64_t second = floor_div(ms, 1000);
    const std::int64_t day_end = floor_div(when_.instant(civil.year, civil.month, civil.day + 1), 1000);
    return {
        .minute = "minute:" + text,
        .hour = "hour:" + text.substr(0, date + 3),
        .day = "day:" + text.substr(0, date),
        .month = "month:" + text.substr(0, date - 3),
        .minute_expires = second - civil.second + 60 + keep_minutes,
        .hour_expires = second - civil.second - civil.minute * 60 + 3600 + keep_hours,
        .day_expires = day_end + keep_days,
        .users_expire = day_end + keep_users,
    };
}

const minute_names& minute_cache::at(std::int64_t ms) {
    const std::int64_t minute = floor_div(ms, 60'000);
    const auto known = minutes_.find(minute);
    if (known != minutes_.end()) return known->second;
    int utc_offset = 0;
    minute_names names = names_of(ms, utc_offset);
    // Only with an offset of whole minutes (all of today's zones) is a minute of UTC a minute of the zone.
    if (utc_offset % 60 != 0) return uncached_ = std::move(names);
    if (minutes_.size() >= minutes_max) minutes_.clear();
    return minutes_.emplace(minute, std::move(names)).first->second;
}

}  // namespace tracking::store
