// The redis-server that aimeter runs for itself: started, found again, restarted, stopped, its data kept.
#include "tracking/store/embedded_redis.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/run_coroutine.hpp"
#include "tracking/folder_lock.hpp"
#include "tracking/store/redis_client.hpp"

namespace tracking::store {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class EmbeddedRedis : public testing::Test {
protected:
    EmbeddedRedis() {
        std::string pattern = "/tmp/aime.XXXXXX";
        dir = ::mkdtemp(pattern.data());
    }
    ~EmbeddedRedis() override {
        for (const pid_t pid : started) ::kill(pid, SIGKILL);  // what a failed test left behind
        fs::remove_all(dir);
    }

    std::unique_ptr<embedded_redis> make(const std::string& data_dir) {
        auto made = embedded_redis::create(context.get_executor(), data_dir);
        EXPECT_TRUE(std::holds_alternative<std::unique_ptr<embedded_redis>>(made)) << std::get<std::string>(made);
        return std::get<std::unique_ptr<embedded_redis>>(std::move(made));
    }
    std::string start(embedded_redis& which) {
        const auto result = tests::run_coroutine(context, which.start());
        const auto* error = std::get_if<std::string>(&result);
        if (!error) started.push_back(pid_of(which));
        return error ? *error : "";
    }
    void stop(embedded_redis& which) { tests::run_coroutine(context, which.stop()); }

    std::string ask(const embedded_redis& which, command words) {
        redis_client client(context.get_executor(), std::get<redis_url>(redis_url::parse(which.url())));
        const auto connected = tests::run_coroutine(context, client.connect(1s));
        if (!std::holds_alternative<std::monostate>(connected)) return "not connected";
        const std::vector<command> commands{std::move(words)};
        const auto result = tests::run_coroutine(context, client.pipeline(commands, 1s));
        const auto* replies = std::get_if<std::vector<reply>>(&result);
        if (!replies) return "no answer";
        const auto& first = replies->front();
        if (!first.elements.empty()) return first.elements.back().text;
        return first.kind == reply::type::integer ? std::to_string(first.integer) : first.text;
    }
    pid_t pid_of(const embedded_redis& which) {
        const auto info = ask(which, {"INFO", "server"});
        const auto at = info.find("process_id:");
        return at == std::string::npos ? 0 : std::atoi(info.c_str() + at + 11);
    }
    // Runs the supervisor until the condition holds.
    template <class Condition>
    bool run_until(Condition condition) {
        return run_until_timeout(20s, condition);
    }
    template <class Condition>
    bool run_until_timeout(std::chrono::milliseconds most, Condition condition) {
        for (const auto end = std::chrono::steady_clock::now() + most; std::chrono::steady_clock::now() < end;) {
            if (condition()) return true;
            context.restart();
            context.run_for(20ms);
        }
        return false;
    }

    boost::asio::io_context context;
    std::string dir;
    std::vector<pid_t> started;
};

bool alive(pid_t pid) { return ::kill(pid, 0) == 0; }

TEST_F(EmbeddedRedis, KeepsItsDataInTheDataDirAndListensOnNoPort) {
    auto one = make(dir);
    ASSERT_EQ(start(*one), "");
    EXPECT_EQ(ask(*one, {"CONFIG", "GET", "port"}), "0");
    EXPECT_EQ(ask(*one, {"CONFIG", "GET", "appendonly"}), "yes");
    EXPECT_EQ(ask(*one, {"CONFIG", "GET", "appendfsync"}), "everysec");
    EXPECT_EQ(ask(*one, {"CONFIG", "GET", "maxmemory-policy"}), "noeviction");
    EXPECT_EQ(ask(*one, {"CONFIG", "GET", "dir"}), dir + "/redis");
    EXPECT_EQ(one->socket_path(), embedded_socket_of(dir));
    EXPECT_EQ(fs::status(one->socket_path()).permissions() & fs::perms(0077), fs::perms::none);
    ask(*one, {"SET", "kept", "yes"});
    const pid_t pid = pid_of(*one);
    EXPECT_EQ(::getpgid(pid), pid) << "a Ctrl-C on the terminal is not for it";
    stop(*one);
    EXPECT_FALSE(alive(pid));
    EXPECT_FALSE(fs::exists(one->socket_path()));

    auto again = make(dir);
    ASSERT_EQ(start(*again), "");
    EXPECT_EQ(ask(*again, {"GET", "kept"}), "yes");
    stop(*again);
}

// One process leaves, its successor goes on with the same server.
TEST_F(EmbeddedRedis, IsLeftToASuccessorWhichSupervisesAndStopsIt) {
    auto old = make(dir);
    ASSERT_EQ(start(*old), "");
    const pid_t pid = pid_of(*old);
    auto fresh = make(dir);
    ASSERT_EQ(start(*fresh), "");
    EXPECT_EQ(pid_of(*fresh), pid) << "two servers at one append-only file";
    boost::asio::co_spawn(context, old->supervise(), boost::asio::detached);
    boost::asio::co_spawn(context, fresh->supervise(), boost::asio::detached);

    ::kill(pid, SIGKILL);  // while both are there
    ASSERT_TRUE(run_until([&] { return pid_of(*old) > 0 && !alive(pid); }));
    const pid_t second = pid_of(*old);
    started.push_back(second);
    old->leave();
    ASSERT_FALSE(run_until_timeout(500ms, [&] { return pid_of(*fresh) != second; })) << "started without need";

    ::kill(second, SIGKILL);
    ASSERT_TRUE(run_until([&] { return pid_of(*fresh) > 0 && pid_of(*fresh) != second; }));
    const pid_t third = pid_of(*fresh);
    started.push_back(third);
    stop(*old);
    EXPECT_EQ(pid_of(*fresh), third) << "the one that left stopped it";
    stop(*fresh);
    EXPECT_EQ(pid_of(*fresh), 0);
}

TEST_F(EmbeddedRedis, EndsBehindAProcessThatEndsAtOnce) {
    auto one = make(dir);
    ASSERT_EQ(start(*one), "");
    const pid_t pid = pid_of(*one);
    ask(*one, {"SET", "kept", "yes"});
    one->end_now();
    EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
    auto again = make(dir);
    ASSERT_EQ(start(*again), "");
    EXPECT_EQ(ask(*again, {"GET", "kept"}), "yes");
    stop(*again);
}

TEST_F(EmbeddedRedis, InheritsNoDescriptor) {
    const int leaked = ::open("/dev/null", O_RDONLY);  // not close-on-exec
    auto one = make(dir);
    ASSERT_EQ(start(*one), "");
    for (const auto& open : fs::directory_iterator("/proc/" + std::to_string(pid_of(*one)) + "/fd")) {
        const int number = std::atoi(open.path().filename().c_str());
        if (number > 2) {
            EXPECT_NE(fs::read_symlink(open.path()), "/dev/null");
        }
    }
    ::close(leaked);
    stop(*one);
}

TEST_F(EmbeddedRedis, FindsTheServerOfADeadAimeterAgain) {
    auto first = make(dir);
    ASSERT_EQ(start(*first), "");
    const pid_t pid = pid_of(*first);
    first.reset();  // as after a kill -9: nobody stopped it
    ASSERT_TRUE(alive(pid));
    auto second = make(dir);
    ASSERT_EQ(start(*second), "");
    EXPECT_EQ(pid_of(*second), pid);
    fs::remove(dir + "/redis/redis.pid");
    auto third = make(dir);
    ASSERT_EQ(start(*third), "") << "found by its socket alone as well";
    EXPECT_EQ(pid_of(*third), pid);
}

TEST_F(EmbeddedRedis, ThatWasFoundIsLeftAloneByWhoComesWhileItDoesNotAnswer) {
    auto first = make(dir);
    ASSERT_EQ(start(*first), "");
    const pid_t pid = pid_of(*first);
    first.reset();
    auto second = make(dir);
    ASSERT_EQ(start(*second), "");
    boost::asio::co_spawn(context, second->supervise(), boost::asio::detached);
    ASSERT_TRUE(run_until([&] { return folder_lock::is_taken(dir + "/redis"); }));

    ::kill(pid, SIGSTOP);
    auto third = make(dir);
    bool started_third = false;
    boost::asio::co_spawn(context, third->start(), [&](const auto&, const auto&) { started_third = true; });
    ASSERT_FALSE(run_until_timeout(3s, [&] { return started_third; }));  // longer than an answer is waited for
    ::kill(pid, SIGCONT);
    ASSERT_TRUE(run_until([&] { return started_third; }));
    EXPECT_EQ(pid_of(*third), pid);
    stop(*third);
    EXPECT_EQ(pid_of(*second), pid) << "stopped by one that it does not belong to";
    stop(*second);
    EXPECT_EQ(pid_of(*second), 0);
}

TEST_F(EmbeddedRedis, NeverRunsTwoServersOnOneAof) {
    auto first = make(dir);
    ASSERT_EQ(start(*first), "");
    const pid_t pid = pid_of(*first);
    ask(*first, {"SET", "kept", "yes"});
    fs::remove(first->socket_path());  // alive, but nobody can reach it
    first.reset();
    auto second = make(dir);
    ASSERT_EQ(start(*second), "");
    EXPECT_NE(pid_of(*second), pid);
    int status = 0;
    ::waitpid(pid, &status, WNOHANG);
    EXPECT_FALSE(alive(pid));
    EXPECT_EQ(ask(*second, {"GET", "kept"}), "yes");
    stop(*second);
}

TEST_F(EmbeddedRedis, IsNotFooledByAStaleSocketAndPidFile) {
    fs::create_directories(dir + "/redis");
    std::ofstream(dir + "/redis/redis.pid") << ::getpid() << "\n";  // alive, and no Redis
    std::ofstream(dir + "/redis/redis.sock") << "";
    auto one = make(dir);
    ASSERT_EQ(start(*one), "");
    EXPECT_EQ(ask(*one, {"PING"}), "PONG");
    stop(*one);
}

TEST_F(EmbeddedRedis, IsStartedAgainWhenItDies) {
    auto one = make(dir);
    ASSERT_EQ(start(*one), "");
    boost::asio::co_spawn(context, one->supervise(), boost::asio::detached);
    ask(*one, {"SET", "kept", "yes"});
    for (int i = 0; i < 2; ++i) {
        const pid_t pid = pid_of(*one);
        ::kill(pid, SIGKILL);
        ASSERT_TRUE(run_until([&] {
            const pid_t now = pid_of(*one);
            return now != 0 && now != pid;
        }));
        started.push_back(pid_of(*one));
    }
    EXPECT_EQ(ask(*one, {"GET", "kept"}), "yes");
    const pid_t last = pid_of(*one);
    stop(*one);
    context.restart();
    context.run_for(2s);  // the supervisor ends, and starts nothing
    EXPECT_FALSE(alive(last));
    EXPECT_EQ(ask(*one, {"PING"}), "not connected");
}

// As what cleans /tmp does.
TEST_F(EmbeddedRedis, IsStartedAnewWhenItsSocketWasRemoved) {
    const std::string deep = dir + "/" + std::string(60, 'a') + "/" + std::string(60, 'b');
    for (const std::string& data_dir : {dir, deep}) {
        auto one = make(data_dir);
        ASSERT_EQ(start(*one), "");
        boost::asio::co_spawn(context, one->supervise(), boost::asio::detached);
        ask(*one, {"SET", "kept", "yes"});
        const pid_t pid = pid_of(*one);
        fs::remove(one->socket_path());
        if (data_dir == deep) fs::remove(fs::path(one->socket_path()).parent_path());
        ASSERT_TRUE(run_until([&] { return pid_of(*one) != 0; })) << data_dir;
        started.push_back(pid_of(*one));
        EXPECT_NE(started.back(), pid);
        EXPECT_FALSE(alive(pid)) << "two servers at one append-only file";
        EXPECT_EQ(ask(*one, {"GET", "kept"}), "yes");
        stop(*one);
        ASSERT_FALSE(run_until_timeout(300ms, [&] { return pid_of(*one) != 0; }));
    }
}

TEST_F(EmbeddedRedis, StopsAnAdoptedServerAndAFrozenOne) {
    auto first = make(dir);
    ASSERT_EQ(start(*first), "");
    const pid_t pid = pid_of(*first);
    first.reset();
    auto second = make(dir);
    ASSERT_EQ(start(*second), "");
    std::thread reaper([pid] {  // the first one's child: in life its parent is gone, and init reaps it
        int status = 0;
        ::waitpid(pid, &status, 0);
    });
    stop(*second);
    reaper.join();
    EXPECT_FALSE(alive(pid));

    auto third = make(dir);
    ASSERT_EQ(start(*third), "");
    const pid_t frozen = pid_of(*third);
    ::kill(frozen, SIGSTOP);
    stop(*third);
    EXPECT_FALSE(alive(frozen));
}

TEST_F(EmbeddedRedis, TakesASocketElsewhereWhenTheDataDirIsDeep) {
    const std::string deep = dir + "/" + std::string(60, 'a') + "/" + std::string(60, 'b');
    auto one = make(deep);
    ASSERT_EQ(start(*one), "");
    EXPECT_LT(one->socket_path().size(), 108U);
    EXPECT_EQ(embedded_socket_of(deep), one->socket_path());
    const auto folder = fs::path(one->socket_path()).parent_path();
    EXPECT_EQ(fs::status(folder).permissions(), fs::perms(0700));
    const pid_t pid = pid_of(*one);
    auto second = make(deep);
    ASSERT_EQ(start(*second), "");
    EXPECT_EQ(pid_of(*second), pid);
    stop(*one);
    EXPECT_FALSE(fs::exists(folder));
}

TEST_F(EmbeddedRedis, SaysWhatIsMissing) {
    std::ofstream(dir + "/file") << "";
    const auto made = embedded_redis::create(context.get_executor(), dir + "/file");
    ASSERT_TRUE(std::holds_alternative<std::string>(made));
    EXPECT_THAT(std::get<std::string>(made), testing::HasSubstr(dir + "/file"));
    EXPECT_EQ(embedded_socket_of(dir + "/nothing"), "");
}

TEST_F(EmbeddedRedis, NamesItsLogWhenItDoesNotComeUp) {
    fs::create_directories(dir + "/redis/appendonlydir");
    std::ofstream(dir + "/redis/appendonlydir/appendonly.aof.manifest") << "nonsense\n";
    auto one = make(dir);
    EXPECT_THAT(start(*one), testing::HasSubstr("redis.log"));
}

}  // namespace
}  // namespace tracking::store
