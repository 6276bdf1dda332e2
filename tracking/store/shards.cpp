#include "tracking/store/shards.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "tracking/store/cluster_nodes.hpp"
#include "tracking/store/keys.hpp"
#include "tracking/store/reply_numbers.hpp"

namespace tracking::store {

namespace net = boost::asio;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds shard_deadline{1'000};  // one that hangs leaves the others their time

// Asks one shard's meta hash: 0 = it holds no number.
net::awaitable<std::variant<std::uint32_t, redis_error>> ask_shard(redis_client& redis, std::vector<command> question,
                                                                   milliseconds deadline) {
    auto connected = co_await redis.connect(deadline);
    if (auto* error = std::get_if<redis_error>(&connected)) co_return std::move(*error);
    auto answered = co_await redis.pipeline(question, deadline);
    if (auto* error = std::get_if<redis_error>(&answered)) co_return std::move(*error);
    const reply& last = std::get<std::vector<reply>>(answered).back();
    if (last.is_error()) co_return redis_error{last.text};
    co_return static_cast<std::uint32_t>(std::clamp<std::int64_t>(number_in(last.text), 0, shards_most));
}

}  // namespace

std::uint32_t shard_of(std::string_view user, std::uint32_t shards) {
    return slot_of_text(user.empty() ? "anonymous" : user) % shards;
}

std::string shard_prefix(std::string_view prefix, std::uint32_t shard) {
    return std::string(prefix) + ":{" + std::to_string(shard) + "}";
}

conf::settings shard_settings(const conf::settings& whole, std::uint32_t shard, std::uint32_t shards) {
    conf::settings made = whole;
    made.redis.prefix = shard_prefix(whole.redis.prefix, shard);
    if (whole.redis.stream_maxlen != 0)
        made.redis.stream_maxlen = std::max<std::uint64_t>(1, whole.redis.stream_maxlen / shards);
    return made;
}

// Any shard that answers with a number will do, so that a dead one holds nobody up. The first shard makes the data set.
net::awaitable<std::variant<std::uint32_t, redis_error>> find_shards(net::any_io_executor executor, redis_url url,
                                                                     conf::redis_settings how, std::uint32_t wanted,
                                                                     milliseconds deadline) {
    const auto end = steady_clock::now() + deadline;
    std::string problem;
    bool asked_twice = false;
    std::unique_ptr<redis_client> latest;  // so that a node which does not answer is waited for once
    const auto client_for = [&](const key_names& keys) -> redis_client& {
        latest = latest ? std::make_unique<redis_client>(*latest, keys.meta())
                        : std::make_unique<redis_client>(executor, url, how.tls, keys.meta());
        return *latest;
    };
    for (std::uint32_t shard = 0; shard < std::max(wanted, how.shards); ++shard) {
        const auto left = std::chrono::ceil<milliseconds>(end - steady_clock::now());
        if (left <= milliseconds{0}) {
            if (problem.empty()) problem = url.text + ": the number of shards could not be asked in time";
            break;
        }
        const key_names keys(shard_prefix(how.prefix, shard));
        auto& redis = client_for(keys);
        const std::vector<command> question{{"HGET", keys.meta(), "shards"}};
        auto known = co_await ask_shard(redis, question, std::min(left, shard_deadline));
        if (known.index() == 1 && !std::exchange(asked_twice, true))  // nodes that did not answer are asked last now
            known = co_await ask_shard(redis, question, std::min(left, shard_deadline));
        if (const auto* error = std::get_if<redis_error>(&known)) {
            problem = error->what;
        } else if (const auto count = std::get<std::uint32_t>(known); count > 0) {
            co_return count;
        }
    }
    if (!problem.empty()) co_return redis_error{problem};
    if (wanted == 0) co_return redis_error{url.text + ": holds no data of aimeter yet"};
    // The first shard decides between two that begin at once; the others keep it for when that one is away.
    std::uint32_t made = wanted;
    for (std::uint32_t shard = 0; shard < made; ++shard) {
        const key_names keys(shard_prefix(how.prefix, shard));
        auto& redis = client_for(keys);
        const std::vector<command> make{{"HSETNX", keys.meta(), "shards", std::to_string(made)},
                                        {"HGET", keys.meta(), "shards"}};
        const auto kept = co_await ask_shard(redis, make, shard_deadline);
        if (shard > 0) continue;
        if (const auto* error = std::get_if<redis_error>(&kept)) co_return *error;
        made = std::get<std::uint32_t>(kept);
    }
    if (made == 0) co_return redis_error{url.text + ": the number of shards could not be written"};
    co_return made;
}

}  // namespace tracking::store
