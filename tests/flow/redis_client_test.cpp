// One connection to a real Redis: what it says of itself, its deadlines, and what a caller sees when Redis goes away.
#include "tracking/store/redis_client.hpp"

#include <gtest/gtest.h>

#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>

#include "tests/support/redis_fixture.hpp"
#include "tests/support/run_coroutine.hpp"

namespace tracking::store {
namespace {

using namespace std::chrono_literals;
using tests::redis_fixture;
using tests::run_coroutine;

redis_url url_of(const std::string& text) { return std::get<redis_url>(redis_url::parse(text)); }

struct client_fixture {
    explicit client_fixture(const std::string& url) : client(context.get_executor(), url_of(url)) {}
    std::variant<std::monostate, redis_error> connect(std::chrono::milliseconds deadline = 5s) {
        return run_coroutine(context, client.connect(deadline));
    }
    std::variant<std::vector<reply>, redis_error> ask(std::vector<command> commands,
                                                      std::chrono::milliseconds deadline = 5s) {
        return run_coroutine(context, client.pipeline(commands, deadline));
    }
    boost::asio::io_context context;
    redis_client client;
};

std::string why(const std::variant<std::monostate, redis_error>& result) {
    const auto* error = std::get_if<redis_error>(&result);
    return error ? error->what : "";
}
std::string why(const std::variant<std::vector<reply>, redis_error>& result) {
    const auto* error = std::get_if<redis_error>(&result);
    return error ? error->what : "";
}

TEST(RedisUrl, TakesHostPortDatabaseAndCredentials) {
    const auto url = url_of("redis://app:p%40ss@db.example:6380/3");
    EXPECT_EQ(url.host, "db.example");
    EXPECT_EQ(url.port, 6380);
    EXPECT_EQ(url.user, "app");
    EXPECT_EQ(url.password, "p@ss");
    EXPECT_EQ(url.db, 3);
    EXPECT_EQ(url.text, "redis://db.example:6380/3");
    EXPECT_EQ(url_of("redis://localhost").port, 6379);
    EXPECT_EQ(url_of("redis://:secret@localhost").password, "secret");
    EXPECT_EQ(url_of("redis://[::1]:7000").host, "::1");
    EXPECT_EQ(url_of("unix:/run/redis.sock?db=2").unix_path, "/run/redis.sock");
    EXPECT_EQ(url_of("unix:/run/redis.sock?db=2").db, 2);
    EXPECT_EQ(url_of("unix:///run/redis.sock").unix_path, "/run/redis.sock");
}

TEST(RedisUrl, TakesSentinelsAndTheNodesOfAClusterWithTheirDefaultPorts) {
    const auto behind =
        url_of("rediss+sentinel://u:p@s1,s2:26380,[::1]:5/mymaster/3?sentinel_user=w&sentinel_password=x%26y");
    EXPECT_EQ(behind.form, redis_url::form::sentinel);
    EXPECT_TRUE(behind.tls);
    ASSERT_EQ(behind.servers.size(), 3U);
    EXPECT_EQ(behind.servers[0].port, 26379);
    EXPECT_EQ(behind.servers[1].port, 26380);
    EXPECT_EQ(behind.servers[2].host, "::1");
    EXPECT_EQ(behind.master, "mymaster");
    EXPECT_EQ(behind.db, 3);
    EXPECT_EQ(behind.password, "p");
    EXPECT_EQ(behind.sentinel_user, "w");
    EXPECT_EQ(behind.sentinel_password, "x&y");
    EXPECT_EQ(behind.text, "rediss+sentinel://s1:26379,s2:26380,[::1]:5/mymaster");
    const auto cluster = url_of("redis+cluster://:p@n1,n2:7001/");
    EXPECT_EQ(cluster.form, redis_url::form::cluster);
    EXPECT_EQ(cluster.servers[0].port, 6379);
    EXPECT_EQ(cluster.servers[1].port, 7001);
    EXPECT_EQ(cluster.text, "redis+cluster://n1:6379,n2:7001");
}

TEST(RedisUrl, SaysWhatIsWrongWithoutThePassword) {
    for (const std::string bad :
         {"http://u:secret@x", "redis://u:secret@x:0", "redis://u:secret@x:70000", "redis://u:secret@x/db",
          "redis+sentinel://u:secret@x", "redis+cluster://u:secret@x/2", "unix:relative", "", "redis://[::1"}) {
        const auto parsed = redis_url::parse(bad);
        ASSERT_TRUE(std::holds_alternative<std::string>(parsed)) << bad;
        EXPECT_EQ(std::get<std::string>(parsed).find("secret"), std::string::npos) << bad;
    }
}

TEST(RedisClient, AnswersInOrderWithEveryTypeOfReply) {
    redis_fixture redis;
    client_fixture one(redis.url());
    ASSERT_EQ(why(one.connect()), "");
    const auto result = one.ask({{"SET", "k", std::string("a\0b\r\n", 5)},
                                 {"GET", "k"},
                                 {"INCRBY", "n", "9007199254740993"},
                                 {"GET", "absent"},
                                 {"LPUSH", "k", "x"},
                                 {"XADD", "s", "1-1", "f", "v"},
                                 {"XRANGE", "s", "-", "+"}});
    ASSERT_EQ(why(result), "");
    const auto& replies = std::get<std::vector<reply>>(result);
    ASSERT_EQ(replies.size(), 7U);
    EXPECT_EQ(replies[0].kind, reply::type::status);
    EXPECT_EQ(replies[1].text, std::string("a\0b\r\n", 5));
    EXPECT_EQ(replies[2].integer, 9007199254740993);
    EXPECT_EQ(replies[3].kind, reply::type::nil);
    EXPECT_TRUE(replies[4].is_error());
    EXPECT_TRUE(replies[4].text.starts_with("WRONGTYPE"));
    EXPECT_EQ(replies[6].elements.at(0).elements.at(1).elements.at(1).text, "v");
    EXPECT_TRUE(one.client.connected());
}

TEST(RedisClient, CarriesLargePipelinesBothWays) {
    redis_fixture redis;
    client_fixture one(redis.url());
    ASSERT_EQ(why(one.connect()), "");
    std::vector<command> commands;
    for (int i = 0; i < 200; ++i) {
        commands.push_back({"SET", "k" + std::to_string(i), std::string(100'000, 'x')});
        commands.push_back({"GET", "k" + std::to_string(i)});
    }
    const auto result = one.ask(commands, 20s);
    ASSERT_EQ(why(result), "");
    EXPECT_EQ(std::get<std::vector<reply>>(result).back().text.size(), 100'000U);
}

TEST(RedisClient, IntroducesItselfAndSelectsTheDatabase) {
    redis_fixture redis;
    client_fixture one(redis.url() + "?db=5");
    ASSERT_EQ(why(one.connect()), "");
    ASSERT_EQ(why(one.ask({{"SET", "here", "1"}})), "");
    EXPECT_NE(redis.text({"CLIENT", "LIST"}).find("name=aimeter"), std::string::npos);
    EXPECT_EQ(redis.text({"INFO", "keyspace"}).find("db5:keys=1") != std::string::npos, true);
}

TEST(RedisClient, LogsInOverTcpAndKeepsThePasswordOutOfErrors) {
    redis_fixture redis({.append_only = false, .arguments = {"--requirepass", "s3cret"}});
    client_fixture without(redis.url());
    const auto refused = why(without.connect());
    EXPECT_NE(refused.find("NOAUTH"), std::string::npos) << refused;

    redis_url wrong = url_of(redis.url());
    wrong.password = "guess-me";
    boost::asio::io_context context;
    redis_client other(context.get_executor(), wrong);
    const auto answer = why(run_coroutine(context, other.connect(5s)));
    EXPECT_NE(answer.find("WRONGPASS"), std::string::npos) << answer;
    EXPECT_EQ(answer.find("guess-me"), std::string::npos);
    EXPECT_FALSE(other.connected());

    redis_url right = url_of(redis.url());
    right.password = "s3cret";
    redis_client good(context.get_executor(), right);
    EXPECT_EQ(why(run_coroutine(context, good.connect(5s))), "");
}

TEST(RedisClient, NamesTheAddressThatDoesNotAnswer) {
    client_fixture nobody("unix:/tmp/there-is-no-redis.sock");
    EXPECT_NE(why(nobody.connect()).find("/tmp/there-is-no-redis.sock"), std::string::npos);
    client_fixture refused("redis://127.0.0.1:1/0");
    EXPECT_NE(why(refused.connect()).find("127.0.0.1:1"), std::string::npos);
    EXPECT_NE(why(refused.ask({{"PING"}})).find("not connected"), std::string::npos);
    EXPECT_TRUE(std::holds_alternative<std::string>(redis_url::parse("unix:/tmp/" + std::string(200, 'x'))));
}

TEST(RedisClient, EndsAHungCommandAtItsDeadlineAndConnectsAnew) {
    redis_fixture redis;
    client_fixture one(redis.url());
    ASSERT_EQ(why(one.connect()), "");
    redis.freeze();
    const auto before = std::chrono::steady_clock::now();
    const auto error = why(one.ask({{"INCR", "n"}}, 100ms));
    EXPECT_NE(error.find("100 ms"), std::string::npos) << error;
    EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
    EXPECT_FALSE(one.client.connected());
    EXPECT_NE(why(one.connect(100ms)), "");  // frozen still: the listen queue accepts, nobody answers
    redis.unfreeze();
    ASSERT_EQ(why(one.connect()), "");
    EXPECT_EQ(why(one.ask({{"PING"}})), "");
}

TEST(RedisClient, NoticesADeadServerAndComesBackWithIt) {
    redis_fixture redis;
    client_fixture one(redis.url());
    ASSERT_EQ(why(one.connect()), "");
    redis.kill();
    EXPECT_NE(why(one.ask({{"PING"}})), "");
    EXPECT_FALSE(one.client.connected());
    EXPECT_NE(why(one.connect(500ms)), "");
    redis.start();
    ASSERT_EQ(why(one.connect()), "");
    EXPECT_EQ(why(one.ask({{"PING"}})), "");
}

boost::asio::awaitable<void> ask_into(redis_client& client, std::string key, int& done) {
    for (int i = 0; i < 50; ++i) {
        const std::vector<command> commands{{"INCR", key}, {"GET", key}};
        const auto result = co_await client.pipeline(commands, 5s);
        const auto* replies = std::get_if<std::vector<reply>>(&result);
        if (!replies || replies->at(1).text != std::to_string(i + 1)) co_return;
    }
    ++done;
}

TEST(RedisClient, GivesConcurrentCallersTheirOwnReplies) {
    redis_fixture redis;
    client_fixture one(redis.url());
    ASSERT_EQ(why(one.connect()), "");
    int done = 0;
    for (int i = 0; i < 10; ++i) {
        boost::asio::co_spawn(one.context, ask_into(one.client, "k" + std::to_string(i), done), boost::asio::detached);
    }
    one.context.restart();
    one.context.run_for(10s);
    EXPECT_EQ(done, 10);
}

boost::asio::awaitable<void> ask_and_count(redis_client& client, int& ended) {
    const std::vector<command> commands{{"PING"}};
    (void)co_await client.pipeline(commands, 5s);
    ++ended;
}

TEST(RedisClient, CanBeDestroyedWhileCallersWait) {
    redis_fixture redis;
    boost::asio::io_context context;
    auto client = std::make_unique<redis_client>(context.get_executor(), url_of(redis.url()));
    ASSERT_EQ(why(run_coroutine(context, client->connect(5s))), "");
    redis.freeze();
    int ended = 0;
    for (int i = 0; i < 3; ++i) boost::asio::co_spawn(context, ask_and_count(*client, ended), boost::asio::detached);
    context.restart();
    context.poll();
    client.reset();
    context.run_for(3s);
    EXPECT_EQ(ended, 3);
    redis.unfreeze();
}

}  // namespace
}  // namespace tracking::store
