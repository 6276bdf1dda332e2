// The Redis that redis.url stands for: one server, the master that sentinels name, or on a cluster the master of one
// key's slot. One connection to it at a time (redis_connection), pipelines with deadlines. All calls on the control
// thread's io_context. After any error the connection is closed: what was sent without a reply is in an unknown state.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "conf/redis_url.hpp"

namespace tracking::store {

using redis_url = conf::redis_url;

// A reply, owned. Nested arrays as Redis sends them.
struct reply {
    enum class type { nil, integer, text, status, error, array } kind = type::nil;
    std::int64_t integer = 0;
    std::string text;
    std::vector<reply> elements;

    bool is_error() const { return kind == type::error; }
};

using command = std::vector<std::string>;

struct redis_error {
    std::string what;  // one line, no credentials
};

class redis_client {
public:
    // `key`: on a cluster every command is about keys of this one's slot.
    redis_client(boost::asio::any_io_executor executor, redis_url url, conf::redis_tls trust = {},
                 std::string_view key = {});
    // For another key of the same cluster: both know of its nodes what either has learnt.
    redis_client(const redis_client& sibling, std::string_view key);
    ~redis_client();

    // No effect when connected. Errors name the host and what was being done. Behind sentinels it asks them for the
    // master each time; while it is connected it goes on asking them, and closes the connection when they name another.
    boost::asio::awaitable<std::variant<std::monostate, redis_error>> connect(std::chrono::milliseconds deadline);
    bool connected() const;
    void close();
    // How often a pipeline has followed its slot to another node of the cluster: that one may hold less than the one
    // before (a replica that was promoted).
    std::uint64_t moves() const;

    // All commands in one write, all replies in order; error replies are replies. One pipeline at a time: a second
    // caller waits for the first. On a cluster, commands that were not run because their slot has moved or is moving
    // (MOVED, ASK, TRYAGAIN, CLUSTERDOWN) are sent again, to where it is, until the deadline; a pipeline that begins
    // with MULTI as a whole.
    boost::asio::awaitable<std::variant<std::vector<reply>, redis_error>> pipeline(const std::vector<command>& commands,
                                                                                   std::chrono::milliseconds deadline);

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace tracking::store
