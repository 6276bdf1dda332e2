// GET /ai/requests: pages through the usage stream, newest first, with filters. The only report that reads the stream,
// so that it is bounded by entries looked at and by time; past either bound it returns what it has and the cursor.
#include <algorithm>
#include <optional>

#include "admin-api/endpoints.hpp"
#include "admin-api/problem.hpp"
#include "admin-api/record_filter.hpp"
#include "admin-api/time_range.hpp"
#include "admin-api/views.hpp"
#include "tracking/store/reply_numbers.hpp"
#include "tracking/store/stream_id.hpp"

namespace admin {

namespace {

namespace store = tracking::store;

constexpr int limit_default = 50;
constexpr int limit_most = 500;
constexpr std::size_t page_size = 500;  // about a millisecond of Redis

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
    std::vector<record_filter> filters;
    std::optional<time_span> span;
    bool any() const { return filters.empty() && !span; }
    bool has(const entry_fields& entry) const { return passes(entry, filters) && (!span || span->has(entry)); }
    bool is_behind(std::string_view id) const { return span && ms_of_id(id) < span->begin - redis_behind_ms; }
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
    const wanted_records wanted{std::get<std::vector<record_filter>>(std::move(filters)),
                                std::get<std::optional<time_span>>(span)};
    const auto most = static_cast<std::size_t>(std::get<int>(limit));

    scan at;
    at.cursor = std::string(asked.get("cursor").value_or(""));
    if (!at.cursor.empty() && !store::stream_id::parse(at.cursor)) {
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
