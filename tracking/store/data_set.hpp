// The agreement between this instance and the data in Redis: a schema that we know, one time zone, and the id that
// tells this data set from another (a flushed or replaced Redis). Asked after every connect, by the shipper.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>
#include <variant>

#include "tracking/store/keys.hpp"
#include "tracking/store/redis_client.hpp"

namespace tracking::store {

inline constexpr int schema_version = 1;

struct data_set {
    std::string id;
    std::string evicts;  // the maxmemory-policy that is not noeviction: exactness cannot be promised; "" = it is
};

struct data_set_refused {
    std::string what;
    bool for_good = false;  // another schema or time zone: an operator must act
};

// Creates what is missing in aimeter:meta. `shards`: into how many the data set is divided (on a cluster); 0 = it is
// not.
boost::asio::awaitable<std::variant<data_set, data_set_refused>> agree_on_data_set(redis_client& redis,
                                                                                   const key_names& keys,
                                                                                   std::string timezone,
                                                                                   std::uint32_t shards = 0);

// The id seen last, kept in a file: "" = none yet. Failing to write is no reason to stop.
std::string last_data_set(const std::string& file);
void keep_data_set(const std::string& file, const std::string& id);

}  // namespace tracking::store
