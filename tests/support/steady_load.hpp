// Clients that must never see a failure: each asks one request after the other, some on connections that they keep,
// some on a new one each time, and every answer that is not a whole 200 is noted as a failure. For tests that include
// it once.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/raw_client.hpp"

namespace tests {

class steady_load {
public:
    steady_load(std::uint16_t port, int keeping, int new_each_time) : port_(port) {
        for (int i = 0; i < keeping + new_each_time; ++i)
            threads_.emplace_back([this, i, keeps = i < keeping] { run(i, keeps); });
    }
    ~steady_load() { stop(); }

    void stop() {
        over_ = true;
        for (auto& thread : threads_) thread.join();
        threads_.clear();
    }
    // Waits until so many more requests are answered.
    bool go_on_for(std::size_t requests) const {
        std::unique_lock lock(mutex_);
        const std::size_t enough = answered_.size() + requests;
        return more_.wait_for(lock, std::chrono::seconds(60), [&] { return answered_.size() >= enough; });
    }
    std::set<std::string> answered() const {
        const std::lock_guard lock(mutex_);
        return answered_;
    }
    std::vector<std::string> failures() const {
        const std::lock_guard lock(mutex_);
        return failures_;
    }

private:
    void run(int number, bool keeps) {
        raw_client client;
        bool usable = false;
        for (int i = 0; !over_; ++i) {
            if (!usable) client = raw_client("127.0.0.1", port_);
            const std::string id = "load-" + std::to_string(number) + "-" + std::to_string(i);
            const bool sent =
                client.connected() &&
                client.send("POST /api/ai/generate-cover-letter HTTP/1.1\r\nHost: a\r\nX-Request-Id: " + id +
                            "\r\nContent-Length: 2\r\n\r\n{}");
            const auto answer = sent ? client.read() : http_message{};
            usable =
                keeps && answer.complete && !equals_ignoring_case(answer.field("connection").value_or(""), "close");
            const std::lock_guard lock(mutex_);
            if (answer.complete && answer.status() == 200)
                answered_.insert(id);
            else
                failures_.push_back(id + (sent ? ": sent, but '" : ": not sent '") + answer.raw_head + "'");
            more_.notify_all();
        }
    }

    const std::uint16_t port_;
    std::atomic<bool> over_{false};
    mutable std::mutex mutex_;
    mutable std::condition_variable more_;
    std::set<std::string> answered_;
    std::vector<std::string> failures_;
    std::vector<std::thread> threads_;
};

}  // namespace tests
