// A real Redis Cluster of three masters and three replicas: what it holds and what reports say of it is what one Redis
// would; slots that move and masters that die lose nothing and count nothing twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "tests/support/certificates.hpp"
#include "tests/support/documented_rights.hpp"
#include "tests/support/redis_places.hpp"
#include "tests/support/shipper_fixture.hpp"
#include "tests/support/sockets.hpp"
#include "tracking/store/cluster_nodes.hpp"
#include "tracking/store/cluster_shipper.hpp"
#include "tracking/store/reports.hpp"
#include "tracking/store/reprice.hpp"
#include "tracking/store/shards.hpp"
#include "tracking/store/verify.hpp"

namespace tracking::store {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using tests::hash_map;
using tests::run_coroutine;

// Answers of the Redis documentation (CLUSTER KEYSLOT) and of the cluster specification (CRC-16 of "123456789").
TEST(ClusterSlots, AreThoseOfTheSpecification) {
    EXPECT_EQ(slot_of("somekey"), 11'058);
    EXPECT_EQ(slot_of("foo{hash_tag}"), 2'515);
    EXPECT_EQ(slot_of("123456789"), 0x31c3);
    EXPECT_EQ(slot_of("foo{}{bar}"), slot_of_text("foo{}{bar}"));
    EXPECT_EQ(slot_of("foo{{bar}}zap"), slot_of_text("{bar"));
    EXPECT_EQ(slot_of("foo{bar}{zap}"), slot_of_text("bar"));
}

class Cluster : public tests::shipping_test {
protected:
    Cluster() {
        settings.redis.url = redis.url();
        settings.data_dir = dir;
        zone.emplace(std::get<calendar>(calendar::open("UTC")));
        begin();
    }
    ~Cluster() override { end(); }

    void begin(const std::string& url = {}) {
        if (!url.empty()) settings.redis.url = url;
        cluster = make_shipping({.executor = context.get_executor(),
                                 .settings = settings,
                                 .journals = journals,
                                 .when = *zone,
                                 .clock = clock,
                                 .redis_url = [this] { return settings.redis.url; },
                                 .data_set_file = dir + "/data-set",
                                 .metrics = &metrics});
        boost::asio::co_spawn(context, cluster->run(), boost::asio::detached);
    }
    void end() {
        if (!cluster) return;
        cluster->stop();
        if (ship) ship->stop();
        context.restart();
        context.run_for(10s);
        cluster.reset();
    }
    bool flush_cluster(std::chrono::milliseconds deadline = 30s) {
        return run_coroutine(context, cluster->flush(deadline), deadline + 5s);
    }
    std::string key_of(std::uint32_t shard, const std::string& rest) const {
        return shard_prefix("aimeter", shard) + ":" + rest;
    }
    std::int64_t requests_of(std::uint32_t shard) {
        const auto key = key_of(shard, "usage:total");
        const auto found = redis.hash(key);
        return found.contains("requests") ? std::stoll(found.at("requests")) : 0;
    }
    // All shards together hold what one Redis would.
    void expect_sums_of_what_was_written() {
        std::vector<tests::redis_fixture*> at;
        for (std::uint32_t shard = 0; shard < shards; ++shard)
            at.push_back(redis.nodes[redis.node_of(key_of(shard, "usage"))]->redis.get());
        for (const auto& [key, fields] : tests::expected_hashes(written, *zone)) {
            if (key.find(":minute:") != std::string::npos) continue;  // expired
            std::map<std::string, std::int64_t> found;
            for (std::uint32_t shard = 0; shard < shards; ++shard) {
                for (const auto& [field, value] : at[shard]->hash(key_of(shard, key.substr(8)))) {
                    if (field != "plan" && value != "0") found[field] += std::stoll(value);
                }
            }
            EXPECT_EQ(found, fields) << key;
        }
        std::multiset<std::string> ids, expected;
        for (const auto& one : written) expected.insert(to_text(one.id));
        for (std::uint32_t shard = 0; shard < shards; ++shard) {
            for (const auto& entry : at[shard]->stream(key_of(shard, "usage"))) {
                ids.insert(entry.fields.at("id"));
                EXPECT_EQ(shard_of(entry.fields.at("userId"), shards), shard);
            }
        }
        EXPECT_EQ(ids, expected);
    }

    static constexpr std::uint32_t shards = 16;
    tests::cluster_redis redis;
    std::unique_ptr<shipping> cluster;
};

template <class T>
T of(answer<T> result) {
    if (auto* error = std::get_if<redis_error>(&result)) throw std::runtime_error(error->what);
    return std::get<T>(std::move(result));
}

TEST_F(Cluster, HoldsAndReportsWhatOneRedisWould) {
    const auto first = journals.add_journal(), dead = journals.add_journal(false);
    append_random(first, 3'000);
    append_random(dead, 2'000);
    ASSERT_TRUE(flush_cluster());
    expect_sums_of_what_was_written();
    EXPECT_EQ(journals.shipped_of(first), 3'000U);  // past every shard
    EXPECT_EQ(journals.shipped_of(dead), 2'000U);
    EXPECT_EQ(cluster->current().lag, 0U);

    tests::redis_fixture single;
    start(single.url());
    ASSERT_TRUE(flush());
    const key_names keys("aimeter");
    redis_client client(context.get_executor(), std::get<redis_url>(redis_url::parse(single.url())));
    reports one(client, keys, *zone);
    reports all(std::make_shared<report_redis>(context.get_executor(),
                                               std::get<redis_url>(redis_url::parse(redis.url())), settings.redis),
                *zone);
    const std::vector<std::string> days{"day:2026-11-21", "day:2026-11-22"};
    const std::vector<std::string> periods{"total", "month:2026-11", days[0], days[1], "hour:2026-11-22T11"};
    const auto ask = [&](auto make) {
        const auto expected = of(run_coroutine(context, make(one)));
        return std::pair(of(run_coroutine(context, make(all))), expected);
    };
    const auto usage = ask([&](reports& from) { return from.usage(periods); });
    EXPECT_EQ(usage.first, usage.second);
    const auto some = ask([&](reports& from) { return from.usage(periods, {counter::requests, counter::cost_nano}); });
    EXPECT_EQ(some.first, some.second);
    const std::vector<std::string> kinds{"feature", "model", "provider", "plan", "variant"};
    for (const auto& some_days : {days, {days[0]}, {days[1]}}) {
        const auto [found, expected] = ask([&](reports& from) { return from.usage_by(some_days, kinds); });
        ASSERT_EQ(found.size(), kinds.size());
        for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
            ASSERT_EQ(found[kind].size(), expected[kind].size()) << kinds[kind];
            for (std::size_t i = 0; i < found[kind].size(); ++i) {
                EXPECT_EQ(found[kind][i].name, expected[kind][i].name);
                EXPECT_EQ(found[kind][i].values, expected[kind][i].values) << found[kind][i].name;
            }
        }
    }
    const auto latency = ask([&](reports& from) { return from.latency(days); });
    EXPECT_EQ(latency.first, latency.second);
    const auto statuses = ask([&](reports& from) { return from.statuses(days); });
    EXPECT_EQ(statuses.first, statuses.second);
    const auto active = ask([&](reports& from) { return from.active_users(days); });
    EXPECT_EQ(active.first, active.second);
    const auto analytics = ask([&](reports& from) { return from.analytics({"total"}); });
    EXPECT_EQ(analytics.first.front().generations, 5'000);
    EXPECT_EQ(analytics.first.front().cost_nano, analytics.second.front().cost_nano);
    const auto top = ask([&](reports& from) { return from.top_users(days, 10); });
    ASSERT_EQ(top.first.size(), top.second.size());
    for (std::size_t i = 0; i < top.first.size(); ++i) {
        EXPECT_EQ(top.first[i].user_id, top.second[i].user_id);
        EXPECT_EQ(top.first[i].requests, top.second[i].requests);
        EXPECT_EQ(top.first[i].cost_nano, top.second[i].cost_nano);
        EXPECT_EQ(top.first[i].tokens_used, top.second[i].tokens_used);
    }

    // The list of requests: newest first, each once, from page to page.
    std::multiset<std::string> seen, expected;
    for (const auto& record : written) expected.insert(to_text(record.id));
    std::string cursor;
    std::uint64_t newest = UINT64_MAX;
    do {
        auto page = of(run_coroutine(context, all.usage_entries(cursor, 700)));
        for (const auto& [id, fields] : page.entries) {
            const auto ms = std::stoull(id);
            EXPECT_LE(ms, newest);
            newest = ms;
            for (const auto& [name, value] : fields)
                if (name == "id") seen.insert(value);
        }
        cursor = page.next;
    } while (!cursor.empty());
    EXPECT_EQ(seen, expected);
}

TEST_F(Cluster, APageOfTheExportSaysWhatWasTrimmedSinceItsBeginInAnyShard) {
    append_random(journals.add_journal(), 3'000);
    ASSERT_TRUE(flush_cluster());
    reports all(std::make_shared<report_redis>(context.get_executor(),
                                               std::get<redis_url>(redis_url::parse(redis.url())), settings.redis),
                *zone);
    const auto newest = of(run_coroutine(context, all.newest_usage_id()));
    const auto trim = [&](std::uint32_t shard) {
        redis.run(key_of(shard, "meta"), {"HSET", key_of(shard, "meta"), "trimmedTo", newest});
    };
    trim(2);  // long ago
    std::vector<std::string> trimmed;
    const auto first = of(run_coroutine(context, all.usage_range("0", newest, 300, trimmed)));
    ASSERT_FALSE(first.entries.empty());
    EXPECT_FALSE(first.ended);
    EXPECT_EQ(first.trimmed_to, "");
    std::multiset<std::string> seen, expected;
    for (const auto& record : written) expected.insert(to_text(record.id));
    auto page = first;
    while (true) {
        for (const auto& [id, fields] : page.entries)
            for (const auto& [name, value] : fields)
                if (name == "id") seen.insert(value);
        if (page.ended) break;
        page = of(run_coroutine(context, all.usage_range("(" + page.entries.back().first, newest, 300, trimmed)));
        EXPECT_EQ(page.trimmed_to, "");
    }
    EXPECT_EQ(seen, expected);
    trim(3);
    const auto behind = "(" + first.entries.back().first;
    EXPECT_EQ(of(run_coroutine(context, all.usage_range(behind, newest, 300, trimmed))).trimmed_to, newest);
}

TEST_F(Cluster, ASlotThatMovesUnderLoadLosesNothing) {
    const auto id = journals.add_journal();
    append_random(id, 2'000);
    ASSERT_TRUE(flush_cluster());
    reports all(std::make_shared<report_redis>(context.get_executor(),
                                               std::get<redis_url>(redis_url::parse(redis.url())), settings.redis),
                *zone);
    // The shard of most users, so that there is something to move.
    std::uint32_t fullest = 0;
    for (std::uint32_t shard = 0; shard < shards; ++shard)
        if (requests_of(shard) > requests_of(fullest)) fullest = shard;
    const auto key = key_of(fullest, "usage:total");
    const auto before = redis.node_of(key);
    redis.move_slot(key, [&] {
        append_random(id, 1'000);
        context.restart();
        context.run_for(300ms);
        // Half of the keys are here, half are there, and the sum is whole; other shards go on.
        const auto total = of(run_coroutine(context, all.usage({"total"})));
        EXPECT_GE(total.front()[static_cast<std::size_t>(counter::requests)], 2'000);
    });
    EXPECT_NE(redis.node_of(key), before);
    append_random(id, 500);
    ASSERT_TRUE(flush_cluster());
    expect_sums_of_what_was_written();
    const auto total = of(run_coroutine(context, all.usage({"total"})));
    EXPECT_EQ(total.front()[static_cast<std::size_t>(counter::requests)], 3'500);
}

TEST_F(Cluster, AMasterThatDiesIsReplacedAndHoldsUpNoOtherShard) {
    const auto id = journals.add_journal();
    append_random(id, 2'000);
    ASSERT_TRUE(flush_cluster());
    ASSERT_TRUE(redis.replicas_in_step());
    const std::string lost_key = key_of(3, "usage:total");
    const auto lost = redis.node_of(lost_key);
    // Its replica gets nothing more: what is shipped now dies with the master.
    auto& replica = *redis.nodes[lost + tests::cluster_redis::masters]->redis;
    replica.freeze();
    redis.nodes[lost]->redis->run({"CLIENT", "KILL", "TYPE", "replica"});
    append_random(id, 1'000);
    ASSERT_TRUE(flush_cluster());
    redis.nodes[lost]->redis->kill();
    append_random(id, 1'000);
    // The other shards do not wait for it.
    std::map<std::uint32_t, std::int64_t> expected;
    for (const auto& one : written) ++expected[shard_of(one.user_id, shards)];
    ASSERT_TRUE(run_until([&] {
        return std::all_of(expected.begin(), expected.end(), [&](const auto& one) {
            return redis.node_of(key_of(one.first, "usage:total")) == lost || requests_of(one.first) == one.second;
        });
    }));
    EXPECT_GT(cluster->current().lag, 0U);
    EXPECT_LT(journals.shipped_of(id), 4'000U);  // the journal is kept for the shards that wait
    replica.unfreeze();
    redis.wait_for_another_than(lost, lost_key);
    ASSERT_TRUE(run_until([&] { return journals.shipped_of(id) == 4'000U; }, 60s));
    append_random(id, 500);
    ASSERT_TRUE(flush_cluster(60s));
    expect_sums_of_what_was_written();
    EXPECT_EQ(journals.shipped_of(id), 4'500U);
}

// An operator makes a replica the master that has fallen behind; no connection breaks, and nothing more is written.
TEST_F(Cluster, AReplicaThatTookOverWithLessIsNoticedWithoutTraffic) {
    const auto id = journals.add_journal();
    append_random(id, 1'000);
    ASSERT_TRUE(flush_cluster());
    ASSERT_TRUE(redis.replicas_in_step());
    const std::string key = key_of(3, "usage:total");
    const auto before = redis.node_of(key);
    auto& master = *redis.nodes[before]->redis;
    auto& replica = *redis.nodes[before + tests::cluster_redis::masters]->redis;
    replica.run({"CONFIG", "SET", "masterauth", "not-this-one"});  // it cannot follow any more
    master.run({"CLIENT", "KILL", "TYPE", "replica"});
    append_random(id, 1'000);
    ASSERT_TRUE(flush_cluster());
    ASSERT_EQ(replica.text({"CLUSTER", "FAILOVER", "TAKEOVER"}), "OK");
    redis.wait_for_another_than(before, key);
    EXPECT_LT(journals.shipped_of(id), 2'001U);
    std::map<std::uint32_t, std::int64_t> expected;
    for (const auto& one : written) ++expected[shard_of(one.user_id, shards)];
    ASSERT_TRUE(run_until([&] {
        return std::all_of(expected.begin(), expected.end(),
                           [&](const auto& one) { return requests_of(one.first) == one.second; });
    }));
    expect_sums_of_what_was_written();
}

TEST_F(Cluster, TheDocumentedRightsAreEnough) {
    for (auto& one : redis.nodes) EXPECT_EQ(one->redis->text(tests::documented_rule()), "OK");
    end();
    std::string url = redis.url();
    begin(url.insert(url.find("//") + 2, "aimeter:a-long-password@"));
    const auto id = journals.add_journal();
    append_random(id, 1'000);
    ASSERT_TRUE(flush_cluster());
    const auto key = key_of(shard_of(written.front().user_id, shards), "usage:total");
    redis.move_slot(key, [&] {
        append_random(id, 200);
        context.restart();
        context.run_for(200ms);
    });
    ASSERT_TRUE(flush_cluster());
    expect_sums_of_what_was_written();
    std::ostringstream out;
    std::string error;
    EXPECT_TRUE(verify(settings, {}, out, error)) << error << out.str();
    std::string denied;
    for (auto& node : redis.nodes) {
        for (const auto& one : node->redis->run({"ACL", "LOG"}).elements)
            for (std::size_t i = 0; i + 1 < one.elements.size(); i += 2)
                if (one.elements[i].text == "object") denied += one.elements[i + 1].text + " ";
    }
    EXPECT_EQ(denied, "");
}

TEST_F(Cluster, WhatIsNotItsDataSetIsNotWrittenTo) {
    const auto id = journals.add_journal();
    append_random(id, 500);
    ASSERT_TRUE(flush_cluster());
    for (std::size_t i = 0; i < tests::cluster_redis::masters; ++i) redis.nodes[i]->redis->run({"FLUSHALL"});
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
        const auto meta = key_of(shard, "meta");
        redis.run(meta, {"HSET", meta, "shards", "8"});
    }
    ASSERT_TRUE(run_until([&] {
        return cluster->current().redis.find("holds data of 8 shards, this process began with 16") != std::string::npos;
    }));
    EXPECT_EQ(cluster->current().connected, false);

    // Nor is a node of a cluster to which redis:// points.
    end();
    for (std::size_t i = 0; i < tests::cluster_redis::masters; ++i) {
        start("redis://" + redis.nodes[i]->address());
        EXPECT_TRUE(run_until([&] { return ship->current().redis.find("redis+cluster://") != std::string::npos; }))
            << ship->current().redis;
        stop();
        EXPECT_EQ(redis.nodes[i]->redis->number({"EXISTS", "aimeter:usage"}), 0);
    }
}

TEST_F(Cluster, AClusterThatIsAwayAtTheBeginIsWaitedFor) {
    end();
    for (auto& one : redis.nodes) one->redis->kill();
    begin();
    const auto id = journals.add_journal();
    append_random(id, 700);
    ASSERT_TRUE(run_until([&] {
        const auto now = cluster->current();
        return now.lag == 700 && now.redis.find(redis.nodes[0]->address()) != std::string::npos;
    }));
    EXPECT_FALSE(cluster->current().connected);
    for (auto& one : redis.nodes) one->redis->start();
    append_random(id, 300);
    ASSERT_TRUE(flush_cluster(60s));
    expect_sums_of_what_was_written();
    std::int64_t counted = 0;
    for (const auto& one : metrics.series()) counted += one->sums[static_cast<std::size_t>(counter::requests)];
    EXPECT_EQ(counted, 1'000);
}

TEST(ClusterOverTls, SlotsAreFollowedToTlsPorts) {
    const tests::test_authority authority;
    const tests::certificate own = authority.issue();
    std::string dir = "/tmp/aimt.XXXXXX";
    ASSERT_NE(::mkdtemp(dir.data()), nullptr);
    tests::write_file(dir + "/ca.pem", authority.pem());
    tests::write_file(dir + "/redis.pem", own.cert);
    tests::write_file(dir + "/redis.key", own.key);
    tests::cluster_redis redis({"--tls-cert-file", dir + "/redis.pem", "--tls-key-file", dir + "/redis.key",
                                "--tls-ca-cert-file", dir + "/ca.pem", "--tls-auth-clients", "no"});
    conf::redis_tls trust;
    trust.ca_file = dir + "/ca.pem";
    boost::asio::io_context context;
    for (const std::string key : {"{1}", "{2}", "{3}"}) {
        redis_client client(context.get_executor(), std::get<redis_url>(redis_url::parse(redis.url())), trust, key);
        const auto connected = run_coroutine(context, client.connect(5s));
        ASSERT_EQ(connected.index(), 0U) << std::get<redis_error>(connected).what;
        ASSERT_EQ(run_coroutine(context, client.pipeline({{"SET", key, "before"}}, 5s)).index(), 0U);
        redis.move_slot(key, [] {});
        const auto got = run_coroutine(context, client.pipeline({{"GET", key}}, 5s));
        ASSERT_EQ(got.index(), 0U) << std::get<redis_error>(got).what;
        EXPECT_EQ(std::get<std::vector<reply>>(got).front().text, "before");
        EXPECT_EQ(client.moves(), 1U);
    }
    std::filesystem::remove_all(dir);
}

TEST_F(Cluster, IsFoundBehindNodesThatDoNotAnswer) {
    std::vector<tests::descriptor> silent;
    std::string url = "redis+cluster://";
    for (int i = 0; i < 4; ++i) {
        std::uint16_t port = 0;
        silent.push_back(tests::listen_on("127.0.0.1", port));
        url += "127.0.0.1:" + std::to_string(port) + ",";
    }
    const std::string all = redis.url();
    url += all.substr(all.find("//") + 2);
    end();
    begin(url);
    append_random(journals.add_journal(), 100);
    ASSERT_TRUE(flush_cluster());
    expect_sums_of_what_was_written();
}

TEST_F(Cluster, KeepsItsNumberOfShardsAndIsVerifiedShardByShard) {
    const auto id = journals.add_journal();
    append_random(id, 1'000);
    ASSERT_TRUE(flush_cluster());
    end();
    settings.redis.shards = 4;  // is for new data sets
    begin();
    append_random(id, 1'000);
    ASSERT_TRUE(flush_cluster());
    EXPECT_EQ(redis.hash(key_of(0, "meta"))["shards"], "16");
    expect_sums_of_what_was_written();

    std::ostringstream out, other;
    std::string error;
    EXPECT_TRUE(verify(settings, {}, out, error)) << error << out.str();
    EXPECT_THAT(out.str(), AllOf(HasSubstr("16 shards, added up"), HasSubstr("usage:total requests: 2000"),
                                 HasSubstr("all agree")));
    settings.pricing.catalogue = std::string(AIMETER_SOURCE_DIR) + "/conf/model-prices.json";
    settings.pricing.overrides["gpt-4o-mini"].pico["in"] = 7;
    const auto days = std::get<day_range>(read_days("2026-11-21", "2026-11-23"));
    EXPECT_TRUE(reprice(settings, days, true, out, error)) << error;
    EXPECT_FALSE(redis.hash(key_of(5, "corrections:day:2026-11-22")).empty());

    const auto key = key_of(5, "usage:total");
    redis.run(key, {"HINCRBY", key, "requests", "1"});
    EXPECT_FALSE(verify(settings, {}, other, error));
    EXPECT_THAT(other.str(), HasSubstr("shard 5: "));
}

}  // namespace
}  // namespace tracking::store
