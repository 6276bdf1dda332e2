// Civil time in the configured time zone: which minute, hour, day and month an instant belongs to, and where those
// begin and end. Zone rules come from the system's tz database (Howard Hinnant's date library), read once at open():
// afterwards all is const and lock-free, so that any thread may ask.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>

namespace tracking::store {

struct civil_time {
    int year, month, day;  // month and day from 1
    int hour, minute, second;
    int weekday;     // 0 = Monday
    int utc_offset;  // seconds
};

class calendar {
public:
    static std::variant<calendar, std::string> open(const std::string& zone);  // error names the zone
    ~calendar();
    calendar(calendar&&) noexcept;
    calendar& operator=(calendar&&) noexcept;

    civil_time at(std::int64_t ms) const;
    std::int64_t day_number(std::int64_t ms) const;  // of the civil day, counted from 1970-01-01
    // The instant at which a civil date and wall-clock time begins; a time that a DST change skips is the instant of
    // the change, one that occurs twice is the earlier. day may be out of range (0, 32, ...): it is normalised.
    std::int64_t instant(int year, int month, int day, int hour = 0, int minute = 0, int second = 0) const;

    std::string minute_key(std::int64_t ms) const;  // 2026-11-22T05:41
    std::string hour_key(std::int64_t ms) const;    // 2026-11-22T05
    std::string day_key(std::int64_t ms) const;     // 2026-11-22
    std::string month_key(std::int64_t ms) const;   // 2026-11
    std::string rfc3339(std::int64_t ms) const;     // 2026-11-22T05:41:07.123+05:30
    const std::string& zone() const;

private:
    calendar();
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace tracking::store
