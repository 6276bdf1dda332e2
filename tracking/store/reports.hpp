// The read side of the two views: what the admin endpoints ask Redis. Knows keys and commands, no JSON names.
// Cost grows with days x labels only, never with the number of records. Control thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tracking/store/calendar.hpp"
#include "tracking/store/keys.hpp"
#include "tracking/store/report_memory.hpp"
#include "tracking/store/report_redis.hpp"

namespace tracking::store {

template <class T>
using answer = std::variant<T, redis_error>;

using histogram = std::map<int, std::int64_t>;                                // bucket -> count
std::optional<std::int64_t> percentile_us(const histogram& of, double rank);  // rank 0..1; nullopt when empty

struct bucket_of {
    std::string name;  // a date, an hour's key or a label
    counters values{};
};

struct stream_page {
    std::vector<std::pair<std::string, std::vector<std::pair<std::string, std::string>>>>
        entries;       // id -> fields, newest first; on a cluster the id is followed by . and the shard
    std::string next;  // id to go on behind; "" = no more
};

struct oldest_first_page {
    std::vector<std::pair<std::string, std::vector<std::pair<std::string, std::string>>>> entries;  // id -> fields
    bool ended = false;      // nothing is left of what was asked for
    std::string trimmed_to;  // entries up to this id are gone; "" = none (on a cluster: since the first page)
};

class reports {
public:
    reports(redis_client& redis, const key_names& keys, const calendar& when);
    // Of a cluster, too: the shards are read side by side and added up. One that is away is an error: a sum without it
    // would be wrong.
    reports(std::shared_ptr<report_redis> redis, const calendar& when);

    // The same reports, for one admin request: all of its questions together take no longer than `budget`. A Redis that
    // leaves one pipeline unanswered for 2 s is taken to hang, whatever is left of it.
    reports within(std::chrono::milliseconds budget) const;
    const calendar& when() const { return when_; }

    // Questions about these days that are asked at once need not each find out what of them has changed.
    boost::asio::awaitable<std::optional<redis_error>> look_once(const std::vector<std::string>& day_periods);
    // One bucket per period key ("day:2026-11-22", "month:2026-11", "hour:...", "minute:..."), zeros where Redis has
    // none. With `only`, just these counters are read (for thousands of hours).
    boost::asio::awaitable<answer<std::vector<counters>>> usage(std::vector<std::string> periods,
                                                                std::vector<counter> only = {});
    // The bucket of one label for each period.
    boost::asio::awaitable<answer<std::vector<counters>>> usage_of(std::vector<std::string> periods, std::string kind,
                                                                   std::string label);
    // For each kind ("feature", "model" ...) its labels by name, each with its sum over the periods.
    boost::asio::awaitable<answer<std::vector<std::vector<bucket_of>>>> usage_by(std::vector<std::string> periods,
                                                                                 std::vector<std::string> kinds);
    struct analytics_bucket {
        std::int64_t generations = 0, cached = 0, success = 0, errors = 0, cost_nano = 0;
    };
    boost::asio::awaitable<answer<std::vector<analytics_bucket>>> analytics(std::vector<std::string> periods);
    // Requests, errors and cost of each hour by the wall clock: 24 times 3 numbers for each day.
    boost::asio::awaitable<answer<std::vector<std::int64_t>>> hours(std::vector<std::string> day_periods);
    boost::asio::awaitable<answer<histogram>> latency(std::vector<std::string> day_periods);  // merged
    boost::asio::awaitable<answer<std::map<std::string, histogram>>> feature_latency(
        std::vector<std::string> day_periods, std::vector<std::string> features);
    boost::asio::awaitable<answer<std::map<int, std::int64_t>>> statuses(std::vector<std::string> day_periods);
    struct message_count {
        std::string message;
        std::int64_t count;
    };
    // Most first. Of several days, chosen among the first 100 of each.
    boost::asio::awaitable<answer<std::vector<message_count>>> top_errors(std::vector<std::string> day_periods,
                                                                          std::size_t most);
    boost::asio::awaitable<answer<std::int64_t>> active_users(std::vector<std::string> day_periods);  // as PFCOUNT
    struct user_row {
        std::string user_id;
        std::string plan;  // of the latest usage; "" = not known
        std::int64_t requests = 0, cost_nano = 0, tokens_used = 0;
    };
    // Requests and cost are exact for the users shown, who are chosen among the leaders of each day. Tokens are kept
    // by user and month only: exact when all of a user's requests of a month lie in the days asked for, else in
    // proportion to the requests.
    boost::asio::awaitable<answer<std::vector<user_row>>> top_users(std::vector<std::string> day_periods,
                                                                    std::size_t most);
    struct user_month {
        std::string month;  // 2026-11
        std::string plan;   // of the latest usage in it; "" = not known
        std::int64_t requests = 0, errors = 0, tokens_used = 0, cost_nano = 0;
    };
    // All in which the user was seen, oldest first; none = never.
    boost::asio::awaitable<answer<std::vector<user_month>>> user_months(std::string user);
    struct user_day {
        std::int64_t requests = 0, cost_nano = 0;
    };
    // One for each period, zeros where Redis has none (it keeps them for 400 days).
    boost::asio::awaitable<answer<std::vector<user_day>>> user_days(std::vector<std::string> day_periods,
                                                                    std::string user);
    // Newest first, behind `cursor` ("" = from the newest). Of several shards, a page of more than 50 may be shorter.
    boost::asio::awaitable<answer<stream_page>> usage_entries(std::string cursor, std::size_t most);
    boost::asio::awaitable<answer<stream_page>> analytics_entries(std::size_t most);
    // Oldest first, ids from `from` ("(ID" = behind it) up to and with `last`. On a cluster: of all shards, merged;
    // `trimmed` holds how far each was trimmed before the first page, and is made by that.
    boost::asio::awaitable<answer<oldest_first_page>> usage_range(std::string from, std::string last, std::size_t most,
                                                                  std::vector<std::string>& trimmed);
    boost::asio::awaitable<answer<std::string>> newest_usage_id();  // "" = there is none

private:
    // `make(keys, i)` is the i-th of `count` commands, for the keys of one shard; `take(i, reply)` gets its reply,
    // never an error reply, and adds it to those of other shards. At most `chunk` commands are under way, so that
    // neither Redis nor this process holds much for one question; a report may ask several at once. With `user`, only
    // the shard of this one is asked.
    using make_command = std::function<command(const key_names&, std::size_t)>;
    using take_reply = std::function<void(std::size_t, const reply&)>;
    static boost::asio::awaitable<void> exchange(report_redis::connection& with, const std::vector<command>& commands,
                                                 std::chrono::milliseconds left, answer<std::vector<reply>>& into);
    boost::asio::awaitable<answer<std::vector<reply>>> ask(report_redis::connection& whom,
                                                           const std::vector<command>& commands);
    boost::asio::awaitable<std::optional<redis_error>> learn_shards();
    // The same questions to several shards at once, a chunk at a time; `take` gets a chunk's replies shard by shard.
    boost::asio::awaitable<std::optional<redis_error>> each_of(const std::vector<report_redis::shard*>& shards,
                                                               std::size_t count, std::size_t chunk,
                                                               const make_command& make, const take_reply& take);
    struct gathering;
    boost::asio::awaitable<std::optional<redis_error>> each(std::size_t count, std::size_t chunk,
                                                            const make_command& make, const take_reply& take,
                                                            const std::string* user = nullptr);
    // The stretches of these days, and what tells whether they have changed.
    boost::asio::awaitable<answer<std::vector<stretch>>> look_at(const std::vector<std::string>& day_periods);
    struct wanted_histogram {
        histogram& to;
        std::string name;                                                  // of what is remembered of a stretch
        std::function<std::string(const key_names&, std::size_t)> key_of;  // a day's
    };
    boost::asio::awaitable<std::optional<redis_error>> add_latencies(const std::vector<wanted_histogram>& wanted,
                                                                     const std::vector<stretch>& parts);
    boost::asio::awaitable<answer<std::vector<std::string>>> leading_users(const std::vector<std::string>& day_periods,
                                                                           const std::vector<stretch>& parts,
                                                                           std::size_t most);
    using scores_by_stretch = std::vector<std::vector<std::int64_t>>;  // for each stretch, one for each user
    boost::asio::awaitable<answer<scores_by_stretch>> scores(const std::vector<std::string>& day_periods,
                                                             const std::vector<stretch>& parts,
                                                             const std::vector<std::string>& users, std::string what);
    using requests_by_month = std::map<std::string, std::vector<std::int64_t>>;
    boost::asio::awaitable<std::optional<redis_error>> add_month_figures(std::vector<user_row>& rows,
                                                                         const requests_by_month& in_range);
    using stream_of = std::string (key_names::*)() const;
    boost::asio::awaitable<answer<stream_page>> entries(stream_of stream, std::string cursor, std::size_t most);

    std::shared_ptr<report_redis> redis_;
    const calendar& when_;
    std::chrono::steady_clock::time_point until_;
    struct look {
        std::vector<std::string> days;
        std::vector<stretch> parts;
    };
    std::shared_ptr<look> looked_;  // what this request has looked at: all of its questions are about the same days
    std::shared_ptr<report_memory> memory_ = std::make_shared<report_memory>();  // also of copies
};

}  // namespace tracking::store
