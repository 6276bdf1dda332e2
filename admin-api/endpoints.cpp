// Overview, usage and the main dashboard's figures: counters only, never a stream entry more than the ten shown.
#include "admin-api/endpoints.hpp"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "admin-api/figures.hpp"
#include "admin-api/problem.hpp"
#include "admin-api/time_range.hpp"
#include "admin-api/views.hpp"
#include "tracking/store/counting.hpp"

namespace admin {

namespace {

namespace store = tracking::store;
using boost::asio::awaitable;
using namespace boost::asio::experimental::awaitable_operators;
using store::counter;
using store::counters;
using store::redis_error;

constexpr std::size_t shown_users = 10;
// Histograms read for byFeature's percentiles: days x features, the features with most requests first.
constexpr std::size_t feature_histograms_most = 4'000;

response unavailable(const redis_error& why) { return problem(503, "The figures could not be read: " + why.what); }

awaitable<maybe_error> read_labels(store::reports& reports, std::vector<std::string> periods, usage_figures& to) {
    std::vector<std::string> kinds{"feature", "model", "provider", "plan"};
    std::vector<std::vector<store::bucket_of>> read;
    if (auto error = unpack(co_await reports.usage_by(std::move(periods), std::move(kinds)), read)) co_return error;
    to.features = std::move(read[0]);
    to.models = std::move(read[1]);
    to.providers = std::move(read[2]);
    to.plans = std::move(read[3]);
    co_return std::nullopt;
}

awaitable<maybe_error> read_feature_latency(store::reports& reports, const std::vector<std::string>& days,
                                            usage_figures& to) {
    std::vector<std::pair<std::int64_t, std::string>> order;
    for (const auto& row : to.features)
        order.emplace_back(row.values[static_cast<std::size_t>(counter::requests)], row.name);
    std::sort(order.begin(), order.end(), std::greater<>());
    order.resize(std::min(order.size(), feature_histograms_most / days.size()));
    std::vector<std::string> features;
    for (auto& [requests, name] : order) features.push_back(std::move(name));
    co_return unpack(co_await reports.feature_latency(days, std::move(features)), to.feature_latency);
}

// byHour and heatmap are by the wall clock: an hour that a day repeats adds to the same cell, one that it skips has
// no bucket.
awaitable<maybe_error> read_hours(store::reports& reports, usage_figures& to) {
    const auto dates = to.range.dates();
    std::vector<std::int64_t> read;  // requests, errors and cost of each hour
    if (auto error = unpack(co_await reports.hours(days_of(to.range)), read)) co_return error;
    const auto sum = [](std::int64_t& into, std::int64_t value) { into = store::saturating_sum(into, value); };
    for (std::size_t i = 0; i + 2 < read.size(); i += 3) {
        const std::size_t at = i / 3;
        auto& hour = to.hours[at % 24];
        sum(hour.requests, read[i]);
        sum(hour.errors, read[i + 1]);
        sum(hour.cost_nano, read[i + 2]);
        const auto weekday = static_cast<std::size_t>(weekday_of(dates[at / 24]));
        sum(to.heatmap[weekday][at % 24], read[i]);
    }
    co_return std::nullopt;
}

awaitable<maybe_error> read_by_label(store::reports& reports, const std::vector<std::string>& days, date today,
                                     usage_figures& to) {
    if (auto error = co_await read_labels(reports, fewest_periods(to.range, today), to)) co_return error;
    co_return co_await read_feature_latency(reports, days, to);
}

awaitable<maybe_error> read_usage(store::reports& reports, date today, usage_figures& to) {
    const auto days = days_of(to.range);
    if (auto error = co_await reports.look_once(days)) co_return error;  // which most of the others would, each
    auto questions =
        into(reports.usage(days), to.days) && read_by_label(reports, days, today, to) &&
        into(reports.top_users(days, shown_users), to.users) && into(reports.latency(days), to.totals.latency) &&
        read_hours(reports, to) && into(reports.active_users(days), to.totals.active_users.emplace()) &&
        into(reports.statuses(days), to.statuses) && into(reports.top_errors(days, shown_errors), to.errors);
    if (auto error = co_await all(std::move(questions))) co_return error;
    for (const auto& day : to.days) store::add(to.totals.values, day);
    co_return std::nullopt;
}

// feature=, model=, plan= or provider=: counters are kept by one label at a time, so that two cannot be combined.
std::variant<std::optional<usage_filter>, bad_parameter> filter_of(const query& asked) {
    std::optional<usage_filter> filter;
    for (const std::string_view kind : usage_filter_kinds) {
        const auto label = asked.get(kind);
        if (!label) continue;
        if (filter) return bad_parameter{std::string(kind), "cannot be combined with " + filter->kind};
        filter = usage_filter{std::string(kind), std::string(*label)};
    }
    return filter;
}

// What is counted by day and label: no hours, no users, no messages, and latencies of features alone.
awaitable<maybe_error> read_filtered_usage(store::reports& reports, usage_figures& to) {
    const auto days = days_of(to.range);
    const auto& [kind, label] = *to.filter;
    to.totals.active_users.reset();
    if (auto error = unpack(co_await reports.usage_of(days, kind, label), to.days)) co_return error;
    for (const auto& day : to.days) store::add(to.totals.values, day);
    store::bucket_of row{label, to.totals.values};
    if (kind == "model")
        to.models.push_back(std::move(row));
    else if (kind == "provider")
        to.providers.push_back(std::move(row));
    else if (kind == "plan")
        to.plans.push_back(std::move(row));
    else {
        to.features.push_back(std::move(row));
        std::vector<std::string> features{label};
        if (auto error = unpack(co_await reports.feature_latency(days, std::move(features)), to.feature_latency))
            co_return error;
        to.totals.latency = to.feature_latency[label];
    }
    co_return std::nullopt;
}

}  // namespace

response bad_request(const bad_parameter& why) {
    return problem(400, "Parameter \"" + why.name + "\" " + why.why + ".", why.name);
}

awaitable<response> overview(store::reports reports, std::int64_t now_ms) {
    overview_figures figures;
    figures.now_ms = now_ms;
    if (const auto error = co_await read_overview(reports, figures)) co_return unavailable(*error);
    co_return json_response(200, overview_json(figures, reports.when()));
}

awaitable<response> usage(store::reports reports, std::int64_t now_ms, query asked) {
    const date today = date_of(reports.when().at(now_ms));
    const auto range = range_of(asked, today);
    if (const auto* bad = std::get_if<bad_parameter>(&range)) co_return bad_request(*bad);
    usage_figures figures;
    figures.now_ms = now_ms;
    figures.range = std::get<date_range>(range);
    auto filter = filter_of(asked);
    if (const auto* bad = std::get_if<bad_parameter>(&filter)) co_return bad_request(*bad);
    figures.filter = std::get<std::optional<usage_filter>>(std::move(filter));
    maybe_error error;
    if (figures.filter) {
        error = co_await read_filtered_usage(reports, figures);
    } else {
        error = co_await read_usage(reports, today, figures);
    }
    if (error) co_return unavailable(*error);
    co_return json_response(200, usage_json(figures, reports.when()));
}

awaitable<response> stats(store::reports reports, std::int64_t now_ms) {
    stats_figures figures;
    if (const auto error = co_await read_stats(reports, now_ms, figures)) co_return unavailable(*error);
    co_return json_response(200, stats_json(figures));
}

}  // namespace admin
