// Redis of a test in other places than a unix socket of its own: on TCP, over TLS, behind sentinels, as a cluster. All
// on loopback, on ports that the kernel chose, stopped and removed with the object.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/redis_fixture.hpp"

namespace tests {

// A port on 127.0.0.1 that nobody listened on a moment ago. `also`: port + this one is free, too.
std::uint16_t free_port(std::uint16_t also = 0);

// A server with a TCP port beside its unix socket.
struct tcp_redis {
    explicit tcp_redis(redis_fixture::options how = {});
    std::string address() const { return "127.0.0.1:" + std::to_string(port); }

    std::uint16_t port;
    std::unique_ptr<redis_fixture> redis;
};

// A master, two replicas and three sentinels that watch them as "mymaster".
class sentinel_redis {
public:
    explicit sentinel_redis(std::string sentinel_password = {});

    std::string url() const;  // redis+sentinel://.../mymaster
    tcp_redis& master();      // as the majority of the sentinels has it now
    // Waits until all replicas have what the master has.
    bool replicas_in_step();
    // Waits until a majority names another master than this one, and it is one.
    void wait_for_another_than(const redis_fixture& before);

    std::vector<std::unique_ptr<tcp_redis>> servers;
    std::vector<std::unique_ptr<tcp_redis>> sentinels;

private:
    std::uint16_t master_port();
};

// Three masters with a replica each, all slots served; the others go on when one is lost.
class cluster_redis {
public:
    static constexpr std::size_t masters = 3;
    // `tls`: arguments of servers that speak TLS, too (but the port), on ports of their own.
    explicit cluster_redis(const std::vector<std::string>& tls = {});

    std::string url() const;  // redis+cluster://..., two of the nodes; rediss+cluster:// when they speak TLS
    // Runs a command about a key at the node that serves it now, whoever that is.
    tracking::store::reply run(const std::string& key, const std::vector<std::string>& words);
    std::map<std::string, std::string> hash(const std::string& key);
    std::size_t node_of(const std::string& key);  // index in `nodes` of the master that serves it
    // Moves the slot of the key to another master, key by key, and runs `between` when half of the keys have gone.
    void move_slot(const std::string& key, const std::function<void()>& between);
    // Waits until the slot of the key has another master than this node, and the cluster is well.
    void wait_for_another_than(std::size_t node, const std::string& key);
    bool replicas_in_step();

    std::vector<std::unique_ptr<tcp_redis>> nodes;
    std::vector<std::uint16_t> tls_ports;
};

}  // namespace tests
