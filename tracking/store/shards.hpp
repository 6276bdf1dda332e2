// The shards of a data set on a Redis Cluster: each user's records, counters and positions carry the tag of one shard
// (aimeter:{3}:usage), so that a batch of a shard is applied in one step by one node. How many there are is fixed when
// the data set is made, and kept in the meta hash of each shard.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "conf/config.hpp"
#include "tracking/store/redis_client.hpp"

namespace tracking::store {

inline constexpr std::uint32_t shards_most = 256;

// The shard of a user: `CLUSTER KEYSLOT user` modulo the number of shards (for users without braces in their names).
std::uint32_t shard_of(std::string_view user, std::uint32_t shards);
// "aimeter:{3}", in the place of redis.prefix.
std::string shard_prefix(std::string_view prefix, std::uint32_t shard);
// What holds for one shard: its prefix, and its part of redis.stream_maxlen.
conf::settings shard_settings(const conf::settings& whole, std::uint32_t shard, std::uint32_t shards);

// A deadline for find_shards(), which asks one shard after the other.
constexpr std::chrono::milliseconds time_to_find(std::chrono::milliseconds least, std::uint32_t shards) {
    return least + shards * std::chrono::milliseconds{50};
}
// The number of shards of the data set in the cluster. When no shard knows it (and each could be asked), the data set
// is made, with `wanted` shards; with wanted = 0 that is an error.
boost::asio::awaitable<std::variant<std::uint32_t, redis_error>> find_shards(boost::asio::any_io_executor executor,
                                                                             redis_url url, conf::redis_settings how,
                                                                             std::uint32_t wanted,
                                                                             std::chrono::milliseconds deadline);

}  // namespace tracking::store
