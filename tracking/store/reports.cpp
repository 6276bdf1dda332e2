// Reads the counters of both views in bounded pipelines and adds them up.
#include "tracking/store/reports.hpp"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cmath>
#include <limits>

#include "tracking/store/counting.hpp"
#include "tracking/store/hyperloglog.hpp"
#include "tracking/store/reply_numbers.hpp"

namespace tracking::store {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// One pipeline takes Redis a few ms; for this long it is taken to hang.
constexpr milliseconds answer_within{2'000};
// Commands of one pipeline. A counter hash takes Redis about 3 us, a histogram or a long range up to 100 us: either
// way it is away from other clients for a few ms at most.
constexpr std::size_t light_chunk = 500;
constexpr std::size_t heavy_chunk = 32;
// Messages of each day among which the most frequent ones of several days are chosen.
constexpr std::size_t errors_of_a_day = 100;

// Calls `visit(name, value)` for the pairs of an HGETALL or a WITHSCORES reply.
template <class Visit>
void for_pairs(const reply& of, Visit visit) {
    for (std::size_t i = 0; i + 1 < of.elements.size(); i += 2) visit(of.elements[i].text, of.elements[i + 1].text);
}

// Fields mostly come in the order in which they were first written, the one of the enum: look behind the last match.
std::size_t counter_named(const std::string& name, std::size_t guess) {
    for (std::size_t i = 0; i < counter_count; ++i) {
        const std::size_t index = (guess + i) % counter_count;
        if (field_of(static_cast<counter>(index)) == name) return index;
    }
    return counter_count;
}

counters to_counters(const reply& of) {
    counters values{};
    std::size_t guess = 0;
    for_pairs(of, [&](const std::string& name, const std::string& text) {
        const std::size_t index = counter_named(name, guess);
        if (index == counter_count) return;
        values[index] = number_in(text);
        guess = index + 1;
    });
    return values;
}

void add_histogram(histogram& to, const reply& of) {
    for_pairs(of, [&](const std::string& bucket, const std::string& count) {
        const auto index = integer_in(bucket);
        const auto times = number_in(count);
        if (!index || *index < 0 || *index > std::numeric_limits<int>::max() || times <= 0) return;
        auto& sum = to[static_cast<int>(*index)];
        sum = saturating_sum(sum, times);
    });
}

stream_page to_page(const reply& of, std::size_t most) {
    stream_page page;
    for (const auto& entry : of.elements) {
        if (entry.elements.size() != 2) continue;
        if (page.entries.size() == most) {  // one more than was asked for: there is a next page
            page.next = page.entries.back().first;
            break;
        }
        std::vector<std::pair<std::string, std::string>> fields;
        for_pairs(entry.elements[1],
                  [&](const std::string& name, const std::string& value) { fields.emplace_back(name, value); });
        page.entries.emplace_back(entry.elements[0].text, std::move(fields));
    }
    return page;
}

}  // namespace

std::optional<std::int64_t> percentile_us(const histogram& of, double rank) {
    std::int64_t total = 0;
    for (const auto& [bucket, count] : of) total = saturating_sum(total, count);
    if (total <= 0) return std::nullopt;
    const auto wanted =
        std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(rank * static_cast<double>(total))));
    std::int64_t seen = 0;
    for (const auto& [bucket, count] : of) {
        seen = saturating_sum(seen, count);
        if (seen >= wanted) return histogram_middle(bucket);
    }
    return histogram_middle(of.rbegin()->first);
}

reports::reports(redis_client& redis, const key_names& keys, const calendar& when)
    : redis_(redis), keys_(keys), when_(when), until_(steady_clock::time_point::max()) {}

reports reports::within(milliseconds budget) const {
    reports limited = *this;
    limited.until_ = steady_clock::now() + budget;
    limited.looked_ = std::make_shared<look>();
    return limited;
}

// Into a place of the caller's: a variant as the result of a race would be merged with the race's own.
boost::asio::awaitable<void> reports::exchange(const std::vector<command>& commands, milliseconds left,
                                               answer<std::vector<reply>>& into) {
    const auto connected = co_await redis_.connect(left);
    if (const auto* error = std::get_if<redis_error>(&connected)) {
        into = *error;
        co_return;
    }
    into = co_await redis_.pipeline(commands, left);
}

// The client's own deadline starts when its turn comes; the race also bounds the wait behind other reports.
boost::asio::awaitable<answer<std::vector<reply>>> reports::ask(const std::vector<command>& commands) {
    using namespace boost::asio::experimental::awaitable_operators;
    const auto now = steady_clock::now();
    const auto until = std::min(until_, now + answer_within);
    if (now >= until) co_return redis_error{"the time for one report is over"};
    const auto left = std::chrono::ceil<milliseconds>(until - now);
    answer<std::vector<reply>> result;
    boost::asio::steady_timer alarm(co_await boost::asio::this_coro::executor, until);
    const auto first = co_await (exchange(commands, left, result) || alarm.async_wait(boost::asio::use_awaitable));
    if (first.index() == 1) {
        co_return redis_error{"Redis did not answer within " + std::to_string(left.count()) + " ms"};
    }
    co_return result;
}

boost::asio::awaitable<std::optional<redis_error>> reports::each(std::size_t count, std::size_t chunk,
                                                                 const make_command& make, const take_reply& take) {
    for (std::size_t done = 0; done < count;) {
        std::vector<command> commands;
        for (std::size_t i = done; i < std::min(done + chunk, count); ++i) commands.push_back(make(i));
        const auto result = co_await ask(commands);
        if (const auto* error = std::get_if<redis_error>(&result)) co_return *error;
        for (const auto& one : std::get<std::vector<reply>>(result)) {
            if (one.is_error()) co_return redis_error{"Redis refused " + commands.front().front() + ": " + one.text};
            take(done++, one);
        }
    }
    co_return std::nullopt;
}

boost::asio::awaitable<answer<std::vector<counters>>> reports::usage(std::vector<std::string> periods,
                                                                     std::vector<counter> only) {
    std::vector<counters> values(periods.size());
    const make_command make = [&](std::size_t i) {
        const std::string key = keys_.usage(periods[i]);
        if (only.empty()) return command{"HGETALL", key};
        command some{"HMGET", key};
        for (const counter which : only) some.emplace_back(field_of(which));
        return some;
    };
    const take_reply take = [&](std::size_t i, const reply& one) {
        if (only.empty()) {
            values[i] = to_counters(one);
            return;
        }
        for (std::size_t c = 0; c < std::min(only.size(), one.elements.size()); ++c) {
            values[i][static_cast<std::size_t>(only[c])] = number_in(one.elements[c].text);
        }
    };
    if (auto error = co_await each(periods.size(), light_chunk, make, take)) co_return std::move(*error);
    co_return values;
}

boost::asio::awaitable<answer<std::vector<counters>>> reports::usage_of(std::vector<std::string> periods,
                                                                        std::string kind, std::string label) {
    std::vector<counters> values(periods.size());
    const make_command make = [&](std::size_t i) {
        return command{"HGETALL", keys_.usage_by(periods[i], kind, label)};
    };
    const take_reply take = [&](std::size_t i, const reply& one) { values[i] = to_counters(one); };
    if (auto error = co_await each(periods.size(), light_chunk, make, take)) co_return std::move(*error);
    co_return values;
}

boost::asio::awaitable<answer<std::vector<std::vector<bucket_of>>>> reports::usage_by(std::vector<std::string> periods,
                                                                                      std::string kind) {
    std::vector<std::vector<bucket_of>> values(periods.size());
    std::vector<std::pair<std::size_t, std::size_t>> places;  // period, row
    const make_command list = [&](std::size_t i) { return command{"SMEMBERS", keys_.labels(periods[i], kind)}; };
    const take_reply name = [&](std::size_t i, const reply& one) {
        for (const auto& label : one.elements) {
            places.emplace_back(i, values[i].size());
            values[i].push_back({label.text, {}});
        }
    };
    if (auto error = co_await each(periods.size(), heavy_chunk, list, name)) co_return std::move(*error);

    const make_command make = [&](std::size_t i) {
        const auto [period, row] = places[i];
        return command{"HGETALL", keys_.usage_by(periods[period], kind, values[period][row].name)};
    };
    const take_reply take = [&](std::size_t i, const reply& one) {
        values[places[i].first][places[i].second].values = to_counters(one);
    };
    if (auto error = co_await each(places.size(), light_chunk, make, take)) co_return std::move(*error);
    co_return values;
}

boost::asio::awaitable<answer<std::vector<reports::analytics_bucket>>> reports::analytics(
    std::vector<std::string> periods) {
    std::vector<analytics_bucket> values(periods.size());
    const make_command make = [&](std::size_t i) { return command{"HGETALL", keys_.analytics(periods[i])}; };
    const take_reply take = [&](std::size_t i, const reply& one) {
        for_pairs(one, [&](const std::string& name, const std::string& text) {
            if (name == "ai_generation") values[i].generations = number_in(text);
            if (name == "cached") values[i].cached = number_in(text);
            if (name == "success") values[i].success = number_in(text);
            if (name == "errors") values[i].errors = number_in(text);
            if (name == "costNanoUsd") values[i].cost_nano = number_in(text);
        });
    };
    if (auto error = co_await each(periods.size(), light_chunk, make, take)) co_return std::move(*error);
    co_return values;
}

boost::asio::awaitable<answer<std::vector<stretch>>> reports::look_at(const std::vector<std::string>& day_periods) {
    if (looked_ && looked_->days == day_periods) co_return looked_->parts;
    auto parts = stretches_of(day_periods);
    std::size_t part = 0;
    std::int64_t repairs = 0;
    const make_command make = [&](std::size_t i) {
        return i == 0 ? command{"HGET", keys_.meta(), "repairs"}
                      : command{"HGET", keys_.usage(day_periods[i - 1]), "requests"};
    };
    const take_reply take = [&](std::size_t i, const reply& one) {
        if (i == 0) {
            repairs = number_in(one.text);
            return;
        }
        while (part < parts.size() && parts[part].to < i) ++part;
        parts[part].requests = saturating_sum(parts[part].requests, number_in(one.text));
        parts[part].repairs = repairs;
    };
    if (auto error = co_await each(day_periods.size() + 1, light_chunk, make, take)) co_return std::move(*error);
    if (looked_) *looked_ = {day_periods, parts};
    co_return parts;
}

// `key_of` names the histogram of a day; `name` what is remembered of a stretch.
boost::asio::awaitable<std::optional<redis_error>> reports::add_latency(
    histogram& to, std::string name, const std::vector<stretch>& parts,
    std::function<std::string(std::size_t)> key_of) {
    for (const auto& part : parts) {
        const auto* known = memory_->find<report_memory::buckets>(name, part);
        if (known == nullptr) {
            histogram read;
            const make_command make = [&](std::size_t i) { return command{"HGETALL", key_of(part.from + i)}; };
            const take_reply take = [&](std::size_t, const reply& one) { add_histogram(read, one); };
            if (auto error = co_await each(part.to - part.from, heavy_chunk, make, take)) co_return error;
            memory_->keep(name, part, report_memory::buckets(read.begin(), read.end()));
            for (const auto& [bucket, count] : read) to[bucket] = saturating_sum(to[bucket], count);
            continue;
        }
        for (const auto& [bucket, count] : *known) to[bucket] = saturating_sum(to[bucket], count);
    }
    co_return std::nullopt;
}

boost::asio::awaitable<answer<histogram>> reports::latency(std::vector<std::string> day_periods) {
    const auto looked = co_await look_at(day_periods);
    if (const auto* error = std::get_if<redis_error>(&looked)) co_return *error;
    histogram merged;
    std::function<std::string(std::size_t)> key_of = [&](std::size_t day) { return keys_.latency(day_periods[day]); };
    auto error = co_await add_latency(merged, "latency", std::get<std::vector<stretch>>(looked), std::move(key_of));
    if (error) co_return std::move(*error);
    co_return merged;
}

boost::asio::awaitable<answer<std::map<std::string, histogram>>> reports::feature_latency(
    std::vector<std::string> day_periods, std::vector<std::string> features) {
    const auto looked = co_await look_at(day_periods);
    if (const auto* error = std::get_if<redis_error>(&looked)) co_return *error;
    const auto& parts = std::get<std::vector<stretch>>(looked);
    std::map<std::string, histogram> merged;
    for (const auto& feature : features) {
        std::function<std::string(std::size_t)> key_of = [&](std::size_t day) {
            return keys_.feature_latency(day_periods[day], feature);
        };
        auto error = co_await add_latency(merged[feature], "latency of " + feature, parts, std::move(key_of));
        if (error) co_return std::move(*error);
    }
    co_return merged;
}

boost::asio::awaitable<answer<std::vector<std::int64_t>>> reports::hours(std::vector<std::string> day_periods) {
    constexpr std::size_t numbers = 3, of_day = 24 * numbers;
    const auto looked = co_await look_at(day_periods);
    if (const auto* error = std::get_if<redis_error>(&looked)) co_return *error;
    report_memory::hour_sums all;
    for (const auto& part : std::get<std::vector<stretch>>(looked)) {
        if (const auto* known = memory_->find<report_memory::hour_sums>("hours", part)) {
            all.insert(all.end(), known->begin(), known->end());
            continue;
        }
        report_memory::hour_sums read((part.to - part.from) * of_day);
        const make_command make = [&](std::size_t i) {
            const std::string& day = day_periods[part.from + i / 24];
            const std::string hour = std::to_string(100 + i % 24).substr(1);
            return command{"HMGET", keys_.usage("hour:" + day.substr(day.find(':') + 1) + "T" + hour),
                           std::string(field_of(counter::requests)), std::string(field_of(counter::errors)),
                           std::string(field_of(counter::cost_nano))};
        };
        const take_reply take = [&](std::size_t i, const reply& one) {
            for (std::size_t n = 0; n < std::min(numbers, one.elements.size()); ++n) {
                read[i * numbers + n] = number_in(one.elements[n].text);
            }
        };
        auto error = co_await each((part.to - part.from) * 24, light_chunk, make, take);
        if (error) co_return std::move(*error);
        all.insert(all.end(), read.begin(), read.end());
        memory_->keep("hours", part, std::move(read));
    }
    co_return all;
}

boost::asio::awaitable<answer<std::map<int, std::int64_t>>> reports::statuses(std::vector<std::string> day_periods) {
    std::map<int, std::int64_t> counts;
    const make_command make = [&](std::size_t i) { return command{"HGETALL", keys_.status(day_periods[i])}; };
    const take_reply take = [&](std::size_t, const reply& one) {
        for_pairs(one, [&](const std::string& status, const std::string& count) {
            const auto code = integer_in(status);
            if (!code || *code < 0 || *code > 999) return;
            auto& sum = counts[static_cast<int>(*code)];
            sum = saturating_sum(sum, number_in(count));
        });
    };
    if (auto error = co_await each(day_periods.size(), light_chunk, make, take)) co_return std::move(*error);
    co_return counts;
}

boost::asio::awaitable<answer<std::vector<reports::message_count>>> reports::top_errors(
    std::vector<std::string> day_periods, std::size_t most) {
    std::map<std::string, std::int64_t> counts;
    const std::string last = std::to_string(std::max(most, errors_of_a_day) - 1);
    const make_command make = [&](std::size_t i) {
        return command{"ZREVRANGE", keys_.errors(day_periods[i]), "0", last, "WITHSCORES"};
    };
    const take_reply take = [&](std::size_t, const reply& one) {
        for_pairs(one, [&](const std::string& message, const std::string& count) {
            auto& sum = counts[message];
            sum = saturating_sum(sum, score_in(count));
        });
    };
    if (auto error = co_await each(day_periods.size(), heavy_chunk, make, take)) co_return std::move(*error);
    std::vector<message_count> top;
    for (const auto& [message, count] : counts) top.push_back({message, count});
    std::stable_sort(top.begin(), top.end(), [](const auto& a, const auto& b) { return a.count > b.count; });
    top.resize(std::min(top.size(), most));
    co_return top;
}

boost::asio::awaitable<answer<std::int64_t>> reports::active_users(std::vector<std::string> day_periods) {
    // One PFCOUNT over a year of busy days holds every other client up for 26 ms; GET takes some microseconds a day.
    const auto looked = co_await look_at(day_periods);
    if (const auto* error = std::get_if<redis_error>(&looked)) co_return *error;
    hyperloglog users;
    bool readable = true;
    for (const auto& part : std::get<std::vector<stretch>>(looked)) {
        if (const auto* known = memory_->find<hyperloglog>("users", part)) {
            users.merge(*known);
            continue;
        }
        hyperloglog read;
        const make_command make = [&](std::size_t i) {
            return command{"GET", keys_.active(day_periods[part.from + i])};
        };
        const take_reply take = [&](std::size_t, const reply& one) { readable &= read.merge(one.text); };
        if (auto error = co_await each(part.to - part.from, heavy_chunk, make, take)) co_return std::move(*error);
        if (!readable) co_return redis_error{"a key of active users holds no HyperLogLog"};
        users.merge(read);
        memory_->keep("users", part, std::move(read));
    }
    co_return users.count();
}

boost::asio::awaitable<answer<stream_page>> reports::entries(std::string key, std::string cursor, std::size_t most) {
    stream_page page;
    if (cursor == "0-0") co_return page;  // nothing is older, and Redis refuses "(0-0"
    const make_command make = [&](std::size_t) {
        return command{"XREVRANGE", key, cursor.empty() ? "+" : "(" + cursor, "-", "COUNT", std::to_string(most + 1)};
    };
    const take_reply take = [&](std::size_t, const reply& one) { page = to_page(one, most); };
    if (auto error = co_await each(1, 1, make, take)) co_return std::move(*error);
    co_return page;
}

boost::asio::awaitable<answer<stream_page>> reports::usage_entries(std::string cursor, std::size_t most) {
    return entries(keys_.usage_stream(), std::move(cursor), most);
}

boost::asio::awaitable<answer<stream_page>> reports::analytics_entries(std::size_t most) {
    return entries(keys_.analytics_stream(), {}, most);
}

}  // namespace tracking::store
