// reports: what the counters know of one user. Months hold requests, errors, tokens and cost for good; days hold
// requests and cost, in the zsets of top users.
#include <algorithm>

#include "tracking/store/counting.hpp"
#include "tracking/store/reply_numbers.hpp"
#include "tracking/store/reports.hpp"

namespace tracking::store {

namespace {

constexpr std::size_t chunk = 500;

}  // namespace

boost::asio::awaitable<answer<std::vector<reports::user_month>>> reports::user_months(std::string user) {
    std::vector<std::string> months;
    const make_command list = [&](const key_names& keys, std::size_t) { return command{"SMEMBERS", keys.months()}; };
    const take_reply name = [&](std::size_t, const reply& one) {
        for (const auto& month : one.elements) months.push_back(month.text);
    };
    if (auto error = co_await each(1, 1, list, name, &user)) co_return std::move(*error);
    std::sort(months.begin(), months.end());

    std::vector<user_month> found;
    const make_command make = [&](const key_names& keys, std::size_t i) {
        return command{"HMGET",      keys.usage_by("month:" + months[i], "user", user),
                       "requests",   "errors",
                       "tokensUsed", "costNanoUsd",
                       "plan"};
    };
    const take_reply take = [&](std::size_t i, const reply& one) {
        if (one.elements.size() != 5) return;
        const auto number = [&](std::size_t at) { return number_in(one.elements[at].text); };
        if (number(0) <= 0) return;
        found.push_back({months[i], one.elements[4].text, number(0), number(1), number(2), number(3)});
    };
    if (auto error = co_await each(months.size(), chunk, make, take, &user)) co_return std::move(*error);
    co_return found;
}

boost::asio::awaitable<answer<std::vector<reports::user_day>>> reports::user_days(std::vector<std::string> day_periods,
                                                                                  std::string user) {
    std::vector<user_day> days(day_periods.size());
    const make_command make = [&](const key_names& keys, std::size_t i) {
        const auto& day = day_periods[i / 2];
        return command{"ZSCORE", i % 2 == 0 ? keys.users_requests(day) : keys.users_cost(day), user};
    };
    const take_reply take = [&](std::size_t i, const reply& one) {
        (i % 2 == 0 ? days[i / 2].requests : days[i / 2].cost_nano) = score_in(one.text);
    };
    if (auto error = co_await each(days.size() * 2, chunk, make, take, &user)) co_return std::move(*error);
    co_return days;
}

}  // namespace tracking::store
