// Civil time from a table of UTC-offset periods that is made once; the tz library is not asked again afterwards.
#include "tracking/store/calendar.hpp"

#include <date/date.h>
#include <date/tz.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <exception>
#include <limits>
#include <vector>

namespace tracking::store {

namespace {

// A stretch of time with one UTC offset, in seconds since the epoch; it ends where the next one begins.
struct offset_period {
    std::int64_t begin;
    std::int64_t offset;
};

// Beyond these the first and the last known offset hold on (the tz database itself states DST up to 2037).
constexpr int first_year = 1970;
constexpr int last_year = 2200;

std::int64_t seconds_of(date::sys_days day) {
    return std::chrono::duration_cast<std::chrono::seconds>(day.time_since_epoch()).count();
}

std::vector<offset_period> read_periods(const date::time_zone& zone) {
    std::vector<offset_period> periods;
    const date::sys_seconds last = date::sys_days{date::year{last_year} / 1 / 1};
    date::sys_seconds from = date::sys_days{date::year{first_year} / 1 / 1};
    for (;;) {
        const date::sys_info info = zone.get_info(from);
        const std::int64_t offset = info.offset.count();
        if (periods.empty()) {
            periods.push_back({std::numeric_limits<std::int64_t>::min(), offset});
        } else if (periods.back().offset != offset) {
            periods.push_back({from.time_since_epoch().count(), offset});
        }
        if (info.end <= from || info.end >= last) return periods;
        from = info.end;
    }
}

std::int64_t floor_div(std::int64_t value, std::int64_t by) {
    return value >= 0 ? value / by : -((-value + by - 1) / by);
}

// Decimal digits written from the right; `width` at least, more when the value needs them.
void put(std::string& to, int value, int width) {
    std::array<char, 12> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    const int length = static_cast<int>(end - digits.data());
    if (length < width) to.append(static_cast<std::size_t>(width - length), '0');
    to.append(digits.data(), end);
}

void put_month(std::string& to, const civil_time& at) {
    put(to, at.year, 4);
    to += '-';
    put(to, at.month, 2);
}

void put_day(std::string& to, const civil_time& at) {
    put_month(to, at);
    to += '-';
    put(to, at.day, 2);
}

}  // namespace

struct calendar::impl {
    std::string zone;
    std::vector<offset_period> periods;
    // The period of the last look-up: nearly all instants asked for lie in it. Only a hint, so relaxed is enough.
    mutable std::atomic<std::size_t> recent{0};

    std::int64_t begin(std::size_t index) const { return periods[index].begin; }
    std::int64_t end(std::size_t index) const {
        return index + 1 < periods.size() ? periods[index + 1].begin : std::numeric_limits<std::int64_t>::max();
    }

    std::int64_t offset_at(std::int64_t seconds) const {
        const std::size_t guess = recent.load(std::memory_order_relaxed);
        if (seconds >= begin(guess) && seconds < end(guess)) return periods[guess].offset;
        const auto behind = std::upper_bound(periods.begin(), periods.end(), seconds,
                                             [](std::int64_t s, const offset_period& p) { return s < p.begin; });
        const auto index = static_cast<std::size_t>(behind - periods.begin()) - 1;
        recent.store(index, std::memory_order_relaxed);
        return periods[index].offset;
    }

    std::int64_t to_utc(std::int64_t local) const {
        for (std::size_t i = 0; i < periods.size(); ++i) {
            // Unbounded edges: offsets would overflow there, and every local time is inside of them.
            const bool after_begin = i == 0 || local >= begin(i) + periods[i].offset;
            const bool before_end = i + 1 == periods.size() || local < end(i) + periods[i].offset;
            if (after_begin && before_end) return local - periods[i].offset;
            if (!after_begin) return begin(i);  // skipped by the change into this period
        }
        return local - periods.back().offset;
    }
};

calendar::calendar() : impl_(std::make_unique<impl>()) {}
calendar::~calendar() = default;
calendar::calendar(calendar&&) noexcept = default;
calendar& calendar::operator=(calendar&&) noexcept = default;

std::variant<calendar, std::string> calendar::open(const std::string& zone) {
    try {
        calendar made;
        made.impl_->zone = zone;
        made.impl_->periods = read_periods(*date::locate_zone(zone));
        return made;
    } catch (const std::exception& failure) {
        return "time zone \"" + zone + "\" is not in the system's tz database (" + failure.what() + ")";
    }
}

std::int64_t calendar::day_number(std::int64_t ms) const {
    const std::int64_t utc = floor_div(ms, 1000);
    return floor_div(utc + impl_->offset_at(utc), 86'400);
}

civil_time calendar::at(std::int64_t ms) const {
    const std::int64_t utc = floor_div(ms, 1000);
    const std::int64_t offset = impl_->offset_at(utc);
    const std::int64_t local = utc + offset;
    const std::int64_t days = floor_div(local, 86'400);
    const auto rest = static_cast<int>(local - days * 86'400);
    const date::sys_days day{date::days{days}};
    const date::year_month_day civil{day};
    civil_time at{};
    at.year = static_cast<int>(civil.year());
    at.month = static_cast<int>(static_cast<unsigned>(civil.month()));
    at.day = static_cast<int>(static_cast<unsigned>(civil.day()));
    at.hour = rest / 3600;
    at.minute = rest / 60 % 60;
    at.second = rest % 60;
    at.weekday = static_cast<int>(date::weekday{day}.iso_encoding()) - 1;
    at.utc_offset = static_cast<int>(offset);
    return at;
}

std::int64_t calendar::instant(int year, int month, int day, int hour, int minute, int second) const {
    const int months = month - 1;
    const int carry = static_cast<int>(floor_div(months, 12));
    const date::year_month_day first{date::year{year + carry},
                                     date::month{static_cast<unsigned>(months - carry * 12 + 1)}, date::day{1}};
    const std::int64_t local = seconds_of(date::sys_days{first}) + (std::int64_t{day} - 1) * 86'400 +
                               std::int64_t{hour} * 3600 + std::int64_t{minute} * 60 + second;
    return impl_->to_utc(local) * 1000;
}

std::string calendar::month_key(std::int64_t ms) const {
    std::string key;
    put_month(key, at(ms));
    return key;
}

std::string calendar::day_key(std::int64_t ms) const {
    std::string key;
    put_day(key, at(ms));
    return key;
}

std::string calendar::hour_key(std::int64_t ms) const {
    std::string key = minute_key(ms);
    key.resize(key.size() - 3);
    return key;
}

std::string calendar::minute_key(std::int64_t ms) const {
    const civil_time civil = at(ms);
    std::string key;
    put_day(key, civil);
    key += 'T';
    put(key, civil.hour, 2);
    key += ':';
    put(key, civil.minute, 2);
    return key;
}

std::string calendar::rfc3339(std::int64_t ms) const {
    const civil_time civil = at(ms);
    std::string text = minute_key(ms);
    text += ':';
    put(text, civil.second, 2);
    text += '.';
    put(text, static_cast<int>(ms - floor_div(ms, 1000) * 1000), 3);
    if (civil.utc_offset == 0) return text + 'Z';
    const int minutes = std::abs(civil.utc_offset) / 60;
    text += civil.utc_offset < 0 ? '-' : '+';
    put(text, minutes / 60, 2);
    text += ':';
    put(text, minutes % 60, 2);
    return text;
}

const std::string& calendar::zone() const { return impl_->zone; }

}  // namespace tracking::store
