// GET /ai/requests: pages through the usage stream, newest first, with filters. The only report that reads the stream,
// so that it is bounded by entries looked at and by time; past either bound it returns what it has and the cursor.
#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "admin-api/endpoints.hpp"
#include "admin-api/problem.hpp"
#include "admin-api/time_range.hpp"
#include "admin-api/views.hpp"
#include "tracking/record.hpp"
#include "tracking/store/reply_numbers.hpp"

namespace admin {

namespace {

namespace store = tracking::store;

constexpr int limit_default = 50;
constexpr int limit_most = 500;
constexpr std::size_t page_size = 500;  // about a millisecond of Redis

struct filter {
    std::string_view field;
    std::string value;
};

bool is_stream_id(std::string_view text) {
    const auto dash = text.find('-');
    if (dash == std::string_view::npos) return false;
    const auto whole = [](std::string_view part) {
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
        return !part.empty() && error == std::errc{} && end == part.data() + part.size();
    };
    return whole(text.substr(0, dash)) && whole(text.substr(dash + 1));
}

std::variant<std::vector<filter>, bad_parameter> filters_of(const query& asked) {
    using tracking::outcome;
    constexpr std::array<std::pair<std::string_view, std::string_view>, 6> fields{{{"user", "userId"},
                                                                                   {"feature", "feature"},
                                                                                   {"model", "aiModel"},
                                                                                   {"outcome", "outcome"},
                                                                                   {"plan", "plan"},
                                                                                   {"provider", "provider"}}};
    std::vector<filter> filters;
    for (const auto& [name, field] : fields) {
        if (const auto value = asked.get(name)) filters.push_back({field, std::string(*value)});
    }
    constexpr std::array outcomes{outcome::ok,           outcome::error,          outcome::blocked,
                                  outcome::client_abort, outcome::upstream_abort, outcome::interrupted};
    const auto wanted = asked.get("outcome");
    const auto known = [&](outcome one) { return tracking::to_string(one) == *wanted; };
    if (wanted && std::none_of(outcomes.begin(), outcomes.end(), known)) {
        return bad_parameter{"outcome", "must be ok, error, blocked, client_abort, upstream_abort or interrupted"};
    }
    return filters;
}

bool passes(const entry_fields& entry, const std::vector<filter>& filters) {
    return std::all_of(filters.begin(), filters.end(), [&](const filter& one) {
        return std::any_of(entry.begin(), entry.end(),
                           [&](const auto& field) { return field.first == one.field && field.second == one.value; });
    });
}

// A stretch of `ts`: [begin, end) in ms since the epoch.
struct time_span {
    std::int64_t begin, end;
    bool has(const entry_fields& entry) const {
        for (const auto& [name, value] : entry) {
            if (name != "ts") continue;
            const auto ts = store::integer_in(value);
            return ts && *ts >= begin && *ts < end;
        }
        return false;
    }
};

// `from` and `to`, when one of them is given.
std::variant<std::optional<time_span>, bad_parameter> span_of(const query& asked, const store::calendar& when,
                                                              std::int64_t now_ms) {
    if (!asked.get("from") && !asked.get("to")) return std::nullopt;
    const auto range = range_of(asked, date_of(when.at(now_ms)));
    if (const auto* bad = std::get_if<bad_parameter>(&range)) return *bad;
    const auto begin_of = [&when](date day) {
        const std::chrono::year_month_day civil{day};
        return when.instant(static_cast<int>(civil.year()), static_cast<int>(static_cast<unsigned>(civil.month())),
                            static_cast<int>(static_cast<unsigned>(civil.day())));
    };
    const auto& days = std::get<date_range>(range);
    return time_span{begin_of(days.from), begin_of(days.to + std::chrono::days{1})};
}

// An entry's id tells when Redis got the record, which is behind its `ts`: by so much at most, for one that is looked
// for by day.
constexpr std::int64_t longest_way_ms = 86'400'000;

std::int64_t ms_of_id(std::string_view id) {
    return store::integer_in(std::string(id.substr(0, id.find('-')))).value_or(0);
}

struct wanted_records {
    std::vector<filter> filters;
    std::optional<time_span> span;
    bool any() const { return filters.empty() && !span; }
    bool has(const entry_fields& entry) const { return passes(entry, filters) && (!span || span->has(entry)); }
    bool is_behind(std::string_view id) const { return span && ms_of_id(id) < span->begin; }
};

struct scan {
    std::vector<entry_fields> found;
    std::size_t scanned = 0;
    std::string cursor;  // the last entry looked at; "" before the first
    bool ended = false;  // nothing is left behind the cursor
};

// Takes entries of a page until the limit is reached.
void take(scan& into, store::stream_page page, const wanted_records& wanted, std::size_t limit) {
    for (auto& [id, fields] : page.entries) {
        if (into.found.size() == limit) return;
        if (wanted.is_behind(id)) {
            into.ended = true;
            return;
        }
        into.cursor = id;
        ++into.scanned;
        if (wanted.has(fields)) into.found.push_back(std::move(fields));
    }
    into.ended = page.next.empty();
}

}  // namespace

boost::asio::awaitable<response> requests(store::reports reports, std::int64_t now_ms, query asked) {
    const auto limit = asked.integer("limit", 1, limit_most, limit_default);
    if (const auto* bad = std::get_if<bad_parameter>(&limit)) co_return bad_request(*bad);
    auto filters = filters_of(asked);
    if (const auto* bad = std::get_if<bad_parameter>(&filters)) co_return bad_request(*bad);
    const auto span = span_of(asked, reports.when(), now_ms);
    if (const auto* bad = std::get_if<bad_parameter>(&span)) co_return bad_request(*bad);
    const wanted_records wanted{std::get<std::vector<filter>>(std::move(filters)),
                                std::get<std::optional<time_span>>(span)};
    const auto most = static_cast<std::size_t>(std::get<int>(limit));

    scan at;
    at.cursor = std::string(asked.get("cursor").value_or(""));
    if (!at.cursor.empty() && !is_stream_id(at.cursor)) {
        co_return bad_request({"cursor", "must be the next of an earlier answer"});
    }
    if (at.cursor.empty() && wanted.span) at.cursor = std::to_string(wanted.span->end + longest_way_ms) + "-0";
    while (!at.ended && at.found.size() < most && at.scanned < scanned_most) {
        const std::size_t size = wanted.any() ? most : std::min(page_size, scanned_most - at.scanned);
        auto page = co_await reports.usage_entries(at.cursor, size);
        if (const auto* error = std::get_if<store::redis_error>(&page)) {
            if (at.scanned > 0) break;  // the time is over: what was found is an answer, and the cursor goes on
            co_return problem(503, "The records could not be read: " + error->what);
        }
        take(at, std::move(std::get<store::stream_page>(page)), wanted, most);
    }
    const bool more = !at.ended || at.found.size() > most;
    co_return json_response(200, requests_json(at.found, more ? at.cursor : "", reports.when()));
}

}  // namespace admin
