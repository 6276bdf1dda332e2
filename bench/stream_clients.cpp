// Clients that read streams of events from stream_upstream, straight or through a proxy.
//   stream_clients events PORT STREAMS SECONDS [RATE EVENTS]
//       keeps STREAMS streams of EVENTS events going, RATE a second each, one request after another on each connection;
//       prints "events ttfb_p50_us p50_us p99_us errors": from request to first event, and from an event's sending (the
//       moment stands in it) to its arrival
//   stream_clients hold PORT STREAMS RATE BYTES
//       opens STREAMS streams of RATE events a second (0 = as fast as they are taken), says "held" when all have begun,
//       and reads on until its input ends: BYTES of each every 100 ms (0 = all that comes)
#include <fcntl.h>
#include <poll.h>

#include <array>
#include <string>
#include <string_view>

#include "net.hpp"

namespace {

std::string request_for(const std::string& target, std::size_t user) {
    const std::string body =
        R"({"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"four years of backend work"}]})";
    return "POST " + target + " HTTP/1.1\r\nHost: bench.local\r\nX-User-Id: user-" + std::to_string(user % 100) +
           "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string stream_target(int rate, int events) {
    return "/api/ai/stream?events=" + std::to_string(events) + "&rate=" + std::to_string(rate);
}

struct reader {
    int fd = -1;
    std::int64_t begins = 0;  // when the next request is to be sent; 0 = one is under way
    std::int64_t asked = 0;
    bool answered = false;
    std::string unread;  // from the beginning of an event that has not come whole
};

class measurement {
public:
    measurement(int port, int streams, double seconds, int rate, int events)
        : request_(request_for(stream_target(rate, events), 7)),
          poller_(::epoll_create1(0)),
          readers_(static_cast<std::size_t>(streams)),
          start_(bench::now_ns()),
          end_(start_ + static_cast<std::int64_t>(seconds * 1e9)) {
        // Spread over the time of one stream, so that streams begin and end all the time.
        const std::int64_t length = 1'000'000'000LL * events / rate;
        for (std::size_t i = 0; i < readers_.size(); ++i) {
            readers_[i].fd = bench::connect_to(port);
            readers_[i].begins =
                start_ + length * static_cast<std::int64_t>(i) / static_cast<std::int64_t>(readers_.size());
            epoll_event wanted{EPOLLIN, {.u64 = i}};
            ::epoll_ctl(poller_, EPOLL_CTL_ADD, readers_[i].fd, &wanted);
        }
    }

    void run() {
        std::array<epoll_event, 256> events;
        for (std::int64_t now = 0; (now = bench::now_ns()) < end_;) {
            std::int64_t next = end_;
            for (reader& one : readers_) {
                if (one.begins == 0) continue;
                if (one.begins <= now)
                    ask(one);
                else
                    next = std::min(next, one.begins);
            }
            const timespec timeout = bench::span_of(std::max<std::int64_t>(0, next - bench::now_ns()));
            const int ready = ::epoll_pwait2(poller_, events.data(), events.size(), &timeout, nullptr);
            for (int i = 0; i < ready; ++i) receive(readers_[events[static_cast<std::size_t>(i)].data.u64]);
        }
    }

    void tell() {
        std::sort(first_.begin(), first_.end());
        std::sort(each_.begin(), each_.end());
        std::printf("%zu %.1f %.1f %.1f %zu\n", each_.size(), bench::quantile_us(first_, 0.5),
                    bench::quantile_us(each_, 0.5), bench::quantile_us(each_, 0.99), errors_);
    }

private:
    void ask(reader& one) {
        one.begins = 0;
        one.answered = false;
        one.unread.clear();
        one.asked = bench::now_ns();
        if (::send(one.fd, request_.data(), request_.size(), MSG_NOSIGNAL) < 0) ++errors_;
    }

    void receive(reader& one) {
        const auto got = ::recv(one.fd, piece_.data(), piece_.size(), 0);
        const std::int64_t now = bench::now_ns();
        if (got <= 0) {
            ++errors_;
            ::epoll_ctl(poller_, EPOLL_CTL_DEL, one.fd, nullptr);
            return;
        }
        one.unread.append(piece_.data(), static_cast<std::size_t>(got));
        if (!one.answered && one.unread.compare(9, 3, "200") != 0) ++errors_;
        constexpr std::string_view mark = "\"sent\":";
        std::size_t at = 0;
        for (;;) {
            const auto found = one.unread.find(mark, at);
            const auto ended = found == std::string::npos ? found : one.unread.find("\n\n", found);
            if (ended == std::string::npos) break;
            each_.push_back(now - std::strtoll(one.unread.data() + found + mark.size(), nullptr, 10));
            if (!one.answered) first_.push_back(now - one.asked);
            one.answered = true;
            at = ended;
        }
        one.unread.erase(0, at);
        if (one.unread.ends_with("\r\n0\r\n\r\n")) one.begins = now;  // the next one at once
    }

    const std::string request_;
    int poller_;
    std::vector<reader> readers_;
    std::int64_t start_;
    std::int64_t end_;
    std::vector<std::int64_t> first_;
    std::vector<std::int64_t> each_;
    std::size_t errors_ = 0;
    std::array<char, 65536> piece_;
};

bool input_ended() {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    char byte = 0;
    return ::poll(&input, 1, 100) > 0 && ::read(STDIN_FILENO, &byte, 1) <= 0;
}

int hold(int port, int streams, int rate, std::size_t bytes) {
    // A phone on a bad line has no megabytes of room either.
    const int room = bytes > 0 ? 16 * 1024 : 0;
    std::vector<char> piece(bytes > 0 ? bytes : 65536);
    std::vector<int> held;
    for (int i = 0; i < streams; ++i) {
        const std::string request = request_for(stream_target(rate, 1'000'000), static_cast<std::size_t>(i));
        held.push_back(bench::connect_to(port, room));
        if (::send(held.back(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return 1;
        if (::recv(held.back(), piece.data(), std::min<std::size_t>(piece.size(), 12), 0) < 12) return 1;
        ::fcntl(held.back(), F_SETFL, O_NONBLOCK);
    }
    std::puts("held");
    std::fflush(stdout);
    while (!input_ended()) {
        for (const int fd : held) {
            while (::recv(fd, piece.data(), piece.size(), 0) > 0 && bytes == 0) {
            }
        }
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const auto number = [&](int i, int otherwise) { return argc > i ? std::atoi(argv[i]) : otherwise; };
    bench::allow_many_files();
    if (argc >= 5 && std::string_view(argv[1]) == "events") {
        measurement one(number(2, 0), number(3, 0), std::atof(argv[4]), number(5, 20), number(6, 40));
        one.run();
        one.tell();
        return 0;
    }
    if (argc == 6 && std::string_view(argv[1]) == "hold")
        return hold(number(2, 0), number(3, 0), number(4, 0), static_cast<std::size_t>(number(5, 0)));
    std::fputs("usage: stream_clients events PORT STREAMS SECONDS [RATE EVENTS] | hold PORT STREAMS RATE BYTES\n",
               stderr);
    return 2;
}
