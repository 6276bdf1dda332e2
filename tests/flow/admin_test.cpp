// The admin endpoints against a real Redis whose keys were written by hand, as the contract's section 5 describes
// them: what a dashboard gets to see. Expected figures are added up by hand from what each test writes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

#include "admin-api/api.hpp"
#include "tests/support/redis_fixture.hpp"
#include "tests/support/run_coroutine.hpp"
#include "tracking/clock.hpp"
#include "tracking/record.hpp"
#include "tracking/store/calendar.hpp"
#include "tracking/store/keys.hpp"
#include "tracking/store/reports.hpp"

namespace {

using nlohmann::json;
using tracking::store::calendar;
using tracking::store::histogram_bucket;
using words = std::vector<std::string>;
using fields = std::vector<std::pair<std::string, std::string>>;

constexpr const char* token = "secret-token";

calendar zone(const std::string& name) { return std::move(std::get<calendar>(calendar::open(name))); }

// One Redis for all tests, flushed before each; an admin API with a clock that stands still.
class Admin : public testing::Test {
protected:
    static void SetUpTestSuite() { redis_ = std::make_unique<tests::redis_fixture>(); }
    static void TearDownTestSuite() { redis_.reset(); }

    void SetUp() override {
        redis_->run({"FLUSHALL"});
        health_.upstream_reachable = health_.journal_writable = health_.redis_connected = true;
        open("Asia/Kolkata", 2026, 11, 22, 5, 41);
    }

    // A Sunday, 22 November 2026, unless a test says otherwise.
    void open(const std::string& zone_name, int year, int month, int day, int hour, int minute, int second = 0) {
        api_.reset();
        reports_.reset();
        when_ = std::make_unique<calendar>(zone(zone_name));
        clock_ = std::make_unique<tracking::manual_time>(when_->instant(year, month, day, hour, minute, second));
        client_ = std::make_unique<tracking::store::redis_client>(
            context_.get_executor(),
            std::get<tracking::store::redis_url>(tracking::store::redis_url::parse(redis_->url())));
        reports_ = std::make_unique<tracking::store::reports>(*client_, keys_, *when_);
        api_ = std::make_unique<admin::api>(
            admin::api::parts{settings_, {token}, *reports_, *clock_, [this] { return state(health_); }});
    }
    static boost::asio::awaitable<admin::health> state(admin::health now) { co_return now; }

    admin::response ask(const std::string& target, const std::string& method = "GET",
                        const std::string& authorization = std::string("Bearer ") + token) {
        admin::request what;
        what.method = method;
        what.target = target;
        what.peer = "192.0.2.1";
        if (!authorization.empty()) what.headers.emplace_back("authorization", authorization);
        return tests::run_coroutine(context_, api_->handle(std::move(what)));
    }
    json get(const std::string& target) {
        const auto answer = ask("/api/admin" + target);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return json::parse(answer.body);
    }
    static std::string header(const admin::response& of, const std::string& name) {
        for (const auto& [key, value] : of.headers) {
            if (key == name) return value;
        }
        return {};
    }

    static void count(const std::string& key, const std::vector<std::pair<std::string, std::int64_t>>& values) {
        for (const auto& [field, value] : values) redis_->run({"HINCRBY", key, field, std::to_string(value)});
    }
    static void labelled(const std::string& period, const std::string& kind, const std::string& label,
                         const std::vector<std::pair<std::string, std::int64_t>>& values) {
        redis_->run({"SADD", "aimeter:usage:" + period + ":labels:" + kind, label});
        count("aimeter:usage:" + period + ":" + kind + ":" + label, values);
    }
    static std::string add(const std::string& stream, const fields& of, const std::string& id = "*") {
        words command{"XADD", stream, id};
        for (const auto& [name, value] : of) {
            command.push_back(name);
            command.push_back(value);
        }
        return redis_->run(command).text;
    }

    static std::unique_ptr<tests::redis_fixture> redis_;
    boost::asio::io_context context_;
    conf::settings settings_;
    tracking::store::key_names keys_{"aimeter"};
    std::unique_ptr<calendar> when_;
    std::unique_ptr<tracking::manual_time> clock_;
    std::unique_ptr<tracking::store::redis_client> client_;
    std::unique_ptr<tracking::store::reports> reports_;
    std::unique_ptr<admin::api> api_;
    admin::health health_;
};

std::unique_ptr<tests::redis_fixture> Admin::redis_;

// ---- overview -----------------------------------------------------------------------------------------------------

TEST_F(Admin, OverviewOfAnEmptyRedisIsAllZeros) {
    const auto view = get("/ai/overview");
    EXPECT_EQ(view["generatedAt"], "2026-11-22T05:41:00.000+05:30");
    EXPECT_EQ(view["timezone"], "Asia/Kolkata");
    EXPECT_EQ(view["today"]["requests"], 0);
    EXPECT_TRUE(view["today"]["successRate"].is_null());
    EXPECT_EQ(view["quality"]["topErrors"], json::array());
}

TEST_F(Admin, OverviewCountsTodayAndTheMonth) {
    count("aimeter:usage:day:2026-11-22", {{"requests", 5},
                                           {"success", 3},
                                           {"errors", 1},
                                           {"blocked", 1},
                                           {"cached", 1},
                                           {"estimated", 1},
                                           {"unpriced", 1},
                                           {"identified", 4},
                                           {"usageKnown", 3},
                                           {"inputTokens", 1'000},
                                           {"outputTokens", 500},
                                           {"tokensUsed", 3'000},
                                           {"costNanoUsd", 1'000'000'453},
                                           {"savedNanoUsd", 600'000},
                                           {"wastedNanoUsd", 9},
                                           {"durationUs", 8'000'000},
                                           {"durationCount", 4},
                                           {"ttftUs", 100'000},
                                           {"ttftCount", 4}});
    count("aimeter:usage:month:2026-11",
          {{"requests", 50}, {"success", 40}, {"errors", 10}, {"costNanoUsd", 2'000'000'000}});
    count("aimeter:usage:day:2026-11-22:latency",
          {{std::to_string(histogram_bucket(1'000'000)), 3}, {std::to_string(histogram_bucket(5'000'000)), 1}});
    count("aimeter:usage:day:2026-11-03:latency", {{std::to_string(histogram_bucket(60'000'000)), 10}});
    count("aimeter:usage:day:2026-11-22:status", {{"200", 3}, {"500", 1}, {"402", 1}});
    redis_->run({"ZADD", "aimeter:usage:day:2026-11-22:errors", "2", "quota exceeded", "7", "overloaded"});
    redis_->run({"PFADD", "aimeter:usage:day:2026-11-22:active", "a", "b"});
    redis_->run({"PFADD", "aimeter:usage:day:2026-11-03:active", "b", "c", "d"});

    const auto view = get("/ai/overview");
    const auto& today = view["today"];
    EXPECT_EQ(today["requests"], 5);
    EXPECT_DOUBLE_EQ(today["successRate"], 0.75);
    EXPECT_EQ(today["cost"].dump(), "1.000000453");
    EXPECT_DOUBLE_EQ(today["saved"], 0.0006);
    EXPECT_EQ(today["wasted"].dump(), "9e-09");
    EXPECT_DOUBLE_EQ(today["coverage"]["priced"], 0.8);
    EXPECT_DOUBLE_EQ(today["avgDurationMs"], 2'000.0);
    EXPECT_NEAR(today["p50DurationMs"], 1'000, 20);
    EXPECT_NEAR(today["p95DurationMs"], 5'000, 100);
    EXPECT_EQ(today["activeUsers"], 2);
    EXPECT_EQ(view["month"]["requests"], 50);
    EXPECT_EQ(view["month"]["activeUsers"], 4) << "b counts once";
    EXPECT_NEAR(view["month"]["p50DurationMs"], 60'000, 1'200) << "all days of the month";
    EXPECT_EQ(view["quality"]["byStatus"], (json{{"200", 3}, {"402", 1}, {"500", 1}}));
    EXPECT_EQ(view["quality"]["topErrors"][0], (json{{"message", "overloaded"}, {"count", 7}}));
    EXPECT_DOUBLE_EQ(view["quality"]["avgTtftMs"], 25.0);
}

TEST_F(Admin, TrendsStopAtTheSameWallClock) {  // now is 05:41:00 on 22 November
    count("aimeter:usage:day:2026-11-22", {{"requests", 30}, {"costNanoUsd", 3'000'000}});
    count("aimeter:usage:hour:2026-11-21T04", {{"requests", 10}, {"costNanoUsd", 1'000'000}});
    count("aimeter:usage:minute:2026-11-21T05:40", {{"requests", 5}, {"costNanoUsd", 500'000}});
    count("aimeter:usage:minute:2026-11-21T05:41", {{"requests", 100}});  // not yet passed yesterday
    count("aimeter:usage:hour:2026-11-21T05", {{"requests", 105}});
    count("aimeter:usage:hour:2026-11-21T23", {{"requests", 1'000}});
    count("aimeter:usage:day:2026-11-21", {{"requests", 1'115}});
    count("aimeter:usage:month:2026-11", {{"requests", 90}});
    count("aimeter:usage:day:2026-10-01", {{"requests", 50}});
    count("aimeter:usage:hour:2026-10-22T04", {{"requests", 10}});
    count("aimeter:usage:hour:2026-10-22T05", {{"requests", 60}});  // 41/60 of it
    count("aimeter:usage:day:2026-10-22", {{"requests", 900}});
    count("aimeter:usage:month:2026-10", {{"requests", 10'000}});
    const auto trends = get("/ai/overview")["trends"];
    EXPECT_EQ(trends["requests"]["today"], 30);
    EXPECT_EQ(trends["requests"]["yesterday"], 15);
    EXPECT_DOUBLE_EQ(trends["requests"]["changePct"], 100.0);
    EXPECT_EQ(trends["requests"]["thisMonth"], 90);
    EXPECT_EQ(trends["requests"]["lastMonth"], 101);
    EXPECT_DOUBLE_EQ(trends["cost"]["changePct"], 100.0);
    EXPECT_TRUE(trends["errors"]["changePct"].is_null());
}

// ---- usage --------------------------------------------------------------------------------------------------------

TEST_F(Admin, UsageHasARowForEachDayOfTheRange) {
    count("aimeter:usage:day:2026-11-22", {{"requests", 2}, {"success", 2}, {"cached", 1}, {"costNanoUsd", 453'000}});
    count("aimeter:usage:day:2026-11-20", {{"requests", 1}, {"errors", 1}, {"costNanoUsd", 1}});
    count("aimeter:usage:day:2026-11-15", {{"requests", 99}});  // before the range
    const auto view = get("/ai/usage?days=7");
    EXPECT_EQ(view["range"], (json{{"from", "2026-11-16"}, {"to", "2026-11-22"}, {"days", 7}}));
    ASSERT_EQ(view["overTime"].size(), 7U);
    EXPECT_EQ(view["overTime"][0]["date"], "2026-11-16");
    EXPECT_EQ(view["overTime"][6]["requests"], 2);
    EXPECT_EQ(view["totals"]["requests"], 3);
    EXPECT_EQ(view["totals"]["cost"].dump(), "0.000453001");
    EXPECT_EQ(view["successRate"], (json{{"success", 2}, {"error", 1}, {"blocked", 0}, {"aborted", 0}}));
    EXPECT_EQ(get("/ai/usage")["range"]["days"], 30);
    EXPECT_EQ(get("/ai/usage?from=2026-11-20&to=2026-11-20")["totals"]["requests"], 1);
}

// What was read of past days is remembered, but not beyond what is added to them, or repaired.
TEST_F(Admin, AYearsFiguresFollowWhatChangesInThePast) {
    const std::string day = "aimeter:usage:day:2026-09-10";
    const auto latency = [&](std::int64_t us, std::int64_t times) {
        count(day + ":latency", {{std::to_string(histogram_bucket(us)), times}});
    };
    count(day, {{"requests", 4}});
    count("aimeter:usage:hour:2026-09-10T07", {{"requests", 4}, {"errors", 1}});
    latency(1'000'000, 4);
    redis_->run({"ZADD", day + ":users:requests", "3", "a", "1", "b"});
    redis_->run({"PFADD", day + ":active", "a", "b"});
    auto view = get("/ai/usage?days=365");
    EXPECT_NEAR(view["totals"]["p99DurationMs"], 1'000, 20);
    EXPECT_EQ(view["totals"]["activeUsers"], 2);
    EXPECT_EQ(view["byHour"][7]["requests"], 4);
    EXPECT_EQ(view["byHour"][7]["errors"], 1);
    EXPECT_EQ(view["heatmap"][3][7], 4) << "a Thursday";
    EXPECT_EQ(view["topUsers"][0]["requests"], 3);
    EXPECT_EQ(get("/ai/usage?days=365"), view);

    count(day, {{"requests", 5}});
    count("aimeter:usage:hour:2026-09-10T07", {{"requests", 5}});
    latency(9'000'000, 5);
    redis_->run({"ZINCRBY", day + ":users:requests", "5", "c"});
    redis_->run({"PFADD", day + ":active", "c"});
    view = get("/ai/usage?days=365");
    EXPECT_NEAR(view["totals"]["p99DurationMs"], 9'000, 180);
    EXPECT_EQ(view["totals"]["activeUsers"], 3);
    EXPECT_EQ(view["byHour"][7]["requests"], 9);
    EXPECT_EQ(view["topUsers"][0]["userId"], "c");

    redis_->run({"DEL", day + ":latency"});
    latency(2'000'000, 9);
    redis_->run({"HINCRBY", "aimeter:meta", "repairs", "1"});
    EXPECT_NEAR(get("/ai/usage?days=365")["totals"]["p99DurationMs"], 2'000, 40);
}

TEST_F(Admin, UsageByLabelAddsUpDaysAndWholeMonths) {
    labelled("month:2026-10", "feature", "content-gen", {{"requests", 10}, {"costNanoUsd", 7}});
    labelled("month:2026-10", "feature", "cover-letter", {{"requests", 90}});
    labelled("month:2026-11", "feature", "content-gen", {{"requests", 200}});
    labelled("day:2026-09-30", "feature", "content-gen", {{"requests", 1}});
    labelled("day:2026-11-22", "feature", "content-gen", {{"requests", 5}});
    count("aimeter:usage:day:2026-11-22:feature:content-gen:latency", {{std::to_string(histogram_bucket(800'000)), 4}});
    labelled("day:2026-11-22", "model", "gemini/flash 2", {});
    redis_->run({"SADD", "aimeter:usage:day:2026-11-22:labels:model", "gemini/flash 2"});
    count("aimeter:usage:day:2026-11-22:model:gemini/flash%202", {{"requests", 5}, {"tokensUsed", 12}});
    labelled("day:2026-11-22", "provider", "gemini", {{"requests", 5}});
    labelled("day:2026-11-22", "plan", "free", {{"requests", 2}});
    labelled("day:2026-11-22", "plan", "pro", {{"requests", 3}});

    const auto months = get("/ai/usage?from=2026-09-30")["byFeature"];
    ASSERT_EQ(months.size(), 2U);
    EXPECT_EQ(months[0]["name"], "content-gen");
    EXPECT_EQ(months[0]["requests"], 211);
    EXPECT_EQ(months[1]["requests"], 90);

    const auto today = get("/ai/usage?days=1");
    EXPECT_EQ(today["byFeature"][0]["requests"], 5);
    EXPECT_NEAR(today["byFeature"][0]["p95DurationMs"], 800, 16);
    ASSERT_EQ(today["byModel"].size(), 1U);
    EXPECT_EQ(today["byModel"][0]["name"], "gemini/flash 2");
    EXPECT_EQ(today["byModel"][0]["tokensUsed"], 12);
    EXPECT_EQ(today["byProvider"][0]["name"], "gemini");
    EXPECT_EQ(today["byPlan"][0]["name"], "pro") << "most requests first";
    EXPECT_EQ(today["byPlan"][1]["name"], "free");
}

TEST_F(Admin, HoursAndHeatmapAreByTheWallClock) {
    count("aimeter:usage:hour:2026-11-22T05", {{"requests", 3}, {"errors", 1}, {"costNanoUsd", 2'000}});  // Sunday
    count("aimeter:usage:hour:2026-11-16T05", {{"requests", 4}});                                         // Monday
    count("aimeter:usage:hour:2026-11-16T23", {{"requests", 1}});
    const auto view = get("/ai/usage?days=7");
    ASSERT_EQ(view["byHour"].size(), 24U);
    EXPECT_EQ(view["byHour"][5], (json{{"hour", 5}, {"requests", 7}, {"cost", 0.000002}, {"errors", 1}}));
    EXPECT_EQ(view["heatmap"][6][5], 3);
    EXPECT_EQ(view["heatmap"][0][5], 4);
    EXPECT_EQ(view["heatmap"][0][23], 1);
}

// New York: 2026-03-08 has 23 hours, 2026-11-01 has 25. Each instant counts in the bucket of its wall clock.
TEST_F(Admin, DaysOf23And25HoursLoseAndRepeatNothing) {
    for (const auto& [year, month, day, hours] : {std::array{2026, 3, 8, 23}, std::array{2026, 11, 1, 25}}) {
        open("America/New_York", year, month, day, 23, 59);
        for (auto t = when_->instant(year, month, day); t < when_->instant(year, month, day + 1); t += 3'600'000) {
            count("aimeter:usage:hour:" + when_->hour_key(t), {{"requests", 1}});
        }
        const auto view = get("/ai/usage?days=1");
        int sum = 0, cells = 0;
        for (int hour = 0; hour < 24; ++hour) {
            const int in_hour = view["byHour"][static_cast<std::size_t>(hour)]["requests"];
            sum += in_hour;
            cells += view["heatmap"][6][static_cast<std::size_t>(hour)].get<int>();  // both are Sundays
            const int expected = hours == 23 && hour == 2 ? 0 : hours == 25 && hour == 1 ? 2 : 1;
            EXPECT_EQ(in_hour, expected) << "hour " << hour << " of a day of " << hours;
        }
        EXPECT_EQ(sum, hours);
        EXPECT_EQ(cells, hours);
    }
}

TEST_F(Admin, TopUsersAddUpOverDays) {
    for (int user = 0; user < 12; ++user) {
        const std::string name = "user_" + std::to_string(user);
        redis_->run({"ZADD", "aimeter:usage:day:2026-11-21:users:requests", std::to_string(user + 1), name});
        redis_->run({"ZADD", "aimeter:usage:day:2026-11-21:users:cost", std::to_string((user + 1) * 1'000), name});
        count("aimeter:usage:month:2026-11:user:" + name, {{"requests", user + 1}, {"tokensUsed", 100 * (user + 1)}});
    }
    redis_->run({"ZADD", "aimeter:usage:day:2026-11-22:users:requests", "50", "user_3"});
    redis_->run({"ZADD", "aimeter:usage:day:2026-11-22:users:cost", "7", "user_3"});
    count("aimeter:usage:month:2026-11:user:user_3", {{"requests", 50}, {"tokensUsed", 1'000}});

    redis_->run({"HSET", "aimeter:usage:month:2026-11:user:user_11", "plan", "pro"});

    const auto week = get("/ai/usage?days=7")["topUsers"];
    ASSERT_EQ(week.size(), 10U);
    EXPECT_EQ(week[0]["userId"], "user_3");
    EXPECT_EQ(week[0]["requests"], 54);
    EXPECT_DOUBLE_EQ(week[0]["cost"], 0.000004007);
    EXPECT_EQ(week[0]["tokensUsed"], 1'400);
    EXPECT_TRUE(week[0]["plan"].is_null());
    EXPECT_EQ(week[1]["userId"], "user_11");
    EXPECT_EQ(week[1]["tokensUsed"], 1'200);
    EXPECT_EQ(week[1]["plan"], "pro");
    EXPECT_EQ(get("/ai/usage?days=1")["topUsers"].size(), 1U);
}

TEST_F(Admin, TopUsersAreFoundAmongManyAndCountedExactly) {
    words today{"ZADD", "aimeter:usage:day:2026-11-22:users:requests"};
    words yesterday{"ZADD", "aimeter:usage:day:2026-11-21:users:requests"};
    for (int user = 0; user < 1'000; ++user) {
        today.insert(today.end(), {std::to_string(1'000 + user), "u" + std::to_string(user)});
        yesterday.insert(yesterday.end(), {std::to_string(2'000 - user), "u" + std::to_string(user)});
    }
    yesterday.insert(yesterday.end(), {"9000", "heavy"});
    redis_->run(today);
    redis_->run(yesterday);
    const auto top = get("/ai/usage?days=2")["topUsers"];
    EXPECT_EQ(top[0]["userId"], "heavy");
    EXPECT_EQ(top[1]["requests"], 3'000) << "every other user has 3,000: on one day in the first 200, on the other not";
}

// What was read of past days is remembered; records that come late, as after an outage, are seen all the same.
TEST_F(Admin, LatecomersOfPastDaysAreSeenInTheNextReport) {
    const std::string day = "aimeter:usage:day:2026-11-20";
    for (const std::string date : {"19", "20"}) {
        words users{"ZADD", "aimeter:usage:day:2026-11-" + date + ":users:requests"};
        for (int user = 0; user < 300; ++user) users.insert(users.end(), {"10", "u" + std::to_string(user)});
        redis_->run(users);
        count("aimeter:usage:day:2026-11-" + date, {{"requests", 3'000}});
        redis_->run({"ZADD", "aimeter:usage:day:2026-11-" + date + ":errors", "5", "overloaded"});
    }
    for (int time = 0; time < 2; ++time) {
        const auto view = get("/ai/usage?days=7");
        EXPECT_EQ(view["topUsers"][0]["requests"], 20);
        EXPECT_EQ(view["topErrors"][0]["count"], 10);
    }
    redis_->run({"ZINCRBY", day + ":users:requests", "7", "u299"});
    redis_->run({"ZINCRBY", day + ":users:cost", "70", "u299"});
    redis_->run({"ZINCRBY", day + ":errors", "7", "late"});
    count(day, {{"requests", 7}});
    const auto view = get("/ai/usage?days=7");
    EXPECT_EQ(view["topUsers"][0]["userId"], "u299");
    EXPECT_EQ(view["topUsers"][0]["requests"], 27);
    EXPECT_DOUBLE_EQ(view["topUsers"][0]["cost"], 0.00000007);
    EXPECT_EQ(view["topErrors"][1]["message"], "late");
    EXPECT_EQ(view["topErrors"][1]["count"], 7);
}

TEST_F(Admin, AYearIsReadInBoundedPipelines) {
    for (int i = 0; i < 365; ++i) {
        const auto t = when_->instant(2026, 11, 22 - i, 12);
        count("aimeter:usage:day:" + when_->day_key(t), {{"requests", 24}, {"costNanoUsd", 1'000'000'001}});
        for (int hour = 0; hour < 24; ++hour) {
            count("aimeter:usage:hour:" + when_->hour_key(when_->instant(2026, 11, 22 - i, hour)), {{"requests", 1}});
        }
    }
    const auto view = get("/ai/usage?days=365");
    EXPECT_EQ(view["totals"]["requests"], 365 * 24);
    EXPECT_EQ(view["totals"]["cost"].dump(), "365.000000365");
    EXPECT_EQ(view["byHour"][7]["requests"], 365);
    EXPECT_EQ(view["overTime"].size(), 365U);
}

// ---- the streams --------------------------------------------------------------------------------------------------

TEST_F(Admin, StatsComeFromTheGeneralViewAlone) {
    count("aimeter:analytics:day:2026-11-22", {{"ai_generation", 3}, {"cached", 1}, {"costNanoUsd", 1'500'000}});
    count("aimeter:analytics:month:2026-11", {{"ai_generation", 30}, {"costNanoUsd", 15'000'000}});
    count("aimeter:analytics:total", {{"ai_generation", 300}});
    count("aimeter:usage:day:2026-11-22", {{"requests", 777}});
    for (int i = 0; i < 12; ++i) {
        add("aimeter:analytics", {{"event", "ai_generation"},
                                  {"id", "id" + std::to_string(i)},
                                  {"userId", "user_1"},
                                  {"contentType", "job-match"},
                                  {"model", "m"},
                                  {"cached", "0"},
                                  {"feature", "job-matcher"},
                                  {"cost", "0.0005"},
                                  {"success", "1"},
                                  {"ts", "1795325467123"}});
    }
    const auto view = get("/stats");
    EXPECT_EQ(view["aiRequestsToday"], 3);
    EXPECT_EQ(view["aiRequestsThisMonth"], 30);
    EXPECT_EQ(view["aiRequestsTotal"], 300);
    EXPECT_EQ(view["cachedToday"], 1);
    EXPECT_EQ(view["costToday"].dump(), "0.0015");
    EXPECT_EQ(view["costThisMonth"].dump(), "0.015");
    ASSERT_EQ(view["recentActivity"].size(), 10U);
    EXPECT_EQ(view["recentActivity"][0]["id"], "id11") << "newest first";
    EXPECT_EQ(view["recentActivity"][0]["cached"], false);
    EXPECT_TRUE(view["recentActivity"][0]["clerkUserId"].is_null());
}

TEST_F(Admin, RequestsPageBackToTheOldest) {
    for (int i = 0; i < 25; ++i) add("aimeter:usage", {{"id", std::to_string(i)}, {"ts", "1795325467123"}});
    std::vector<std::string> seen;
    std::string next;
    int pages = 0;
    do {
        const auto page = get("/ai/requests?limit=10" + (next.empty() ? "" : "&cursor=" + next));
        for (const auto& record : page["records"]) seen.push_back(record["id"]);
        next = page["next"].is_null() ? "" : page["next"].get<std::string>();
    } while (!next.empty() && ++pages < 5);
    ASSERT_EQ(seen.size(), 25U);
    for (int i = 0; i < 25; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], std::to_string(24 - i));
    EXPECT_EQ(pages, 2);
}

TEST_F(Admin, RequestsCanBeFiltered) {
    for (int i = 0; i < 1'200; ++i) {
        add("aimeter:usage", {{"id", std::to_string(i)},
                              {"userId", i % 100 == 0 ? "user a&b" : "other"},
                              {"feature", i % 200 == 0 ? "content-gen" : "x"},
                              {"aiModel", "m/1"},
                              {"outcome", i % 400 == 0 ? "client_abort" : "ok"}});
    }
    EXPECT_EQ(get("/ai/requests?user=user+a%26b&limit=500")["records"].size(), 12U);
    EXPECT_EQ(get("/ai/requests?user=user%20a%26b&feature=content-gen")["records"].size(), 6U);
    EXPECT_EQ(get("/ai/requests?outcome=client_abort&model=m/1")["records"].size(), 3U);
    EXPECT_EQ(get("/ai/requests?outcome=error,client_abort&limit=500")["records"].size(), 3U);
    EXPECT_EQ(get("/ai/requests?outcome=client_abort,ok&limit=500")["records"].size(), 500U);
    const auto none = get("/ai/requests?user=nobody");
    EXPECT_EQ(none["records"], json::array());
    EXPECT_TRUE(none["next"].is_null());
    const auto first = get("/ai/requests?user=user+a%26b&limit=5");
    EXPECT_EQ(first["records"][4]["id"], "700");
    const auto second = get("/ai/requests?user=user+a%26b&limit=500&cursor=" + first["next"].get<std::string>());
    EXPECT_EQ(second["records"].size(), 7U);
    EXPECT_EQ(second["records"][0]["id"], "600");
}

TEST_F(Admin, RequestsOfADayAreThoseOfItsWallClock) {
    // The id says when Redis got it: the third came hours late, the fourth is of the day after.
    const auto at = [&](int day, int hour) { return when_->instant(2026, 11, day, hour); };
    const auto record = [&](const std::string& id, std::int64_t ts, std::int64_t got) {
        add("aimeter:usage", {{"id", id}, {"ts", std::to_string(ts)}, {"feature", "chat"}}, std::to_string(got) + "-0");
    };
    record("before", at(19, 23), at(19, 23));
    record("early", at(20, 0), at(20, 0) + 5);
    record("after", at(21, 0), at(21, 0) + 5);
    record("late", at(20, 23), at(21, 9));
    const auto day = get("/ai/requests?from=2026-11-20&to=2026-11-20");
    ASSERT_EQ(day["records"].size(), 2U);
    EXPECT_EQ(day["records"][0]["id"], "late");
    EXPECT_EQ(day["records"][1]["id"], "early");
    EXPECT_TRUE(day["next"].is_null());
    const auto first = get("/ai/requests?from=2026-11-20&to=2026-11-20&limit=1&feature=chat");
    ASSERT_EQ(first["records"].size(), 1U);
    const auto rest = get("/ai/requests?from=2026-11-20&to=2026-11-20&limit=1&feature=chat&cursor=" +
                          first["next"].get<std::string>());
    EXPECT_EQ(rest["records"][0]["id"], "early");
    EXPECT_EQ(get("/ai/requests?from=2026-11-20")["records"].size(), 3U) << "until today";
}

TEST_F(Admin, RequestsOfADayAreFoundThoughTheClockOfRedisIsBehind) {
    const std::int64_t begin = when_->instant(2026, 11, 20, 0);
    add("aimeter:usage", {{"id", "before"}, {"ts", std::to_string(begin - 1)}}, std::to_string(begin - 300'000) + "-0");
    add("aimeter:usage", {{"id", "of the day"}, {"ts", std::to_string(begin)}}, std::to_string(begin - 299'999) + "-0");
    const auto day = get("/ai/requests?from=2026-11-20&to=2026-11-20");
    ASSERT_EQ(day["records"].size(), 1U);
    EXPECT_EQ(day["records"][0]["id"], "of the day");
}

TEST_F(Admin, UsageOfOneLabelIsWhatIsCountedByLabel) {
    count("aimeter:usage:day:2026-11-22", {{"requests", 9}, {"success", 9}});
    labelled("day:2026-11-22", "feature", "a:b",
             {{"requests", 3}, {"success", 2}, {"errors", 1}, {"costNanoUsd", 600'000}});
    labelled("day:2026-11-21", "feature", "a:b", {{"requests", 1}, {"success", 1}});
    redis_->run({"RENAME", "aimeter:usage:day:2026-11-22:feature:a:b", "aimeter:usage:day:2026-11-22:feature:a%3Ab"});
    redis_->run({"RENAME", "aimeter:usage:day:2026-11-21:feature:a:b", "aimeter:usage:day:2026-11-21:feature:a%3Ab"});
    redis_->run(
        {"HSET", "aimeter:usage:day:2026-11-22:feature:a%3Ab:latency", std::to_string(histogram_bucket(5000)), "3"});
    const auto usage = get("/ai/usage?days=2&feature=a%3Ab");
    EXPECT_EQ(usage["filter"], json({{"feature", "a:b"}}));
    EXPECT_EQ(usage["totals"]["requests"], 4);
    EXPECT_EQ(usage["totals"]["cost"].dump(), "0.0006");
    EXPECT_NEAR(usage["totals"]["p95DurationMs"].get<double>(), 5.0, 0.1);
    EXPECT_EQ(usage["overTime"][0]["requests"], 1);
    EXPECT_EQ(usage["overTime"][1]["requests"], 3);
    ASSERT_EQ(usage["byFeature"].size(), 1U);
    EXPECT_EQ(usage["byFeature"][0]["name"], "a:b");
    EXPECT_EQ(usage["successRate"]["error"], 1);
    for (const char* unknown :
         {"byModel", "byProvider", "byPlan", "byHour", "heatmap", "topUsers", "topErrors", "byStatus"})
        EXPECT_TRUE(usage[unknown].is_null()) << unknown << " is not counted by feature: unknown, and not empty";
    EXPECT_TRUE(usage["totals"]["activeUsers"].is_null());
    EXPECT_TRUE(get("/ai/usage")["filter"].is_null());
    EXPECT_EQ(get("/ai/usage?model=none")["totals"]["requests"], 0);
    EXPECT_EQ(ask("/api/admin/ai/usage?feature=a&plan=b").status, 400) << "counters are kept by one label at a time";
}

TEST_F(Admin, ErrorsAndStatusesAddUpOverDays) {
    for (const char* day : {"2026-11-21", "2026-11-22"}) {
        redis_->run({"HSET", std::string("aimeter:usage:day:") + day + ":status", "200", "5", "503", "2"});
        redis_->run({"ZADD", std::string("aimeter:usage:day:") + day + ":errors", "2", "overloaded", "1", day});
    }
    const auto usage = get("/ai/usage?days=2");
    EXPECT_EQ(usage["byStatus"], json({{"200", 10}, {"503", 4}}));
    ASSERT_EQ(usage["topErrors"].size(), 3U);
    EXPECT_EQ(usage["topErrors"][0], json({{"message", "overloaded"}, {"count", 4}}));
}

TEST_F(Admin, AFilterLooksAtFiftyThousandEntriesAtMost) {
    redis_->run({"EVAL", "for i = 1, 50010 do redis.call('XADD', KEYS[1], i .. '-0', 'id', i, 'userId', 'u') end", "1",
                 "aimeter:usage"});
    redis_->run({"XADD", "aimeter:usage", "60000-0", "id", "newest", "userId", "wanted"});
    redis_->run({"XADD", "aimeter:usage", "60001-0", "id", "other", "userId", "u"});
    redis_->run({"XDEL", "aimeter:usage", "5-0"});
    const auto page = get("/ai/requests?user=wanted");
    EXPECT_EQ(page["records"].size(), 1U);
    ASSERT_TRUE(page["next"].is_string()) << "there are entries that it did not look at";
    // 50,000 entries behind the newest is 13-0; a busy machine may stop earlier, when the time for one call is over.
    EXPECT_GE(std::stoi(page["next"].get<std::string>()), 13);
    auto last = page;
    for (int calls = 0; last["next"].is_string() && calls < 100; ++calls) {
        last = get("/ai/requests?user=wanted&cursor=" + last["next"].get<std::string>());
        EXPECT_EQ(last["records"].size(), 0U);
    }
    EXPECT_TRUE(last["next"].is_null());
}

TEST_F(Admin, WhatStandsInRedisCannotBreakTheJson) {
    const std::string hostile = "<img src=x onerror=alert(1)>\"\\\x01\xFF\xC3";
    add("aimeter:usage",
        {{"id", "1"}, {"userId", hostile}, {"cost", "0.1}"}, {"cached", "maybe"}, {"errorMessage", "\xE2\x80\xA8"}});
    add("aimeter:analytics", {{"userId", hostile}, {"ts", "x"}});
    count("aimeter:usage:day:2026-11-22", {{"requests", 1}});
    redis_->run({"HSET", "aimeter:usage:day:2026-11-22", "success", "many", "costNanoUsd", "9223372036854775807",
                 "durationUs", "-9223372036854775808", "durationCount", "1", "unpriced", "-9223372036854775808"});
    redis_->run({"HSET", "aimeter:usage:day:2026-11-21", "costNanoUsd", "9223372036854775807", "durationUs",
                 "-9223372036854775808"});
    redis_->run({"HSET", "aimeter:usage:day:2026-11-22:latency", "x", "1", "-5", "2", "999999999", "3", "10", "-4"});
    redis_->run({"HSET", "aimeter:usage:day:2026-11-22:status", "teapot", "1", "200", "NaN"});
    redis_->run({"ZADD", "aimeter:usage:day:2026-11-22:users:requests", "inf", hostile, "-inf", "b", "1e300", "c"});
    redis_->run({"ZADD", "aimeter:usage:day:2026-11-22:errors", "1.5", hostile});
    redis_->run({"SADD", "aimeter:usage:day:2026-11-22:labels:feature", hostile, ""});
    for (const char* target : {"/ai/overview", "/ai/usage?days=7", "/stats", "/ai/requests"}) {
        const auto answer = ask(std::string("/api/admin") + target);
        EXPECT_EQ(answer.status, 200) << answer.body;
        EXPECT_TRUE(json::accept(answer.body)) << target;
    }
    EXPECT_EQ(get("/ai/requests")["records"][0]["userId"],
              "<img src=x onerror=alert(1)>\"\\\x01\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_F(Admin, AKeyOfAnotherTypeIsReportedNotHidden) {
    redis_->run({"SET", "aimeter:usage:day:2026-11-22", "x"});
    const auto answer = ask("/api/admin/ai/overview");
    EXPECT_EQ(answer.status, 503);
    EXPECT_NE(answer.body.find("WRONGTYPE"), std::string::npos);
}

// ---- the door, and errors -----------------------------------------------------------------------------------------

TEST_F(Admin, HeadersKeepAnswersPrivateAndTyped) {
    for (const char* target : {"/api/admin/stats", "/api/admin/healthz", "/api/admin/ai/usage?days=0"}) {
        const auto answer = ask(target);
        EXPECT_EQ(header(answer, "Cache-Control"), "no-store") << target;
        EXPECT_EQ(header(answer, "X-Content-Type-Options"), "nosniff") << target;
    }
    EXPECT_EQ(header(ask("/api/admin/stats"), "Content-Type"), "application/json; charset=utf-8");
    EXPECT_EQ(ask("/api/admin/stats", "HEAD").status, 200);
}

TEST_F(Admin, NothingIsToldWithoutAToken) {
    for (const char* target :
         {"/api/admin/stats", "/api/admin/ai/overview", "/api/admin/ai/usage", "/api/admin/ai/requests"}) {
        const auto answer = ask(target, "GET", "");
        EXPECT_EQ(answer.status, 401) << target;
        EXPECT_EQ(header(answer, "Content-Type"), "application/problem+json");
        EXPECT_THAT(header(answer, "WWW-Authenticate"), testing::StartsWith("Bearer"));
    }
    EXPECT_EQ(ask("/api/admin/ai/usage?days=0", "GET", "Bearer wrong").status, 401);
    EXPECT_EQ(ask("/api/admin/healthz", "GET", "").status, 200);
    EXPECT_EQ(ask("/api/admin/readyz", "GET", "").status, 200);
    for (int i = 0; i < 20; ++i) ask("/api/admin/stats", "GET", "Bearer guess");
    const auto slowed = ask("/api/admin/stats", "GET", "Bearer guess");
    EXPECT_EQ(slowed.status, 429);
    EXPECT_EQ(header(slowed, "Retry-After"), "60");
    EXPECT_EQ(ask("/api/admin/stats").status, 200);
}

TEST_F(Admin, WrongMethodsAre405) {
    for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "get"}) {
        const auto answer = ask("/api/admin/ai/usage", method);
        EXPECT_EQ(answer.status, 405) << method;
        EXPECT_EQ(header(answer, "Allow"), "GET, HEAD");
        EXPECT_EQ(json::parse(answer.body)["status"], 405);
    }
}

TEST_F(Admin, WrongParametersAreNamed) {
    const std::pair<const char*, const char*> wrong[] = {
        {"/ai/usage?days=366", "days"},
        {"/ai/usage?days=abc", "days"},
        {"/ai/usage?foo=1", "foo"},
        {"/ai/usage?days=7&days=8", "days"},
        {"/ai/usage?from=2026-02-30", "from"},
        {"/ai/overview?days=7", "days"},
        {"/ai/requests?limit=0", "limit"},
        {"/ai/requests?limit=501", "limit"},
        {"/ai/requests?cursor=abc", "cursor"},
        {"/ai/requests?cursor=1-99999999999999999999", "cursor"},
        {"/ai/requests?outcome=great", "outcome"},
        {"/ai/requests?outcome=error,", "outcome"},
        {"/ai/requests?outcome=error,great", "outcome"},
        {"/stats?x=%00", "x"},
        {"/ai/requests?%3Cscript%3E=1", "<script>"},
    };
    for (const auto& [target, name] : wrong) {
        const auto answer = ask(std::string("/api/admin") + target);
        EXPECT_EQ(answer.status, 400) << target;
        EXPECT_EQ(header(answer, "Content-Type"), "application/problem+json");
        const auto problem = json::parse(answer.body);
        EXPECT_EQ(problem["parameter"], name) << target;
        EXPECT_EQ(problem["status"], 400);
        EXPECT_THAT(problem["detail"].get<std::string>(), testing::HasSubstr(name));
    }
    EXPECT_EQ(ask("/api/admin/ai/requests?cursor=0-0").status, 200);
}

TEST_F(Admin, ReadinessFollowsUpstreamJournalAndDraining) {
    health_.redis_connected = false;
    health_.redis = "connection refused";
    health_.journal_lag = 7;
    const auto ready = ask("/api/admin/readyz", "GET", "");
    EXPECT_EQ(ready.status, 200) << "Redis down is still ready";
    EXPECT_EQ(json::parse(ready.body)["journal"]["lag"], 7);
    EXPECT_EQ(json::parse(ready.body)["redis"]["connected"], false);
    for (bool admin::health::* broken : {&admin::health::upstream_reachable, &admin::health::journal_writable}) {
        health_.*broken = false;
        EXPECT_EQ(ask("/api/admin/readyz", "GET", "").status, 503);
        health_.*broken = true;
    }
    health_.draining = true;
    const auto draining = ask("/api/admin/readyz", "GET", "");
    EXPECT_EQ(draining.status, 503);
    EXPECT_EQ(json::parse(draining.body)["draining"], true);
    EXPECT_EQ(ask("/api/admin/healthz", "GET", "").status, 200);
}

TEST_F(Admin, ARedisThatIsAwayOrHungIsA503InTime) {
    EXPECT_EQ(ask("/api/admin/stats").status, 200);
    redis_->freeze();
    const auto begin = std::chrono::steady_clock::now();
    const auto slow = ask("/api/admin/stats");
    const auto took = std::chrono::steady_clock::now() - begin;
    redis_->unfreeze();
    EXPECT_EQ(slow.status, 503);
    EXPECT_EQ(header(slow, "Content-Type"), "application/problem+json");
    EXPECT_GE(took, std::chrono::milliseconds(1'900));
    EXPECT_LT(took, std::chrono::milliseconds(4'000));
    EXPECT_EQ(ask("/api/admin/stats").status, 200) << "and it comes back by itself";

    redis_->kill();
    EXPECT_EQ(ask("/api/admin/ai/overview").status, 503);
    EXPECT_EQ(ask("/api/admin/readyz").status, 200);
    redis_->start();
    EXPECT_EQ(ask("/api/admin/ai/overview").status, 200);
}

// Reports that wait behind one another for a hung Redis do not wait longer than their own time.
TEST_F(Admin, ManyReportsOfAHungRedisEndTogether) {
    EXPECT_EQ(ask("/api/admin/stats").status, 200);
    redis_->freeze();
    int done = 0, refused = 0;
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 8; ++i) {
        admin::request what;
        what.method = "GET";
        what.target = "/api/admin/ai/overview";
        what.headers.emplace_back("authorization", std::string("Bearer ") + token);
        boost::asio::co_spawn(context_, api_->handle(std::move(what)),
                              [&](const std::exception_ptr& thrown, const admin::response& answer) {
                                  ++done;
                                  refused += !thrown && answer.status == 503 ? 1 : 0;
                              });
    }
    context_.restart();
    while (done < 8 && std::chrono::steady_clock::now() - begin < std::chrono::seconds(20)) {
        context_.run_one_for(std::chrono::seconds(1));
    }
    redis_->unfreeze();
    EXPECT_EQ(refused, 8);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
    EXPECT_EQ(ask("/api/admin/stats").status, 200);
}

}  // namespace
