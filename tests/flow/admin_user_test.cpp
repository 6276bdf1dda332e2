// GET /ai/users/{id} over a real Redis whose keys were written by hand, as the contract's section 5 describes them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "admin-api/api.hpp"
#include "admin-api/metrics.hpp"
#include "tests/support/redis_fixture.hpp"
#include "tests/support/run_coroutine.hpp"
#include "tracking/store/reports.hpp"

namespace {

using nlohmann::json;
using words = std::vector<std::string>;

class AdminUser : public testing::Test {
protected:
    static void SetUpTestSuite() { redis_ = std::make_unique<tests::redis_fixture>(); }
    static void TearDownTestSuite() { redis_.reset(); }
    void SetUp() override { redis_->run({"FLUSHALL"}); }

    admin::response ask(const std::string& target, const std::string& method = "GET") {
        admin::request what;
        what.method = method;
        what.target = "/api/admin/ai/users/" + target;
        what.headers.emplace_back("authorization", "Bearer secret");
        return tests::run_coroutine(context_, api_.handle(std::move(what)));
    }
    json get(const std::string& target) {
        const auto answer = ask(target);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return json::parse(answer.body);
    }

    // `escaped`: the id as it stands in a key.
    static void month(const std::string& month, const std::string& escaped, const words& fields) {
        redis_->run({"SADD", "aimeter:usage:months", month});
        words command{"HSET", "aimeter:usage:month:" + month + ":user:" + escaped};
        command.insert(command.end(), fields.begin(), fields.end());
        redis_->run(command);
    }
    static void day(const std::string& day, const std::string& user, int requests, int cost_nano) {
        redis_->run({"ZADD", "aimeter:usage:day:" + day + ":users:requests", std::to_string(requests), user});
        redis_->run({"ZADD", "aimeter:usage:day:" + day + ":users:cost", std::to_string(cost_nano), user});
    }
    // A record of `date` at noon, shipped at once.
    void record(int date, const std::string& user, const std::string& feature, words fields = {}) {
        const std::int64_t ts = when_.instant(2026, 11, date, 12);
        words command{"XADD", "aimeter:usage", std::to_string(ts) + "-" + std::to_string(++entry_)};
        for (const auto& [name, value] : {std::pair<std::string, std::string>{"ts", std::to_string(ts)},
                                          {"userId", user},
                                          {"feature", feature},
                                          {"success", "1"},
                                          {"outcome", "ok"}}) {
            if (std::find(fields.begin(), fields.end(), name) == fields.end())
                fields.insert(fields.end(), {name, value});
        }
        command.insert(command.end(), fields.begin(), fields.end());
        redis_->run(command);
    }

    static std::unique_ptr<tests::redis_fixture> redis_;
    boost::asio::io_context context_;
    conf::settings settings_;
    tracking::store::key_names keys_{"aimeter"};
    tracking::store::calendar when_ =
        std::move(std::get<tracking::store::calendar>(tracking::store::calendar::open("Asia/Kolkata")));
    tracking::manual_time clock_{when_.instant(2026, 11, 22, 15, 0)};
    tracking::store::redis_client client_{
        context_.get_executor(),
        std::get<tracking::store::redis_url>(tracking::store::redis_url::parse(redis_->url()))};
    tracking::store::reports reports_{client_, keys_, when_};
    admin::api api_{{settings_, {"secret"}, reports_, clock_, {}}};
    int entry_ = 0;
};

std::unique_ptr<tests::redis_fixture> AdminUser::redis_;

TEST_F(AdminUser, AddsUpDaysAndMonths) {
    month("2026-08", "user_1", {"requests", "9", "tokensUsed", "90", "costNanoUsd", "9000", "plan", "free"});
    month("2026-11", "user_1",
          {"requests", "4", "errors", "2", "tokensUsed", "1000", "costNanoUsd", "453000", "plan", "pro"});
    month("2026-10", "user_2", {"requests", "5"});
    day("2026-11-02", "user_1", 1, 3'000);
    day("2026-11-22", "user_1", 3, 450'000);
    day("2026-11-22", "user_2", 7, 7);
    const auto view = get("user_1");
    EXPECT_EQ(view["userId"], "user_1");
    EXPECT_EQ(view["plan"], "pro") << "the latest";
    EXPECT_EQ(view["timezone"], "Asia/Kolkata");
    EXPECT_EQ(view["range"], (json{{"from", "2026-10-24"}, {"to", "2026-11-22"}, {"days", 30}}));
    EXPECT_EQ(view["totals"].dump(),
              R"({"cost":0.000453,"errors":2,"inProportion":false,"requests":4,"tokensUsed":1000})");
    ASSERT_EQ(view["overTime"].size(), 30U);
    EXPECT_EQ(view["overTime"][9], (json{{"date", "2026-11-02"}, {"requests", 1}, {"cost", 0.000003}}));
    EXPECT_EQ(view["overTime"][29]["requests"], 3);
    EXPECT_EQ(view["byMonth"],
              (json{{{"month", "2026-08"}, {"requests", 9}, {"errors", 0}, {"tokensUsed", 90}, {"cost", 0.000009}},
                    {{"month", "2026-11"}, {"requests", 4}, {"errors", 2}, {"tokensUsed", 1000}, {"cost", 0.000453}}}));
    EXPECT_EQ(view["budgets"], json::array());
}

TEST_F(AdminUser, OfAMonthInPartErrorsAndTokensCountInProportion) {
    month("2026-11", "user_1", {"requests", "10", "errors", "5", "tokensUsed", "1000"});
    day("2026-11-03", "user_1", 6, 0);
    day("2026-11-22", "user_1", 4, 100);
    const auto today = get("user_1?days=1")["totals"];
    EXPECT_EQ(today["requests"], 4);
    EXPECT_EQ(today["errors"], 2);
    EXPECT_EQ(today["tokensUsed"], 400);
    EXPECT_EQ(today["inProportion"], true);
    EXPECT_EQ(get("user_1?from=2026-11-03&to=2026-11-22")["totals"]["inProportion"], false);
    EXPECT_EQ(get("user_1?from=2026-09-01&to=2026-09-02")["totals"]["requests"], 0);
}

TEST_F(AdminUser, FeaturesComeFromTheRecordsOfTheRange) {
    month("2026-11", "user_1", {"requests", "5"});
    day("2026-11-10", "user_1", 1, 0);
    day("2026-11-22", "user_1", 4, 0);
    record(10, "user_1", "old");
    record(22, "user_2", "not-theirs");
    record(22, "user_1", "content-gen", {"cost", "0.000325", "tokensUsed", "1600"});
    record(22, "user_1", "content-gen", {"cost", "0.0000001", "success", "0", "outcome", "error"});
    record(22, "user_1", "content-gen", {"success", "0", "outcome", "client_abort"});
    record(22, "user_1", "cover-letter");
    const auto view = get("user_1?days=7");
    EXPECT_EQ(view["featuresComplete"], true);
    ASSERT_EQ(view["features"].size(), 2U);
    EXPECT_EQ(view["features"][0].dump(),
              R"({"cost":0.0003251,"errors":1,"name":"content-gen","requests":3,"tokensUsed":1600})");
    EXPECT_EQ(view["features"][1]["name"], "cover-letter");
    EXPECT_EQ(get("user_1?days=30")["features"].size(), 3U);

    redis_->run({"DEL", "aimeter:usage"});  // trimmed
    const auto trimmed = get("user_1?days=7");
    EXPECT_EQ(trimmed["featuresComplete"], false);
    EXPECT_EQ(trimmed["features"], json::array());
    EXPECT_EQ(trimmed["totals"]["requests"], 4) << "which the counters know";
}

TEST_F(AdminUser, AnIdMayHoldAnything) {
    const std::string id = "org/team 7?a=b&c%/\xC3\xA9+\"";
    month("2026-11", "org/team%207%3Fa%3Db%26c%25/%C3%A9%2B%22", {"requests", "1"});
    day("2026-11-22", id, 1, 5);
    EXPECT_EQ(get("org%2Fteam%207%3Fa%3Db%26c%25%2F%C3%A9%2B%22?days=2")["userId"], id);
    EXPECT_EQ(get("org/team%207%3Fa=b&c%25/%c3%a9+%22")["totals"]["requests"], 1) << "slashes and plus as they are";
    EXPECT_EQ(ask("a%2").status, 400);
    const auto malformed = ask("%GG");
    EXPECT_EQ(malformed.status, 400);
    EXPECT_EQ(json::parse(malformed.body)["parameter"], "id");
}

TEST_F(AdminUser, AUserNeverSeenIsNotThere) {
    month("2026-11", "user_1", {"requests", "1"});
    const auto answer = ask("user_2");
    EXPECT_EQ(answer.status, 404);
    EXPECT_EQ(json::parse(answer.body)["status"], 404);
    EXPECT_EQ(ask("user_1", "PUT").status, 405);
    EXPECT_EQ(ask("user_1?days=0").status, 400);
    EXPECT_EQ(ask("user_1?days=7&from=2026-11-01").status, 400);
}

TEST_F(AdminUser, TheSearchForFeaturesIsBounded) {
    redis_->run({"EVAL",
                 "for i = 1, 51000 do redis.call('XADD', KEYS[1], (tonumber(ARGV[1]) + i) .. '-0', 'ts', ARGV[1], "
                 "'userId', 'u') end",
                 "1", "aimeter:usage", std::to_string(when_.instant(2026, 11, 22, 12))});
    month("2026-11", "user_1", {"requests", "1"});
    day("2026-11-22", "user_1", 1, 1);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(get("user_1")["featuresComplete"], false);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

}  // namespace
