// A shipper between a journal in memory and a real Redis, and the expected content of Redis computed from the records
// alone, the slow and simple way.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/redis_fixture.hpp"
#include "tests/support/run_coroutine.hpp"
#include "tests/support/sample_records.hpp"
#include "tracking/store/calendar.hpp"
#include "tracking/store/counting.hpp"
#include "tracking/store/keys.hpp"
#include "tracking/store/shipper.hpp"

namespace tests {

using namespace std::chrono_literals;
using hash_map = std::map<std::string, std::map<std::string, std::int64_t>>;  // key -> field -> value

// What the hashes of section 5 hold after these records, zeros left out.
inline hash_map expected_hashes(const std::vector<tracking::record>& records, const tracking::store::calendar& when) {
    using namespace tracking;
    using namespace tracking::store;
    const key_names keys("aimeter");
    hash_map sums;
    for (const auto& one : records) {
        const auto day = "day:" + when.day_key(one.ts_ms), month = "month:" + when.month_key(one.ts_ms);
        std::vector<std::string> buckets{keys.total(), keys.usage("minute:" + when.minute_key(one.ts_ms)),
                                         keys.usage("hour:" + when.hour_key(one.ts_ms)), keys.usage(day),
                                         keys.usage(month)};
        for (const auto& period : {day, month}) {
            buckets.push_back(keys.usage_by(period, "feature", one.feature.empty() ? "other" : one.feature));
            buckets.push_back(keys.usage_by(period, "model", one.ai_model));
            buckets.push_back(keys.usage_by(period, "provider", one.provider));
            if (!one.plan.empty()) buckets.push_back(keys.usage_by(period, "plan", one.plan));
            if (!one.variant.empty()) buckets.push_back(keys.usage_by(period, "variant", one.variant));
        }
        const auto values = count(one);
        const auto value = [&](counter which) { return values[static_cast<std::size_t>(which)]; };
        for (const auto& key : buckets) {
            for (std::size_t i = 0; i < counter_count; ++i) {
                sums[key][std::string(field_of(static_cast<counter>(i)))] += values[i];
            }
        }
        for (const auto& period : {std::string("total"), day, month}) {
            auto& of = sums[keys.analytics(period)];
            of["ai_generation"] += 1;
            of["cached"] += one.cached;
            of["success"] += value(counter::success);
            of["errors"] += value(counter::errors);
            of["costNanoUsd"] += value(counter::cost_nano);
        }
        auto& user = sums[keys.usage_by(month, "user", one.user_id)];
        user["requests"] += 1;
        user["errors"] += value(counter::errors);
        user["tokensUsed"] += value(counter::tokens_used);
        user["costNanoUsd"] += value(counter::cost_nano);
        if (one.status != 0) ++sums[keys.status(day)][std::to_string(one.status)];
        if (one.upstream_us && one.duration_us) {
            const auto bucket = std::to_string(histogram_bucket(*one.duration_us));
            ++sums[keys.latency(day)][bucket];
            ++sums[keys.feature_latency(day, one.feature.empty() ? "other" : one.feature)][bucket];
        }
    }
    for (auto& [key, fields] : sums) std::erase_if(fields, [](const auto& field) { return field.second == 0; });
    std::erase_if(sums, [](const auto& key) { return key.second.empty(); });
    return sums;
}

class shipping_test : public testing::Test {
protected:
    static constexpr std::int64_t noon = 1795348800'000;  // 2026-11-22T12:00:00Z

    shipping_test() {
        std::string pattern = "/tmp/aims.XXXXXX";
        dir = ::mkdtemp(pattern.data());
        settings.redis.stream_maxlen = 0;
    }
    ~shipping_test() override {
        stop();
        std::filesystem::remove_all(dir);
    }

    void start(const std::string& url) {
        zone.emplace(std::get<tracking::store::calendar>(tracking::store::calendar::open(settings.timezone)));
        ship.emplace(tracking::store::shipper::parts{.executor = context.get_executor(),
                                                     .settings = settings,
                                                     .journals = journals,
                                                     .when = *zone,
                                                     .clock = clock,
                                                     .redis_url = [url] { return url; },
                                                     .data_set_file = dir + "/data-set",
                                                     .metrics = &metrics});
        boost::asio::co_spawn(context, ship->run(), boost::asio::detached);
    }
    void stop() {
        if (!ship) return;
        ship->stop();
        context.restart();
        context.run_for(10s);
        ship.reset();
    }
    void append(const tracking::journal::journal_id& to, const tracking::record& what) {
        journals.append(to, what);
        written.push_back(what);
    }
    void append_random(const tracking::journal::journal_id& to, std::size_t count,
                       std::int64_t from_ms = noon - 3'600'000, std::int64_t to_ms = noon) {
        for (std::size_t i = 0; i < count; ++i) append(to, random_record(random, from_ms, to_ms));
    }
    bool flush(std::chrono::milliseconds deadline = 20s) {
        return run_coroutine(context, ship->flush(deadline), deadline + 5s);
    }
    // Runs the shipper until the condition holds.
    template <class Condition>
    bool run_until(Condition condition, std::chrono::milliseconds cap = 20s) {
        const auto end = std::chrono::steady_clock::now() + cap;
        context.restart();
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end) return false;
            context.run_one_for(20ms);
        }
        return true;
    }

    // Both streams and every hash hold exactly what was written, no more and no less.
    void expect_all_counted_once(redis_fixture& redis) {
        const auto expected = expected_hashes(written, *zone);
        for (const auto& [key, fields] : expected) {
            if (key.find(":minute:") != std::string::npos && redis.number({"EXISTS", key}) == 0) continue;  // expired
            std::map<std::string, std::int64_t> found;
            for (const auto& [field, value] : redis.hash(key)) {
                if (field != "plan" && value != "0") found[field] = std::stoll(value);
            }
            EXPECT_EQ(found, fields) << key;
        }
        const auto usage = redis.stream("aimeter:usage");
        const auto analytics = redis.stream("aimeter:analytics");
        ASSERT_EQ(usage.size(), written.size());
        ASSERT_EQ(analytics.size(), written.size());
        std::map<std::string, int> ids;
        for (std::size_t i = 0; i < usage.size(); ++i) {
            EXPECT_EQ(usage[i].id, analytics[i].id);
            EXPECT_EQ(usage[i].fields.at("id"), analytics[i].fields.at("id"));
            ++ids[usage[i].fields.at("id")];
        }
        EXPECT_EQ(ids.size(), written.size());
    }

    boost::asio::io_context context;
    conf::settings settings;
    memory_journal journals;
    tracking::system_time clock;
    std::optional<tracking::store::calendar> zone;
    tracking::store::record_metrics metrics{1'000};
    std::optional<tracking::store::shipper> ship;
    std::mt19937_64 random{20261122};
    std::vector<tracking::record> written;
    std::string dir;
};

}  // namespace tests
