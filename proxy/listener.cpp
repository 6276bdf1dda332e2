#include "proxy/listener.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace proxy {
namespace {

constexpr int most_queued = 65'536;  // what a socket's queue can hold at most: then stop() has taken all of it
constexpr std::chrono::milliseconds pause_on_error{100};

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

listener::listener(reactor& in, int descriptor, bool shared, on_accept accepted)
    : reactor_(in), descriptor_(descriptor), shared_(shared), accepted_(std::move(accepted)) {}

listener::~listener() {
    stop_watching();
    if (open_) ::close(descriptor_);
    reactor_.forget(*this);
}

// Level-triggered, one connection a turn: a queue that is not empty comes up again. EPOLLEXCLUSIVE because several
// workers, and a process that is replaced and its successor, may wait at one socket.
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
    if (!open_) return;
    const took did = take_one();
    if (did == took::one && shared_) queue_behind_others();
    if (did != took::failed) return;
    spdlog::warn("accepting connections pauses: {}", std::strerror(errno));
    reactor_.remove(descriptor_);
    paused_until_ = std::chrono::steady_clock::now() + pause_on_error;
    paused_ = true;
}

// The kernel wakes the first idle one of those who wait at a socket, always in the same order: with little to do, one
// worker would get every connection. So whoever got one waits behind the others.
void listener::queue_behind_others() {
    reactor_.remove(descriptor_);
    start();
}

void listener::resume() {
    if (!open_ || !paused_ || std::chrono::steady_clock::now() < paused_until_) return;
    paused_ = false;
    start();
}

void listener::stop() {
    if (!open_) return;
    for (int i = 0; i < most_queued && take_one() == took::one; ++i) {
    }
    leave();
}

void listener::leave() {
    if (!open_) return;
    stop_watching();
    open_ = false;
    ::close(descriptor_);
}

}  // namespace proxy
