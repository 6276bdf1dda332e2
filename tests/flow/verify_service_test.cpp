// GET /ai/verify: one audit at a time for all callers, with patience, that neither control nor a stop waits for.
#include "tracking/store/verify_service.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "admin-api/api.hpp"
#include "tests/support/shipper_fixture.hpp"
#include "tracking/store/reports.hpp"

namespace tracking::store {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;

class VerifyService : public tests::shipping_test {
protected:
    void SetUp() override {
        append_random(journals.add_journal(), 300);
        settings.timezone = "Asia/Kolkata";
        start(redis.url());
        ASSERT_TRUE(flush());
        stop();
        settings.data_dir = dir;
        service.emplace(verify_service::parts{
            .executor = context.get_executor(), .settings = settings, .redis_url = [this] { return redis.url(); }});
    }
    // Starts a question; its answer appears in `answers`.
    void ask(std::chrono::milliseconds patience) {
        boost::asio::co_spawn(context, service->ask(patience), [this](std::exception_ptr thrown, audit_answer answer) {
            EXPECT_FALSE(thrown);
            answers.push_back(std::move(answer));
        });
    }
    bool answered(std::size_t count) {
        return run_until([&] { return answers.size() >= count; });
    }
    tests::redis_fixture redis;
    std::optional<verify_service> service;
    std::vector<audit_answer> answers;
};

TEST_F(VerifyService, TellsAllWhoAskMeanwhileTheSame) {
    ask(20s);
    ask(20s);
    ASSERT_TRUE(answered(2));
    const auto& first = std::get<audit_report>(answers[0]);
    const auto& second = std::get<audit_report>(answers[1]);
    EXPECT_TRUE(first.agrees);
    EXPECT_EQ(first.streams.requests, 300);
    EXPECT_EQ(first.ended_ms, second.ended_ms);
    EXPECT_EQ(first.started_ms, second.started_ms);
}

TEST_F(VerifyService, LooksAgainForWhoAsksLater) {
    ask(20s);
    ASSERT_TRUE(answered(1));
    redis.run({"HINCRBY", "aimeter:usage:total", "requests", "1"});
    ask(20s);
    ASSERT_TRUE(answered(2));
    EXPECT_TRUE(std::get<audit_report>(answers[0]).agrees);
    EXPECT_FALSE(std::get<audit_report>(answers[1]).agrees);
}

TEST_F(VerifyService, SaysHowFarItIsWhenPatienceIsOverAndKeepsTheResultForTheNext) {
    redis.freeze();
    ask(50ms);
    ASSERT_TRUE(answered(1));
    ASSERT_TRUE(std::holds_alternative<audit_running>(answers[0]));
    redis.unfreeze();
    ask(20s);
    ASSERT_TRUE(answered(2));
    ASSERT_TRUE(std::holds_alternative<audit_report>(answers[1]));
    EXPECT_EQ(std::get<audit_report>(answers[1]).started_ms, std::get<audit_running>(answers[0]).started_ms);
}

TEST_F(VerifyService, StopsWithinAMomentWhileRedisHangs) {
    redis.freeze();
    ask(20s);
    run_until([] { return false; }, 100ms);
    const auto before = std::chrono::steady_clock::now();
    service->stop();
    EXPECT_LT(std::chrono::steady_clock::now() - before, 6s) << "a connect has 5 s";
    ASSERT_TRUE(answered(1));
    EXPECT_TRUE(std::holds_alternative<audit_failed>(answers[0]));
    ask(1s);
    ASSERT_TRUE(answered(2));
    EXPECT_TRUE(std::holds_alternative<audit_failed>(answers[1]));
    redis.unfreeze();
}

TEST_F(VerifyService, SaysThatRedisIsAway) {
    redis.kill();
    ask(20s);
    ASSERT_TRUE(answered(1));
    EXPECT_THAT(std::get<audit_failed>(answers[0]).what, HasSubstr(redis.socket()));
    redis.start();
}

// What a caller of the admin API gets.
TEST_F(VerifyService, AnswersAsJson) {
    const key_names keys("aimeter");
    redis_client client(context.get_executor(), std::get<redis_url>(redis_url::parse(redis.url())));
    reports figures(client, keys, *zone);
    admin::api api({.settings = settings,
                    .tokens = {"secret"},
                    .reports = figures,
                    .clock = clock,
                    .health = {},
                    .verify = &*service});
    const auto get = [&] {
        admin::request what{.method = "GET",
                            .target = "/api/admin/ai/verify",
                            .headers = {{"authorization", "Bearer secret"}},
                            .body = {},
                            .peer = "192.0.2.1"};
        return tests::run_coroutine(context, api.handle(std::move(what)));
    };
    auto answer = get();
    ASSERT_EQ(answer.status, 200) << answer.body;
    auto said = json::parse(answer.body);
    EXPECT_EQ(said["ok"], true);
    EXPECT_EQ(said["totals"]["streams"]["requests"], 300);
    EXPECT_EQ(said["totals"]["hashes"], said["totals"]["streams"]);
    EXPECT_EQ(said["totals"]["journal"]["applied"], 300);
    EXPECT_EQ(said["trimmed"], nullptr);
    EXPECT_EQ(said["differences"], json::array());
    EXPECT_THAT(said["generatedAt"].get<std::string>(), testing::EndsWith("+05:30"));
    EXPECT_EQ(said["checks"][0]["name"], "usage:total requests");

    redis.run({"HINCRBY", "aimeter:usage:day:2026-11-22:feature:content-gen", "requests", "1"});
    answer = get();
    said = json::parse(answer.body);
    EXPECT_EQ(answer.status, 200) << "the answer is there, whatever it says";
    EXPECT_EQ(said["ok"], false);
    EXPECT_EQ(said["differenceCount"], 1);
    EXPECT_EQ(said["differences"][0]["key"], "aimeter:usage:day:2026-11-22:feature:content-gen");
    EXPECT_EQ(said["differences"][0]["field"], "requests");
}

}  // namespace
}  // namespace tracking::store
