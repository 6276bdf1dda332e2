#include "proxy/upstream_pool.hpp"

#include <netdb.h>

#include <algorithm>
#include <cstring>

namespace proxy {

upstream_addresses resolve_upstream(const std::vector<conf::endpoint>& peers) {
    upstream_addresses found;
    for (const conf::endpoint& peer : peers) {
        if (!peer.unix_path.empty()) {
            upstream_address address;
            address.unix_path = peer.unix_path;
            found.all.push_back(std::move(address));
            continue;
        }
        addrinfo hints{};
        hints.ai_socktype = SOCK_STREAM;
        hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
        addrinfo* list = nullptr;
        int failed = ::getaddrinfo(peer.host.c_str(), std::to_string(peer.port).c_str(), &hints, &list);
        if (failed == EAI_NONAME || failed == EAI_ADDRFAMILY) {  // ::1 on a machine that has no other IPv6 address
            hints.ai_flags = AI_NUMERICSERV;
            failed = ::getaddrinfo(peer.host.c_str(), std::to_string(peer.port).c_str(), &hints, &list);
        }
        if (failed != 0) {
            found.problem = peer.host + ": " + ::gai_strerror(failed);
            continue;
        }
        for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
            upstream_address address;
            std::memcpy(&address.socket, entry->ai_addr, entry->ai_addrlen);
            address.length = entry->ai_addrlen;
            found.all.push_back(std::move(address));
        }
        ::freeaddrinfo(list);
    }
    return found;
}

std::string host_header_of(const conf::endpoint& peer) {
    if (!peer.unix_path.empty()) return "localhost";
    const std::string host = peer.host.find(':') != std::string::npos ? "[" + peer.host + "]" : peer.host;
    return peer.port == (peer.tls ? 443 : 80) ? host : host + ":" + std::to_string(peer.port);
}

std::string connect_failure::text() const {
    if (timed_out) return "connecting timed out";
    if (error == 0) return "no address of the upstream is known";
    return std::strerror(error);
}

upstream_pool::upstream_pool(reactor& in, stream_list& streams, const conf::limits_settings& limits)
    : reactor_(in), streams_(streams), limits_(limits) {}

std::shared_ptr<stream> upstream_pool::take_idle() noexcept {
    while (!idle_.empty()) {
        std::shared_ptr<stream> kept = std::move(idle_.back().connection);
        idle_.pop_back();
        kept->unwatch();
        if (kept->quiet() && kept->quiet_now()) return kept;
        kept->close();
    }
    return nullptr;
}

task<std::variant<std::shared_ptr<stream>, connect_failure>> upstream_pool::connect() {
    const auto addresses = addresses_;
    connect_failure failure;
    for (std::size_t tried = 0; tried < addresses->all.size(); ++tried) {
        const upstream_address& to = addresses->all[turn_++ % addresses->all.size()];
        const int family = to.unix_path.empty() ? to.socket.ss_family : AF_UNIX;
        const int descriptor = connect_start(to.unix_path, &to.socket, to.length, family);
        if (descriptor < 0) {
            failure = {false, -descriptor};
            continue;
        }
        auto connection = std::make_shared<stream>(reactor_, streams_, descriptor, family);
        const io_error waited = co_await connection->writable(limits_.upstream_connect_timeout);
        if (waited == io_error::none) {
            const int error = connect_result(descriptor);
            if (error == 0) co_return connection;
            failure = {false, error};
        } else {
            failure = {waited == io_error::timed_out, waited == io_error::timed_out ? ETIMEDOUT : ECANCELED};
        }
        connection->close();
    }
    co_return failure;
}

void upstream_pool::give_back(std::shared_ptr<stream> used) {
    const bool fit = used->quiet() || used->quiet_now();
    if (!fit || idle_.size() >= limits_.upstream_idle) return used->close();
    stream& kept = *used;
    idle_.push_back({std::move(used), std::chrono::steady_clock::now()});
    // An idle connection has nothing to say: whatever makes it readable (its end, mostly) is its end.
    kept.watch(&upstream_pool::on_idle_event, this);
}

void upstream_pool::on_idle_event(void* pool) noexcept {
    auto& self = *static_cast<upstream_pool*>(pool);
    std::erase_if(self.idle_, [](const idle_connection& entry) {
        if (entry.connection->quiet()) return false;
        entry.connection->close();
        return true;
    });
}

void upstream_pool::drop_overdue(steady_time now) noexcept {
    std::erase_if(idle_, [&](const idle_connection& entry) {
        if (now - entry.since < limits_.upstream_idle_timeout) return false;
        entry.connection->close();
        return true;
    });
}

void upstream_pool::drop_all() noexcept {
    for (const idle_connection& entry : idle_) entry.connection->close();
    idle_.clear();
}

}  // namespace proxy
