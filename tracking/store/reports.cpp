// Reads the counters of both views in bounded pipelines and adds them up.
#include "tracking/store/reports.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "tracking/store/counting.hpp"
#include "tracking/store/hyperloglog.hpp"
#include "tracking/store/reply_numbers.hpp"

namespace tracking::store {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

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
    : reports(std::make_shared<report_redis>(redis, keys), when) {}

reports::reports(std::shared_ptr<report_redis> redis, const calendar& when)
    : redis_(std::move(redis)), when_(when), until_(steady_clock::time_point::max()) {}

reports reports::within(milliseconds budget) const {
    reports limited = *this;
    limited.until_ = steady_clock::now() + budget;
    limited.looked_ = std::make_shared<look>();
    return limited;
}

boost::asio::awaitable<answer<std::vector<counters>>> reports::usage(std::vector<std::string> periods,
                                                                     std::vector<counter> only) {
    std::vector<counters> values(periods.size());
    const make_command make = [&](const key_names& keys, std::size_t i) {
        const std::string key = keys.usage(periods[i]);
        if (only.empty()) return command{"HGETALL", key};
        command some{"HMGET", key};
        for (const counter which : only) some.emplace_back(field_of(which));
        return some;
    };
    const take_reply take = [&](std::size_t i, const reply& one) {
        if (only.empty()) {
            add(values[i], to_counters(one));
            return;
        }
        for (std::size_t c = 0; c < std::min(only.size(), one.elements.size()); ++c) {
            add_to(values[i][static_cast<std::size_t>(only[c])], number_in(one.elements[c].text));
        }
    };
    if (auto error = co_await each(periods.size(), light_chunk, make, take)) co_return std::move(*error);
    co_return values;
}

boost::asio::awaitable<answer<std::vector<counters>>> reports::usage_of(std::vector<std::string> periods,
                                                                        std::string kind, std::string label) {
    std::vector<counters> values(periods.size());
    const make_command make = [&](const key_names& keys, std::size_t i) {
        return command{"HGETALL", keys.usage_by(periods[i], kind, label)};
    };
    const take_reply take = [&](std::size_t i, const reply& one) { add(values[i], to_counters(one)); };
    if (auto error = co_await each(periods.size(), light_chunk, make, take)) co_return std::move(*error);
    co_return values;
}

boost::asio::awaitable<answer<std::vector<std::vector<bucket_of>>>> reports::usage_by(std::vector<std::string> periods,
                                                                                      std::vector<std::string> kinds) {
    struct place {
        std::size_t kind, period;
        std::string label;
        auto operator<=>(const place&) const = default;
    };
    std::set<place> known;  // several shards may have the same label
    const make_command list = [&](const key_names& keys, std::size_t i) {
        return command{"SMEMBERS", keys.labels(periods[i % periods.size()], kinds[i / periods.size()])};
    };
    const take_reply name = [&](std::size_t i, const reply& one) {
        for (const auto& label : one.elements) known.insert({i / periods.size(), i % periods.size(), label.text});
    };
    if (auto error = co_await each(kinds.size() * periods.size(), heavy_chunk, list, name)) co_return std::move(*error);

    const std::vector<place> places(known.begin(), known.end());
    std::vector<std::map<std::string, counters>> sums(kinds.size());
    const make_command make = [&](const key_names& keys, std::size_t i) {
        return command{"HGETALL", keys.usage_by(periods[places[i].period], kinds[places[i].kind], places[i].label)};
    };
    const take_reply take = [&](std::size_t i, const reply& one) {
        add(sums[places[i].kind][places[i].label], to_counters(one));
    };
    if (auto error = co_await each(places.size(), light_chunk, make, take)) co_return std::move(*error);
    std::vector<std::vector<bucket_of>> values(kinds.size());
    for (std::size_t kind = 0; kind < kinds.size(); ++kind)
        for (const auto& [label, of] : sums[kind]) values[kind].push_back({label, of});
    co_return values;
}

boost::asio::awaitable<answer<std::vector<reports::analytics_bucket>>> reports::analytics(
    std::vector<std::string> periods) {
    std::vector<analytics_bucket> values(periods.size());
    const make_command make = [&](const key_names& keys, std::size_t i) {
        return command{"HGETALL", keys.analytics(periods[i])};
    };
    const take_reply take = [&](std::size_t i, const reply& one) {
        for_pairs(one, [&](const std::string& name, const std::string& text) {
            if (name == "ai_generation") add_to(values[i].generations, number_in(text));
            if (name == "cached") add_to(values[i].cached, number_in(text));
            if (name == "success") add_to(values[i].success, number_in(text));
            if (name == "errors") add_to(values[i].errors, number_in(text));
            if (name == "costNanoUsd") add_to(values[i].cost_nano, number_in(text));
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
    const make_command make = [&](const key_names& keys, std::size_t i) {
        return i == 0 ? command{"HGET", keys.meta(), "repairs"}
                      : command{"HGET", keys.usage(day_periods[i - 1]), "requests"};
    };
    const take_reply take = [&](std::size_t i, const reply& one) {
        if (i == 0) {
            add_to(repairs, number_in(one.text));
            return;
        }
        if (i <= parts[part].from) part = 0;  // of the next shard
        while (parts[part].to < i) ++part;
        add_to(parts[part].requests, number_in(one.text));
    };
    if (auto error = co_await each(day_periods.size() + 1, light_chunk, make, take)) co_return std::move(*error);
    for (auto& one : parts) one.repairs = repairs;
    if (looked_) *looked_ = {day_periods, parts};
    co_return parts;
}

boost::asio::awaitable<std::optional<redis_error>> reports::look_once(const std::vector<std::string>& day_periods) {
    const auto looked = co_await look_at(day_periods);
    if (const auto* error = std::get_if<redis_error>(&looked)) co_return *error;
    co_return std::nullopt;
}

// What is not remembered is read of all histograms together: each pipeline may have to wait for a batch.
boost::asio::awaitable<std::optional<redis_error>> reports::add_latencies(const std::vector<wanted_histogram>& wanted,
                                                                          const std::vector<stretch>& parts) {
    struct gap {
        const wanted_histogram& in;
        const stretch& part;
        histogram read;
    };
    std::vector<gap> gaps;
    std::vector<std::pair<std::size_t, std::size_t>> places;  // gap, day
    for (const auto& one : wanted) {
        for (const auto& part : parts) {
            if (const auto* known = memory_->find<report_memory::buckets>(one.name, part)) {
                for (const auto& [bucket, count] : *known) add_to(one.to[bucket], count);
                continue;
            }
            for (std::size_t day = part.from; day < part.to; ++day) places.emplace_back(gaps.size(), day);
            gaps.push_back({one, part, {}});
        }
    }
    const make_command make = [&](const key_names& keys, std::size_t i) {
        const auto [which, day] = places[i];
        return command{"HGETALL", gaps[which].in.key_of(keys, day)};
    };
    const take_reply take = [&](std::size_t i, const reply& one) { add_histogram(gaps[places[i].first].read, one); };
    if (auto error = co_await each(places.size(), heavy_chunk, make, take)) co_return error;
    for (const auto& one : gaps) {
        for (const auto& [bucket, count] : one.read) add_to(one.in.to[bucket], count);
        memory_->keep(one.in.name, one.part, report_memory::buckets(one.read.begin(), one.read.end()));
    }
    co_return std::nullopt;
}

boost::asio::awaitable<answer<histogram>> reports::latency(std::vector<std::string> day_periods) {
    const auto looked = co_await look_at(day_periods);
    if (const auto* error = std::get_if<redis_error>(&looked)) co_return *error;
    histogram merged;
    std::vector<wanted_histogram> wanted;
    wanted.push_back(
        {merged, "latency", [&](const key_names& keys, std::size_t day) { return keys.latency(day_periods[day]); }});
    auto error = co_await add_latencies(wanted, std::get<std::vector<stretch>>(looked));
    if (error) co_return std::move(*error);
    co_return merged;
}

boost::asio::awaitable<answer<std::map<std::string, histogram>>> reports::feature_latency(
    std::vector<std::string> day_periods, std::vector<std::string> features) {
    const auto looked = co_await look_at(day_periods);
    if (const auto* error = std::get_if<redis_error>(&looked)) co_return *error;
    std::map<std::string, histogram> merged;
    std::vector<wanted_histogram> wanted;
    for (const auto& feature : features)
        wanted.push_back({merged[feature], "latency of " + feature, [&](const key_names& keys, std::size_t day) {
                              return keys.feature_latency(day_periods[day], feature);
                          }});
    auto error = co_await add_latencies(wanted, std::get<std::vector<stretch>>(looked));
    if (error) co_return std::move(*error);
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
        const make_command make = [&](const key_names& keys, std::size_t i) {
            const std::string& day = day_periods[part.from + i / 24];
            const std::string hour = std::to_string(100 + i % 24).substr(1);
            return command{"HMGET", keys.usage("hour:" + day.substr(day.find(':') + 1) + "T" + hour),
                           std::string(field_of(counter::requests)), std::string(field_of(counter::errors)),
                           std::string(field_of(counter::cost_nano))};
        };
        const take_reply take = [&](std::size_t i, const reply& one) {
            for (std::size_t n = 0; n < std::min(numbers, one.elements.size()); ++n) {
                add_to(read[i * numbers + n], number_in(one.elements[n].text));
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
    const make_command make = [&](const key_names& keys, std::size_t i) {
        return command{"HGETALL", keys.status(day_periods[i])};
    };
    const take_reply take = [&](std::size_t, const reply& one) {
        for_pairs(one, [&](const std::string& status, const std::string& count) {
            const auto code = integer_in(status);
            if (!code || *code < 0 || *code > 999) return;
            add_to(counts[static_cast<int>(*code)], number_in(count));
        });
    };
    if (auto error = co_await each(day_periods.size(), light_chunk, make, take)) co_return std::move(*error);
    co_return counts;
}

boost::asio::awaitable<answer<std::vector<reports::message_count>>> reports::top_errors(
    std::vector<std::string> day_periods, std::size_t most) {
    const auto looked = co_await look_at(day_periods);
    if (const auto* error = std::get_if<redis_error>(&looked)) co_return *error;
    std::map<std::string, std::int64_t> counts;
    const std::string last = std::to_string(std::max(most, errors_of_a_day) - 1), name = "errors " + last;
    for (const auto& part : std::get<std::vector<stretch>>(looked)) {
        const auto* known = memory_->find<report_memory::scores>(name, part);
        report_memory::scores read;
        if (known == nullptr) {
            const make_command make = [&](const key_names& keys, std::size_t i) {
                return command{"ZREVRANGE", keys.errors(day_periods[part.from + i]), "0", last, "WITHSCORES"};
            };
            const take_reply take = [&](std::size_t, const reply& one) {
                for_pairs(one, [&](const std::string& message, const std::string& count) {
                    add_to(read[message], score_in(count));
                });
            };
            if (auto error = co_await each(part.to - part.from, heavy_chunk, make, take)) co_return std::move(*error);
            known = &read;
        }
        for (const auto& [message, count] : *known) add_to(counts[message], count);
        if (known == &read) memory_->keep(name, part, std::move(read));
    }
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
        const make_command make = [&](const key_names& keys, std::size_t i) {
            return command{"GET", keys.active(day_periods[part.from + i])};
        };
        const take_reply take = [&](std::size_t, const reply& one) { readable &= read.merge(one.text); };
        if (auto error = co_await each(part.to - part.from, heavy_chunk, make, take)) co_return std::move(*error);
        if (!readable) co_return redis_error{"a key of active users holds no HyperLogLog"};
        users.merge(read);
        memory_->keep("users", part, std::move(read));
    }
    co_return users.count();
}

}  // namespace tracking::store
