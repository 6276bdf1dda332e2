#include "tracking/store/key_parts.hpp"

#include <array>
#include <charconv>
#include <vector>

#include "tracking/store/keys.hpp"

namespace tracking::store {

namespace {

using words = std::vector<std::string_view>;

words split(std::string_view text) {
    words parts;
    while (true) {
        const std::size_t colon = text.find(':');
        parts.push_back(text.substr(0, colon));
        if (colon == std::string_view::npos) return parts;
        text.remove_prefix(colon + 1);
    }
}

bool is_label_kind(std::string_view kind) {
    return kind == "feature" || kind == "model" || kind == "provider" || kind == "plan" || kind == "variant";
}

std::optional<int> number_at(std::string_view text, std::size_t from, std::size_t size) {
    if (from + size > text.size()) return std::nullopt;
    int value = 0;
    const char* const end = text.data() + from + size;
    const auto [stopped, error] = std::from_chars(text.data() + from, end, value);
    return error == std::errc{} && stopped == end ? std::optional(value) : std::nullopt;
}

// Behind "usage:day:2026-11-22" or "usage:month:2026-11".
std::optional<key_parts> of_period(std::string period, bool day, const words& rest) {
    const auto made = [&](content holds, std::string_view kind = {}, std::string_view label = {}) {
        return key_parts{holds, std::move(period), std::string(kind), unescape_label(label)};
    };
    if (rest.empty()) return made(content::bucket);
    const auto first = rest[0];
    if (rest.size() == 1 && day) {
        if (first == "latency") return made(content::latency);
        if (first == "status") return made(content::status);
        if (first == "errors") return made(content::errors);
        if (first == "active") return made(content::active);
    }
    if (rest.size() == 2) {
        if (is_label_kind(first)) return made(content::bucket, first, rest[1]);
        if (first == "user" && !day) return made(content::user, first, rest[1]);
        if (first == "labels" && (is_label_kind(rest[1]) || (rest[1] == "user" && !day)))
            return made(content::labels, rest[1]);
        if (first == "users" && day && rest[1] == "requests") return made(content::users_requests);
        if (first == "users" && day && rest[1] == "cost") return made(content::users_cost);
    }
    if (rest.size() == 3 && day && first == "feature" && rest[2] == "latency")
        return made(content::latency, first, rest[1]);
    return std::nullopt;
}

}  // namespace

std::string key_parts::group(std::string_view key) const {
    if (holds == content::user) return std::string(key);
    const std::size_t colon = period.find(':');
    return colon == std::string::npos ? period : period.substr(colon + 1, 10);
}

std::optional<key_parts> parts_of(std::string_view key, std::string_view prefix) {
    if (!prefix.empty()) {
        if (!key.starts_with(prefix) || key.size() <= prefix.size() || key[prefix.size()] != ':') return std::nullopt;
        key.remove_prefix(prefix.size() + 1);
    }
    const words all = split(key);
    if (all.size() < 2) return std::nullopt;
    const bool general = all[0] == "analytics";
    if (!general && all[0] != "usage") return std::nullopt;
    const auto at = [&](std::size_t i) { return std::string(i < all.size() ? all[i] : std::string_view{}); };
    if (all.size() == 2) {
        if (all[1] == "total") return key_parts{general ? content::analytics : content::bucket, "total", {}, {}};
        if (all[1] == "months" && !general) return key_parts{content::labels, {}, "months", {}};
        return std::nullopt;
    }
    const bool day = all[1] == "day", month = all[1] == "month";
    if (day || month) {
        std::string period = at(1) + ":" + at(2);
        if (general) {
            if (all.size() != 3) return std::nullopt;
            return key_parts{content::analytics, std::move(period), {}, {}};
        }
        return of_period(std::move(period), day, {all.begin() + 3, all.end()});
    }
    if (general) return std::nullopt;
    if (all[1] == "hour" && all.size() == 3) return key_parts{content::bucket, at(1) + ":" + at(2), {}, {}};
    if (all[1] == "minute" && all.size() == 4)
        return key_parts{content::bucket, at(1) + ":" + at(2) + ":" + at(3), {}, {}};
    return std::nullopt;
}

std::optional<period_times> times_of(const key_parts& key, const calendar& when, minute_cache& periods) {
    const std::size_t colon = key.period.find(':');
    if (colon == std::string::npos) return period_times{INT64_MIN, 0};
    const std::string_view text = std::string_view(key.period).substr(colon + 1);
    const auto kind = std::string_view(key.period).substr(0, colon);
    const auto year = number_at(text, 0, 4), month = number_at(text, 5, 2);
    const bool whole_month = kind == "month";
    const auto day = whole_month ? std::optional(1) : number_at(text, 8, 2);
    const bool timed = kind == "hour" || kind == "minute";
    const auto hour = timed ? number_at(text, 11, 2) : std::optional(0);
    const auto minute = kind == "minute" ? number_at(text, 14, 2) : std::optional(0);
    if (!year || !month || !day || !hour || !minute || *month < 1 || *month > 12) return std::nullopt;
    const std::int64_t begins = when.instant(*year, *month, *day, *hour, *minute);
    if (whole_month) return period_times{begins, 0};
    const minute_names& names = periods.at(begins);
    if (kind == "minute") return period_times{begins, names.minute_expires};
    if (kind == "hour") return period_times{begins, names.hour_expires};
    const bool users = key.holds == content::users_requests || key.holds == content::users_cost;
    return period_times{begins, users ? names.users_expire : names.day_expires};
}

}  // namespace tracking::store
