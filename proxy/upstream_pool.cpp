#include "proxy/upstream_pool.hpp"

#include <netdb.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>

namespace proxy {
namespace {

constexpr std::chrono::seconds warning_interval{10};

connect_failure failed_with(int error) { return {.timed_out = error == ETIMEDOUT, .error = error, .problem = {}}; }

}  // namespace

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
            address.port = peer.port;
            if (peer.tls) address.tls_name = peer.host;
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
    if (!problem.empty()) return problem;
    if (timed_out) return "connecting timed out";
    if (error == 0) return "no address of the upstream is known";
    return std::strerror(error);
}

void upstream_pool::use(const conf::limits_settings& limits, tls_context tls) {
    limits_ = limits;
    tls_ = std::move(tls);
    sessions_.clear();
    drop_all();
}

std::shared_ptr<stream> upstream_pool::take_idle() noexcept {
    while (!idle_.empty()) {
        std::shared_ptr<stream> kept = std::move(idle_.back().connection);
        idle_.pop_back();
        kept->unwatch();
        if (kept->quiet_now()) return kept;
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
            failure = failed_with(-descriptor);
            continue;
        }
        auto connection = std::make_shared<stream>(reactor_, streams_, descriptor, family);
        auto failed = co_await establish(*connection, to);
        if (!failed) co_return connection;
        failure = std::move(*failed);
        connection->close();
    }
    co_return failure;
}

// Sees a connection that was started through, to the end of its handshake.
task<std::optional<connect_failure>> upstream_pool::establish(stream& connection, const upstream_address& to) {
    const steady_time deadline = std::chrono::steady_clock::now() + limits_.upstream_connect_timeout;
    const io_error waited = co_await connection.writable(limits_.upstream_connect_timeout);
    if (waited == io_error::timed_out) co_return failed_with(ETIMEDOUT);
    if (waited != io_error::none) co_return failed_with(ECANCELED);
    const int error = connect_result(connection.descriptor());
    if (error != 0) co_return failed_with(error);
    if (to.tls_name.empty()) co_return std::nullopt;
    co_return co_await greet(connection, to, deadline);
}

task<std::optional<connect_failure>> upstream_pool::greet(stream& connection, const upstream_address& to,
                                                          steady_time deadline) {
    if (!tls_) co_return failed_with(EPROTO);
    auto& kept = sessions_[{to.tls_name, to.port}];
    if (!kept) kept = std::make_shared<tls_session>();
    connection.secure(tls_channel::of_client(*tls_, connection.descriptor(), to.tls_name, kept));
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const io_error shaken = co_await shake_hands(connection, left);
    if (shaken == io_error::none) co_return std::nullopt;
    const bool late = shaken == io_error::timed_out;
    const std::string why = late ? "it timed out" : connection.tls()->problem();
    connect_failure failure{.timed_out = late, .error = 0, .problem = "TLS handshake with " + to.tls_name + ": " + why};
    warn(failure.problem);
    co_return failure;
}

// For the operator: what is wrong with a certificate concerns every request, tracked or not.
void upstream_pool::warn(const std::string& problem) {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_warning_) return;
    next_warning_ = now + warning_interval;
    spdlog::warn("upstream: {}", problem);
}

void upstream_pool::give_back(std::shared_ptr<stream> used) {
    const bool fit = used->quiet() || used->quiet_now();
    if (!fit || idle_.size() >= limits_.upstream_idle) return used->close();
    stream& kept = *used;
    idle_.push_back({std::move(used), std::chrono::steady_clock::now()});
    // An idle connection has nothing to say: whatever makes it readable (its end, mostly) is its end. Only TLS 1.3 may
    // still send session tickets.
    kept.watch(&upstream_pool::on_idle_event, this);
}

void upstream_pool::on_idle_event(void* pool) noexcept {
    auto& self = *static_cast<upstream_pool*>(pool);
    std::erase_if(self.idle_, [&](const idle_connection& entry) {
        if (entry.connection->quiet()) return false;
        if (entry.connection->tls() != nullptr && entry.connection->quiet_now()) {
            entry.connection->watch(&upstream_pool::on_idle_event, pool);
            return false;
        }
        entry.connection->close();
        return true;
    });
}

void upstream_pool::drop_overdue(steady_time now) noexcept {
    std::erase_if(idle_, [&](const idle_connection& entry) {
        if (now - entry.since < limits_.upstream_idle_timeout) return false;
        entry.connection->leave();
        return true;
    });
}

void upstream_pool::drop_all() noexcept {
    for (const idle_connection& entry : idle_) entry.connection->leave();
    idle_.clear();
}

}  // namespace proxy
