// Ranges of days, and the buckets of a wall-clock comparison.
#include "admin-api/time_range.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace admin {

namespace {

using std::chrono::days;
using std::chrono::year_month_day;

// Days expire after 800 days, months never: beyond, a month would say more than its days.
constexpr days day_keys_live{799};

std::string two(unsigned value) {
    return {static_cast<char>('0' + value / 10 % 10), static_cast<char>('0' + value % 10)};
}

std::string month_text(const year_month_day& civil) {
    const auto year = static_cast<unsigned>(static_cast<int>(civil.year()));
    return two(year / 100) + two(year % 100) + '-' + two(static_cast<unsigned>(civil.month()));
}

date first_of_month(date day) {
    const year_month_day civil{day};
    return civil.year() / civil.month() / 1;
}

date last_of_month(date day) {
    const year_month_day civil{day};
    return civil.year() / civil.month() / std::chrono::last;
}

std::optional<date> parse_date(std::string_view text) {
    if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
    const auto number = [&](std::size_t at, std::size_t length) {
        unsigned value = 0;
        const auto [end, error] = std::from_chars(text.data() + at, text.data() + at + length, value);
        return error == std::errc{} && end == text.data() + at + length ? static_cast<int>(value) : -1;
    };
    const int year = number(0, 4), month = number(5, 2), day = number(8, 2);
    if (year < 1970 || month < 0 || day < 0) return std::nullopt;
    const year_month_day civil{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                               std::chrono::day{static_cast<unsigned>(day)}};
    if (!civil.ok()) return std::nullopt;
    return date{civil};
}

std::variant<date, bad_parameter> date_parameter(const query& asked, std::string_view name, date otherwise) {
    const auto text = asked.get(name);
    if (!text) return otherwise;
    const auto parsed = parse_date(*text);
    if (!parsed) return bad_parameter{std::string(name), "must be a date such as 2026-11-22"};
    return *parsed;
}

std::variant<date_range, bad_parameter> from_to(const query& asked, date today) {
    if (asked.get("days")) return bad_parameter{"days", "cannot be combined with from and to"};
    if (!asked.get("from")) return bad_parameter{"from", "is needed with to"};
    const auto from = date_parameter(asked, "from", today);
    if (const auto* bad = std::get_if<bad_parameter>(&from)) return *bad;
    const auto to = date_parameter(asked, "to", today);
    if (const auto* bad = std::get_if<bad_parameter>(&to)) return *bad;
    const date_range range{std::get<date>(from), std::get<date>(to)};
    if (range.from > range.to) return bad_parameter{"from", "must not be after to"};
    if (range.days() > longest_range) {
        return bad_parameter{"from", "is more than " + std::to_string(longest_range) + " days before the range's end"};
    }
    return range;
}

void add_hours(std::vector<share>& to, date day, int before) {
    for (int hour = 0; hour < before; ++hour) to.push_back({hour_period(day, hour), 1.0});
}

}  // namespace

date date_of(const tracking::store::civil_time& at) {
    return std::chrono::year{at.year} / std::chrono::month{static_cast<unsigned>(at.month)} /
           std::chrono::day{static_cast<unsigned>(at.day)};
}

std::string date_text(date day) {
    const year_month_day civil{day};
    return month_text(civil) + '-' + two(static_cast<unsigned>(civil.day()));
}

std::string day_period(date day) { return "day:" + date_text(day); }
std::string month_period(date day) { return "month:" + month_text(year_month_day{day}); }
std::string hour_period(date day, int h) { return "hour:" + date_text(day) + 'T' + two(static_cast<unsigned>(h)); }
int weekday_of(date day) { return static_cast<int>(std::chrono::weekday{day}.iso_encoding()) - 1; }

std::vector<date> date_range::dates() const {
    std::vector<date> all;
    for (date day = from; day <= to; day += std::chrono::days{1}) all.push_back(day);
    return all;
}

std::variant<date_range, bad_parameter> range_of(const query& asked, date today) {
    if (asked.get("from") || asked.get("to")) return from_to(asked, today);
    const auto count = asked.integer("days", 1, longest_range, 30);
    if (const auto* bad = std::get_if<bad_parameter>(&count)) return *bad;
    return date_range{today - days{std::get<int>(count) - 1}, today};
}

std::vector<std::string> fewest_periods(const date_range& range, date today) {
    std::vector<std::string> periods;
    for (date day = range.from; day <= range.to;) {
        const date last = last_of_month(day);
        const bool to_its_end = last <= range.to || (range.to >= today && first_of_month(today) == first_of_month(day));
        if (day == first_of_month(day) && to_its_end && day >= today - day_keys_live) {
            periods.push_back(month_period(day));
            day = last + days{1};
        } else {
            periods.push_back(day_period(day));
            day += days{1};
        }
    }
    return periods;
}

comparison compare_at(const tracking::store::calendar& when, std::int64_t now_ms) {
    const auto now = when.at(now_ms);
    const double second = now.second + static_cast<double>((now_ms % 1000 + 1000) % 1000) / 1000.0;
    comparison all;
    all.today = date_of(now);

    const date yesterday = all.today - days{1};
    const std::string hour = date_text(yesterday) + 'T' + two(static_cast<unsigned>(now.hour)) + ':';
    add_hours(all.yesterday, yesterday, now.hour);
    for (int minute = 0; minute <= now.minute; ++minute) {
        const double part = minute < now.minute ? 1.0 : second / 60.0;
        all.yesterday.push_back({"minute:" + hour + two(static_cast<unsigned>(minute)), part});
    }

    const date last_month_end = first_of_month(all.today) - days{1};
    const date day = std::min(first_of_month(last_month_end) + days{now.day - 1}, last_month_end);
    for (date full = first_of_month(day); full < day; full += days{1}) {
        all.last_month.push_back({day_period(full), 1.0});
    }
    add_hours(all.last_month, day, now.hour);
    all.last_month.push_back({hour_period(day, now.hour), (now.minute * 60 + second) / 3600.0});
    return all;
}

}  // namespace admin
