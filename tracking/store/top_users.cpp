// reports::top_users: the users with most requests over some days, from the zsets of each day. The work is bounded by
// days x leaders, whatever the number of users; a user who is in no day's first 200 is not found.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>

#include "tracking/store/counting.hpp"
#include "tracking/store/reply_numbers.hpp"
#include "tracking/store/reports.hpp"

namespace tracking::store {

namespace {

constexpr std::size_t chunk = 32;
constexpr std::size_t leaders_of_day = 200;
constexpr std::size_t candidates_most = 200;

using requests_by_user = std::unordered_map<std::string, std::int64_t>;

std::string month_of(const std::string& day_period) {  // day:2026-11-22 -> month:2026-11
    return "month:" + day_period.substr(4, 7);
}

// Most requests first; of equals the one whose name sorts first, so that the order is the same each time.
std::vector<std::string> leaders(const requests_by_user& of, std::size_t most) {
    std::vector<std::pair<std::string, std::int64_t>> order(of.begin(), of.end());
    const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(most, order.size()));
    std::partial_sort(order.begin(), end, order.end(), [](const auto& a, const auto& b) {
        return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    std::vector<std::string> names;
    for (auto it = order.begin(); it != end; ++it) names.push_back(std::move(it->first));
    return names;
}

command scores_of(std::string key, const std::vector<std::string>& users) {
    command ask{"ZMSCORE", std::move(key)};
    ask.insert(ask.end(), users.begin(), users.end());
    return ask;
}

}  // namespace

// Everybody who leads on some day, with exact requests over all days.
boost::asio::awaitable<answer<std::vector<std::string>>> reports::leading_users(
    const std::vector<std::string>& day_periods, std::size_t most) {
    const auto looked = co_await look_at(day_periods);
    if (const auto* error = std::get_if<redis_error>(&looked)) co_return *error;
    requests_by_user sums;
    bool cut = false;
    for (const auto& part : std::get<std::vector<stretch>>(looked)) {
        const auto* known = memory_->find<report_memory::leaders>("leaders", part);
        report_memory::leaders fresh;
        if (known == nullptr) {
            requests_by_user read;
            const make_command lead = [&](std::size_t i) {
                return command{"ZREVRANGE", keys_.users_requests(day_periods[part.from + i]), "0",
                               std::to_string(leaders_of_day - 1), "WITHSCORES"};
            };
            const take_reply note = [&](std::size_t, const reply& one) {
                fresh.cut |= one.elements.size() / 2 >= leaders_of_day;
                for (std::size_t i = 0; i + 1 < one.elements.size(); i += 2) {
                    auto& sum = read[one.elements[i].text];
                    sum = saturating_sum(sum, score_in(one.elements[i + 1].text));
                }
            };
            if (auto error = co_await each(part.to - part.from, chunk, lead, note)) co_return std::move(*error);
            fresh.requests.assign(read.begin(), read.end());
            known = &fresh;
        }
        cut |= known->cut;
        for (const auto& [user, requests] : known->requests) {
            auto& sum = sums[user];
            sum = saturating_sum(sum, requests);
        }
        if (known == &fresh) memory_->keep("leaders", part, std::move(fresh));
    }
    if (!cut || day_periods.size() < 2) co_return leaders(sums, most);  // each day was read whole: the sums are exact

    const auto candidates = leaders(sums, candidates_most);
    sums.clear();
    const make_command exact = [&](std::size_t i) {
        return scores_of(keys_.users_requests(day_periods[i]), candidates);
    };
    const take_reply sum_up = [&](std::size_t, const reply& one) {
        for (std::size_t i = 0; i < std::min(candidates.size(), one.elements.size()); ++i) {
            auto& sum = sums[candidates[i]];
            sum = saturating_sum(sum, score_in(one.elements[i].text));
        }
    };
    if (auto error = co_await each(day_periods.size(), chunk, exact, sum_up)) co_return std::move(*error);
    co_return leaders(sums, most);
}

// Tokens and plan, which are kept by user and month. `in_range`: month -> requests of each row's user in the range.
boost::asio::awaitable<std::optional<redis_error>> reports::add_month_figures(std::vector<user_row>& rows,
                                                                              const requests_by_month& in_range) {
    const std::vector<requests_by_month::value_type> months(in_range.begin(), in_range.end());
    const make_command totals = [&](std::size_t i) {
        return command{"HMGET", keys_.usage_by(months[i / rows.size()].first, "user", rows[i % rows.size()].user_id),
                       "requests", "tokensUsed", "plan"};
    };
    const take_reply add_tokens = [&](std::size_t i, const reply& one) {
        if (one.elements.size() != 3) return;
        const auto requests = number_in(one.elements[0].text);
        const auto tokens = number_in(one.elements[1].text);
        const auto wanted = months[i / rows.size()].second[i % rows.size()];
        auto& row = rows[i % rows.size()];
        const auto counted = wanted >= requests ? tokens : share_of(tokens, wanted, requests);
        row.tokens_used = saturating_sum(row.tokens_used, counted);
        if (!one.elements[2].text.empty()) row.plan = one.elements[2].text;  // months ascend: the latest stays
    };
    co_return co_await each(months.size() * rows.size(), chunk, totals, add_tokens);
}

boost::asio::awaitable<answer<std::vector<reports::user_row>>> reports::top_users(std::vector<std::string> day_periods,
                                                                                  std::size_t most) {
    const auto leading = co_await leading_users(day_periods, most);
    if (const auto* error = std::get_if<redis_error>(&leading)) co_return *error;
    const auto& users = std::get<std::vector<std::string>>(leading);
    std::vector<user_row> rows;
    for (const auto& user : users) rows.push_back({user, {}});
    if (rows.empty()) co_return rows;

    requests_by_month in_range;
    const make_command scores = [&](std::size_t i) {
        const auto& day = day_periods[i / 2];
        return scores_of(i % 2 == 0 ? keys_.users_requests(day) : keys_.users_cost(day), users);
    };
    const take_reply add_scores = [&](std::size_t i, const reply& one) {
        auto& month = in_range[month_of(day_periods[i / 2])];
        month.resize(users.size());
        for (std::size_t u = 0; u < std::min(users.size(), one.elements.size()); ++u) {
            const auto value = score_in(one.elements[u].text);
            auto& sum = i % 2 == 0 ? rows[u].requests : rows[u].cost_nano;
            sum = saturating_sum(sum, value);
            if (i % 2 == 0) month[u] = saturating_sum(month[u], value);
        }
    };
    if (auto error = co_await each(day_periods.size() * 2, chunk, scores, add_scores)) co_return std::move(*error);

    if (auto error = co_await add_month_figures(rows, in_range)) co_return std::move(*error);
    co_return rows;
}

}  // namespace tracking::store
