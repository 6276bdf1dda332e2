#include "tests/support/redis_places.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "tests/support/eventually.hpp"

namespace tests {

namespace {

constexpr int cluster_slots = 16'384;

// 0 = any; returns the port, or 0 when it is taken.
std::uint16_t try_port(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(port);
    socklen_t size = sizeof at;
    const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&at), size) == 0 &&
                       ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) == 0;
    ::close(fd);
    return bound ? ntohs(at.sin_port) : 0;
}

void require(bool what, const char* otherwise) {
    if (!what) throw std::runtime_error(otherwise);
}

std::string field_of_info(redis_fixture& of, const std::string& section, const std::string& field) {
    const std::string info = of.text(section.empty() ? std::vector<std::string>{"CLUSTER", "INFO"}
                                                     : std::vector<std::string>{"INFO", section});
    const auto at = info.find(field + ":");
    if (at == std::string::npos) return {};
    return info.substr(at + field.size() + 1, info.find('\r', at) - at - field.size() - 1);
}

// Bytes of the stream of changes: what a master has made, and what so many replicas have confirmed of it at least.
std::int64_t offset_of(redis_fixture& master) {
    return std::stoll("0" + field_of_info(master, "replication", "master_repl_offset"));
}
bool confirmed(redis_fixture& master, std::size_t replicas, std::int64_t offset) {
    for (std::size_t i = 0; i < replicas; ++i) {
        const auto told = field_of_info(master, "replication", "slave" + std::to_string(i));
        const auto at = told.find("state=online,offset=");
        if (at == std::string::npos || std::stoll(told.substr(at + 20)) < offset) return false;
    }
    return true;
}

}  // namespace

std::uint16_t free_port(std::uint16_t also) {
    for (int tries = 0; tries < 1'000; ++tries) {
        const std::uint16_t port = try_port(0);
        if (also == 0) return port;
        if (port < 65'535 - also && try_port(static_cast<std::uint16_t>(port + also)) != 0) return port;
    }
    throw std::runtime_error("no free port");
}

tcp_redis::tcp_redis(redis_fixture::options how) : port(free_port()) {
    const std::vector<std::string> listen{"--port", std::to_string(port), "--bind", "127.0.0.1"};
    how.arguments.insert(how.arguments.begin(), listen.begin(), listen.end());
    redis = std::make_unique<redis_fixture>(std::move(how));
}

// ---- Sentinel ------------------------------------------------------------------------------------------------------

sentinel_redis::sentinel_redis(std::string sentinel_password) {
    redis_fixture::options how{.arguments = {"--repl-diskless-sync-delay", "0"}};
    servers.push_back(std::make_unique<tcp_redis>(how));
    const std::string master_at = std::to_string(servers.front()->port);
    how.arguments.insert(how.arguments.end(), {"--replicaof", "127.0.0.1", master_at});
    for (int i = 0; i < 2; ++i) servers.push_back(std::make_unique<tcp_redis>(how));
    require(replicas_in_step(), "the replicas do not follow");
    std::string config = "sentinel resolve-hostnames no\n";
    if (!sentinel_password.empty())
        config += "requirepass " + sentinel_password + "\nsentinel sentinel-pass " + sentinel_password + "\n";
    for (int i = 0; i < 3; ++i) {
        auto& made = sentinels.emplace_back(
            std::make_unique<tcp_redis>(redis_fixture::options{.arguments = {"--sentinel"}, .config = config}));
        auto& on = *made->redis;
        if (!sentinel_password.empty()) on.run({"AUTH", sentinel_password});
        on.run({"SENTINEL", "DEBUG", "info-period", "1000", "publish-period", "200", "ask-period", "100"});
        on.run({"SENTINEL", "MONITOR", "mymaster", "127.0.0.1", master_at, "2"});
        // Long enough that a busy machine is no failure: a nervous sentinel promotes one after the other.
        on.run({"SENTINEL", "SET", "mymaster", "down-after-milliseconds", "1500", "failover-timeout", "5000"});
    }
    require(eventually([&] {
                return std::all_of(sentinels.begin(), sentinels.end(), [](auto& one) {
                    std::map<std::string, std::string> seen;
                    const auto answer = one->redis->run({"SENTINEL", "MASTER", "mymaster"}).elements;
                    for (std::size_t i = 0; i + 1 < answer.size(); i += 2) seen[answer[i].text] = answer[i + 1].text;
                    return seen["num-other-sentinels"] == "2" && seen["num-slaves"] == "2";
                });
            }),
            "the sentinels do not find each other");
}

std::string sentinel_redis::url() const {
    std::string list;
    for (const auto& one : sentinels) list += (list.empty() ? "" : ",") + one->address();
    return "redis+sentinel://" + list + "/mymaster";
}

std::uint16_t sentinel_redis::master_port() {
    std::map<std::uint16_t, int> votes;
    for (auto& one : sentinels) {
        const auto answer = one->redis->run({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"});
        if (answer.elements.size() != 2) continue;
        const auto port = static_cast<std::uint16_t>(std::stoi(answer.elements[1].text));
        if (++votes[port] >= 2) return port;
    }
    return 0;
}

tcp_redis& sentinel_redis::master() {
    const auto port = master_port();
    const auto found = std::find_if(servers.begin(), servers.end(), [&](auto& one) { return one->port == port; });
    require(found != servers.end(), "the sentinels name no master");
    return **found;
}

bool sentinel_redis::replicas_in_step() {
    auto& master = *servers.front()->redis;
    const auto offset = offset_of(master);  // the sentinels' greetings go on moving it
    return eventually([&] { return confirmed(master, servers.size() - 1, offset); });
}

void sentinel_redis::wait_for_another_than(const redis_fixture& before) {
    const auto promoted = [&] {
        const auto port = master_port();
        const auto found = std::find_if(servers.begin(), servers.end(), [&](auto& one) { return one->port == port; });
        if (found == servers.end() || (*found)->redis.get() == &before) return false;
        try {
            return (*found)->redis->run({"ROLE"}).elements.at(0).text == "master";
        } catch (const std::runtime_error&) {
            return false;  // sentinels close the connections of whom they give another role
        }
    };
    require(eventually(promoted, milliseconds{30'000}), "nobody was promoted");
}

// ---- Cluster -------------------------------------------------------------------------------------------------------

cluster_redis::cluster_redis(const std::vector<std::string>& tls) {
    for (std::size_t i = 0; i < 2 * masters; ++i) {
        const std::uint16_t bus = free_port();
        redis_fixture::options how{
            .arguments = {"--cluster-enabled", "yes", "--cluster-port", std::to_string(bus), "--cluster-node-timeout",
                          "1000", "--cluster-require-full-coverage", "no", "--cluster-config-file", "nodes.conf",
                          "--repl-diskless-sync-delay", "0", "--cluster-allow-replica-migration", "no"}};
        if (!tls.empty()) {
            tls_ports.push_back(free_port());
            how.arguments.insert(how.arguments.end(), {"--tls-port", std::to_string(tls_ports.back()), "--tls-cluster",
                                                       "yes", "--tls-replication", "yes"});
            how.arguments.insert(how.arguments.end(), tls.begin(), tls.end());
        }
        nodes.push_back(std::make_unique<tcp_redis>(std::move(how)));
        auto& node = *nodes.back()->redis;
        node.run({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)});
        if (i < masters) {
            const auto first = static_cast<int>(i) * cluster_slots / static_cast<int>(masters);
            const auto last = static_cast<int>(i + 1) * cluster_slots / static_cast<int>(masters) - 1;
            node.run({"CLUSTER", "ADDSLOTSRANGE", std::to_string(first), std::to_string(last)});
        }
        if (i > 0) {
            nodes[0]->redis->run({"CLUSTER", "MEET", "127.0.0.1", std::to_string(nodes[i]->port), std::to_string(bus)});
        }
    }
    const auto all_say = [this](const std::string& field, const std::string& value) {
        return eventually([&] {
            return std::all_of(nodes.begin(), nodes.end(),
                               [&](auto& one) { return field_of_info(*one->redis, {}, field) == value; });
        });
    };
    require(all_say("cluster_known_nodes", std::to_string(2 * masters)), "the nodes do not meet");
    for (std::size_t i = masters; i < 2 * masters; ++i) {
        const auto id = nodes[i - masters]->redis->text({"CLUSTER", "MYID"});
        require(eventually([&] { return nodes[i]->redis->text({"CLUSTER", "REPLICATE", id}) == "OK"; }), "no replica");
    }
    require(all_say("cluster_slots_ok", std::to_string(cluster_slots)), "slots without a master");
    require(all_say("cluster_state", "ok"), "the cluster is not well");
    require(replicas_in_step(), "the replicas do not follow");
}

std::string cluster_redis::url() const {
    if (tls_ports.empty()) return "redis+cluster://" + nodes[0]->address() + "," + nodes[1]->address();
    return "rediss+cluster://127.0.0.1:" + std::to_string(tls_ports[0]) + ",127.0.0.1:" + std::to_string(tls_ports[1]);
}

std::size_t cluster_redis::node_of(const std::string& key) {
    for (auto& asked : nodes) {
        if (asked->redis->frozen()) continue;
        try {
            const auto slot = asked->redis->number({"CLUSTER", "KEYSLOT", key});
            for (const auto& range : asked->redis->run({"CLUSTER", "SLOTS"}).elements) {
                if (slot < range.elements[0].integer || slot > range.elements[1].integer) continue;
                const auto port = range.elements[2].elements[1].integer;
                for (std::size_t i = 0; i < nodes.size(); ++i)
                    if (nodes[i]->port == port) return i;
            }
        } catch (const std::runtime_error&) {  // this one is dead
        }
    }
    throw std::runtime_error("nobody serves " + key);
}

tracking::store::reply cluster_redis::run(const std::string& key, const std::vector<std::string>& words) {
    return nodes[node_of(key)]->redis->run(words);
}

std::map<std::string, std::string> cluster_redis::hash(const std::string& key) {
    return nodes[node_of(key)]->redis->hash(key);
}

void cluster_redis::move_slot(const std::string& key, const std::function<void()>& between) {
    const std::size_t from = node_of(key), to = from == 0 ? 1 : 0;
    auto& source = *nodes[from]->redis;
    auto& target = *nodes[to]->redis;
    const std::string slot = std::to_string(source.number({"CLUSTER", "KEYSLOT", key}));
    const std::string source_id = source.text({"CLUSTER", "MYID"}), target_id = target.text({"CLUSTER", "MYID"});
    require(target.text({"CLUSTER", "SETSLOT", slot, "IMPORTING", source_id}) == "OK", "no import");
    require(source.text({"CLUSTER", "SETSLOT", slot, "MIGRATING", target_id}) == "OK", "no migration");
    bool told = false;
    const std::string port = std::to_string(tls_ports.empty() ? nodes[to]->port : tls_ports[to]);
    const auto count = source.number({"CLUSTER", "COUNTKEYSINSLOT", slot});
    for (std::int64_t moved = 0;; ++moved) {
        const auto keys = source.run({"CLUSTER", "GETKEYSINSLOT", slot, "1"}).elements;
        if (keys.empty()) break;
        const auto done = source.text({"MIGRATE", "127.0.0.1", port, keys[0].text, "0", "5000"});
        require(done == "OK" || done == "NOKEY", "a key does not move");
        if (!told && moved >= count / 2) {
            told = true;
            between();
        }
    }
    for (auto* each : {&target, &source}) each->run({"CLUSTER", "SETSLOT", slot, "NODE", target_id});
    for (auto& one : nodes) one->redis->run({"CLUSTER", "SETSLOT", slot, "NODE", target_id});
}

void cluster_redis::wait_for_another_than(std::size_t node, const std::string& key) {
    require(eventually(
                [&] {
                    try {
                        const auto now = node_of(key);
                        return now != node && nodes[now]->redis->run({"ROLE"}).elements.at(0).text == "master" &&
                               field_of_info(*nodes[now]->redis, {}, "cluster_state") == "ok";
                    } catch (const std::runtime_error&) {
                        return false;
                    }
                },
                milliseconds{30'000}),
            "nobody took over");
}

bool cluster_redis::replicas_in_step() {
    std::map<redis_fixture*, std::int64_t> offsets;  // of the masters
    for (auto& one : nodes) {
        if (one->redis->pid() > 0 && field_of_info(*one->redis, "replication", "role") == "master")
            offsets[one->redis.get()] = offset_of(*one->redis);
    }
    return eventually([&] {
        return std::all_of(offsets.begin(), offsets.end(),
                           [](const auto& master) { return confirmed(*master.first, 1, master.second); });
    });
}

}  // namespace tests
