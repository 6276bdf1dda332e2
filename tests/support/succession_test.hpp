// What the tests of restarts share: an aimeter whose successors are found by what the log says, and what was recorded
// of each request. For tests that include it once.
#pragma once

#include <gmock/gmock.h>

#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "tests/support/proxy_test.hpp"

namespace tests {

inline const std::string get = "GET /g HTTP/1.1\r\nHost: a\r\n\r\n";
inline const std::string answer_body =
    R"({"candidates":[{"content":{"parts":[{"text":"Dear team,"}]},"finishReason":"STOP"}],"usageMetadata":)"
    R"({"promptTokenCount":100,"candidatesTokenCount":50,"totalTokenCount":150},"modelVersion":"gemini-2.0-flash"})";

inline std::string tracked(const std::string& id) {
    return "POST /api/ai/generate-cover-letter HTTP/1.1\r\nHost: a\r\nX-Request-Id: " + id +
           "\r\nContent-Length: 2\r\n\r\n{}";
}

inline bool gone(pid_t pid) {
    return eventually([pid] { return ::kill(pid, 0) != 0; });
}

class proxy_succession : public proxy_test {
protected:
    void SetUp() override {
        AIMETER_ONLY();
        ends_well = false;
        upstream.otherwise({serve(answer_with(ok_response(answer_body, "Content-Type: application/json\r\n")))});
    }
    void TearDown() override {
        if (!serving) return;
        EXPECT_EQ(::kill(serving, SIGTERM), 0) << "the one that serves has died: " << log();
        EXPECT_TRUE(serving == proxy->pid() ? proxy->process().wait_exit() == 0 : gone(serving)) << log();
    }

    void start_serving(const std::string& config, const std::string& listen = "127.0.0.1:0") {
        start({.config = config, .listen = listen, .drain_timeout = "5s"});
        serving = proxy->pid();
    }
    std::string log() const { return proxy->process().err(); }

    // What stands behind the last `words` in the log, once they stand there more often than before.
    long number_behind(const std::string& words, std::size_t times) const {
        std::string found;
        eventually([&] {
            const std::string text = log();
            std::size_t count = 0, at = 0;
            for (; (at = text.find(words, at)) != std::string::npos; at += words.size()) {
                const auto end = text.find_first_not_of("0123456789", at + words.size());
                if (++count == times && end != std::string::npos)
                    found = text.substr(at + words.size(), end - at - words.size());
            }
            return !found.empty();
        });
        return found.empty() ? 0 : std::stol(found);
    }
    // The process that the log names last; 0 = it names none yet.
    pid_t last_successor() const {
        const std::string words = " starts as process ", text = log();
        const auto at = text.rfind(words);
        return at == std::string::npos ? 0 : static_cast<pid_t>(std::atol(text.c_str() + at + words.size()));
    }
    // SIGUSR2; the successor's process, which need not serve yet.
    pid_t call_successor() {
        ::kill(serving, SIGUSR2);
        return static_cast<pid_t>(number_behind(" starts as process ", ++called));
    }
    // The same until it serves; the process before it.
    pid_t upgrade() {
        const pid_t before = serving;
        const pid_t next = call_successor();
        EXPECT_EQ(number_behind("upgrade: process ", ++upgraded), next) << log();
        serving = next;
        return before;
    }

    // How often it is recorded, once it is or the time is over.
    int recorded_soon(const std::string& id, milliseconds within = patience) const {
        int times = 0;
        eventually([&] { return (times = recorded_ids()[id]) > 0; }, within);
        return times;
    }
    pid_t redis_pid() const { return aimeter().redis().server_pid(); }
    std::map<std::string, int> recorded_ids() const {
        std::map<std::string, int> out;
        for (const auto& one : aimeter().redis().stream("aimeter:usage")) ++out[one.at("requestId")];
        return out;
    }
    void expect_each_once(const std::set<std::string>& wanted) const {
        std::map<std::string, int> recorded;
        EXPECT_TRUE(
            eventually([&] { return (recorded = recorded_ids()).size() >= wanted.size(); }, milliseconds(30'000)))
            << recorded.size() << " recorded of " << wanted.size();
        for (const auto& id : wanted) EXPECT_EQ(recorded[id], 1) << id;
        const auto verified = aimeter().run("verify");
        EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
    }

    pid_t serving = 0;
    std::size_t called = 0, upgraded = 0;
};

}  // namespace tests
