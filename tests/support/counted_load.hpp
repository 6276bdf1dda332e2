// Requests that are counted: clients on keep-alive connections, each request with an id that is never used again, a
// user, a feature and a price that follow from the id. What must stand in Redis afterwards is known from here alone.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/raw_client.hpp"
#include "tests/support/scripted_upstream.hpp"

namespace tests {

// The tokens that the upstream says a request took, and their price in nano-dollars: gemini-2.0-flash costs 0.10 and
// 0.40 USD for a million.
struct counted_price {
    explicit counted_price(const std::string& id) {
        std::uint32_t hash = 2166136261U;  // FNV-1a
        for (const char c : id) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
        input = 100 + hash % 900;
        output = 10 + hash / 1000 % 90;
    }
    std::int64_t input, output;
    std::int64_t nano() const { return 100 * input + 400 * output; }
};

inline std::string counted_body(const std::string& id) {
    const counted_price price(id);
    return R"({"candidates":[{"content":{"parts":[{"text":"Dear team,"}]},"finishReason":"STOP"}],"usageMetadata":)"
           R"({"promptTokenCount":)" +
           std::to_string(price.input) + R"(,"candidatesTokenCount":)" + std::to_string(price.output) +
           R"(,"totalTokenCount":)" + std::to_string(price.input + price.output) +
           R"(},"modelVersion":"gemini-2.0-flash"})";
}

inline answer counted_answer() {
    return [](const http_message& request) {
        return ok_response(counted_body(request.field("x-request-id").value_or("")),
                           "Content-Type: application/json\r\n");
    };
}

class counted_load {
public:
    explicit counted_load(std::vector<std::uint16_t> ports, int clients = 6, milliseconds pace = milliseconds(8),
                          int users = 7)
        : pace_(pace), users_(users), ports_(ports.size()) {
        use_ports(ports);
        for (int i = 0; i < clients; ++i) threads_.emplace_back([this, i] { run(i); });
    }
    ~counted_load() { stop(); }

    // Where the proxies listen now; client i asks the one of number i modulo theirs.
    void use_ports(const std::vector<std::uint16_t>& ports) {
        for (std::size_t i = 0; i < ports_.size(); ++i) ports_[i] = ports[i];
    }
    void stop() {
        over_ = true;
        for (auto& thread : threads_) thread.join();
        threads_.clear();
    }
    // Until so many more requests are answered: the time between two blows is measured in what they may destroy.
    bool go_on_for(std::size_t requests) const {
        std::unique_lock lock(mutex_);
        const std::size_t enough = answered_.size() + requests;
        return more_.wait_for(lock, std::chrono::seconds(60), [&] { return answered_.size() >= enough; });
    }

    std::set<std::string> answered() const {
        const std::lock_guard lock(mutex_);
        return answered_;
    }
    // Sent, but not answered as the upstream did.
    std::vector<std::string> failures() const {
        const std::lock_guard lock(mutex_);
        return failures_;
    }
    std::size_t sent() const { return sent_; }

private:
    void run(int number) {
        static constexpr const char* features[] = {"cover-letter", "skill-gap", "job-match"};
        const auto& port = ports_[static_cast<std::size_t>(number) % ports_.size()];
        raw_client client;
        auto next = clock::now();
        for (int i = 0; !over_; ++i) {
            std::this_thread::sleep_until(next += pace_);
            if (!client.connected() || client.ended() != ending::none)
                client = raw_client("127.0.0.1", port, milliseconds(200));
            if (!client.connected()) continue;
            const std::string id = "load-" + std::to_string(number) + "-" + std::to_string(i);
            ++sent_;
            const bool went =
                client.send(std::string("POST /api/ai/generate-") + features[i % 3] +
                            " HTTP/1.1\r\nHost: a\r\nX-User-Id: user-" + std::to_string(i % users_) +
                            "\r\nX-Request-Id: " + id + "\r\nContent-Length: 18\r\n\r\n" + R"({"prompt":"write"})");
            const auto answer = went ? client.read() : http_message{};
            const std::lock_guard lock(mutex_);
            if (answer.complete && answer.status() == 200 && answer.body == counted_body(id)) {
                answered_.insert(id);
                more_.notify_all();
            } else {
                failures_.push_back(id + ": " + answer.raw_head + answer.body);
                client = raw_client();
            }
        }
    }

    const milliseconds pace_;
    const int users_;
    std::vector<std::atomic<std::uint16_t>> ports_;
    std::atomic<bool> over_{false};
    std::atomic<std::size_t> sent_{0};
    mutable std::mutex mutex_;
    mutable std::condition_variable more_;
    std::set<std::string> answered_;
    std::vector<std::string> failures_;
    std::vector<std::thread> threads_;
};

}  // namespace tests
