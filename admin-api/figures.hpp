// Reads the figures that views show: from counters only, never a stream entry more than the few shown. Used by the
// endpoints and by the live feed. Control thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "admin-api/time_range.hpp"
#include "admin-api/views.hpp"
#include "tracking/store/reports.hpp"

namespace admin {

using maybe_error = std::optional<tracking::store::redis_error>;

// Moves the answer into `to`, or returns its error.
template <class T>
maybe_error unpack(tracking::store::answer<T>&& from, T& to) {
    if (auto* error = std::get_if<tracking::store::redis_error>(&from)) return std::move(*error);
    to = std::move(std::get<T>(from));
    return std::nullopt;
}

// A question whose answer goes into `to`, to be asked beside others: co_await all(into(...) && into(...)).
template <class T>
boost::asio::awaitable<maybe_error> into(boost::asio::awaitable<tracking::store::answer<T>> question, T& to) {
    co_return unpack(co_await std::move(question), to);
}

// The first error of those that were asked at once.
template <class... Errors>
boost::asio::awaitable<maybe_error> all(boost::asio::awaitable<std::tuple<Errors...>> questions) {
    auto errors = co_await std::move(questions);
    maybe_error first;
    std::apply([&](auto&... each) { ((first || !each ? void() : void(first = std::move(each))), ...); }, errors);
    co_return first;
}

inline constexpr std::size_t shown_errors = 10;  // messages

std::vector<std::string> days_of(const date_range& range);

// The overview at `to.now_ms`: what grows by the second, then what it is compared with and added to.
boost::asio::awaitable<maybe_error> read_overview(tracking::store::reports& reports, overview_figures& to);
boost::asio::awaitable<maybe_error> read_present(tracking::store::reports& reports, overview_figures& to);
boost::asio::awaitable<maybe_error> read_past(tracking::store::reports& reports, overview_figures& to);
// After both: the month's percentiles.
void merge_latency(overview_figures& of);

boost::asio::awaitable<maybe_error> read_stats(tracking::store::reports& reports, std::int64_t now_ms,
                                               stats_figures& to);

}  // namespace admin
