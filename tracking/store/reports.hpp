// The read side of the two views: what the admin endpoints ask Redis. Knows keys and commands, no JSON names.
// Cost grows with days x labels only, never with the number of records. Control thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tracking/store/calendar.hpp"
#include "tracking/store/keys.hpp"
#include "tracking/store/redis_client.hpp"

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
        entries;       // id -> fields, newest first
    std::string next;  // id to go on behind; "" = no more
};

class reports {
public:
    reports(redis_client& redis, const key_names& keys, const calendar& when);

    // One bucket per period key ("day:2026-11-22", "month:2026-11", "hour:...", "minute:..."), zeros where Redis has
    // none.
    boost::asio::awaitable<answer<std::vector<counters>>> usage(std::vector<std::string> periods);
    // For each period and each label of the kind that it has.
    boost::asio::awaitable<answer<std::vector<std::vector<bucket_of>>>> usage_by(std::vector<std::string> periods,
                                                                                 std::string kind);
    struct analytics_bucket {
        std::int64_t generations = 0, cached = 0, success = 0, errors = 0, cost_nano = 0;
    };
    boost::asio::awaitable<answer<std::vector<analytics_bucket>>> analytics(std::vector<std::string> periods);
    boost::asio::awaitable<answer<histogram>> latency(std::vector<std::string> day_periods);  // merged
    boost::asio::awaitable<answer<std::map<std::string, histogram>>> feature_latency(
        std::vector<std::string> day_periods, std::vector<std::string> features);
    boost::asio::awaitable<answer<std::map<int, std::int64_t>>> statuses(std::string day_period);
    struct message_count {
        std::string message;
        std::int64_t count;
    };
    boost::asio::awaitable<answer<std::vector<message_count>>> top_errors(std::string day_period, std::size_t most);
    boost::asio::awaitable<answer<std::int64_t>> active_users(std::vector<std::string> day_periods);  // PFCOUNT
    struct user_row {
        std::string user_id, plan;
        std::int64_t requests = 0, cost_nano = 0, tokens_used = 0;
    };
    boost::asio::awaitable<answer<std::vector<user_row>>> top_users(std::vector<std::string> day_periods,
                                                                    std::size_t most);
    // Newest first, behind `cursor` ("" = from the newest).
    boost::asio::awaitable<answer<stream_page>> usage_entries(std::string cursor, std::size_t most);
    boost::asio::awaitable<answer<stream_page>> analytics_entries(std::size_t most);

private:
    redis_client& redis_;
    const key_names& keys_;
    const calendar& when_;
};

}  // namespace tracking::store
