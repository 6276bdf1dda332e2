// Exactly once, whatever is killed: under load, aimeter and its Redis are killed with SIGKILL again and again; every
// answered request then stands in the usage stream once, every one that the upstream saw stands there, none twice, and
// `aimeter verify` finds no difference. AIMETER_LONG_TESTS=1 runs a minute of it in place of a quarter.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "tests/support/counted_load.hpp"
#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

class proxy_crash : public proxy_test {
protected:
    void SetUp() override {
        AIMETER_ONLY();
        const char* const asked = std::getenv("AIMETER_LONG_TESTS");
        if (asked != nullptr && std::string_view(asked) == "1") unit = 9'000;
        upstream.otherwise({serve(counted_answer())});
        start({.config = "workers = 2\n[redis]\nstream_maxlen = 0\n[track]\nlog = \"off\"", .drain_timeout = "5s"});
        aimeter().redis();
    }

    void kill_and_restart(counted_load& clients) {
        proxy->process().signal(SIGKILL);
        ASSERT_EQ(proxy->process().wait_exit(), 128 + SIGKILL) << proxy->process().err();
        proxy->start();
        clients.use_ports({proxy->port()});
    }

    pid_t redis_pid() const { return aimeter().redis().server_pid(); }

    // How often each request id stands in the usage stream, once all that the upstream saw stands there.
    std::map<std::string, int> recorded_ids(const std::set<std::string>& wanted) const {
        std::map<std::string, int> out;
        eventually(
            [&] {
                try {
                    out.clear();
                    const redis_view view = aimeter().redis();
                    if (view.number({"XLEN", "aimeter:usage"}) < static_cast<long long>(wanted.size())) return false;
                    for (const auto& one : view.stream("aimeter:usage")) ++out[one.at("requestId")];
                } catch (const std::exception&) {
                    return false;
                }
                return std::all_of(wanted.begin(), wanted.end(), [&](const auto& id) { return out.contains(id); });
            },
            milliseconds(30'000));
        return out;
    }

    void expect_each_once(const counted_load& clients) {
        const auto answered = clients.answered();
        ASSERT_GT(answered.size(), clients.sent() / 3) << "hardly any load got through: the test shows nothing";
        std::set<std::string> wanted = answered;
        for (const auto& request : upstream.requests()) wanted.insert(request.field("x-request-id").value_or(""));
        const auto recorded = recorded_ids(wanted);
        std::size_t missing = 0;
        std::size_t twice = 0;
        for (const auto& id : wanted) missing += recorded.contains(id) ? 0 : 1;
        for (const auto& [id, times] : recorded) twice += times > 1 ? 1 : 0;
        EXPECT_EQ(missing, 0U) << "of " << wanted.size() << " requests that the upstream saw";
        EXPECT_EQ(twice, 0U) << "of " << recorded.size() << " recorded";
        const auto verified = aimeter().run("verify");
        EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
        const redis_view view = aimeter().redis();
        const auto total = view.hash("aimeter:usage:total");
        EXPECT_EQ(total.at("requests"), std::to_string(recorded.size()));
        EXPECT_EQ(view.hash("aimeter:analytics:total")["ai_generation"], std::to_string(recorded.size()));
        EXPECT_EQ(view.number({"XLEN", "aimeter:analytics"}), static_cast<long long>(recorded.size()));
        RecordProperty("answered", static_cast<int>(answered.size()));
        RecordProperty("recorded", static_cast<int>(recorded.size()));
    }

    std::size_t unit = 1'500;  // requests between two kills
};

TEST_F(proxy_crash, kills_of_aimeter_and_redis_lose_and_double_nothing) {
    counted_load clients({proxy->port()});
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(clients.go_on_for(unit));
        ASSERT_NO_FATAL_FAILURE(kill_and_restart(clients));
    }
    ASSERT_TRUE(clients.go_on_for(unit));
    ::kill(redis_pid(), SIGKILL);
    ASSERT_TRUE(clients.go_on_for(unit));
    clients.stop();
    expect_each_once(clients);
}

TEST_F(proxy_crash, a_kill_while_redis_hangs_loses_nothing) {
    counted_load clients({proxy->port()});
    ASSERT_TRUE(clients.go_on_for(300));
    const pid_t redis = redis_pid();
    ::kill(redis, SIGSTOP);
    ASSERT_TRUE(clients.go_on_for(300));
    proxy->process().signal(SIGKILL);
    proxy->process().wait_exit();
    ::kill(redis, SIGCONT);
    proxy->start();
    clients.use_ports({proxy->port()});
    ASSERT_TRUE(clients.go_on_for(300));
    clients.stop();
    expect_each_once(clients);
}

TEST_F(proxy_crash, a_stop_under_load_with_redis_gone_loses_nothing) {
    counted_load clients({proxy->port()});
    ASSERT_TRUE(clients.go_on_for(300));
    const pid_t redis = redis_pid();
    ::kill(redis, SIGSTOP);
    ASSERT_TRUE(clients.go_on_for(150));
    proxy->process().signal(SIGTERM);
    EXPECT_EQ(proxy->process().wait_exit(milliseconds(30'000)), 0) << proxy->process().err();
    ::kill(redis, SIGKILL);
    clients.stop();
    proxy->start();
    expect_each_once(clients);
}

TEST_F(proxy_crash, a_redis_killed_again_and_again_counts_each_once) {
    counted_load clients({proxy->port()});
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(clients.go_on_for(400));
        ::kill(redis_pid(), SIGKILL);
    }
    ASSERT_TRUE(clients.go_on_for(400));
    clients.stop();
    expect_each_once(clients);
}

// A redis-server that takes its time to start, as one does that loads much, until the test lets it go on.
class proxy_with_slow_redis : public proxy_test {
protected:
    void SetUp() override {
        AIMETER_ONLY();
        const std::string program = folder.path() + "/redis-server";
        write_file(program, "#!/bin/sh\nPATH=${PATH#*:}\nwhile [ ! -e " + gate +
                                " ]; do sleep 0.05; done\nexec redis-server \"$@\"\n");
        std::filesystem::permissions(program, std::filesystem::perms::owner_all);
        upstream.otherwise({serve(counted_answer())});
        start({.env = {{"PATH", folder.path() + ":" + std::getenv("PATH")}}});
    }
    temp_dir folder;
    const std::string gate = folder.path() + "/may-start";
};

TEST_F(proxy_with_slow_redis, journals_are_looked_after_while_it_starts) {
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(ask("POST /api/ai/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}").status(), 200);
    const auto readiness = [&] { return ask("GET /api/admin/readyz HTTP/1.1\r\nHost: a\r\n\r\n"); };
    EXPECT_TRUE(eventually([&] { return readiness().body.find("\"lag\":3") != std::string::npos; }))
        << readiness().body;
    EXPECT_EQ(readiness().status(), 200);
    EXPECT_THAT(proxy->process().err(), testing::Not(testing::HasSubstr("] redis:"))) << "nothing is wrong";
    write_file(gate, "");
    EXPECT_TRUE(proxy->process().wait_err("] redis: connected to ")) << proxy->process().err();
    EXPECT_TRUE(eventually([&] { return aimeter().redis().number({"XLEN", "aimeter:usage"}) == 3; }));
}

TEST_F(proxy_with_slow_redis, a_stop_does_not_wait_for_it) {
    proxy->process().signal(SIGTERM);
    EXPECT_EQ(proxy->process().wait_exit(), 0) << proxy->process().err();
    ends_well = false;
}

}  // namespace
}  // namespace tests
