#include "proxy/listener.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace proxy {
namespace {

constexpr int backlog = 4096;
constexpr std::chrono::milliseconds pause_on_error{100};

struct free_list {
    void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using address_list = std::unique_ptr<addrinfo, free_list>;

address_list resolve(const conf::endpoint& where, std::string& problem) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* list = nullptr;
    const char* host = where.host.empty() ? nullptr : where.host.c_str();
    const int failed = ::getaddrinfo(host, std::to_string(where.port).c_str(), &hints, &list);
    if (failed != 0) problem = address_text(where) + ": " + ::gai_strerror(failed);
    return address_list(list);
}

std::string failed_to_listen(const conf::endpoint& where) {
    if (errno == EADDRINUSE) return address_text(where) + " is already in use by another process";
    return "cannot listen on " + address_text(where) + ": " + std::strerror(errno);
}

std::variant<int, std::string> open_unix(const conf::endpoint& where) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (where.unix_path.size() >= sizeof address.sun_path) return address_text(where) + ": the path is too long";
    std::memcpy(address.sun_path, where.unix_path.c_str(), where.unix_path.size() + 1);
    ::unlink(where.unix_path.c_str());  // taken_by_another() has seen that nobody answers there
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor >= 0 && ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
        ::listen(descriptor, backlog) == 0)
        return descriptor;
    std::string problem = failed_to_listen(where);
    if (descriptor >= 0) ::close(descriptor);
    return problem;
}

int bound_port(int descriptor) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length);
    return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                               : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

std::string peer_text(const sockaddr_storage& address) {
    char text[INET6_ADDRSTRLEN] = "";
    if (address.ss_family == AF_INET) {
        ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
    } else if (address.ss_family == AF_INET6) {
        const in6_addr& six = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
        // A client of IPv4 that came in at [::] is one of IPv4 (RFC 4291, 2.5.5.2).
        if (IN6_IS_ADDR_V4MAPPED(&six))
            ::inet_ntop(AF_INET, &six.s6_addr[12], text, sizeof text);
        else
            ::inet_ntop(AF_INET6, &six, text, sizeof text);
    }
    return text;
}

}  // namespace

std::string address_text(const conf::endpoint& where) {
    if (!where.unix_path.empty()) return "unix:" + where.unix_path;
    const bool v6 = where.host.find(':') != std::string::npos;
    return (v6 ? "[" + where.host + "]" : where.host) + ":" + std::to_string(where.port);
}

std::string taken_by_another(const conf::endpoint& where) {
    if (!where.unix_path.empty()) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (where.unix_path.size() >= sizeof address.sun_path) return {};
        std::memcpy(address.sun_path, where.unix_path.c_str(), where.unix_path.size() + 1);
        const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const bool answered = ::connect(probe, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
        ::close(probe);
        return answered ? address_text(where) + " is already in use by another process" : std::string();
    }
    std::string problem;
    const address_list list = resolve(where, problem);
    if (!list) return problem;
    const int probe = ::socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (where.port != 0 && ::bind(probe, list->ai_addr, list->ai_addrlen) != 0) problem = failed_to_listen(where);
    ::close(probe);
    return problem;
}

std::variant<int, std::string> open_listener(conf::endpoint& where) {
    if (!where.unix_path.empty()) return open_unix(where);
    std::string problem;
    const address_list list = resolve(where, problem);
    if (!list) return problem;
    const int descriptor = ::socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (::bind(descriptor, list->ai_addr, list->ai_addrlen) == 0 && ::listen(descriptor, backlog) == 0) {
        where.port = static_cast<std::uint16_t>(bound_port(descriptor));
        return descriptor;
    }
    problem = failed_to_listen(where);
    ::close(descriptor);
    return problem;
}

listener::listener(reactor& in, int descriptor, on_accept accepted)
    : reactor_(in), descriptor_(descriptor), accepted_(std::move(accepted)) {}

listener::~listener() {
    stop_watching();
    if (open_) ::close(descriptor_);
    reactor_.forget(*this);
}

// Level-triggered, one connection a turn: a queue that is not empty comes up again. EPOLLEXCLUSIVE because workers
// share a unix socket.
void listener::start() {
    if (!reactor_.add(descriptor_, *this, EPOLLIN | EPOLLEXCLUSIVE))
        spdlog::error("a listener cannot be watched: {}", std::strerror(errno));
}

void listener::stop_watching() {
    if (open_ && !paused_) reactor_.remove(descriptor_);
}

listener::took listener::take_one() {
    for (;;) {
        sockaddr_storage address{};
        socklen_t length = sizeof address;
        const int accepted =
            ::accept4(descriptor_, reinterpret_cast<sockaddr*>(&address), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted >= 0) {
            accepted_(accepted, address.ss_family, peer_text(address));
            return took::one;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) return took::none;
        if (errno != EINTR && errno != ECONNABORTED) return took::failed;
    }
}

// Accepting fails when descriptors or memory have run out: the queue is left alone for a while.
void listener::act_on_events() noexcept {
    if (!open_ || take_one() != took::failed) return;
    spdlog::warn("accepting connections pauses: {}", std::strerror(errno));
    reactor_.remove(descriptor_);
    paused_until_ = std::chrono::steady_clock::now() + pause_on_error;
    paused_ = true;
}

void listener::resume() {
    if (!open_ || !paused_ || std::chrono::steady_clock::now() < paused_until_) return;
    paused_ = false;
    start();
}

void listener::stop() {
    if (!open_) return;
    for (int i = 0; i < backlog && take_one() == took::one; ++i) {
    }
    stop_watching();
    open_ = false;
    ::close(descriptor_);
}

}  // namespace proxy
