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
        on.run({"SENTINEL", "SET", "mymaster", "down-after-milliseconds", "300", "failover-timeout", "2000"});
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
    return eventually([&] {
        const std::string info = servers.front()->redis->text({"INFO", "replication"});
        const auto at = info.find("master_repl_offset:");
        const std::string offset = info.substr(at + 19, info.find('\r', at) - at - 19);
        std::size_t in_step = 0;
        for (std::size_t from = 0; (from = info.find("state=online,offset=" + offset + ",", from)) != std::string::npos;
             ++from)
            ++in_step;
        return in_step + 1 == servers.size();
    });
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

}  // namespace tests
