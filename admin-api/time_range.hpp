// Calendar days in the configured time zone: the range that a report covers, and the stretches of time that trends
// compare. Pure: turns dates into the period names of the store ("day:2026-11-22") and asks nobody.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "admin-api/query.hpp"
#include "tracking/store/calendar.hpp"

namespace admin {

// A civil date as a plain day number; no instant, no zone.
using date = std::chrono::sys_days;

date date_of(const tracking::store::civil_time& at);
std::string date_text(date day);           // 2026-11-22
std::string day_period(date day);          // day:2026-11-22
std::string month_period(date day);        // month:2026-11
std::string hour_period(date day, int h);  // hour:2026-11-22T05
int weekday_of(date day);                  // 0 = Monday

inline constexpr int longest_range = 365;

// An entry's id is the time of Redis's clock, a record's `ts` that of ours: by so much Redis's may be behind before
// records are overlooked that a search of the stream by day looks for.
inline constexpr std::int64_t redis_behind_ms = 600'000;

struct date_range {
    date from, to;  // both included
    int days() const { return static_cast<int>((to - from).count()) + 1; }
    std::vector<date> dates() const;
};

// `days` (1-365, default 30, today included), or `from` and `to` (default: today) in its place.
std::variant<date_range, bad_parameter> range_of(const query& asked, date today);

// The fewest buckets that add up to the range: months that lie in it whole, days for the rest. The running month is
// whole when the range reaches today.
std::vector<std::string> fewest_periods(const date_range& range, date today);

// A bucket, and how much of it counts: 1, or the share of it that has passed by the wall clock.
struct share {
    std::string period;
    double part;
};

// What has to be added up to know yesterday, and last month, up to the wall-clock time that `now` shows. Last month's
// day is clamped to its last. Within the hour that is running yesterday is known by the minute; last month's minutes
// have expired, so that there the running hour counts in proportion.
struct comparison {
    date today;
    std::vector<share> yesterday;
    std::vector<share> last_month;
};
comparison compare_at(const tracking::store::calendar& when, std::int64_t now_ms);

}  // namespace admin
