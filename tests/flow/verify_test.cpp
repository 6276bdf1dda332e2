// `aimeter verify`: silent agreement is not enough, so each kind of damage is done on purpose and must be found.
#include "tracking/store/verify.hpp"

#include <gmock/gmock.h>

#include <sstream>

#include "tests/support/shipper_fixture.hpp"
#include "tracking/store/embedded_redis.hpp"
#include "tracking/store/stream_recount.hpp"

namespace tracking::store {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using tests::redis_fixture;

TEST(NanoOf, ReadsPlainDecimalsExactly) {
    EXPECT_EQ(nano_of("0.000453"), 453'000);
    EXPECT_EQ(nano_of("0"), 0);
    EXPECT_EQ(nano_of("12.345678901"), 12'345'678'901);
    EXPECT_EQ(nano_of("-0.5"), -500'000'000);
    EXPECT_EQ(nano_of("9007199.254740993"), 9'007'199'254'740'993);
    EXPECT_EQ(nano_of("1e5"), 0);
    EXPECT_EQ(nano_of(""), 0);
    for (const std::int64_t nano : {1LL, 999'999'999LL, 1'000'000'001LL, 123'456'789'012'345'678LL}) {
        EXPECT_EQ(nano_of(usd_text(nano)), nano);
    }
}

class Verify : public tests::shipping_test {
protected:
    // Ships what was appended, and stops.
    void ship_all() {
        start(redis.url());
        ASSERT_TRUE(flush());
        stop();
    }
    bool check() {
        std::ostringstream out;
        settings.redis.url = redis.url();
        settings.data_dir = dir;
        error.clear();
        const bool agrees = verify(settings, out, error);
        said = out.str();
        return agrees;
    }
    redis_fixture redis;
    std::string said, error;
};

TEST_F(Verify, AgreesWithWhatTheShipperWrote) {
    settings.timezone = "America/New_York";
    append_random(journals.add_journal(), 1'000, noon - 70LL * 86'400'000, noon);
    ship_all();
    EXPECT_TRUE(check()) << said << error;
    EXPECT_EQ(error, "");
    EXPECT_THAT(said, HasSubstr("usage:total requests: 1000"));
    EXPECT_THAT(said, HasSubstr("all agree"));
    EXPECT_THAT(said, Not(HasSubstr("DIFFERENT")));
}

TEST_F(Verify, AgreesOnAnEmptyRedis) {
    redis.run({"HSET", "aimeter:meta", "schema", "1", "timezone", "UTC", "dataset", "d"});
    EXPECT_TRUE(check()) << said << error;
}

TEST_F(Verify, AgreesWhenStreamsAreTrimmed) {
    settings.redis.stream_maxlen = 200;
    append_random(journals.add_journal(), 2'500);
    ship_all();
    EXPECT_LE(redis.number({"XLEN", "aimeter:usage"}), 200);
    EXPECT_TRUE(check()) << said << error;
}

TEST_F(Verify, FindsEveryKindOfDamage) {
    append_random(journals.add_journal(), 400);
    ship_all();
    ASSERT_TRUE(check()) << said << error;
    const auto entry = redis.stream("aimeter:usage").at(10);
    const auto damage = [&](const std::vector<std::string>& words, const std::vector<std::string>& undo) {
        redis.run(words);
        EXPECT_FALSE(check()) << words[0] << " " << words[1];
        EXPECT_EQ(error, "");
        EXPECT_THAT(said, HasSubstr("DIFFERENT")) << words[0] << " " << words[1];
        redis.run(undo);
        EXPECT_TRUE(check()) << said;
    };
    const auto by = [&](const std::string& key, const std::string& field) {
        damage({"HINCRBY", key, field, "1"}, {"HINCRBY", key, field, "-1"});
    };
    by("aimeter:usage:total", "requests");
    by("aimeter:usage:total", "inputTokens");
    by("aimeter:analytics:total", "costNanoUsd");
    by("aimeter:usage:month:2026-11", "costNanoUsd");
    by("aimeter:usage:month:2026-11:feature:content-gen", "wastedNanoUsd");
    by("aimeter:usage:month:2026-11:user:user_3", "tokensUsed");
    by("aimeter:usage:day:2026-11-22", "errors");
    by("aimeter:usage:day:2026-11-22:feature:cover%20letter", "requests");
    by("aimeter:analytics:day:2026-11-22", "success");
    by("aimeter:usage:hour:2026-11-22T11", "requests");
    redis.run({"XDEL", "aimeter:analytics", entry.id});
    EXPECT_FALSE(check());
    redis.run({"XDEL", "aimeter:usage", entry.id});
    EXPECT_FALSE(check());
    EXPECT_THAT(said, HasSubstr("usage stream, entries read and trimmed: 399, expected 400  DIFFERENT"));
}

TEST_F(Verify, FindsAnEntryThatIsThereTwice) {
    append_random(journals.add_journal(), 50);
    append_random(journals.add_journal(), 1);
    journals.append(journals.journals().front(), written.front());
    ship_all();
    EXPECT_FALSE(check());
    EXPECT_THAT(said, HasSubstr("ids that occur twice: 1, expected 0  DIFFERENT"));
}

TEST_F(Verify, SaysWhyItCannotLook) {
    settings.redis.url = "unix:/tmp/there-is-no-redis.sock";
    std::ostringstream out;
    EXPECT_FALSE(verify(settings, out, error));
    EXPECT_THAT(error, HasSubstr("there-is-no-redis.sock"));
    settings.redis.url.clear();
    settings.data_dir = dir + "/never-used";
    EXPECT_FALSE(verify(settings, out, error));
    EXPECT_THAT(error, HasSubstr("never-used"));
    redis.run({"HSET", "aimeter:meta", "timezone", "Europe/Paris"});
    EXPECT_FALSE(check());
    EXPECT_THAT(error, HasSubstr("Europe/Paris"));
}

TEST_F(Verify, CountsTheWaitingRecordsOfTheRealJournal) {
    settings.data_dir = dir + "/data";
    std::filesystem::create_directories(settings.data_dir);
    journal::directory::options how{
        .data_dir = settings.data_dir, .size = 64ULL * 1024 * 1024, .keep_ms = 600'000, .writers = 1};
    auto opened = journal::directory::open(how);
    ASSERT_TRUE(std::holds_alternative<std::unique_ptr<journal::directory>>(opened)) << std::get<std::string>(opened);
    auto& real = *std::get<std::unique_ptr<journal::directory>>(opened);
    zone.emplace(std::get<calendar>(calendar::open("UTC")));
    shipper one(shipper::parts{.executor = context.get_executor(),
                               .settings = settings,
                               .journals = real,
                               .when = *zone,
                               .clock = clock,
                               .redis_url = [this] { return redis.url(); },
                               .data_set_file = settings.data_dir + "/data-set"});
    boost::asio::co_spawn(context, one.run(), boost::asio::detached);
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(real.writer_of(0).end(0, tests::random_record(random, noon - 1000, noon)));
    ASSERT_TRUE(tests::run_coroutine(context, one.flush(20s)));
    one.stop();
    context.restart();
    context.run_for(5s);
    for (int i = 0; i < 7; ++i) ASSERT_TRUE(real.writer_of(0).end(0, tests::random_record(random, noon - 1000, noon)));
    std::ostringstream out;
    settings.redis.url = redis.url();
    EXPECT_TRUE(verify(settings, out, error)) << out.str() << error;
    EXPECT_THAT(out.str(), HasSubstr("applied records that are still kept: 30"));
    EXPECT_THAT(out.str(), HasSubstr("applied records missing in the stream: 0  ok"));
    EXPECT_THAT(out.str(), HasSubstr("waiting to be shipped: 7"));
}

TEST_F(Verify, StartsTheEmbeddedRedisWhenNobodyElseDoes) {
    settings.data_dir = dir + "/data";
    auto made = embedded_redis::create(context.get_executor(), settings.data_dir);
    auto& embedded = *std::get<std::unique_ptr<embedded_redis>>(made);
    const auto started = tests::run_coroutine(context, embedded.start());
    ASSERT_TRUE(std::holds_alternative<std::monostate>(started));
    append_random(journals.add_journal(), 50);
    start(embedded.url());
    ASSERT_TRUE(flush());
    stop();
    settings.redis.url.clear();
    std::ostringstream running, gone;
    EXPECT_TRUE(verify(settings, running, error)) << running.str() << error;
    tests::run_coroutine(context, embedded.stop());
    EXPECT_TRUE(verify(settings, gone, error)) << gone.str() << error;
    EXPECT_THAT(gone.str(), HasSubstr("usage:total requests: 50"));
    EXPECT_FALSE(std::filesystem::exists(embedded.socket_path())) << "stopped again";
}

}  // namespace
}  // namespace tracking::store
