// A Redis user who has no more rights than docs/redis-deployments.md lists: everything works with them, and what is
// missing is said by its name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/support/documented_rights.hpp"
#include "tests/support/redis_places.hpp"
#include "tests/support/shipper_fixture.hpp"
#include "tracking/store/reports.hpp"
#include "tracking/store/reprice.hpp"
#include "tracking/store/verify.hpp"

namespace tracking::store {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using tests::redis_fixture;
using tests::run_coroutine;

class Rights : public tests::shipping_test {
protected:
    Rights() {
        auto words = tests::documented_rule();
        EXPECT_GT(words.size(), 20U);
        const auto made = redis.run(words);
        EXPECT_EQ(made.text, "OK");
        redis.run({"ACL", "SETUSER", "default", "off"});  // for other connections than the test's
        settings.redis.url = url("a-long-password");
        settings.data_dir = dir;
    }
    std::string url(const std::string& password) const {
        return "redis://aimeter:" + password + "@" + server.address() + "/0";
    }
    bool told(const std::string& text) {
        return run_until([&] { return ship->current().redis.find(text) != std::string::npos; });
    }

    tests::tcp_redis server{redis_fixture::options{.arguments = {"--acllog-max-len", "100"}}};
    redis_fixture& redis = *server.redis;
};

TEST_F(Rights, TheDocumentedOnesAreEnoughForEverything) {
    const auto id = journals.add_journal();
    append_random(id, 2'000);
    append(id, tests::plain_record(noon));
    settings.redis.stream_maxlen = 500;  // streams are trimmed, too
    start(settings.redis.url);
    ASSERT_TRUE(flush());
    const auto trimmed = redis.number({"HGET", "aimeter:meta", "trimmedEntries"});
    EXPECT_GT(trimmed, 0);

    const key_names keys("aimeter");
    redis_client client(context.get_executor(), std::get<redis_url>(redis_url::parse(settings.redis.url)));
    reports from(client, keys, *zone);
    const std::vector<std::string> day{"day:" + zone->day_key(noon)};
    EXPECT_TRUE(std::holds_alternative<std::vector<counters>>(run_coroutine(context, from.usage(day))));
    EXPECT_EQ(run_coroutine(context, from.usage_by(day, {"feature", "model", "provider", "plan"})).index(), 0U);
    EXPECT_EQ(run_coroutine(context, from.analytics({"total"})).index(), 0U);
    EXPECT_EQ(run_coroutine(context, from.latency(day)).index(), 0U);
    EXPECT_EQ(run_coroutine(context, from.statuses(day)).index(), 0U);
    EXPECT_EQ(run_coroutine(context, from.top_errors(day, 10)).index(), 0U);
    EXPECT_EQ(run_coroutine(context, from.active_users(day)).index(), 0U);
    EXPECT_EQ(run_coroutine(context, from.top_users(day, 10)).index(), 0U);
    EXPECT_EQ(run_coroutine(context, from.usage_entries("", 10)).index(), 0U);
    EXPECT_EQ(run_coroutine(context, from.analytics_entries(10)).index(), 0U);

    std::ostringstream out;
    std::string error;
    EXPECT_TRUE(verify(settings, {}, out, error)) << error << out.str();
    const auto days = std::get<day_range>(read_days("2026-11-21", "2026-11-23"));
    settings.pricing.catalogue = std::string(AIMETER_SOURCE_DIR) + "/conf/model-prices.json";
    settings.pricing.overrides["gemini-2.0-flash-exp"].pico["in"] = 7;
    EXPECT_TRUE(reprice(settings, days, true, out, error)) << error << out.str();

    std::string denied;
    for (const auto& one : redis.run({"ACL", "LOG"}).elements) {
        for (std::size_t i = 0; i + 1 < one.elements.size(); i += 2)
            if (one.elements[i].text == "object") denied += one.elements[i + 1].text + " ";
    }
    EXPECT_EQ(denied, "");
}

TEST_F(Rights, ACommandThatIsMissingIsNamedAndNothingIsHalfDone) {
    for (const std::string command : {"xadd", "hincrby", "pfadd", "xtrim", "zmscore", "xinfo", "hmget", "evalsha"}) {
        redis.run({"ACL", "SETUSER", "aimeter", "-" + command});
        const auto before = redis.number({"XLEN", "aimeter:usage"});
        append(journals.add_journal(), tests::plain_record(noon));
        start(settings.redis.url);
        std::string upper = command;
        for (char& c : upper) c = static_cast<char>(std::toupper(c));
        ASSERT_TRUE(run_until([&] {
            const std::string said = ship->current().redis;
            return said.find("NOPERM") != std::string::npos &&
                   (said.find(upper) != std::string::npos || said.find(command) != std::string::npos);
        })) << command
            << ": " << ship->current().redis;
        EXPECT_EQ(redis.number({"XLEN", "aimeter:usage"}), before);
        redis.run({"ACL", "SETUSER", "aimeter", "+" + command});  // takes effect without a restart
        ASSERT_TRUE(flush()) << command;
        stop();
        EXPECT_EQ(redis.number({"XLEN", "aimeter:usage"}), before + 1);
    }
    expect_all_counted_once(redis);
}

TEST_F(Rights, KeysThatAreNotAllowedAreSaid) {
    settings.redis.prefix = "elsewhere";
    append(journals.add_journal(), tests::plain_record(noon));
    start(settings.redis.url);
    EXPECT_TRUE(told("NOPERM")) << ship->current().redis;
    EXPECT_THAT(ship->current().redis, HasSubstr("keys"));
}

TEST_F(Rights, AWrongPasswordIsSaidAndNotTold) {
    append(journals.add_journal(), tests::plain_record(noon));
    start(url("not-the-password"));
    ASSERT_TRUE(told("WRONGPASS")) << ship->current().redis;
    EXPECT_THAT(ship->current().redis, AllOf(HasSubstr(server.address()), Not(HasSubstr("not-the-password"))));
    redis.run({"ACL", "SETUSER", "aimeter", "resetpass", ">not-the-password"});
    EXPECT_TRUE(flush());  // the operator has put it right
}

}  // namespace
}  // namespace tracking::store
