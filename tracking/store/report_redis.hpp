// Where reports read: one Redis, or every shard of a cluster. Connections of their own, so that a report never waits
// behind what is shipped. Control thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "conf/config.hpp"
#include "tracking/store/keys.hpp"
#include "tracking/store/redis_client.hpp"

namespace tracking::store {

class report_redis {
public:
    struct connection {
        redis_client& client;
        std::unique_ptr<redis_client> own{};  // what `client` refers to, when it belongs to this
        std::size_t asking = 0;               // questions under way or waiting
    };
    // Several connections to one Redis: questions of one report that do not need each other's answers are asked at
    // once, and wait for one batch that Redis is applying, not each for another. A cluster's shards have one each.
    struct shard {
        key_names keys;
        std::size_t index = 0;
        std::vector<connection> connections;
        connection& freest();
    };

    report_redis(redis_client& client, const key_names& keys);
    report_redis(boost::asio::any_io_executor executor, redis_url url, const conf::redis_settings& how);

    // Empty on a cluster until learn() has succeeded: how many there are stands in the data set.
    const std::vector<std::unique_ptr<shard>>& shards() const { return shards_; }
    bool is_cluster() const { return cluster_; }
    boost::asio::awaitable<std::optional<redis_error>> learn(std::chrono::milliseconds deadline);
    // Whether what a user did is there.
    bool holds(const shard& of, const std::string& user) const;
    // The same error, with the shard's name on a cluster.
    redis_error named(const shard& of, redis_error what) const;
    void close();

private:
    void add(const std::string& prefix, std::size_t connections);

    boost::asio::any_io_executor executor_;
    redis_url url_;
    conf::redis_settings how_;
    bool cluster_ = false;
    std::vector<std::unique_ptr<shard>> shards_;
};

}  // namespace tracking::store
