// Behind real sentinels: the master is found, followed through failovers, and what the new one does not have is shipped
// again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/redis_places.hpp"
#include "tests/support/shipper_fixture.hpp"

namespace tracking::store {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using tests::redis_fixture;
using tests::run_coroutine;
using tests::sentinel_redis;

using Sentinel = tests::shipping_test;

std::string connect(const std::string& url, std::chrono::milliseconds within = 3s) {
    boost::asio::io_context context;
    redis_client client(context.get_executor(), std::get<redis_url>(redis_url::parse(url)));
    const auto result = run_coroutine(context, client.connect(within));
    const auto* error = std::get_if<redis_error>(&result);
    return error ? error->what : "connected";
}

TEST_F(Sentinel, FailoverUnderLoadLosesNothingAndCountsNothingTwice) {
    sentinel_redis redis;
    const auto id = journals.add_journal();
    start(redis.url());
    append_random(id, 2'000);
    ASSERT_TRUE(flush());
    // What the master does not pass on any more, it has alone when it dies: the lag.
    auto& master = *redis.master().redis;
    ASSERT_TRUE(redis.replicas_in_step());
    for (auto& one : redis.servers)
        if (one->redis.get() != &master) one->redis->freeze();
    master.run({"CLIENT", "KILL", "TYPE", "replica"});
    append_random(id, 2'000);
    ASSERT_TRUE(flush());
    EXPECT_EQ(master.number({"XLEN", "aimeter:usage"}), 4'000);
    append_random(id, 500);
    master.kill();
    for (auto& one : redis.servers)
        if (one->redis.get() != &master) one->redis->unfreeze();
    redis.wait_for_another_than(master);
    const auto lag = 4'000 - redis.master().redis->number({"XLEN", "aimeter:usage"});
    append_random(id, 500);
    // The sentinels may change their mind once more; what that takes away follows, too.
    redis_fixture* now = nullptr;
    ASSERT_TRUE(run_until(
        [&] {
            try {
                now = redis.master().redis.get();
                return now->number({"XLEN", "aimeter:usage"}) == static_cast<std::int64_t>(written.size());
            } catch (const std::runtime_error&) {
                return false;  // they do not agree, or one gets another role
            }
        },
        60s));
    expect_all_counted_once(*now);
    EXPECT_EQ(now->text({"HGET", "aimeter:journals", tracking::journal::to_text(id)}), "5000");
    EXPECT_GE(lag, 2'000);
}

TEST_F(Sentinel, AFailoverThatAnOperatorOrdersIsFollowedWithoutAnError) {
    sentinel_redis redis;
    const auto id = journals.add_journal();
    start(redis.url());
    append_random(id, 1'000);
    ASSERT_TRUE(flush());
    auto& before = *redis.master().redis;
    ASSERT_EQ(redis.sentinels.front()->redis->text({"SENTINEL", "FAILOVER", "mymaster"}), "OK");
    ASSERT_TRUE(run_until([&] {
        append_random(id, 20);
        context.run_for(10ms);
        return redis.master().redis.get() != &before;
    }));
    redis.wait_for_another_than(before);
    append_random(id, 1'000);
    // Some went to the old one before it heard of its new role; they follow without any more traffic.
    ASSERT_TRUE(run_until([&] {
        return redis.master().redis->number({"XLEN", "aimeter:usage"}) == static_cast<std::int64_t>(written.size());
    }));
    expect_all_counted_once(*redis.master().redis);
}

// The old master goes on accepting, unseen by the sentinels: nothing may stay there that the new one does not get.
TEST_F(Sentinel, AMasterThatWasReplacedUnseenIsLeft) {
    sentinel_redis redis;
    const auto id = journals.add_journal();
    start(redis.url());
    append_random(id, 1'000);
    ASSERT_TRUE(flush());
    auto& promoted = *redis.servers.back();
    ASSERT_TRUE(redis.replicas_in_step());
    for (auto& one : redis.sentinels) ASSERT_EQ(one->redis->text({"SENTINEL", "REMOVE", "mymaster"}), "OK");
    promoted.redis->run({"REPLICAOF", "NO", "ONE"});
    append_random(id, 500);  // for the old one alone
    ASSERT_TRUE(flush());
    for (auto& one : redis.sentinels)
        ASSERT_EQ(
            one->redis->text({"SENTINEL", "MONITOR", "mymaster", "127.0.0.1", std::to_string(promoted.port), "2"}),
            "OK");
    append_random(id, 1'000);
    ASSERT_TRUE(run_until([&] { return redis.master().redis->number({"XLEN", "aimeter:usage"}) == 2'500; }));
    expect_all_counted_once(*redis.master().redis);
}

TEST_F(Sentinel, SaysWhatIsWrongWithEach) {
    sentinel_redis redis("let-me-in");
    EXPECT_THAT(connect(redis.url()), AllOf(HasSubstr("no sentinel names a master"), HasSubstr("NOAUTH"),
                                            HasSubstr(redis.sentinels.back()->address())));
    EXPECT_THAT(connect(redis.url() + "?sentinel_password=hunter2"),
                AllOf(HasSubstr("WRONGPASS"), Not(HasSubstr("hunter2"))));
    EXPECT_EQ(connect(redis.url() + "?sentinel_password=let-me-in"), "connected");
    auto unknown = redis.url();
    unknown.replace(unknown.rfind("mymaster"), 8, "theirs");
    EXPECT_THAT(connect(unknown + "?sentinel_password=let-me-in"), HasSubstr("knows no master of this name"));

    redis.sentinels[0]->redis->freeze();  // hangs
    redis.sentinels[1]->redis->kill();    // is gone
    EXPECT_EQ(connect(redis.url() + "?sentinel_password=let-me-in"), "connected");
    redis.sentinels[0]->redis->unfreeze();
}

}  // namespace
}  // namespace tracking::store
