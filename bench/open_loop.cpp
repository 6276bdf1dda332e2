// Open-loop load: requests start at their planned moments whatever the answers do, so that a stall shows in the latency
// of all requests that it delayed (no coordinated omission).
//   open_loop PORT RATE SECONDS [CONNECTIONS [USERS]]   prints "requests p50_us p90_us p99_us max_us errors"
//   open_loop PORT hold COUNT                           opens COUNT keep-alive connections, one request on each, says
//   "held",
//                                                       and keeps them until its input ends
#include <array>
#include <chrono>
#include <deque>
#include <random>
#include <string>
#include <string_view>

#include "net.hpp"

namespace {

using clock_type = std::chrono::steady_clock;
using std::chrono::nanoseconds;

std::string make_request(const std::string& line, std::size_t body_size) {
    std::string body = R"({"contents":[{"parts":[{"text":")";
    while (body.size() + 5 < body_size) body += 'w';
    if (body_size > 0)
        body += "\"}]}]}", body.resize(body_size, ' ');
    else
        body.clear();
    std::string out = line + " HTTP/1.1\r\nHost: bench.local\r\nX-User-Id: user-0000000\r\n";
    if (!body.empty())
        out += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    return out + "\r\n" + body;
}

// True when `data` ends a response: the benchmark's upstream always sends a Content-Length.
bool whole_answer(std::string_view data) {
    const auto end = data.find("\r\n\r\n");
    if (end == std::string_view::npos) return false;
    const auto at = data.find("Content-Length: ");
    const auto length = at < end ? std::strtoul(data.data() + at + 16, nullptr, 10) : 0;
    return data.size() >= end + 4 + length;
}

struct connection {
    int fd = -1;
    std::string received;
    clock_type::time_point planned;
};

struct result {
    std::vector<std::int64_t> latencies_ns;
    std::size_t errors = 0;
};

class generator {
public:
    generator(int port, double rate, double seconds, int count, int users)
        : connections_(static_cast<std::size_t>(count)),
          interval_(static_cast<std::int64_t>(1e9 / rate)),
          total_(static_cast<std::size_t>(rate * seconds)),
          users_(static_cast<unsigned>(users)),
          poller_(::epoll_create1(0)) {
        for (std::size_t i = 0; i < connections_.size(); ++i) {
            connections_[i].fd = bench::connect_to(port);
            epoll_event wanted{EPOLLIN, {.u64 = i}};
            ::epoll_ctl(poller_, EPOLL_CTL_ADD, connections_[i].fd, &wanted);
            free_.push_back(i);
        }
    }

    result run() {
        const auto start = clock_type::now() + std::chrono::milliseconds(50);
        const auto give_up = start + interval_ * static_cast<std::int64_t>(total_) + std::chrono::seconds(10);
        std::size_t planned = 0;
        while (out_.latencies_ns.size() + out_.errors < total_ && clock_type::now() < give_up) {
            const auto now = clock_type::now();
            while (planned < total_ && start + interval_ * static_cast<std::int64_t>(planned) <= now) {
                waiting_.push_back(start + interval_ * static_cast<std::int64_t>(planned++));
            }
            while (!waiting_.empty() && !free_.empty()) begin_next();
            const auto next = planned < total_ ? start + interval_ * static_cast<std::int64_t>(planned) : give_up;
            wait_until(next);
        }
        out_.errors += total_ - out_.latencies_ns.size() - out_.errors;  // never answered
        return std::move(out_);
    }

private:
    void begin_next() {
        connection& one = connections_[free_.front()];
        free_.pop_front();
        one.planned = waiting_.front();
        waiting_.pop_front();
        one.received.clear();
        name_user();
        if (::send(one.fd, request_.data(), request_.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request_.size()))
            ++out_.errors;
    }

    // Any of them, the same ones in each run.
    void name_user() {
        unsigned number = random_() % users_;
        for (std::size_t i = user_at_; i > user_at_ - 7; --i, number /= 10)
            request_[i - 1] = static_cast<char>('0' + number % 10);
    }

    void wait_until(clock_type::time_point next) {
        const auto left =
            std::max<std::int64_t>(0, std::chrono::duration_cast<nanoseconds>(next - clock_type::now()).count());
        const timespec timeout{left / 1'000'000'000, left % 1'000'000'000};
        std::array<epoll_event, 64> events;
        const int ready = ::epoll_pwait2(poller_, events.data(), events.size(), &timeout, nullptr);
        for (int i = 0; i < ready; ++i) on_readable(events[static_cast<std::size_t>(i)].data.u64);
    }

    void on_readable(std::size_t index) {
        connection& one = connections_[index];
        std::array<char, 16384> piece;
        const auto got = ::recv(one.fd, piece.data(), piece.size(), 0);
        if (got <= 0) {
            ++out_.errors;
            ::epoll_ctl(poller_, EPOLL_CTL_DEL, one.fd, nullptr);
            return;
        }
        one.received.append(piece.data(), static_cast<std::size_t>(got));
        if (!whole_answer(one.received)) return;
        if (one.received.compare(9, 3, "200") == 0) {
            out_.latencies_ns.push_back(
                std::chrono::duration_cast<nanoseconds>(clock_type::now() - one.planned).count());
        } else {
            ++out_.errors;
        }
        free_.push_back(index);
    }

    std::string request_ = make_request("POST /api/ai/generate-cover-letter", 486);
    const std::size_t user_at_ = request_.find("user-0000000") + 12;  // behind its number
    std::minstd_rand random_;
    std::vector<connection> connections_;
    std::deque<std::size_t> free_;
    std::deque<clock_type::time_point> waiting_;
    nanoseconds interval_;
    std::size_t total_;
    unsigned users_;
    int poller_;
    result out_;
};

int hold(int port, int count) {
    const std::string request = make_request("GET /idle", 0);  // untracked: only the connection is to be measured
    std::array<char, 16384> piece;
    std::vector<int> held;
    for (int i = 0; i < count; ++i) {
        held.push_back(bench::connect_to(port));
        if (::send(held.back(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return 1;
        std::string received;
        while (!whole_answer(received)) {
            const auto got = ::recv(held.back(), piece.data(), piece.size(), 0);
            if (got <= 0) return 1;
            received.append(piece.data(), static_cast<std::size_t>(got));
        }
    }
    std::puts("held");
    std::fflush(stdout);
    while (std::getchar() != EOF) {
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::fputs("usage: open_loop PORT RATE SECONDS [CONNECTIONS [USERS]] | open_loop PORT hold COUNT\n", stderr);
        return 2;
    }
    bench::allow_many_files();
    const int port = std::atoi(argv[1]);
    if (std::string_view(argv[2]) == "hold") return hold(port, std::atoi(argv[3]));
    auto [latencies, errors] = generator(port, std::atof(argv[2]), std::atof(argv[3]),
                                         argc > 4 ? std::atoi(argv[4]) : 64, argc > 5 ? std::atoi(argv[5]) : 1)
                                   .run();
    std::sort(latencies.begin(), latencies.end());
    const auto at = [&](double q) { return bench::quantile_us(latencies, q); };
    std::printf("%zu %.1f %.1f %.1f %.1f %zu\n", latencies.size(), at(0.5), at(0.9), at(0.99), at(1.0), errors);
    return 0;
}
