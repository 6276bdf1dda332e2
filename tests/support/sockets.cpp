#include "tests/support/sockets.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace tests {
namespace {

struct address {
    sockaddr_storage storage{};
    socklen_t size = 0;
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

address make_address(const std::string& host, std::uint16_t port) {
    address out;
    if (host.starts_with('/')) {
        auto* local = reinterpret_cast<sockaddr_un*>(&out.storage);
        local->sun_family = AF_UNIX;
        host.copy(local->sun_path, sizeof local->sun_path - 1);
        out.size = sizeof(sockaddr_un);
    } else if (host.find(':') != std::string::npos) {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1) throw std::invalid_argument("address " + host);
        out.size = sizeof(sockaddr_in6);
    } else {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) != 1) throw std::invalid_argument("address " + host);
        out.size = sizeof(sockaddr_in);
    }
    return out;
}

int remaining(clock::time_point until) {
    const auto left = std::chrono::ceil<milliseconds>(until - clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000));
}

}  // namespace

bool wait_for(int fd, short events, clock::time_point until, int wake) {
    std::array<pollfd, 2> polled{{{fd, events, 0}, {wake, POLLIN, 0}}};
    for (;;) {
        const int ready = ::poll(polled.data(), wake >= 0 ? 2 : 1, remaining(until));
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return false;
        return polled[0].revents != 0;
    }
}

void descriptor::close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

descriptor listen_on(const std::string& host, std::uint16_t& port, int backlog) {
    address at = make_address(host, port);
    descriptor out(::socket(at.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int again = 1;  // a port that was left a moment ago
    if (port != 0) ::setsockopt(out.get(), SOL_SOCKET, SO_REUSEADDR, &again, sizeof again);
    if (!out.valid() || ::bind(out.get(), at.get(), at.size) != 0 || ::listen(out.get(), backlog) != 0 ||
        ::getsockname(out.get(), at.get(), &at.size) != 0) {
        throw std::system_error(errno, std::generic_category(), "listen on " + host);
    }
    // The port stands at the same place in both families; a path has none.
    if (!host.starts_with('/')) port = ntohs(reinterpret_cast<sockaddr_in*>(&at.storage)->sin_port);
    return out;
}

descriptor connect_to(const std::string& host, std::uint16_t port, milliseconds within) {
    address at = make_address(host, port);
    descriptor out(::socket(at.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!out.valid()) throw std::system_error(errno, std::generic_category(), "socket");
    const int one = 1;
    ::setsockopt(out.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (::connect(out.get(), at.get(), at.size) == 0) return out;
    if (errno != EINPROGRESS || !wait_for(out.get(), POLLOUT, clock::now() + within, -1)) return {};
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(out.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    return error == 0 ? std::move(out) : descriptor{};
}

void reset(descriptor& socket) {
    const linger at_once{1, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    socket.close();
}

void finish_sending(const descriptor& socket) { ::shutdown(socket.get(), SHUT_WR); }

read_outcome read_some(const descriptor& socket, char* to, std::size_t size, clock::time_point until, int wake) {
    for (;;) {
        if (!wait_for(socket.get(), POLLIN, until, wake)) return {};
        const auto got = ::recv(socket.get(), to, size, MSG_DONTWAIT);
        if (got > 0) return {static_cast<std::size_t>(got), ending::none};
        if (got == 0) return {0, ending::fin};
        if (errno != EINTR && errno != EAGAIN) return {0, ending::rst};
    }
}

std::size_t write_all(const descriptor& socket, std::string_view bytes, clock::time_point until, int wake) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
        const auto now = ::send(socket.get(), bytes.data() + sent, bytes.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (now > 0) {
            sent += static_cast<std::size_t>(now);
        } else if (errno == EAGAIN) {
            if (!wait_for(socket.get(), POLLOUT, until, wake)) break;
        } else if (errno != EINTR) {
            break;
        }
    }
    return sent;
}

event::event() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void event::set() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd_.get(), &one, sizeof one);
}

bool event::is_set() const { return wait(milliseconds(0)); }

bool event::wait(milliseconds within) const { return wait_for(fd_.get(), POLLIN, clock::now() + within, -1); }

}  // namespace tests
