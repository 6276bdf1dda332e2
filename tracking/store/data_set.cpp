#include "tracking/store/data_set.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <optional>
#include <random>

#include "tracking/kept_file.hpp"

namespace tracking::store {

namespace {

constexpr std::chrono::milliseconds deadline{5'000};

std::string random_id() {
    std::random_device random;
    std::string id;
    for (int i = 0; i < 4; ++i) {
        char part[9];
        std::snprintf(part, sizeof part, "%08x", static_cast<unsigned>(random()));
        id += part;
    }
    return id;
}

int number_in(std::string_view text) {
    int value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

// redis_version of INFO server; Valkey states the Redis version that it is compatible with.
int major_version(std::string_view info) {
    const auto at = info.find("redis_version:");
    return at == std::string_view::npos ? 0 : number_in(info.substr(at + 14));
}

// redis_mode (Valkey: server_mode) of INFO server.
bool is_node_of_a_cluster(std::string_view info) { return info.find("_mode:cluster") != std::string_view::npos; }

data_set_refused refused(std::string what) { return {std::move(what), true}; }

// What keeps us from shipping to a Redis with this schema, time zone, id and number of shards.
std::optional<data_set_refused> objection(const reply& meta, const std::string& timezone, const std::string& shards) {
    const std::string& schema = meta.elements[0].text;
    if (number_in(schema) != schema_version) {
        return refused("Redis holds data of schema version " + schema + ", this release writes " +
                       std::to_string(schema_version));
    }
    if (meta.elements[1].text != timezone) {
        return refused("Redis holds data of time zone " + meta.elements[1].text + ", the configuration says " +
                       timezone);
    }
    if (meta.elements.size() > 3 && meta.elements[3].text != shards) {
        return refused("Redis holds data of " + meta.elements[3].text + " shards, this process began with " + shards +
                       ": it must be started again");
    }
    return std::nullopt;
}

bool complete(const reply& meta) {
    return std::none_of(meta.elements.begin(), meta.elements.end(),
                        [](const reply& field) { return field.kind == reply::type::nil; });
}

using replies_or_refused = std::variant<std::vector<reply>, data_set_refused>;

// The last of the commands reads the fields of meta.
boost::asio::awaitable<replies_or_refused> ask(redis_client& redis, const std::vector<command>& commands,
                                               bool divided) {
    auto asked = co_await redis.pipeline(commands, deadline);
    if (const auto* error = std::get_if<redis_error>(&asked)) co_return data_set_refused{error->what, false};
    auto& replies = std::get<std::vector<reply>>(asked);
    const reply& meta = replies.back();
    if (!replies.front().is_error() && is_node_of_a_cluster(replies.front().text) && !divided)
        co_return refused(
            "this is a node of a cluster: redis.url must begin with redis+cluster:// or rediss+cluster://");
    if (meta.is_error()) co_return data_set_refused{meta.text, false};
    if (meta.elements.size() + 2 != commands.back().size())
        co_return data_set_refused{"the meta hash could not be read", false};
    co_return std::move(replies);
}

}  // namespace

boost::asio::awaitable<std::variant<data_set, data_set_refused>> agree_on_data_set(redis_client& redis,
                                                                                   const key_names& keys,
                                                                                   std::string timezone,
                                                                                   std::uint32_t shards) {
    const std::string meta = keys.meta(), divided = std::to_string(shards);
    command read_meta{"HMGET", meta, "schema", "timezone", "dataset"};
    if (shards > 0) read_meta.emplace_back("shards");
    const std::vector<command> look{{"INFO", "server"}, {"CONFIG", "GET", "maxmemory-policy"}, read_meta};
    auto seen = co_await ask(redis, look, shards > 0);
    if (auto* no = std::get_if<data_set_refused>(&seen)) co_return std::move(*no);
    auto replies = std::get<std::vector<reply>>(std::move(seen));
    if (!replies[0].is_error() && major_version(replies[0].text) < 7) {
        co_return refused("Redis 7.0 or newer is needed, this one is older");
    }
    const auto& policy = replies[1].elements;  // empty where CONFIG is not allowed: then nobody knows
    const std::string evicts = policy.size() == 2 && policy[1].text != "noeviction" ? policy[1].text : "";
    reply fields = replies.back();
    if (!complete(fields)) {
        std::vector<command> create{{"HSETNX", meta, "schema", std::to_string(schema_version)},
                                    {"HSETNX", meta, "timezone", timezone},
                                    {"HSETNX", meta, "dataset", random_id()}};
        if (shards > 0) create.push_back({"HSETNX", meta, "shards", divided});
        create.push_back(read_meta);
        auto made = co_await ask(redis, create, shards > 0);
        if (auto* no = std::get_if<data_set_refused>(&made)) co_return std::move(*no);
        replies = std::get<std::vector<reply>>(std::move(made));
        if (replies.front().is_error()) co_return data_set_refused{replies.front().text, false};
        fields = replies.back();
        if (!complete(fields)) co_return data_set_refused{"the meta hash could not be written", false};
    }
    if (auto no = objection(fields, timezone, divided)) co_return std::move(*no);
    co_return data_set{fields.elements[2].text, evicts};
}

std::string last_data_set(const std::string& file) {
    std::ifstream in(file);
    std::string id;
    std::getline(in, id);
    return id;
}

void keep_data_set(const std::string& file, const std::string& id) {
    write_kept_file(file, id + '\n');  // what cannot be kept is asked of Redis again
}

}  // namespace tracking::store
