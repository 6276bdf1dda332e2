// `aimeter verify`: silent agreement is not enough, so each kind of damage is done on purpose and must be found.
#include "tracking/store/verify.hpp"

#include <gmock/gmock.h>
#include <sys/wait.h>

#include <atomic>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "tests/support/shipper_fixture.hpp"
#include "tracking/journal/crc32c.hpp"
#include "tracking/journal/format.hpp"
#include "tracking/store/embedded_redis.hpp"
#include "tracking/store/reports.hpp"
#include "tracking/store/stream_entry.hpp"

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
    bool check(const verify_options& how = {}) {
        std::ostringstream out;
        settings.redis.url = redis.url();
        settings.data_dir = dir;
        error.clear();
        const bool agrees = verify(settings, how, out, error);
        said = out.str();
        return agrees;
    }
    void leave_journal_of_a_newer_release() {
        auto opened =
            journal::directory::open({.data_dir = dir, .size = 64ULL * 1024 * 1024, .keep_ms = 600'000, .writers = 1});
        auto& made = *std::get<std::unique_ptr<journal::directory>>(opened);
        made.writer_of(0).end(0, tests::plain_record(noon));
        const std::string folder = dir + "/journal/" + journal::to_text(made.journals().front());
        opened = std::string();  // it ends
        std::fstream file(folder + "/00000001.seg", std::ios::in | std::ios::out | std::ios::binary);
        journal::segment_header header;
        const auto bytes = reinterpret_cast<char*>(&header);
        file.read(bytes, sizeof(header));
        header.version = journal::format_version + 1;
        header.checksum = journal::crc32c(0, {bytes, sizeof(header) - 4});
        file.seekp(0);
        file.write(bytes, sizeof(header));
    }
    // Each key's content and the time when it expires, as text.
    std::map<std::string, std::string> everything() {
        std::map<std::string, std::string> all;
        for (const auto& key : redis.run({"KEYS", "aimeter:*"}).elements) {
            const std::string kind = redis.text({"TYPE", key.text});
            std::vector<std::string> content;
            if (kind == "hash") {
                for (const auto& [name, value] : redis.hash(key.text)) {
                    if (name == "repairs") continue;
                    if (name != "plan") content.push_back(name + "=" + value);  // the latest one, as batches came
                }
            } else if (kind == "zset") {
                const auto members = redis.run({"ZRANGE", key.text, "0", "-1", "WITHSCORES"}).elements;
                for (std::size_t i = 0; i < members.size(); i += 2)
                    content.push_back(members[i].text + "=" + members[i + 1].text);
            } else if (kind == "set") {
                for (const auto& member : redis.run({"SMEMBERS", key.text}).elements) content.push_back(member.text);
            } else if (kind == "string") {
                content.push_back(std::to_string(redis.number({"PFCOUNT", key.text})));
            } else if (kind == "stream") {
                content.push_back(std::to_string(redis.number({"XLEN", key.text})));
            }
            std::sort(content.begin(), content.end());
            std::string text = kind + " until " + std::to_string(redis.number({"EXPIRETIME", key.text})) + ":";
            for (const auto& one : content) text += " " + one;
            all[key.text] = std::move(text);
        }
        return all;
    }
    // The first key that is not as it was; "" = all are.
    std::string changed_since(const std::map<std::string, std::string>& before) {
        auto now = everything();
        for (const auto& [key, content] : before) {
            if (key.find(":minute:") != std::string::npos && !now.contains(key)) continue;  // expired meanwhile
            if (now[key] != content) return key + " was " + content + " and is " + now[key];
            now.erase(key);
        }
        return now.empty() ? "" : now.begin()->first + " is new";
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

// What somebody may do to each kind of key, and what it is called in the answer.
struct damage {
    std::vector<std::string> done;
    std::string told;  // "key field: found, expected expected"
};

std::vector<damage> damages(redis_fixture& redis) {
    const std::string day = "aimeter:usage:day:2026-11-22";
    const auto number = [&](const std::vector<std::string>& words) { return redis.number(words); };
    const auto one_more = [&](const std::string& key, const std::string& field) {
        const auto now = number({"HGET", key, field});
        return damage{{"HINCRBY", key, field, "1"},
                      key + " " + field + ": " + std::to_string(now + 1) + ", expected " + std::to_string(now)};
    };
    const std::string bucket = redis.run({"HKEYS", day + ":latency"}).elements.at(0).text;
    const std::string message = redis.run({"ZRANGE", day + ":errors", "0", "0"}).elements.at(0).text;
    return {
        one_more("aimeter:usage:total", "requests"),
        one_more("aimeter:usage:total", "inputTokens"),
        one_more("aimeter:analytics:total", "costNanoUsd"),
        one_more("aimeter:usage:month:2026-11", "costNanoUsd"),
        one_more("aimeter:usage:month:2026-11:feature:content-gen", "wastedNanoUsd"),
        one_more("aimeter:usage:month:2026-11:user:user_3", "tokensUsed"),
        one_more(day, "errors"),
        one_more(day + ":feature:cover%20letter", "requests"),
        one_more(day + ":model:gpt-4o-mini", "ttftUs"),
        one_more(day + ":provider:openai", "savedNanoUsd"),
        one_more(day + ":plan:pro", "aborted"),
        one_more(day + ":variant:prompt-v2%3Dconcise", "outputTokens"),
        one_more("aimeter:analytics:day:2026-11-22", "success"),
        one_more("aimeter:usage:hour:2026-11-22T11", "requests"),
        one_more(day + ":status", "200"),
        one_more(day + ":latency", bucket),
        {{"HDEL", "aimeter:usage:total", "costNanoUsd"}, "aimeter:usage:total costNanoUsd: 0, expected "},
        {{"HSET", day, "cached", "many"}, day + " cached: many, expected "},
        {{"HDEL", day + ":feature:job-matcher:latency", "1"}, ""},  // nothing was there, and nothing is missing
        {{"HSET", day + ":status", "418", "7"}, day + ":status 418: 7, expected 0"},
        {{"DEL", day + ":model:gpt-4o-mini"}, day + ":model:gpt-4o-mini: missing, expected a hash, requests "},
        {{"DEL", day + ":latency"}, day + ":latency: missing, expected a hash"},
        {{"DEL", "aimeter:usage:month:2026-11:user:user_5"}, "aimeter:usage:month:2026-11:user:user_5: missing"},
        {{"SET", "aimeter:usage:month:2026-11", "x"}, "aimeter:usage:month:2026-11: a key of another type"},
        {{"SET", day + ":users:cost", "x"}, day + ":users:cost: a key of another type"},
        {{"ZREM", day + ":users:requests", "user_7"}, day + ":users:requests user_7: not there, expected "},
        {{"ZINCRBY", day + ":users:cost", "1", "user_7"}, day + ":users:cost user_7: "},
        {{"ZADD", day + ":users:cost", "5", "nobody"}, day + ":users:cost nobody: 5, expected not there"},
        {{"ZREM", day + ":errors", message}, day + ":errors (all messages): "},
        {{"SREM", day + ":labels:feature", "cover letter"}, day + ":labels:feature cover letter: not there"},
        {{"SADD", day + ":labels:model", "nothing"}, day + ":labels:model nothing: a member, expected not there"},
        {{"SREM", "aimeter:usage:months", "2026-11"}, "aimeter:usage:months: missing"},
        {{"PFADD", day + ":active", "nobody", "nothing", "none"}, day + ":active: about 23"},
        {{"SET", day + ":active", "x"}, day + ":active: a text that is none, expected a HyperLogLog"},
        {{"HSET", "aimeter:usage:day:2026-11-21", "requests", "3"},
         "aimeter:usage:day:2026-11-21 requests: 3, expected 0"},
        {{"HSET", day + ":feature:invented", "requests", "3"}, day + ":feature:invented requests: 3, expected 0"},
        {{"PERSIST", day}, day + " (expiry): never, expected 2029-01-31T00:00:00"},
        {{"EXPIRE", "aimeter:usage:total", "1000"}, "aimeter:usage:total (expiry): "},
    };
}

TEST_F(Verify, FindsEveryKindOfDamageAndRepairsIt) {
    append_random(journals.add_journal(), 400);
    ship_all();
    ASSERT_TRUE(check()) << said << error;
    const auto before = everything();
    for (const auto& [done, told] : damages(redis)) {
        SCOPED_TRACE(testing::PrintToString(done));
        redis.run(done);
        EXPECT_EQ(check(), told.empty()) << said;
        EXPECT_EQ(error, "");
        EXPECT_THAT(said, HasSubstr(told));
        if (!told.empty()) {
            EXPECT_THAT(said, HasSubstr("there are DIFFERENCES"));
        }
        const auto damaged = everything();
        EXPECT_EQ(check({.repair = true, .dry_run = true}), told.empty());
        EXPECT_EQ(changed_since(damaged), "") << "by a dry run";
        EXPECT_TRUE(check({.repair = true})) << said << error;
        EXPECT_TRUE(check()) << said;
        if (!told.empty()) {
            EXPECT_EQ(changed_since(before), "");
        }
    }
}

TEST_F(Verify, RepairsAllOfItAtOnce) {
    append_random(journals.add_journal(), 2'000, noon - 40LL * 86'400'000, noon);
    ship_all();
    const auto before = everything();
    const auto keys = redis.run({"KEYS", "aimeter:*"});
    const std::set<std::string> kept{"aimeter:usage", "aimeter:analytics", "aimeter:meta", "aimeter:journals",
                                     "aimeter:usage:checkpoints"};
    for (const auto& key : keys.elements) {
        if (!kept.contains(key.text)) redis.run({"DEL", key.text});
    }
    EXPECT_FALSE(check());
    EXPECT_TRUE(check({.repair = true})) << said << error;
    EXPECT_TRUE(check()) << said;
    EXPECT_EQ(changed_since(before), "");
}

TEST_F(Verify, ReadsTheStreamsSeveralTimesWhenMemoryIsSmall) {
    for (int i = 0; i < 4'000; ++i) {
        append(journals.journals().empty() ? journals.add_journal() : journals.journals().front(),
               tests::random_record(random, noon - 5LL * 86'400'000, noon, 3'000));
    }
    ship_all();
    EXPECT_TRUE(check({.memory_mb = 1})) << said << error;
    EXPECT_THAT(said, HasSubstr("the streams were read "));
    redis.run({"HINCRBY", "aimeter:usage:month:2026-11:user:user_77", "requests", "1"});
    redis.run({"HINCRBY", "aimeter:usage:total", "requests", "1"});
    redis.run({"DEL", "aimeter:usage:month:2026-11:labels:user"});
    EXPECT_FALSE(check({.memory_mb = 1}));
    EXPECT_THAT(said, HasSubstr("differences: 3\n"));
    EXPECT_TRUE(check({.memory_mb = 1, .repair = true})) << said << error;
    EXPECT_TRUE(check()) << said;
    EXPECT_EQ(redis.run({"KEYS", "aimeter:repair:*"}).elements.size(), 0U);
}

TEST_F(Verify, CountsDifferencesThatItDoesNotShow) {
    append_random(journals.add_journal(), 400);
    ship_all();
    for (int i = 0; i < 20; ++i) {
        redis.run({"HINCRBY", "aimeter:usage:month:2026-11:user:user_" + std::to_string(i), "requests", "1"});
    }
    EXPECT_FALSE(check({.shown = 3}));
    EXPECT_THAT(said, HasSubstr("differences: 20\n"));
    EXPECT_THAT(said, HasSubstr("  and 17 more\n"));
}

TEST_F(Verify, RepairsNothingWhenTheStreamsHaveLostEntries) {
    append_random(journals.add_journal(), 400);
    ship_all();
    const auto entry = redis.stream("aimeter:usage").at(10);
    redis.run({"XDEL", "aimeter:analytics", entry.id});
    EXPECT_FALSE(check());
    EXPECT_THAT(said, HasSubstr("entries that differ between the two: 1, expected 0  DIFFERENT"));
    redis.run({"XDEL", "aimeter:usage", entry.id});
    const auto before = everything();
    EXPECT_FALSE(check({.repair = true}));
    EXPECT_THAT(said, HasSubstr("usage stream, entries read and trimmed: 399, expected 400  DIFFERENT"));
    EXPECT_THAT(said, HasSubstr("nothing is repaired"));
    EXPECT_EQ(changed_since(before), "");
    EXPECT_FALSE(check({.repair = true, .force = true})) << "the entry is gone";
    EXPECT_EQ(redis.number({"HGET", "aimeter:usage:total", "requests"}), 399);
    redis.run({"DEL", "aimeter:usage", "aimeter:analytics"});
    EXPECT_FALSE(check({.repair = true}));
    EXPECT_THAT(said, HasSubstr("nothing is repaired"));
    EXPECT_EQ(redis.number({"HGET", "aimeter:usage:total", "requests"}), 399);
}

// A repair that is killed leaves whole keys behind, and the next one does the rest.
TEST_F(Verify, RepairsAgainAfterAKilledRepair) {
    append_random(journals.add_journal(), 3'000, noon - 20LL * 86'400'000, noon);
    ship_all();
    const auto before = everything();
    settings.redis.url = redis.url();
    settings.data_dir = dir;
    int cut_short = 0;
    for (int round = 0; round < 5; ++round) {
        for (const auto& key : redis.run({"KEYS", "aimeter:usage:day:*"}).elements) redis.run({"DEL", key.text});
        const pid_t child = ::fork();
        if (child == 0) {
            std::ostringstream out;
            verify(settings, {.repair = true}, out, error);
            ::_exit(0);
        }
        const auto wanted = static_cast<std::int64_t>(150 * round + 1);  // keys that are there again
        while (::waitpid(child, nullptr, WNOHANG) == 0) {
            if (static_cast<std::int64_t>(redis.run({"KEYS", "aimeter:usage:day:*"}).elements.size()) < wanted)
                continue;
            ::kill(child, SIGKILL);
            ::waitpid(child, nullptr, 0);
            break;
        }
        for (const auto& [key, content] : everything()) {
            if (key.starts_with("aimeter:repair:")) continue;
            EXPECT_EQ(content, before.at(key)) << "half a key";
        }
        cut_short += !check();
        EXPECT_TRUE(check({.repair = true})) << said << error;
        for (const auto& key : redis.run({"KEYS", "aimeter:repair:*"}).elements) {
            EXPECT_GT(redis.number({"TTL", key.text}), 0);
            redis.run({"DEL", key.text});
        }
        EXPECT_EQ(changed_since(before), "");
    }
    EXPECT_GT(cut_short, 1) << "no repair was killed in its middle: the test shows nothing";
}

// 2,500 records of seven days, of which the streams keep 200.
class VerifyTrimmed : public Verify {
protected:
    void SetUp() override {
        settings.redis.stream_maxlen = 200;
        const auto to = journals.add_journal();
        for (int day = 6; day >= 0; --day)
            append_random(to, day == 0 ? 100 : 400, noon - day * 86'400'000LL - 3'600'000, noon - day * 86'400'000LL);
        ship_all();
        ASSERT_LE(redis.number({"XLEN", "aimeter:usage"}), 200);
        ASSERT_TRUE(check()) << said << error;
    }
};

TEST_F(VerifyTrimmed, SaysWhatWasTrimmedAndAddsItUp) {
    EXPECT_THAT(said, HasSubstr("usage stream, entries read and trimmed: 2500  ok"));
    EXPECT_THAT(said, HasSubstr("trimmed from the streams: 2300 entries, "));
    EXPECT_THAT(said, HasSubstr("the latest of a request of 2026-11-21T11:"));
    EXPECT_THAT(said, HasSubstr("total, trimmed part: 2300 requests  ok"));
    EXPECT_THAT(said, HasSubstr("day:2026-11-16, trimmed part: 400 requests  ok"));
}

TEST_F(VerifyTrimmed, FindsDamageOnBothSidesOfTheTrimmedPart) {
    for (const std::string key :
         {"aimeter:usage:total", "aimeter:usage:month:2026-11", "aimeter:usage:day:2026-11-16",
          "aimeter:usage:day:2026-11-21", "aimeter:usage:day:2026-11-22",
          "aimeter:usage:day:2026-11-17:feature:content-gen", "aimeter:usage:hour:2026-11-18T11",
          "aimeter:usage:day:2026-11-22:model:gpt-4o-mini"}) {
        redis.run({"HINCRBY", key, "inputTokens", "1"});
        EXPECT_FALSE(check()) << key;
        redis.run({"HINCRBY", key, "inputTokens", "-1"});
    }
    for (const std::string key :
         {"aimeter:analytics:day:2026-11-16", "aimeter:analytics:total", "aimeter:analytics:month:2026-11"}) {
        redis.run({"HINCRBY", key, "costNanoUsd", "-1"});
        EXPECT_FALSE(check()) << key;
        redis.run({"HINCRBY", key, "costNanoUsd", "1"});
    }
    redis.run({"HINCRBY", "aimeter:usage:month:2026-11:user:user_3", "tokensUsed", "1"});
    EXPECT_FALSE(check());
    EXPECT_THAT(said, HasSubstr("month:2026-11, trimmed part: users together tokensUsed"));
}

TEST_F(VerifyTrimmed, RepairsWhatTheStreamsReachAndTheTotals) {
    auto before = everything();
    before.erase("aimeter:usage:checkpoints");  // copies of the total, which go with one that was wrong
    redis.run({"DEL", "aimeter:usage:total", "aimeter:analytics:total", "aimeter:usage:day:2026-11-22",
               "aimeter:usage:day:2026-11-22:users:requests", "aimeter:usage:day:2026-11-22:active"});
    EXPECT_FALSE(check());
    EXPECT_TRUE(check({.repair = true})) << said << error;
    EXPECT_EQ(changed_since(before), "");
    redis.run({"DEL", "aimeter:usage:day:2026-11-21"});
    EXPECT_FALSE(check({.repair = true}));
    EXPECT_THAT(said, HasSubstr("1 keys cannot be rebuilt: they also hold what trimmed entries had added"));
}

// Trimming goes by what stood in the total when each entry came.
TEST_F(VerifyTrimmed, WhatIsTrimmedBehindARepairOfTheTotalAddsUp) {
    const auto to = journals.add_journal();
    redis.run({"HINCRBY", "aimeter:usage:total", "costNanoUsd", "1000"});
    append_random(to, 150);
    ship_all();
    EXPECT_TRUE(check({.repair = true})) << said << error;
    for (int round = 0; round < 5; ++round) {
        append_random(to, 100);
        ship_all();
        EXPECT_TRUE(check()) << round << said << error;
    }
    EXPECT_LE(redis.number({"XLEN", "aimeter:usage"}), 400);
}

// Shipping goes on all the time: nothing that it does looks like a difference, and repairs find their moment.
TEST_F(Verify, AgreesAndRepairsWhileOthersShip) {
    settings.redis.stream_maxlen = 3'000;
    const auto to = journals.add_journal();
    append_random(to, 2'000, noon - 3 * 86'400'000LL, noon);
    start(redis.url());
    ASSERT_TRUE(flush());
    std::atomic<bool> done = false;
    std::string failure;
    std::thread auditor([&] {
        const std::vector<std::vector<std::string>> damage{{"HINCRBY", "aimeter:usage:day:2026-11-23", "requests", "5"},
                                                           {"DEL", "aimeter:usage:day:2026-11-23:users:requests"},
                                                           {"HDEL", "aimeter:usage:total", "costNanoUsd"}};
        conf::settings own = settings;
        own.redis.url = redis.url();
        own.data_dir = dir;
        for (int round = 0; round < 6 && failure.empty(); ++round) {
            std::ostringstream out;
            std::string error_text;
            if (!verify(own, {}, out, error_text)) failure = "verify: " + out.str() + error_text;
            if (failure.empty() && round < 3) {
                redis.run(damage[static_cast<std::size_t>(round)]);
                std::ostringstream mended;
                if (!verify(own, {.repair = true}, mended, error_text))
                    failure = "repair: " + mended.str() + error_text;
            }
        }
        done = true;
    });
    while (!done) {
        // Not so many that the day which is damaged begins to be trimmed: then it could not be mended.
        if (written.size() < 6'000) append_random(to, 100);
        context.restart();
        context.run_for(10ms);
    }
    auditor.join();
    EXPECT_EQ(failure, "");
    ASSERT_TRUE(flush());
    EXPECT_TRUE(check()) << said << error;
    EXPECT_GT(written.size(), 2'500U);
}

// The user of docs/redis.md may do all that aimeter does, and no more.
TEST_F(Verify, TheDocumentedRightsSuffice) {
    std::ifstream page(AIMETER_SOURCE_DIR "/docs/redis.md");
    std::vector<std::string> rights{"ACL", "SETUSER", "default", "resetkeys"};
    for (std::string line; std::getline(page, line);) {
        if (!line.starts_with("user aimeter on >PASSWORD ")) continue;
        std::istringstream words(line.substr(26));
        for (std::string word; words >> word;) rights.push_back(word);
    }
    ASSERT_GT(rights.size(), 20U);
    rights.emplace_back("+acl|setuser");
    redis.run(rights);
    settings.redis.stream_maxlen = 300;
    append_random(journals.add_journal(), 700, noon - 86'400'000, noon);
    ship_all();
    EXPECT_TRUE(check()) << said << error;
    redis.run({"HSET", "aimeter:usage:total", "cached", "77"});
    EXPECT_TRUE(check({.repair = true})) << said << error;

    redis_client client(context.get_executor(), std::get<redis_url>(redis_url::parse(redis.url())));
    const key_names keys("aimeter");
    reports figures(client, keys, *zone);
    const std::vector<std::string> days{"day:2026-11-21", "day:2026-11-22"};
    const auto works = [this](auto what) {
        const auto answer = tests::run_coroutine(context, std::move(what));
        const auto* refused = std::get_if<redis_error>(&answer);
        EXPECT_EQ(refused != nullptr ? refused->what : "", "");
    };
    works(figures.usage(days));
    works(figures.usage_by(days, {"feature"}));
    works(figures.analytics(days));
    works(figures.hours(days));
    works(figures.latency(days));
    works(figures.statuses({days[1]}));
    works(figures.top_errors({days[1]}, 10));
    works(figures.active_users(days));
    works(figures.top_users(days, 10));
    works(figures.usage_entries("", 10));
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
    EXPECT_FALSE(verify(settings, {}, out, error));
    EXPECT_THAT(error, HasSubstr("there-is-no-redis.sock"));
    settings.redis.url.clear();
    settings.data_dir = dir + "/never-used";
    EXPECT_FALSE(verify(settings, {}, out, error));
    EXPECT_THAT(error, HasSubstr("never-used"));
    redis.run({"HSET", "aimeter:meta", "timezone", "Europe/Paris"});
    EXPECT_FALSE(check());
    EXPECT_THAT(error, HasSubstr("Europe/Paris"));
}

// Agreement is worth what was looked at.
TEST_F(Verify, SaysWhatOfTheJournalItDidNotRead) {
    ship_all();
    EXPECT_TRUE(check()) << said << error;
    EXPECT_THAT(said, HasSubstr("note: there is no journal under " + dir));

    leave_journal_of_a_newer_release();
    EXPECT_TRUE(check()) << said << error;
    EXPECT_THAT(said, HasSubstr("newer release"));

    std::filesystem::remove_all(dir + "/journal");
    std::filesystem::create_symlink("journal", dir + "/journal");  // what root cannot look into either
    EXPECT_FALSE(check());
    EXPECT_THAT(error, HasSubstr("the journal under " + dir + " cannot be read: "));
    EXPECT_THAT(said, Not(HasSubstr("all agree")));
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
    EXPECT_TRUE(verify(settings, {}, out, error)) << out.str() << error;
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
    EXPECT_TRUE(verify(settings, {}, running, error)) << running.str() << error;
    tests::run_coroutine(context, embedded.stop());
    EXPECT_TRUE(verify(settings, {}, gone, error)) << gone.str() << error;
    EXPECT_THAT(gone.str(), HasSubstr("usage:total requests: 50"));
    EXPECT_FALSE(std::filesystem::exists(embedded.socket_path())) << "stopped again";
}

}  // namespace
}  // namespace tracking::store
