// Dashboards that stay open: WebSockets at GET /api/admin/ai/live, which read what comes and answer pings.
//   live_clients PORT COUNT TOKEN_FILE    opens them, says "held" when each has its snapshot, reads until its input
//   ends,
//                                         then prints "messages bytes ended" (ended: connections that did not last)
#include <array>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>

#include "net.hpp"

namespace {

struct dashboard {
    int fd = -1;
    std::string received;
    std::size_t messages = 0;
};

std::size_t bytes_read = 0;

bool read_more(dashboard& from) {
    std::array<char, 65536> piece;
    const auto got = ::recv(from.fd, piece.data(), piece.size(), 0);
    if (got <= 0) return false;
    bytes_read += static_cast<std::size_t>(got);
    from.received.append(piece.data(), static_cast<std::size_t>(got));
    return true;
}

// Takes whole frames off the front; a server's are not masked.
void take_frames(dashboard& from) {
    for (;;) {
        const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(from.received[at]); };
        std::size_t have = from.received.size(), header = 2;
        if (have < 2) return;
        std::size_t size = byte(1);
        if (size == 126) {
            if (have < 4) return;
            size = byte(2) * 256U + byte(3);
            header = 4;
        }
        if (have < header + size) return;
        if (byte(0) == 0x89) {  // a ping without payload
            constexpr std::string_view pong("\x8A\x80\0\0\0\0", 6);
            ::send(from.fd, pong.data(), pong.size(), MSG_NOSIGNAL);
        } else if (byte(0) == 0x81) {
            ++from.messages;
        }
        from.received.erase(0, header + size);
    }
}

bool open(dashboard& one, int port, const std::string& token) {
    one.fd = bench::connect_to(port);
    const std::string request = "GET /api/admin/ai/live HTTP/1.1\r\nHost: bench.local\r\nAuthorization: Bearer " +
                                token +
                                "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    if (::send(one.fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) return false;
    std::size_t end = 0;
    while ((end = one.received.find("\r\n\r\n")) == std::string::npos)
        if (!read_more(one)) return false;
    if (one.received.compare(9, 3, "101") != 0) return false;
    one.received.erase(0, end + 4);
    for (take_frames(one); one.messages == 0; take_frames(one))
        if (!read_more(one)) return false;
    return true;
}

}  // namespace

int main(int count, char** words) {
    if (count != 4) {
        std::fprintf(stderr, "usage: live_clients PORT COUNT TOKEN_FILE\n");
        return 2;
    }
    std::string token;
    std::ifstream(words[3]) >> token;
    std::vector<dashboard> all(static_cast<std::size_t>(std::atoi(words[2])));
    const int poller = ::epoll_create1(0);
    epoll_event input{EPOLLIN, {.u64 = all.size()}};
    ::epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &input);
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!open(all[i], std::atoi(words[1]), token)) {
            std::fprintf(stderr, "live_clients: connection %zu was refused\n", i);
            return 1;
        }
        epoll_event wanted{EPOLLIN, {.u64 = i}};
        ::epoll_ctl(poller, EPOLL_CTL_ADD, all[i].fd, &wanted);
    }
    std::puts("held");
    std::fflush(stdout);
    std::size_t ended = 0;
    for (bool go_on = true; go_on;) {
        std::array<epoll_event, 64> events;
        const int ready = ::epoll_wait(poller, events.data(), events.size(), -1);
        for (int i = 0; i < ready; ++i) {
            const auto which = events[static_cast<std::size_t>(i)].data.u64;
            if (which == all.size()) {
                go_on = false;
            } else if (read_more(all[which])) {
                take_frames(all[which]);
            } else {
                ++ended;
                ::epoll_ctl(poller, EPOLL_CTL_DEL, all[which].fd, nullptr);
            }
        }
    }
    std::size_t messages = 0;
    for (const auto& one : all) messages += one.messages;
    std::printf("%zu %zu %zu\n", messages, bytes_read, ended);
    return ended == 0 ? 0 : 1;
}
