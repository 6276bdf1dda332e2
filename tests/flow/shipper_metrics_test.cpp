// Each record of this process is counted for /metrics once, as soon as it is written, whatever Redis does.
#include <gmock/gmock.h>

#include "tests/support/byte_relay.hpp"
#include "tests/support/shipper_fixture.hpp"

namespace tracking::store {
namespace {

using namespace std::chrono_literals;
using tests::redis_fixture;

class ShipperMetrics : public tests::shipping_test {
protected:
    std::int64_t counted(counter which = counter::requests) const {
        std::int64_t sum = 0;
        for (const auto& one : metrics.series()) sum += one->sums[static_cast<std::size_t>(which)];
        return sum;
    }
};

TEST_F(ShipperMetrics, AgreeWithTheTotalsInRedis) {
    redis_fixture redis;
    const auto first = journals.add_journal(), second = journals.add_journal();
    append_random(first, 3'000);
    append_random(second, 500);
    start(redis.url());
    ASSERT_TRUE(flush());
    const auto total = redis.hash("aimeter:usage:total");
    for (const counter which : {counter::requests, counter::errors, counter::aborted, counter::input_tokens,
                                counter::tokens_used, counter::cost_nano, counter::duration_us})
        EXPECT_EQ(std::to_string(counted(which)), total.at(std::string(field_of(which)))) << field_of(which);
    const auto state = ship->current();
    EXPECT_EQ(state.apply_us.count(), state.batches);
    EXPECT_EQ(state.shipped_for_others, 0U);
    EXPECT_EQ(state.waiting, 0ms);
}

TEST_F(ShipperMetrics, DoNotWaitForRedis) {
    const auto journal = journals.add_journal();
    append_random(journal, 100);
    start("unix:" + dir + "/nobody");
    ASSERT_TRUE(run_until([&] { return counted() == 100; }));
    append_random(journal, 50);
    EXPECT_TRUE(run_until([&] { return counted() == 150; }));
    EXPECT_TRUE(run_until([&] { return ship->current().waiting > 100ms; }));
    EXPECT_GT(ship->current().connections_lost, 0U);
    EXPECT_EQ(ship->current().lag, 150U);
}

TEST_F(ShipperMetrics, GoOnWhileRedisHangs) {
    redis_fixture redis;
    const auto journal = journals.add_journal();
    append_random(journal, 10);
    start(redis.url());
    ASSERT_TRUE(flush());
    redis.freeze();
    append_random(journal, 10);
    ASSERT_TRUE(run_until([&] { return counted() == 20; }));
    append_random(journal, 10);  // while the batch before is under way
    EXPECT_TRUE(run_until([&] { return counted() == 30; }, 3s)) << "long before Redis is given up";
    redis.unfreeze();
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
    EXPECT_EQ(counted(), 30);
}

// What comes again, to a Redis that lost it, was counted already.
TEST_F(ShipperMetrics, CountARecordOnceHoweverOftenItIsShipped) {
    redis_fixture redis;
    append_random(journals.add_journal(), 300);
    start(redis.url());
    ASSERT_TRUE(flush());
    redis.run({"FLUSHALL"});
    redis.run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    append_random(journals.journals().front(), 20);
    ASSERT_TRUE(run_until([&] { return redis.number({"XLEN", "aimeter:usage"}) == 320; }));
    EXPECT_EQ(counted(), 320);
}

TEST_F(ShipperMetrics, CountWhatOtherProcessesLeftApart) {
    redis_fixture redis;
    append_random(journals.add_journal(false), 70);
    append_random(journals.add_journal(), 5);
    start(redis.url());
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
    EXPECT_EQ(counted(), 5);
    EXPECT_EQ(ship->current().shipped, 75U);
    EXPECT_EQ(ship->current().shipped_for_others, 70U);
}

}  // namespace
}  // namespace tracking::store
