// GET /ai/users/{id}: one user's usage. Counters say all but the features; those are found in the user's newest
// records, within the bounds of /ai/requests, and the answer says whether they are all.
#include <algorithm>
#include <map>

#include "admin-api/endpoints.hpp"
#include "admin-api/problem.hpp"
#include "admin-api/user_view.hpp"
#include "tracking/store/counting.hpp"
#include "tracking/store/reply_numbers.hpp"
#include "tracking/store/stream_entry.hpp"

namespace admin {

namespace {

namespace store = tracking::store;
using boost::asio::awaitable;
using store::redis_error;
using store::saturating_sum;

constexpr std::size_t page_size = 500;

std::string_view field_in(const entry_fields& entry, std::string_view name) {
    const auto found = std::find_if(entry.begin(), entry.end(), [&](const auto& field) { return field.first == name; });
    return found == entry.end() ? std::string_view() : std::string_view(found->second);
}

std::int64_t number_of(const entry_fields& entry, std::string_view name) {
    return store::number_in(std::string(field_in(entry, name)));
}

// Requests and cost of the range are exact. Errors and tokens are kept by month: of a month that lies in the range in
// part, they count in proportion to the requests.
void add_totals(user_figures& to) {
    std::map<std::string, std::int64_t> in_range;  // by month
    const auto dates = to.range.dates();
    for (std::size_t i = 0; i < dates.size(); ++i) {
        to.requests = saturating_sum(to.requests, to.days[i].requests);
        to.cost_nano = saturating_sum(to.cost_nano, to.days[i].cost_nano);
        auto& sum = in_range[date_text(dates[i]).substr(0, 7)];
        sum = saturating_sum(sum, to.days[i].requests);
    }
    for (const auto& month : to.months) {
        const auto known = in_range.find(month.month);
        const std::int64_t part = known == in_range.end() ? 0 : known->second;
        if (part == 0) continue;
        const bool whole = part >= month.requests;
        to.in_proportion |= !whole;
        const auto share = [&](std::int64_t of) { return whole ? of : store::share_of(of, part, month.requests); };
        to.errors = saturating_sum(to.errors, share(month.errors));
        to.tokens_used = saturating_sum(to.tokens_used, share(month.tokens_used));
    }
}

// Adds a record to its feature, when it is the user's and of the range.
bool add_record(user_figures& to, const entry_fields& entry, const store::calendar& when) {
    if (field_in(entry, "userId") != to.user_id) return false;
    const date day = date_of(when.at(number_of(entry, "ts")));
    if (day < to.range.from || day > to.range.to) return false;
    auto& row = to.features[std::string(field_in(entry, "feature"))];
    const auto outcome = field_in(entry, "outcome");
    const bool failed = field_in(entry, "success") == "0" && outcome != "client_abort" && outcome != "blocked";
    ++row.requests;
    row.errors += failed ? 1 : 0;
    row.tokens_used = saturating_sum(row.tokens_used, number_of(entry, "tokensUsed"));
    row.cost_nano = saturating_sum(row.cost_nano, store::nano_of(field_in(entry, "cost")));
    return true;
}

// From the newest record back, until as many were found as the counters know of. An entry's id is the time at which it
// was shipped, so that behind one from before the range there is nothing of it.
awaitable<void> find_features(store::reports reports, user_figures& to) {
    const std::chrono::year_month_day first{to.range.from};
    const std::int64_t begin =
        reports.when().instant(static_cast<int>(first.year()), static_cast<int>(static_cast<unsigned>(first.month())),
                               static_cast<int>(static_cast<unsigned>(first.day())));
    std::int64_t found = 0;
    std::string cursor;
    bool more = true;
    for (std::size_t scanned = 0; more && found < to.requests && scanned < scanned_most;) {
        auto page = co_await reports.usage_entries(cursor, page_size);
        if (std::holds_alternative<redis_error>(page)) break;  // the time is over
        const auto& of = std::get<store::stream_page>(page);
        for (const auto& [id, entry] : of.entries) found += add_record(to, entry, reports.when()) ? 1 : 0;
        scanned += of.entries.size();
        cursor = of.next;
        more = !cursor.empty() && store::number_in(cursor.substr(0, cursor.find('-'))) >= begin - redis_behind_ms;
    }
    to.features_complete = found >= to.requests;
}

}  // namespace

awaitable<response> user(store::reports reports, std::int64_t now_ms, std::string id, query asked) {
    const auto range = range_of(asked, date_of(reports.when().at(now_ms)));
    if (const auto* bad = std::get_if<bad_parameter>(&range)) co_return bad_request(*bad);
    user_figures figures;
    figures.now_ms = now_ms;
    figures.user_id = std::move(id);
    figures.range = std::get<date_range>(range);

    auto months = co_await reports.user_months(figures.user_id);
    if (const auto* error = std::get_if<redis_error>(&months)) {
        co_return problem(503, "The figures could not be read: " + error->what);
    }
    figures.months = std::move(std::get<0>(months));
    if (figures.months.empty()) co_return problem(404, "No request of this user has been recorded.");
    std::vector<std::string> periods;
    for (const date day : figures.range.dates()) periods.push_back(day_period(day));
    auto days = co_await reports.user_days(std::move(periods), figures.user_id);
    if (const auto* error = std::get_if<redis_error>(&days)) {
        co_return problem(503, "The figures could not be read: " + error->what);
    }
    figures.days = std::move(std::get<0>(days));
    add_totals(figures);
    co_await find_features(reports.within(scan_budget), figures);
    co_return json_response(200, user_json(figures, reports.when()));
}

}  // namespace admin
