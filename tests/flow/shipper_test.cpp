// From the journal into a real Redis: every record once, whatever happens to Redis or to the connection.
#include "tests/support/shipper_fixture.hpp"

#include <gmock/gmock.h>

#include "tests/support/byte_relay.hpp"

namespace tracking::store {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using tests::redis_fixture;

class Shipper : public tests::shipping_test {};

TEST_F(Shipper, ShowsARecordInBothViews) {
    redis_fixture redis;
    const auto one = tests::plain_record(noon);
    append(journals.add_journal(), one);
    start(redis.url());
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
    const auto usage = redis.stream("aimeter:usage").at(0).fields;
    EXPECT_EQ(usage.at("userId"), "user_1");
    EXPECT_EQ(usage.at("cost"), "0.000453");
    EXPECT_EQ(usage.at("tokensUsed"), "1523");
    EXPECT_EQ(usage.at("requestDuration"), "3194.000");
    EXPECT_EQ(usage.at("cached"), "0");
    EXPECT_EQ(usage.count("cachedTokens"), 0U) << "what is not known is absent";
    const std::map<std::string, std::string> analytics{{"event", "ai_generation"},
                                                       {"id", usage.at("id")},
                                                       {"userId", "user_1"},
                                                       {"clerkUserId", "user_1"},
                                                       {"contentType", "experience-description"},
                                                       {"model", "gemini-2.0-flash-exp"},
                                                       {"cached", "0"},
                                                       {"feature", "content-gen"},
                                                       {"cost", "0.000453"},
                                                       {"success", "1"},
                                                       {"ts", std::to_string(noon)}};
    EXPECT_EQ(redis.stream("aimeter:analytics").at(0).fields, analytics);
    const auto total = redis.hash("aimeter:usage:total");
    EXPECT_EQ(total.at("requests"), "1");
    EXPECT_EQ(total.at("costNanoUsd"), "453000");
    EXPECT_EQ(total.at("blocked"), "0") << "a bucket shows every counter";
    EXPECT_EQ(redis.hash("aimeter:meta").at("timezone"), "UTC");
    EXPECT_EQ(ship->current().shipped, 1U);
    EXPECT_EQ(ship->current().redis, "connected");
}

class ShipperInZone : public Shipper, public testing::WithParamInterface<const char*> {};

TEST_P(ShipperInZone, CountsRandomRecordsExactlyInTheBucketOfTheirTime) {
    redis_fixture redis;
    settings.timezone = GetParam();
    const auto first = journals.add_journal(), second = journals.add_journal();
    append_random(first, 1500, noon - 40LL * 86'400'000, noon);
    append_random(second, 700);
    start(redis.url());
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
    EXPECT_EQ(redis.hash("aimeter:journals").at(journal::to_text(first)), "1500");
    EXPECT_EQ(journals.shipped_of(first), 1500U);
    EXPECT_EQ(journals.shipped_of(second), 700U);
}
INSTANTIATE_TEST_SUITE_P(Zones, ShipperInZone,
                         testing::Values("UTC", "Asia/Kolkata", "America/New_York", "Pacific/Kiritimati"));

// Workers record side by side, each into its own journal.
TEST_F(Shipper, TheStreamsAreInTheOrderOfArrivalWhicheverWorkerServed) {
    redis_fixture redis;
    const std::vector workers{journals.add_journal(), journals.add_journal(), journals.add_journal()};
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < 30; ++i) {
        auto one = tests::plain_record(noon);
        one.id = make_uuid7(noon * 1000 + static_cast<std::int64_t>(i) * 30);  // all within a millisecond
        ids.push_back(to_text(one.id));
        append(workers[i * i % 3], one);
    }
    start(redis.url());
    ASSERT_TRUE(flush());
    std::vector<std::string> usage, analytics;
    for (const auto& entry : redis.stream("aimeter:usage")) usage.push_back(entry.fields.at("id"));
    for (const auto& entry : redis.stream("aimeter:analytics")) analytics.push_back(entry.fields.at("id"));
    EXPECT_EQ(usage, ids);
    EXPECT_EQ(analytics, ids);
}

TEST_F(Shipper, KeepsTheLabelsAndTopUsersThatReadersNeed) {
    redis_fixture redis;
    append_random(journals.add_journal(), 800);
    start(redis.url());
    ASSERT_TRUE(flush());
    std::map<std::string, std::int64_t> requests, cost;
    for (const auto& one : written) {
        ++requests[one.user_id];
        cost[one.user_id] += one.cost_nano.value_or(0);
    }
    for (const auto& [user, count] : requests) {
        EXPECT_EQ(redis.number({"ZSCORE", "aimeter:usage:day:2026-11-22:users:requests", user}), count);
        EXPECT_EQ(redis.number({"ZSCORE", "aimeter:usage:day:2026-11-22:users:cost", user}), cost[user]);
        EXPECT_EQ(redis.number({"SISMEMBER", "aimeter:usage:month:2026-11:labels:user", user}), 1);
    }
    EXPECT_EQ(redis.number({"PFCOUNT", "aimeter:usage:day:2026-11-22:active"}), 20);
    EXPECT_EQ(redis.number({"SCARD", "aimeter:usage:day:2026-11-22:labels:feature"}), 5);
    EXPECT_EQ(redis.number({"SISMEMBER", "aimeter:usage:day:2026-11-22:labels:feature", "cover letter"}), 1);
    EXPECT_EQ(redis.number({"EXISTS", "aimeter:usage:day:2026-11-22:feature:cover%20letter"}), 1);
    EXPECT_EQ(redis.number({"SISMEMBER", "aimeter:usage:months", "2026-11"}), 1);
}

TEST_F(Shipper, BoundsTheErrorMessagesOfADayAndCountsTheRestAsOther) {
    redis_fixture redis;
    const auto to = journals.add_journal();
    for (int i = 0; i < 600; ++i) {
        auto one = tests::plain_record(noon);
        one.result = outcome::error;
        one.success = false;
        one.error_message = "error " + std::to_string(i);
        append(to, one);
    }
    start(redis.url());
    ASSERT_TRUE(flush());
    const std::string key = "aimeter:usage:day:2026-11-22:errors";
    EXPECT_LE(redis.number({"ZCARD", key}), 201);
    std::int64_t sum = 0;
    const auto members = redis.run({"ZRANGE", key, "0", "-1", "WITHSCORES"});
    for (std::size_t i = 1; i < members.elements.size(); i += 2) sum += std::stoll(members.elements[i].text);
    EXPECT_EQ(sum, 600);
    EXPECT_GT(redis.number({"ZSCORE", key, "other"}), 0);
}

TEST_F(Shipper, LetsKeysExpireAsTheContractSays) {
    redis_fixture redis;
    const std::int64_t now = clock.wall_ms();
    append(journals.add_journal(), tests::plain_record(now));
    start(redis.url());
    ASSERT_TRUE(flush());
    const auto days = [&](const std::string& key) { return static_cast<double>(redis.number({"TTL", key})) / 86'400; };
    EXPECT_NEAR(days("aimeter:usage:minute:" + zone->minute_key(now)), 2, 0.01);
    EXPECT_NEAR(days("aimeter:usage:hour:" + zone->hour_key(now)), 400, 0.1);
    const auto day = "day:" + zone->day_key(now);
    for (const std::string key : {"", ":latency", ":status", ":active", ":feature:content-gen", ":labels:feature"}) {
        EXPECT_NEAR(days("aimeter:usage:" + day + key), 800.5, 0.51) << key;
    }
    EXPECT_NEAR(days("aimeter:analytics:" + day), 800.5, 0.51);
    EXPECT_NEAR(days("aimeter:usage:" + day + ":users:cost"), 400.5, 0.51);
    EXPECT_EQ(redis.number({"TTL", "aimeter:usage:total"}), -1);
    EXPECT_EQ(redis.number({"TTL", "aimeter:usage:month:" + zone->month_key(now)}), -1);
}

TEST_F(Shipper, AddsUpExactlyBeyondWhatADoubleHolds) {
    redis_fixture redis;
    const auto to = journals.add_journal();
    start(redis.url());
    for (int i = 0; i < 3; ++i) {
        auto one = tests::plain_record(noon);
        one.cost_nano = 9'007'199'254'740'993;  // 2^53 + 1
        append(to, one);
        ASSERT_TRUE(flush());
    }
    EXPECT_EQ(redis.hash("aimeter:usage:total").at("costNanoUsd"), "27021597764222979");
    expect_all_counted_once(redis);
    auto huge = tests::plain_record(noon);
    huge.tokens_used = INT64_MAX;
    append(to, huge);
    append(to, huge);
    ASSERT_TRUE(flush());
    EXPECT_EQ(redis.hash("aimeter:usage:total").at("tokensUsed"), std::to_string(INT64_MAX))
        << "saturates, never wraps";
    EXPECT_EQ(redis.hash("aimeter:usage:total").at("requests"), "5");
}

TEST_F(Shipper, CountsOnceWhenAnswersGetLost) {
    redis_fixture redis;
    tests::byte_relay relay(context, dir + "/relay", redis.socket());
    const auto to = journals.add_journal();
    start(relay.url());
    append_random(to, 100);
    ASSERT_TRUE(flush());
    for (int round = 0; round < 5; ++round) {
        const auto before = redis.number({"HGET", "aimeter:usage:total", "requests"});
        relay.swallow_answers = true;
        append_random(to, 100);
        ASSERT_TRUE(run_until([&] { return redis.number({"HGET", "aimeter:usage:total", "requests"}) > before; }));
        relay.cut();
        relay.swallow_answers = false;
        ASSERT_TRUE(flush());
    }
    expect_all_counted_once(redis);
}

TEST_F(Shipper, CountsOnceWhenTheConnectionIsCutInTheMiddleOfABatch) {
    redis_fixture redis;
    tests::byte_relay relay(context, dir + "/relay", redis.socket());
    const auto to = journals.add_journal();
    start(relay.url());
    ASSERT_TRUE(flush());
    for (int round = 0; round < 25; ++round) {
        const int before = relay.connections;
        relay.cut_after = random() % 60'000;
        append_random(to, 60);
        append_random(to, 60);
        run_until([&] { return relay.connections > before || ship->current().shipped == written.size(); });
        relay.cut_after = SIZE_MAX;
        ASSERT_TRUE(flush());
    }
    expect_all_counted_once(redis);
}

TEST_F(Shipper, GoesOnFromThePositionThatRedisStates) {
    redis_fixture redis;
    const auto to = journals.add_journal();
    append_random(to, 300);
    start(redis.url());
    ASSERT_TRUE(flush());
    stop();
    start(redis.url());  // another shipper over the same journal: nothing comes twice
    append_random(to, 50);
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
}

TEST_F(Shipper, TwoShippersOfOneJournalCountItOnce) {
    redis_fixture redis;
    const auto to = journals.add_journal();
    append_random(to, 3000);
    start(redis.url());
    shipper other(shipper::parts{.executor = context.get_executor(),
                                 .settings = settings,
                                 .journals = journals,
                                 .when = *zone,
                                 .clock = clock,
                                 .redis_url = [url = redis.url()] { return url; },
                                 .data_set_file = dir + "/other"});
    boost::asio::co_spawn(context, other.run(), boost::asio::detached);
    ASSERT_TRUE(flush());
    append_random(to, 500);
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
    other.stop();
}

TEST_F(Shipper, SurvivesAScriptFlush) {
    redis_fixture redis;
    const auto to = journals.add_journal();
    start(redis.url());
    for (int i = 0; i < 5; ++i) {
        redis.run({"SCRIPT", "FLUSH"});
        append_random(to, 20);
        ASSERT_TRUE(flush());
    }
    expect_all_counted_once(redis);
}

TEST_F(Shipper, AppliesNothingOfABatchThatMeetsAForeignKey) {
    for (const std::string poisoned :
         {"aimeter:usage", "aimeter:analytics", "aimeter:usage:total", "aimeter:usage:day:2026-11-22",
          "aimeter:usage:day:2026-11-22:users:cost", "aimeter:usage:day:2026-11-22:active",
          "aimeter:usage:month:2026-11:labels:user", "aimeter:usage:day:2026-11-22:latency", "aimeter:journals"}) {
        redis_fixture redis;
        redis.run({"SET", poisoned, "x"});
        written.clear();
        append_random(journals.add_journal(), 30);
        start(redis.url());
        ASSERT_TRUE(run_until([&] { return ship->current().redis.find("WRONGTYPE") != std::string::npos; }))
            << poisoned;
        if (poisoned != "aimeter:journals") {
            EXPECT_THAT(ship->current().redis, HasSubstr(poisoned));
            EXPECT_GT(ship->current().refused, 0U);
            EXPECT_EQ(ship->current().lag, 30U);
        }
        const auto names = redis.run({"KEYS", "*"});
        for (const auto& name : names.elements) {
            EXPECT_TRUE(name.text == poisoned || name.text == "aimeter:meta") << name.text << " beside " << poisoned;
        }
        redis.run({"DEL", poisoned});
        ASSERT_TRUE(run_until([&] { return ship->current().shipped == 30; })) << poisoned;
        expect_all_counted_once(redis);
        stop();
        journals = tests::memory_journal();
        std::filesystem::remove(dir + "/data-set");
    }
}

// Lua would count on from each of them.
TEST_F(Shipper, AppliesNothingOfABatchThatMeetsACounterThatIsNoInteger) {
    const std::string key = "aimeter:usage:day:2026-11-22";
    for (const std::string poisoned : {"0.5", "1e3", "0x10", "inf", "nan", " 7", "+7", "-", "", "many",
                                       "1234567890123456.5", "00000000000000000007", "1e300"}) {
        redis_fixture redis;
        redis.run({"HSET", key, "requests", poisoned});
        written.clear();
        append_random(journals.add_journal(), 30);
        start(redis.url());
        ASSERT_TRUE(run_until([&] { return ship->current().redis.find("no integer") != std::string::npos; }))
            << poisoned << ": " << ship->current().redis;
        EXPECT_THAT(ship->current().redis, HasSubstr(key));
        EXPECT_EQ(ship->current().lag, 30U);
        EXPECT_EQ(redis.run({"HGET", key, "requests"}).text, poisoned);
        for (const auto& name : redis.run({"KEYS", "*"}).elements)
            EXPECT_TRUE(name.text == key || name.text == "aimeter:meta") << name.text << " beside " << poisoned;
        redis.run({"DEL", key});
        ASSERT_TRUE(run_until([&] { return ship->current().shipped == 30; })) << poisoned;
        expect_all_counted_once(redis);
        stop();
        journals = tests::memory_journal();
        std::filesystem::remove(dir + "/data-set");
    }
}

TEST_F(Shipper, ShipsTheRecordsOfSeveralJournalsInOneBatch) {
    redis_fixture redis;
    for (int i = 0; i < 3; ++i) append_random(journals.add_journal(), 50);
    start(redis.url());
    ASSERT_TRUE(flush());
    EXPECT_EQ(ship->current().batches, 1U);
    expect_all_counted_once(redis);
}

TEST_F(Shipper, AppliesABatchOnlyAsAWholeWhenOneJournalIsElsewhere) {
    redis_fixture redis;
    const auto ahead = journals.add_journal(), other = journals.add_journal();
    start(redis.url());
    ASSERT_TRUE(run_until([&] { return ship->current().connected; }));
    redis.run({"HSET", "aimeter:journals", tracking::journal::to_text(ahead), "10"});
    append_random(ahead, 10);
    written.clear();  // Redis says that it has these
    append_random(ahead, 20);
    append_random(other, 20);
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
}

TEST_F(Shipper, ShipsTheOtherJournalsWhenOneIsRefused) {
    redis_fixture redis;
    const std::string poisoned = "aimeter:usage:day:2026-11-22:active";
    redis.run({"SET", poisoned, "x"});
    const auto held_up = journals.add_journal(), other = journals.add_journal();
    append_random(held_up, 30);
    append_random(other, 30, noon - 5 * 86'400'000LL, noon - 4 * 86'400'000LL);
    start(redis.url());
    ASSERT_TRUE(run_until([&] { return ship->current().shipped == 30; }));
    append_random(other, 30, noon - 5 * 86'400'000LL, noon - 4 * 86'400'000LL);
    ASSERT_TRUE(run_until([&] { return ship->current().shipped == 60; }));
    EXPECT_EQ(journals.shipped_of(other), 60U);
    EXPECT_EQ(journals.shipped_of(held_up), 0U);
    redis.run({"DEL", poisoned});
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
}

TEST_F(Shipper, ShipsAllThatStandsBeforeTheRecordThatIsRefused) {
    redis_fixture redis;
    const std::string poisoned = "aimeter:usage:month:2026-11:user:somebody-else";
    redis.run({"SET", poisoned, "x"});
    const auto to = journals.add_journal();
    append_random(to, 137);
    auto refused = tests::plain_record(noon);
    refused.user_id = "somebody-else";
    append(to, refused);
    append_random(to, 100);
    start(redis.url());
    ASSERT_TRUE(run_until([&] { return ship->current().shipped == 137; })) << ship->current().shipped;
    EXPECT_THAT(ship->current().redis, HasSubstr(poisoned));
    EXPECT_EQ(ship->current().lag, 101U);
    redis.run({"DEL", poisoned});
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
}

TEST_F(Shipper, NamesAFieldThatIsNoNumber) {
    redis_fixture redis;
    redis.run({"HSET", "aimeter:usage:month:2026-11", "requests", "many"});
    append_random(journals.add_journal(), 5);
    start(redis.url());
    ASSERT_TRUE(run_until([&] { return ship->current().refused > 0; }));
    EXPECT_THAT(ship->current().redis, HasSubstr("aimeter:usage:month:2026-11"));
    EXPECT_EQ(redis.number({"EXISTS", "aimeter:usage"}), 0);
}

TEST_F(Shipper, WaitsWhileRedisIsFull) {
    redis_fixture redis;
    const auto to = journals.add_journal();
    start(redis.url());
    append_random(to, 50);
    ASSERT_TRUE(flush());
    redis.run({"CONFIG", "SET", "maxmemory", "1mb"});
    append_random(to, 50);
    ASSERT_TRUE(run_until([&] { return ship->current().redis.starts_with("OOM"); })) << ship->current().redis;
    EXPECT_EQ(redis.number({"HGET", "aimeter:usage:total", "requests"}), 50);
    EXPECT_TRUE(ship->current().connected);
    redis.run({"CONFIG", "SET", "maxmemory", "0"});
    ASSERT_TRUE(run_until([&] { return ship->current().shipped == 100; }));
    EXPECT_EQ(ship->current().redis, "connected");
    expect_all_counted_once(redis);
}

TEST_F(Shipper, WaitsWhileRedisIsAReplicaOrForbidsACommand) {
    redis_fixture redis;
    const auto to = journals.add_journal();
    start(redis.url());
    append_random(to, 50);
    ASSERT_TRUE(flush());
    redis.run({"REPLICAOF", "127.0.0.1", "1"});
    append_random(to, 50);
    ASSERT_TRUE(run_until([&] { return ship->current().redis.starts_with("READONLY"); })) << ship->current().redis;
    redis.run({"REPLICAOF", "NO", "ONE"});
    ASSERT_TRUE(flush());
    redis.run({"ACL", "SETUSER", "default", "-pfadd"});
    append_random(to, 50);
    ASSERT_TRUE(run_until([&] { return ship->current().redis.find("PFADD") != std::string::npos; }))
        << ship->current().redis;
    EXPECT_EQ(redis.number({"HGET", "aimeter:usage:total", "requests"}), 100);
    redis.run({"ACL", "SETUSER", "default", "+pfadd"});
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
}

TEST_F(Shipper, CountsOnceWhatAFrozenRedisGotTwice) {
    redis_fixture redis;
    const auto to = journals.add_journal();
    start(redis.url());
    append_random(to, 50);
    ASSERT_TRUE(flush());
    redis.freeze();
    append_random(to, 50);
    ASSERT_TRUE(run_until([&] { return !ship->current().connected; }, 15s));
    EXPECT_THAT(ship->current().redis, HasSubstr("no answer"));
    redis.unfreeze();
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
}

TEST_F(Shipper, ShowsTheLagAndCatchesUpAfterRedisDied) {
    redis_fixture redis({.append_only = true, .arguments = {}});
    const auto to = journals.add_journal();
    start(redis.url());
    for (int round = 0; round < 3; ++round) {
        append_random(to, 200);
        ASSERT_TRUE(flush());
        append_random(to, 200);
        run_until([&] { return ship->current().lag > 0; }, 100ms);
        redis.kill();
        append_random(to, 3000);
        ASSERT_TRUE(run_until([&] { return !ship->current().connected && ship->current().lag >= 3000; }))
            << ship->current().lag;
        redis.start();
        ASSERT_TRUE(flush());
        EXPECT_EQ(ship->current().lag, 0U);
    }
    expect_all_counted_once(redis);
}

TEST_F(Shipper, ShipsAgainWhatAFlushedRedisForgot) {
    redis_fixture redis;
    const auto to = journals.add_journal();
    start(redis.url());
    append_random(to, 150);
    ASSERT_TRUE(flush());
    redis.run({"FLUSHALL"});
    append_random(to, 20);
    ASSERT_TRUE(run_until([&] { return redis.number({"HGET", "aimeter:usage:total", "requests"}) == 170; }));
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
    EXPECT_GT(redis.number({"TTL", "aimeter:usage:day:2026-11-22"}), 0) << "keys made anew expire as well";
}

// A dump that is loaded again goes back in time behind the connection, which stays. Nobody adds to any journal then.
TEST_F(Shipper, ShipsAgainWhatRedisForgotBehindAConnectionThatStays) {
    redis_fixture redis({.append_only = false, .arguments = {"--enable-debug-command", "yes"}});
    const auto own = journals.add_journal();
    append_random(own, 60);
    start(redis.url());
    ASSERT_TRUE(flush());
    redis.run({"SAVE"});
    stop();
    append_random(journals.add_journal(false), 40);
    append_random(own, 30);
    start(redis.url());
    ASSERT_TRUE(flush());
    redis.run({"DEBUG", "RELOAD", "NOSAVE"});
    ASSERT_EQ(redis.number({"XLEN", "aimeter:usage"}), 60);
    ASSERT_TRUE(run_until([&] { return redis.number({"XLEN", "aimeter:usage"}) == 130; }));
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
    EXPECT_EQ(ship->current().connections_lost, 0U);
}

// A stop is the last occasion, and a Redis that lost its data must hear of it again.
TEST_F(Shipper, TellsHowManyRecordsFoundNoRoomBeforeAFlushEndsAndAfterEachConnect) {
    redis_fixture redis;
    const auto to = journals.add_journal();
    const auto told = [&] { return redis.number({"HGET", "aimeter:meta", "lost:" + journal::to_text(to)}); };
    append_random(to, 1);
    start(redis.url());
    ASSERT_TRUE(flush());
    journals.lose(3);
    ASSERT_TRUE(flush());
    EXPECT_EQ(told(), 3);
    redis.kill();
    redis.start();
    append_random(to, 1);
    ASSERT_TRUE(run_until([&] { return redis.number({"XLEN", "aimeter:usage"}) == 2; }));
    EXPECT_TRUE(run_until([&] { return told() == 3; }));
}

TEST_F(Shipper, GoesOnBehindAGapInTheJournal) {
    redis_fixture redis;
    const auto to = journals.add_journal();
    append_random(to, 10);
    journals.skip(to, 5);
    append_random(to, 10);
    start(redis.url());
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
    EXPECT_EQ(redis.hash("aimeter:journals").at(journal::to_text(to)), "25");
}

TEST_F(Shipper, DrainsTheJournalsOfDeadProcesses) {
    redis_fixture redis;
    const auto own = journals.add_journal();
    for (int i = 0; i < 3; ++i) append_random(journals.add_journal(false), 100);
    append_random(own, 100);
    start(redis.url());
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
    for (const auto& id : journals.journals()) EXPECT_EQ(journals.shipped_of(id), 100U);
}

TEST_F(Shipper, DrainsDeadJournalsThatHoldMoreThanABatchTogether) {
    redis_fixture redis;
    journals.add_journal();
    for (int i = 0; i < 24; ++i) append_random(journals.add_journal(false), 150);
    start(redis.url());
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
}

TEST_F(Shipper, RefusesAnotherTimeZoneOrANewerSchema) {
    redis_fixture redis;
    redis.run({"HSET", "aimeter:meta", "schema", "1", "timezone", "Europe/Paris", "dataset", "d"});
    append_random(journals.add_journal(), 5);
    start(redis.url());
    ASSERT_TRUE(run_until([&] { return ship->current().redis.find("Europe/Paris") != std::string::npos; }));
    redis.run({"HSET", "aimeter:meta", "schema", "9", "timezone", "UTC"});
    ASSERT_TRUE(run_until([&] { return ship->current().redis.find("schema version 9") != std::string::npos; }));
    EXPECT_EQ(redis.number({"EXISTS", "aimeter:usage"}), 0);
    EXPECT_FALSE(ship->current().connected);
    redis.run({"HSET", "aimeter:meta", "schema", "1"});
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
}

TEST_F(Shipper, TrimsBothStreamsToTheSameCheckpoint) {
    redis_fixture redis;
    settings.redis.stream_maxlen = 500;
    const auto to = journals.add_journal();
    append_random(to, 3000);
    start(redis.url());
    ASSERT_TRUE(flush());
    const auto length = redis.number({"XLEN", "aimeter:usage"});
    EXPECT_LE(length, 500);
    EXPECT_GE(length, 450);
    EXPECT_EQ(redis.number({"XLEN", "aimeter:analytics"}), length);
    const auto meta = redis.hash("aimeter:meta");
    EXPECT_EQ(std::stoll(meta.at("trimmedEntries")) + length, 3000);
    std::int64_t kept = 0;
    const auto usage = redis.stream("aimeter:usage"), analytics = redis.stream("aimeter:analytics");
    EXPECT_EQ(usage.front().id, analytics.front().id);
    std::map<std::string, std::int64_t> costs;
    for (const auto& one : written) costs[to_text(one.id)] = one.cost_nano.value_or(0);
    for (const auto& one : usage) kept += costs.at(one.fields.at("id"));
    EXPECT_EQ(std::stoll(meta.at("trimmedCostNanoUsd")) + kept,
              redis.number({"HGET", "aimeter:usage:total", "costNanoUsd"}));
    EXPECT_LE(redis.number({"LLEN", "aimeter:usage:checkpoints"}), 110);
}

TEST_F(Shipper, ALowerStreamMaxlenKeepsThatManyOfTheNewest) {
    redis_fixture redis;
    settings.redis.stream_maxlen = 0;
    const auto to = journals.add_journal();
    append_random(to, 5000);
    start(redis.url());
    ASSERT_TRUE(flush());
    settings.redis.stream_maxlen = 1000;
    start(redis.url());
    for (int i = 0; i < 30; ++i) {
        append_random(to, 50);
        ASSERT_TRUE(flush());
        EXPECT_GE(redis.number({"XLEN", "aimeter:usage"}), 850) << i;
    }
    EXPECT_LE(redis.number({"XLEN", "aimeter:usage"}), 1000);
    EXPECT_EQ(redis.number({"XLEN", "aimeter:analytics"}), redis.number({"XLEN", "aimeter:usage"}));
}

TEST_F(Shipper, KeepsTheJournalsInOrderEvenWithoutRedis) {
    settings.journal.sync = 10ms;
    journals.add_journal();
    start("unix:/tmp/there-is-no-redis.sock");
    ASSERT_TRUE(run_until([&] { return journals.maintains() > 10 && journals.syncs() > 2; }));
    EXPECT_THAT(ship->current().redis, HasSubstr("there-is-no-redis"));
    EXPECT_FALSE(flush(50ms));
}

TEST_F(Shipper, DoesNotMindAnEvictingRedisButGoesOn) {
    redis_fixture redis({.append_only = false, .arguments = {"--maxmemory-policy", "allkeys-lru"}});
    append_random(journals.add_journal(), 10);
    start(redis.url());
    ASSERT_TRUE(flush());
    expect_all_counted_once(redis);
}

}  // namespace
}  // namespace tracking::store
