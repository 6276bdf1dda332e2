#include "admin-api/figures.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "tracking/store/counting.hpp"

namespace admin {

namespace {

namespace store = tracking::store;
using boost::asio::awaitable;
using namespace boost::asio::experimental::awaitable_operators;
using store::counters;

constexpr std::size_t shown_activity = 10;

std::vector<std::string> periods_of(const std::vector<share>& shares) {
    std::vector<std::string> periods;
    for (const auto& one : shares) periods.push_back(one.period);
    return periods;
}

date first_of_month(date day) {
    const std::chrono::year_month_day civil{day};
    return civil.year() / civil.month() / 1;
}

trend_sums sums_of(const std::vector<share>& shares, std::span<const counters> buckets) {
    trend_sums sums;
    for (std::size_t i = 0; i < shares.size(); ++i) sums.add(buckets[i], shares[i].part);
    return sums;
}

}  // namespace

std::vector<std::string> days_of(const date_range& range) {
    std::vector<std::string> periods;
    for (const date day : range.dates()) periods.push_back(day_period(day));
    return periods;
}

awaitable<maybe_error> read_present(store::reports& reports, overview_figures& to) {
    const date day = date_of(reports.when().at(to.now_ms));
    const std::vector<std::string> today{day_period(day)};
    std::vector<std::string> periods{day_period(day), month_period(day)};
    std::vector<counters> read;
    if (auto error = co_await reports.look_once(today)) co_return error;
    auto questions = into(reports.usage(std::move(periods)), read) && into(reports.latency(today), to.today.latency) &&
                     into(reports.active_users(today), to.today.active_users.emplace()) &&
                     into(reports.statuses(today), to.statuses) &&
                     into(reports.top_errors(today, shown_errors), to.errors);
    if (auto error = co_await all(std::move(questions))) co_return error;
    to.today.values = read[0];
    to.month.values = read[1];
    co_return std::nullopt;
}

// The two stretches that trends compare with, and the days of the month that are over.
awaitable<maybe_error> read_past(store::reports& reports, overview_figures& to) {
    const auto against = compare_at(reports.when(), to.now_ms);
    auto periods = periods_of(against.yesterday);
    for (auto& more : periods_of(against.last_month)) periods.push_back(std::move(more));
    std::vector<counters> read;
    const auto month = days_of({first_of_month(against.today), against.today});
    std::vector<std::string> earlier(month.begin(), month.end() - 1);
    auto questions = into(reports.usage(std::move(periods)), read) &&
                     into(reports.active_users(month), to.month.active_users.emplace()) &&
                     into(reports.latency(std::move(earlier)), to.earlier_latency);
    if (auto error = co_await all(std::move(questions))) co_return error;
    const std::span<const counters> compared(read);
    to.yesterday = sums_of(against.yesterday, compared.first(against.yesterday.size()));
    to.last_month = sums_of(against.last_month, compared.subspan(against.yesterday.size()));
    co_return std::nullopt;
}

void merge_latency(overview_figures& of) {
    of.month.latency = of.earlier_latency;
    for (const auto& [bucket, count] : of.today.latency) {
        auto& sum = of.month.latency[bucket];
        sum = store::saturating_sum(sum, count);
    }
}

awaitable<maybe_error> read_overview(store::reports& reports, overview_figures& to) {
    auto questions = read_present(reports, to) && read_past(reports, to);
    if (auto error = co_await all(std::move(questions))) co_return error;
    merge_latency(to);
    co_return std::nullopt;
}

awaitable<maybe_error> read_stats(store::reports& reports, std::int64_t now_ms, stats_figures& to) {
    const date today = date_of(reports.when().at(now_ms));
    std::vector<store::reports::analytics_bucket> buckets;
    std::vector<std::string> periods{day_period(today), month_period(today), "total"};
    store::stream_page page;
    auto questions =
        into(reports.analytics(std::move(periods)), buckets) && into(reports.analytics_entries(shown_activity), page);
    if (auto error = co_await all(std::move(questions))) co_return error;
    to = {buckets[0], buckets[1], buckets[2], {}, {}};
    for (auto& [id, fields] : page.entries) {
        to.recent.push_back(std::move(fields));
        to.recent_ids.push_back(store::stream_id::parse(id).value_or(store::stream_id{}));
    }
    co_return std::nullopt;
}

}  // namespace admin
