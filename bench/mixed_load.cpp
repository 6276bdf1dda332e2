// The traffic of bench/soak: clients of every kind at once, against a proxy before stream_upstream.
//   mixed_load PORT SECONDS [SEED]
// Each of 24 threads is one client after another: POSTs on a kept connection, whole streams, streams that are left in
// the middle, uploads in chunks, uploads that are broken off, a connection for each request, requests cut in their
// head. Prints "requests aborted failed": what was answered whole, what the clients broke off, and what went wrong.
#include <array>
#include <atomic>
#include <random>
#include <string>
#include <string_view>
#include <thread>

#include "net.hpp"

namespace {

using namespace std::string_literals;

std::atomic<std::uint64_t> whole{0}, aborted{0}, failed{0};

class client {
public:
    client(int port, std::int64_t until, unsigned seed) : port_(port), until_(until), random_(seed) {}

    void run() {
        while (bench::now_ns() < until_) {
            fd_ = bench::connect_to(port_);
            const timeval patience{20, 0};
            ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
            switch (upto(6)) {
                case 0:
                    keep_posting(20 + upto(60));
                    break;
                case 1:
                    stream(upto(3) == 0);
                    break;
                case 2:
                    upload(1 + upto(60), false);
                    break;
                case 3:
                    upload(1 + upto(60), true);
                    break;
                case 4:
                    keep_posting(1);
                    break;
                case 5:
                    cut_head();
                    break;
                default:
                    keep_streaming(2);
                    break;
            }
            ::close(fd_);
        }
    }

private:
    unsigned upto(unsigned most) { return std::uniform_int_distribution<unsigned>(0, most)(random_); }

    std::string head(const std::string& path, const std::string& framing) {
        return "POST " + path + " HTTP/1.1\r\nHost: bench.local\r\nX-User-Id: user-" + std::to_string(upto(500)) +
               "\r\nContent-Type: application/json\r\n" + framing + "\r\n\r\n";
    }
    bool send(std::string_view bytes) {
        return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
    }

    // Reads an answer to its end; false = it was cut or is none.
    bool answered() {
        std::string got;
        for (;;) {
            const auto end = got.find("\r\n\r\n");
            if (end != std::string::npos) {
                const auto at = got.find("Content-Length: ");
                if (at < end && got.size() >= end + 4 + std::strtoul(got.data() + at + 16, nullptr, 10)) break;
                if (at >= end && got.ends_with("\r\n0\r\n\r\n")) break;
            }
            const auto n = ::recv(fd_, piece_.data(), piece_.size(), 0);
            if (n <= 0) return false;
            got.append(piece_.data(), static_cast<std::size_t>(n));
        }
        return got.compare(9, 3, "200") == 0;
    }
    bool count(bool good) { return ++(good ? whole : failed), good; }

    void keep_posting(unsigned times) {
        for (unsigned i = 0; i < times && bench::now_ns() < until_; ++i) {
            const std::string body = R"({"model":"gpt-4o-mini","prompt":")" + std::string(upto(3000), 'w') + "\"}";
            send(head("/api/ai/generate-cover-letter", "Content-Length: " + std::to_string(body.size())) + body);
            if (!count(answered())) return;
            if (upto(3) == 0) pause(1 + upto(20));
        }
    }

    void keep_streaming(unsigned times) {
        for (unsigned i = 0; i < times && bench::now_ns() < until_; ++i) stream(false);
    }

    void stream(bool leave) {
        send(head("/api/ai/stream?rate=50&events=" + std::to_string(10 + upto(60)), "Content-Length: 2") + "{}");
        if (!leave) return void(count(answered()));
        for (unsigned i = 0, n = 1 + upto(8); i < n; ++i) ::recv(fd_, piece_.data(), piece_.size(), 0);
        ++aborted;
    }

    void upload(unsigned chunks, bool leave) {
        send(head("/api/ai/upload", "Transfer-Encoding: chunked"));
        const std::string chunk = "4000\r\n" + std::string(0x4000, 'u') + "\r\n";
        const unsigned stop = leave ? upto(chunks) : chunks;
        for (unsigned i = 0; i < stop; ++i)
            if (!send(chunk)) return void(++failed);
        if (leave) return void(++aborted);
        send("0\r\n\r\n");
        count(answered());
    }

    void cut_head() {
        send("POST /api/ai/generate-cover-letter HTTP/1.1\r\nHost: ben");
        pause(upto(50));
        ++aborted;
    }

    static void pause(unsigned ms) { ::usleep(ms * 1000); }

    int port_;
    std::int64_t until_;
    std::mt19937 random_;
    int fd_ = -1;
    std::array<char, 16384> piece_{};
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fputs("usage: mixed_load PORT SECONDS [SEED]\n", stderr);
        return 2;
    }
    const std::int64_t until = bench::now_ns() + std::atoll(argv[2]) * 1'000'000'000;
    const unsigned seed = argc > 3 ? static_cast<unsigned>(std::atoi(argv[3])) : 1;
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 24; ++i)
        threads.emplace_back([=] { client(std::atoi(argv[1]), until, seed * 100 + i).run(); });
    for (auto& one : threads) one.join();
    std::printf("%llu %llu %llu\n", static_cast<unsigned long long>(whole.load()),
                static_cast<unsigned long long>(aborted.load()), static_cast<unsigned long long>(failed.load()));
    return 0;
}
