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
    const std::vector<std::string>& day_periods, const std::vector<stretch>& parts, std::size_t most) {
    requests_by_user sums;
    bool cut = false;
    for (const auto& part : parts) {
        const auto* known = memory_->find<report_memory::leaders>("leaders", part);
        report_memory::leaders fresh;
        if (known == nullptr) {
            requests_by_user read;
            const make_command lead = [&](const key_names& keys, std::size_t i) {
                return command{"ZREVRANGE", keys.users_requests(day_periods[part.from + i]), "0",
                               std::to_string(leaders_of_day - 1), "WITHSCORES"};
            };
            const take_reply note = [&](std::size_t, const reply& one) {
                fresh.cut |= one.elements.size() / 2 >= leaders_of_day;
                for (std::size_t i = 0; i + 1 < one.elements.size(); i += 2) {
                    add_to(read[one.elements[i].text], score_in(one.elements[i + 1].text));
                }
            };
            if (auto error = co_await each(part.to - part.from, chunk, lead, note)) co_return std::move(*error);
            fresh.requests.assign(read.begin(), read.end());
            known = &fresh;
        }
        cut |= known->cut;
        for (const auto& [user, requests] : known->requests) {
            add_to(sums[user], requests);
        }
        if (known == &fresh) memory_->keep("leaders", part, std::move(fresh));
    }
    if (!cut || day_periods.size() < 2) co_return leaders(sums, most);  // each day was read whole: the sums are exact

    const auto candidates = leaders(sums, candidates_most);
    const auto exact = co_await scores(day_periods, parts, candidates, "requests");
    if (const auto* error = std::get_if<redis_error>(&exact)) co_return *error;
    sums.clear();
    for (const auto& of_part : std::get<scores_by_stretch>(exact)) {
        for (std::size_t u = 0; u < candidates.size(); ++u) {
            add_to(sums[candidates[u]], of_part[u]);
        }
    }
    co_return leaders(sums, most);
}

// What each of the users has in each stretch. Of days that have not changed, only users are asked for who were not
// asked for before.
boost::asio::awaitable<answer<reports::scores_by_stretch>> reports::scores(const std::vector<std::string>& day_periods,
                                                                           const std::vector<stretch>& parts,
                                                                           const std::vector<std::string>& users,
                                                                           std::string what) {
    scores_by_stretch all;
    for (const auto& part : parts) {
        const auto* known = memory_->find<report_memory::scores>(what, part);
        std::vector<std::string> missing;
        for (const auto& user : users)
            if (known == nullptr || !known->contains(user)) missing.push_back(user);
        report_memory::scores more;
        if (!missing.empty()) {
            if (known != nullptr) more = *known;
            for (const auto& user : missing) more.emplace(user, 0);
            const make_command make = [&](const key_names& keys, std::size_t i) {
                const std::string& day = day_periods[part.from + i];
                return scores_of(what == "requests" ? keys.users_requests(day) : keys.users_cost(day), missing);
            };
            const take_reply take = [&](std::size_t, const reply& one) {
                for (std::size_t u = 0; u < std::min(missing.size(), one.elements.size()); ++u) {
                    add_to(more[missing[u]], score_in(one.elements[u].text));
                }
            };
            if (auto error = co_await each(part.to - part.from, chunk, make, take)) co_return std::move(*error);
            known = &more;
        }
        auto& of_part = all.emplace_back();
        for (const auto& user : users) of_part.push_back(known->at(user));
        if (known == &more) memory_->keep(what, part, std::move(more));
    }
    co_return all;
}

// Tokens and plan, which are kept by user and month. `in_range`: month -> requests of each row's user in the range.
boost::asio::awaitable<std::optional<redis_error>> reports::add_month_figures(std::vector<user_row>& rows,
                                                                              const requests_by_month& in_range) {
    const std::vector<requests_by_month::value_type> months(in_range.begin(), in_range.end());
    const make_command totals = [&](const key_names& keys, std::size_t i) {
        return command{"HMGET", keys.usage_by(months[i / rows.size()].first, "user", rows[i % rows.size()].user_id),
                       "requests", "tokensUsed", "plan"};
    };
    const take_reply add_tokens = [&](std::size_t i, const reply& one) {
        if (one.elements.size() != 3) return;
        const auto requests = number_in(one.elements[0].text);
        const auto tokens = number_in(one.elements[1].text);
        const auto wanted = months[i / rows.size()].second[i % rows.size()];
        auto& row = rows[i % rows.size()];
        const auto counted = wanted >= requests ? tokens : share_of(tokens, wanted, requests);
        add_to(row.tokens_used, counted);
        if (!one.elements[2].text.empty()) row.plan = one.elements[2].text;  // months ascend: the latest stays
    };
    co_return co_await each(months.size() * rows.size(), chunk, totals, add_tokens);
}

boost::asio::awaitable<answer<std::vector<reports::user_row>>> reports::top_users(std::vector<std::string> day_periods,
                                                                                  std::size_t most) {
    const auto looked = co_await look_at(day_periods);
    if (const auto* error = std::get_if<redis_error>(&looked)) co_return *error;
    const auto& parts = std::get<std::vector<stretch>>(looked);
    const auto leading = co_await leading_users(day_periods, parts, most);
    if (const auto* error = std::get_if<redis_error>(&leading)) co_return *error;
    const auto& users = std::get<std::vector<std::string>>(leading);
    std::vector<user_row> rows;
    for (const auto& user : users) rows.push_back({user, {}});
    if (rows.empty()) co_return rows;

    const auto requests = co_await scores(day_periods, parts, users, "requests");
    if (const auto* error = std::get_if<redis_error>(&requests)) co_return *error;
    const auto cost = co_await scores(day_periods, parts, users, "cost");
    if (const auto* error = std::get_if<redis_error>(&cost)) co_return *error;
    requests_by_month in_range;
    for (std::size_t part = 0; part < parts.size(); ++part) {
        auto& month = in_range[month_of(day_periods[parts[part].from])];
        month.resize(users.size());
        for (std::size_t u = 0; u < users.size(); ++u) {
            const auto of_part = std::get<scores_by_stretch>(requests)[part][u];
            add_to(month[u], of_part);
            add_to(rows[u].requests, of_part);
            add_to(rows[u].cost_nano, std::get<scores_by_stretch>(cost)[part][u]);
        }
    }
    if (auto error = co_await add_month_figures(rows, in_range)) co_return std::move(*error);
    co_return rows;
}

}  // namespace tracking::store
