#include "tests/support/graceful_server.hpp"

#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "tests/support/http_reader.hpp"

namespace tests {

graceful_server::graceful_server(std::uint16_t port) : port_(port) {
    if (port_ == 0)
        listen_on("127.0.0.1", port_);  // and closed again: only a port that was named can be taken again at once
    start();
}
graceful_server::~graceful_server() { stop(); }

void graceful_server::start() {
    listener_ = listen_on("127.0.0.1", port_);
    over_ = std::make_unique<event>();
    acceptor_ = std::thread([this] { accept_all(); });
}

void graceful_server::stop() {
    if (!acceptor_.joinable()) return;
    over_->set();
    acceptor_.join();
    for (auto& one : threads_) one.join();
    threads_.clear();
}

// Connections that are queued when a listening socket closes are reset, though their peers count them as made. So SYNs
// are dropped before the queue is emptied for the last time: who sent one tries again, and is refused then.
void graceful_server::let_nobody_in() const {
    constexpr std::uint32_t flags = 13, syn = 0x02, ack = 0x10;  // of the TCP header (RFC 9293, 3.1)
    std::array<sock_filter, 5> unless_syn{{{BPF_LD | BPF_B | BPF_ABS, 0, 0, flags},
                                           {BPF_ALU | BPF_AND | BPF_K, 0, 0, syn | ack},
                                           {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, syn},
                                           {BPF_RET | BPF_K, 0, 0, 0},
                                           {BPF_RET | BPF_K, 0, 0, 0xffff'ffff}}};
    const sock_fprog filter{unless_syn.size(), unless_syn.data()};
    ::setsockopt(listener_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

void graceful_server::accept_all() {
    ::fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
    for (bool last = false; !last;) {
        std::array<pollfd, 2> polled{{{listener_.get(), POLLIN, 0}, {over_->fd(), POLLIN, 0}}};
        ::poll(polled.data(), polled.size(), -1);
        last = polled[1].revents != 0;
        if (last) let_nobody_in();
        // What is queued has connected; and handshakes that had begun end within this time.
        while (!last || wait_for(listener_.get(), POLLIN, clock::now() + milliseconds(20), -1)) {
            descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!socket.valid()) break;
            threads_.emplace_back([this, socket = std::move(socket)]() mutable { serve(std::move(socket)); });
        }
    }
    listener_.close();
}

void graceful_server::serve(descriptor socket) {
    std::string received;
    for (bool kept = false;; kept = true) {
        http_reader reader(http_reader::kind::request);
        while (!reader.done()) {
            received.erase(0, reader.feed(received));
            if (reader.done() || reader.failed()) break;
            // Only a connection that waits for another request is closed by stop().
            const bool between = kept && received.empty() && !reader.head_done();
            std::array<char, 4096> piece;
            const auto got =
                read_some(socket, piece.data(), piece.size(), clock::now() + patience, between ? over_->fd() : -1);
            if (got.bytes == 0) {
                if (between && got.ended == ending::none) ++closed_idle_;
                return;
            }
            received.append(piece.data(), got.bytes);
        }
        if (reader.failed()) return;
        const bool last = over_->is_set();
        const std::string answer =
            std::string("HTTP/1.1 200 OK\r\n") + (last ? "Connection: close\r\n" : "") + "Content-Length: 2\r\n\r\nok";
        ++served_;
        write_all(socket, answer, clock::now() + patience);
        if (last) return;
    }
}

}  // namespace tests
