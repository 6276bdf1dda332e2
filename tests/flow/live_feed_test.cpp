// What the live feed makes of the counters in a real Redis: written by hand as the contract's section 5 describes them,
// under a clock that the test moves. Its messages are read as a dashboard would.
#include "admin-api/live_feed.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/redis_fixture.hpp"
#include "tracking/store/calendar.hpp"
#include "tracking/store/keys.hpp"

namespace {

using admin::live_message;
using nlohmann::json;
using kind = live_message::kind;
using tracking::store::calendar;
using namespace std::chrono_literals;

struct told {
    int worker;  // -1 = all
    kind is;
    std::vector<json> messages;
};

class LiveFeed : public testing::Test {
protected:
    static void SetUpTestSuite() { redis_ = std::make_unique<tests::redis_fixture>(); }
    static void TearDownTestSuite() { redis_.reset(); }
    void SetUp() override { redis_->run({"FLUSHALL"}); }

    // One record as the shipper would count it on this day (and its month).
    void commit(const std::string& day, const std::string& id, const std::string& user) {
        const std::string month = "month:" + day.substr(0, 7);
        for (const std::string& bucket : {std::string("total"), month, "day:" + day}) {
            for (const auto& [field, by] :
                 {std::pair{"requests", 1}, {"success", 1}, {"costNanoUsd", 453000}, {"tokensUsed", 1523}})
                redis_->run({"HINCRBY", "aimeter:usage:" + bucket, field, std::to_string(by)});
            redis_->run({"HINCRBY", "aimeter:analytics:" + bucket, "ai_generation", "1"});
        }
        redis_->run({"HINCRBY", "aimeter:usage:day:" + day + ":latency", "1000", "1"});
        redis_->run({"PFADD", "aimeter:usage:day:" + day + ":active", user});
        redis_->run({"XADD", "aimeter:analytics", id, "event", "ai_generation", "userId", user, "ts", "1"});
    }

    // Text frames of a server, short and long ones.
    static std::vector<json> unframe(const std::string& frames) {
        std::vector<json> all;
        for (std::size_t at = 0; at < frames.size();) {
            std::size_t size = static_cast<unsigned char>(frames.at(at + 1)), header = 2;
            if (size == 126) {
                size = static_cast<unsigned char>(frames.at(at + 2)) * 256U +
                       static_cast<unsigned char>(frames.at(at + 3));
                header = 4;
            }
            EXPECT_EQ(frames.at(at), '\x81');
            all.push_back(json::parse(frames.substr(at + header, size)));
            at += header + size;
        }
        return all;
    }
    void heard(int worker, const live_message& what) { told_.push_back({worker, what.is, unframe(*what.frames)}); }

    // The next message; the clock stands still meanwhile.
    told next() {
        const auto end = std::chrono::steady_clock::now() + 15s;
        context_.restart();
        while (taken_ == told_.size() && std::chrono::steady_clock::now() < end && !context_.stopped())
            context_.run_one_until(end);
        if (taken_ == told_.size()) {
            ADD_FAILURE() << "nothing came";
            return {-1, kind::delta, {json::object()}};
        }
        return told_[taken_++];
    }
    bool quiet_for(std::chrono::milliseconds time) {
        context_.restart();
        context_.run_for(time);
        return taken_ == told_.size();
    }

    static std::unique_ptr<tests::redis_fixture> redis_;
    boost::asio::io_context context_;
    tracking::store::key_names keys_{"aimeter"};
    calendar when_ = std::move(std::get<calendar>(calendar::open("Europe/Berlin")));
    tracking::manual_time clock_{when_.instant(2026, 11, 22, 23, 59, 30)};
    tracking::store::redis_client client_{
        context_.get_executor(),
        std::get<tracking::store::redis_url>(tracking::store::redis_url::parse(redis_->url()))};
    tracking::store::reports reports_{client_, keys_, when_};
    std::vector<told> told_;
    std::size_t taken_ = 0;
    admin::live_feed feed_{
        {.executor = context_.get_executor(),
         .reports = reports_,
         .clock = clock_,
         .connections_most = 2,
         .publish = [this](const live_message& what) { heard(-1, what); },
         .give = [this](std::size_t worker, const live_message& what) { heard(static_cast<int>(worker), what); }}};
};

std::unique_ptr<tests::redis_fixture> LiveFeed::redis_;

TEST_F(LiveFeed, TellsWhatIsNewAndHowThingsStand) {
    commit("2026-11-22", "1-0", "ann");
    commit("2026-11-22", "1-1", "bob");
    const auto place = feed_.join();
    feed_.want_snapshot(3);
    const auto first = next();
    EXPECT_EQ(first.worker, 3);
    EXPECT_EQ(first.is, kind::snapshot);
    ASSERT_EQ(first.messages.size(), 1U);
    EXPECT_EQ(first.messages[0]["type"], "snapshot");
    EXPECT_EQ(first.messages[0]["at"], "2026-11-22T23:59:30.000+01:00");
    EXPECT_EQ(first.messages[0]["stats"]["aiRequestsToday"], 2);
    EXPECT_EQ(first.messages[0]["stats"]["recentActivity"][0]["userId"], "bob");
    EXPECT_EQ(first.messages[0]["overview"]["month"]["activeUsers"], 2);

    commit("2026-11-22", "2-0", "cid");
    commit("2026-11-21", "2-1", "dan");  // shipped late
    const auto second = next();
    EXPECT_EQ(second.worker, -1);
    EXPECT_EQ(second.is, kind::delta);
    const json& delta = second.messages.at(0);
    EXPECT_EQ(delta["seq"], first.messages[0]["seq"].get<int>() + 1);
    EXPECT_EQ(delta["added"], json::parse(R"({"requests":2,"success":2,"errors":0,"blocked":0,"aborted":0,"cached":0,
        "cost":0.000906,"saved":0,"tokensUsed":3046})"));
    EXPECT_EQ(delta["stats"]["aiRequestsToday"], 3);
    EXPECT_EQ(delta["stats"]["aiRequestsTotal"], 4);
    EXPECT_EQ(delta["today"]["requests"], 3);
    EXPECT_EQ(delta["today"]["activeUsers"], 3);
    EXPECT_EQ(delta["month"]["requests"], 4);
    ASSERT_EQ(delta["recentActivity"].size(), 2U);
    EXPECT_EQ(delta["recentActivity"][0]["userId"], "dan");
    EXPECT_EQ(delta["recentActivity"][1]["userId"], "cid");
}

TEST_F(LiveFeed, SaysNothingWhileNothingIsCommittedAndReadsNothingWhileNobodyLooks) {
    auto place = feed_.join();
    feed_.want_snapshot(0);
    next();
    EXPECT_TRUE(quiet_for(2'500ms));
    place.reset();
    EXPECT_TRUE(quiet_for(1'500ms));
    const auto commands = redis_->text({"INFO", "commandstats"});
    EXPECT_TRUE(quiet_for(1'500ms));
    EXPECT_EQ(redis_->text({"INFO", "commandstats"}).find("hgetall") == std::string::npos,
              commands.find("hgetall") == std::string::npos);
    const auto count = [](const std::string& text) { return text.substr(text.find("cmdstat_hgetall:calls="), 30); };
    EXPECT_EQ(count(redis_->text({"INFO", "commandstats"})), count(commands));
}

TEST_F(LiveFeed, ANewDayAndARedisThatWasEmptiedBeginAnewForAll) {
    commit("2026-11-22", "1-0", "ann");
    const auto place = feed_.join();
    feed_.want_snapshot(0);
    const auto first = next();
    EXPECT_EQ(first.messages.at(0)["stats"]["aiRequestsToday"], 1);
    clock_.advance(60s);
    const auto day = next();
    EXPECT_EQ(day.is, kind::renewal);
    EXPECT_EQ(day.messages.at(0)["type"], "snapshot");
    EXPECT_EQ(day.messages.at(0)["at"], "2026-11-23T00:00:30.000+01:00");
    EXPECT_EQ(day.messages.at(0)["stats"]["aiRequestsToday"], 0);
    EXPECT_EQ(day.messages.at(0)["stats"]["aiRequestsTotal"], 1);
    EXPECT_EQ(day.messages.at(0)["seq"], first.messages[0]["seq"].get<int>() + 1);
    redis_->run({"FLUSHALL"});
    const auto emptied = next();
    EXPECT_EQ(emptied.is, kind::renewal);
    EXPECT_EQ(emptied.messages.at(0)["stats"]["aiRequestsTotal"], 0);
}

TEST_F(LiveFeed, SaysWhenRedisIsGoneAndWhoComesMeanwhileHearsItToo) {
    commit("2026-11-22", "1-0", "ann");
    const auto place = feed_.join();
    feed_.want_snapshot(0);
    next();
    redis_->kill();
    const auto down = next();
    EXPECT_EQ(down.is, kind::notice);
    EXPECT_EQ(down.messages.at(0),
              json::parse(R"({"type":"state","redis":"down","since":"2026-11-22T23:59:30.000+01:00"})"));
    feed_.want_snapshot(1);
    const auto late = next();
    EXPECT_EQ(late.worker, 1);
    ASSERT_EQ(late.messages.size(), 2U);
    EXPECT_EQ(late.messages[0]["type"], "snapshot");
    EXPECT_EQ(late.messages[1]["redis"], "down");
    redis_->start();  // empty
    EXPECT_EQ(next().messages.at(0)["redis"], "up");
    EXPECT_EQ(next().is, kind::renewal);
    feed_.want_snapshot(1);
    EXPECT_EQ(next().messages.at(1)["redis"], "up");  // for whoever missed the word
}

TEST_F(LiveFeed, WithoutRedisTheStateIsAllThereIsToTell) {
    redis_->kill();
    const auto place = feed_.join();
    feed_.want_snapshot(1);
    EXPECT_EQ(next().messages.at(0)["redis"], "down");
    feed_.want_snapshot(0);
    const auto greeting = next();
    EXPECT_EQ(greeting.worker, 0);
    EXPECT_EQ(greeting.is, kind::greeting);
    EXPECT_EQ(greeting.messages.at(0)["redis"], "down");
    redis_->start();
    EXPECT_EQ(next().messages.at(0)["redis"], "up");
    EXPECT_EQ(next().is, kind::snapshot);
    EXPECT_EQ(next().is, kind::snapshot);
}

TEST_F(LiveFeed, PlacesAreBoundedAndGivenBack) {
    auto one = feed_.join();
    const auto two = feed_.join();
    EXPECT_TRUE(one && two);
    EXPECT_FALSE(feed_.join());
    one.reset();
    EXPECT_TRUE(feed_.join());
}

}  // namespace
