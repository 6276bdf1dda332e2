#include "tracking/store/report_redis.hpp"

#include <algorithm>

#include "tracking/store/shards.hpp"

namespace tracking::store {

namespace {

constexpr std::size_t connections_at_once = 4;

}

report_redis::report_redis(redis_client& client, const key_names& keys) {
    auto only = std::make_unique<shard>(shard{keys, 0, {}});
    only->connections.push_back({client});
    shards_.push_back(std::move(only));
}

report_redis::report_redis(boost::asio::any_io_executor executor, redis_url url, const conf::redis_settings& how)
    : executor_(std::move(executor)), url_(std::move(url)), how_(how), cluster_(url_.form == redis_url::form::cluster) {
    if (!cluster_) add(how_.prefix, connections_at_once);
}

void report_redis::add(const std::string& prefix, std::size_t connections) {
    auto made = std::make_unique<shard>(shard{key_names(prefix), shards_.size(), {}});
    for (std::size_t i = 0; i < connections; ++i) {
        auto client = std::make_unique<redis_client>(executor_, url_, how_.tls, made->keys.meta());
        auto& place = *client;
        made->connections.push_back({place, std::move(client)});
    }
    shards_.push_back(std::move(made));
}

report_redis::connection& report_redis::shard::freest() {
    return *std::min_element(connections.begin(), connections.end(),
                             [](const auto& a, const auto& b) { return a.asking < b.asking; });
}

boost::asio::awaitable<std::optional<redis_error>> report_redis::learn(std::chrono::milliseconds deadline) {
    const auto found = co_await find_shards(executor_, url_, how_, 0, deadline);
    if (const auto* error = std::get_if<redis_error>(&found)) co_return *error;
    if (!shards_.empty()) co_return std::nullopt;  // another report was faster
    for (std::uint32_t i = 0; i < std::get<std::uint32_t>(found); ++i) add(shard_prefix(how_.prefix, i), 1);
    co_return std::nullopt;
}

bool report_redis::holds(const shard& of, const std::string& user) const {
    return !cluster_ || shard_of(user, static_cast<std::uint32_t>(shards_.size())) == of.index;
}

redis_error report_redis::named(const shard& of, redis_error what) const {
    if (!cluster_) return what;
    return {"shard " + std::to_string(of.index) + ": " + what.what};
}

void report_redis::close() {
    for (auto& one : shards_)
        for (auto& each : one->connections) each.client.close();
}

}  // namespace tracking::store
