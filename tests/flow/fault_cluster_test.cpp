// The fault matrix on a real Redis Cluster of three masters and three replicas: masters die, hang or lose their data,
// slots move, aimeter is killed, all of it under load. Every request that was answered or forwarded stands in one shard
// once, streams and hashes agree to the nano-dollar, and what the admin endpoints say is the sum over all shards. The
// rows are those of docs/reliability.md.
#include <gmock/gmock.h>
#include <signal.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/counted_load.hpp"
#include "tests/support/metrics_text.hpp"
#include "tests/support/proxy_test.hpp"
#include "tests/support/redis_places.hpp"
#include "tests/support/websocket_client.hpp"

namespace tests {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

constexpr int shards = 16;
constexpr int users = 40;
constexpr milliseconds settle_within{40'000};

std::int64_t nano_of(const std::string& decimal) {
    const auto point = decimal.find('.');
    std::string places = point == std::string::npos ? "" : decimal.substr(point + 1);
    places.resize(9, '0');
    return std::strtoll((decimal.substr(0, point) + places).c_str(), nullptr, 10);
}

std::string key_of(int shard, const std::string& rest) { return "aimeter:{" + std::to_string(shard) + "}:" + rest; }

class fault_cluster : public testing::Test {
protected:
    void SetUp() override {
        AIMETER_ONLY();
        ::signal(SIGPIPE, SIG_IGN);
        upstream.otherwise({serve(counted_answer())});
        aimeter = make_instance();
        aimeter->start();
        load =
            std::make_unique<counted_load>(std::vector{aimeter->port(), aimeter->port()}, 6, milliseconds(12), users);
        play(50);
        ASSERT_TRUE(ready_says("connected")) << ready();
    }

    std::unique_ptr<aimeter_process> make_instance() const {
        return std::make_unique<aimeter_process>(
            proxy_options{.upstream = upstream.url(),
                          .config = "workers = 2\n[track]\nlog = \"off\"\n[identity]\nheader = \"x-user-id\"\n"
                                    "[admin]\ntokens = [\"secret\"]\n[journal]\nsize = \"64MB\"\n",
                          .env = {{"AIMETER_REDIS_URL", redis.url()}, {"AIMETER_REDIS_STREAM_MAXLEN", "0"}},
                          .drain_timeout = "5s"});
    }
    void play(std::size_t requests) { ASSERT_TRUE(load->go_on_for(requests)) << aimeter->process().err(); }
    void kill(aimeter_process& which) {
        was_killed = true;
        which.process().signal(SIGKILL);
        ASSERT_EQ(which.process().wait_exit(), 128 + SIGKILL);
        which.start();
    }
    void kill_aimeter() {
        kill(*aimeter);
        load->use_ports({aimeter->port(), aimeter->port()});
    }

    // ---- what a user sees
    http_message get(const std::string& path) const { return get(*aimeter, path); }
    static http_message get(const aimeter_process& of, const std::string& path) {
        raw_client client = of.connect();
        client.send("GET /api/admin" + path + " HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret\r\n\r\n");
        return client.read(http_reader::kind::response, milliseconds(20'000));
    }
    json ask(const std::string& path) const {
        const auto answer = get(path);
        EXPECT_EQ(answer.status(), 200) << path << answer.body;
        return json::parse(answer.body, nullptr, false);
    }
    std::string ready() const { return get("/readyz").body; }
    static std::string ready(const aimeter_process& of) { return get(of, "/readyz").body; }
    bool ready_says(const std::string& part) const {
        return eventually([&] { return ready().find(part) != std::string::npos; }, milliseconds(20'000));
    }

    // ---- what Redis holds
    std::size_t node_of(int shard) { return redis.node_of(key_of(shard, "usage")); }
    std::int64_t requests_of(int shard) {
        const auto total = redis.hash(key_of(shard, "usage:total"));
        return total.contains("requests") ? std::stoll(total.at("requests")) : 0;
    }
    std::size_t recorded() {
        std::int64_t sum = 0;
        try {
            for (int shard = 0; shard < shards; ++shard) sum += requests_of(shard);
        } catch (const std::runtime_error&) {
            return 0;  // a node is away
        }
        return static_cast<std::size_t>(sum);
    }
    std::set<std::string> wanted() const {
        std::set<std::string> all = load->answered();
        for (const auto& request : upstream.requests()) all.insert(request.field("x-request-id").value_or(""));
        return all;
    }
    void wait_until_all_is_recorded() {
        load->stop();
        const auto all = wanted();
        EXPECT_TRUE(eventually(
            [&] { return recorded() >= all.size() && ready().find("\"lag\":0") != std::string::npos; }, settle_within))
            << recorded() << " of " << all.size() << ready() << aimeter->process().err();
    }
    // Ends the load, waits until all is recorded, and looks.
    void curtain();
    void look_at_shard(int shard, std::map<std::string, int>& times, std::int64_t& cost);

    cluster_redis redis;
    scripted_upstream upstream;
    std::unique_ptr<aimeter_process> aimeter;
    std::unique_ptr<counted_load> load;
    bool was_killed = false;
};

void fault_cluster::look_at_shard(int shard, std::map<std::string, int>& times, std::int64_t& cost) {
    auto& node = *redis.nodes[node_of(shard)]->redis;
    const auto usage = node.stream(key_of(shard, "usage"));
    const auto analytics = node.stream(key_of(shard, "analytics"));
    ASSERT_EQ(usage.size(), analytics.size()) << shard;
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < usage.size(); ++i) {
        ++times[usage[i].fields.at("requestId")];
        EXPECT_EQ(usage[i].id, analytics[i].id);
        EXPECT_EQ(usage[i].fields.at("id"), analytics[i].fields.at("id"));
        if (usage[i].fields.contains("cost")) sum += nano_of(usage[i].fields.at("cost"));
    }
    EXPECT_EQ(node.number({"HGET", key_of(shard, "usage:total"), "requests"}), static_cast<std::int64_t>(usage.size()));
    EXPECT_EQ(node.number({"HGET", key_of(shard, "usage:total"), "costNanoUsd"}), sum) << shard;
    EXPECT_EQ(node.number({"HGET", key_of(shard, "analytics:total"), "costNanoUsd"}), sum) << shard;
    cost += sum;
}

void fault_cluster::curtain() {
    wait_until_all_is_recorded();
    const auto all = wanted();
    ASSERT_GT(load->answered().size(), load->sent() / 3) << "hardly any load got through: the row shows nothing";
    if (!was_killed) {
        EXPECT_THAT(load->failures(), testing::IsEmpty());
    }
    ASSERT_TRUE(ready_says(R"("detail":"connected")")) << ready();
    EXPECT_THAT(ready(), HasSubstr("\"lost\":0"));

    std::map<std::string, int> times;
    std::int64_t cost = 0;
    for (int shard = 0; shard < shards; ++shard) look_at_shard(shard, times, cost);
    for (const auto& id : all) EXPECT_EQ(times[id], 1) << id;
    EXPECT_EQ(times.size(), all.size()) << "records of requests that nobody made";
    if (!was_killed) {
        std::int64_t told = 0;
        for (const auto& id : all) told += counted_price(id).nano();
        EXPECT_EQ(cost, told);
        const auto metrics = metrics_text::parse(get("/metrics").body);
        EXPECT_EQ(metrics.sum("aimeter_requests_total"), static_cast<double>(all.size()));
    }
    const auto verified = aimeter->run("verify");
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
    EXPECT_THAT(verified.out, HasSubstr("usage:total requests: " + std::to_string(times.size())));
    EXPECT_EQ(ask("/ai/usage?days=2")["totals"]["requests"], times.size());
    aimeter->process().signal(SIGTERM);
    EXPECT_EQ(aimeter->process().wait_exit(milliseconds(20'000)), 0) << aimeter->process().err();
}

TEST_F(fault_cluster, R16_a_master_is_killed_and_replaced) {
    play(300);
    const auto lost = node_of(3);
    redis.nodes[lost]->redis->kill();
    EXPECT_TRUE(ready_says(redis.nodes[lost]->address())) << ready();
    play(200);
    redis.wait_for_another_than(lost, key_of(3, "usage"));
    play(200);
    redis.nodes[lost]->redis->start();
    play(200);
    curtain();
}

TEST_F(fault_cluster, R17_a_master_hangs_is_replaced_and_comes_back) {
    play(200);
    const auto lost = node_of(3);
    redis.nodes[lost]->redis->freeze();
    play(100);
    redis.wait_for_another_than(lost, key_of(3, "usage"));
    redis.nodes[lost]->redis->unfreeze();
    play(300);
    curtain();
}

// Nobody takes over, and what it held is gone with it.
TEST_F(fault_cluster, R20_a_master_is_away_and_comes_back_without_its_data) {
    play(300);
    const auto lost = node_of(3);
    redis.nodes[lost + cluster_redis::masters]->redis->kill();
    redis.nodes[lost]->redis->kill();
    ASSERT_TRUE(ready_says("shard ")) << ready();
    std::map<int, std::int64_t> before;
    for (int shard = 0; shard < shards; ++shard) {
        const auto at = node_of(shard);
        if (at != lost) before[shard] = requests_of(shard);
    }
    ASSERT_GT(before.size(), 5U);
    play(400);
    // Each of the other shards goes on.
    EXPECT_TRUE(eventually([&] {
        return std::all_of(before.begin(), before.end(),
                           [&](const auto& one) { return one.second == 0 || requests_of(one.first) > one.second; });
    })) << ready();
    // A sum without the shards that are away would be wrong: it is refused, and says which shard it is.
    const auto refused = get("/ai/usage?days=1");
    EXPECT_EQ(refused.status(), 503) << refused.body;
    EXPECT_THAT(refused.body, HasSubstr("shard "));
    // An audit yields to all else, and this machine may have little left.
    EXPECT_TRUE(eventually([&] { return get("/ai/verify").status() == 503; }, milliseconds(150'000)));
    redis.nodes[lost]->redis->start();
    redis.nodes[lost + cluster_redis::masters]->redis->start();
    play(100);
    curtain();
}

TEST_F(fault_cluster, R19_slots_move_under_load) {
    play(300);
    ASSERT_TRUE(eventually([&] {
        int used = 0;
        for (int shard = 0; shard < shards; ++shard) used += requests_of(shard) > 0;
        return used >= 4;
    }));
    int moved = 0;
    for (int shard = 0; shard < shards && moved < 4; ++shard) {
        if (requests_of(shard) == 0) continue;
        const auto before = node_of(shard);
        redis.move_slot(key_of(shard, "usage"), [&] { play(60); });
        EXPECT_NE(node_of(shard), before);
        ++moved;
    }
    ASSERT_EQ(moved, 4);
    play(200);
    curtain();
}

TEST_F(fault_cluster, K4_killed_at_random_moments_while_a_slot_moves) {
    for (int i = 0; i < 3; ++i) {
        play(100);
        redis.move_slot(key_of(5 + i, "usage"), [&] { kill_aimeter(); });
        play(60);
        kill_aimeter();
    }
    play(100);
    curtain();
}

TEST_F(fault_cluster, M1_two_instances_share_it_and_are_killed_while_a_master_is_replaced) {
    const auto other = make_instance();
    other->start();
    const auto use_both = [&] { load->use_ports({aimeter->port(), other->port()}); };
    use_both();
    play(200);
    const auto lost = node_of(3);
    redis.nodes[lost]->redis->kill();
    play(100);
    kill(*other);
    use_both();
    redis.wait_for_another_than(lost, key_of(3, "usage"));
    play(100);
    kill(*aimeter);
    use_both();
    redis.nodes[lost]->redis->start();
    play(200);
    load->stop();
    EXPECT_THAT(ready(*other), HasSubstr("\"lost\":0"));
    other->process().signal(SIGTERM);
    EXPECT_EQ(other->process().wait_exit(milliseconds(20'000)), 0) << other->process().err();
    curtain();
}

// ---- What the admin endpoints make of it ---------------------------------------------------------------------------

TEST_F(fault_cluster, the_admin_endpoints_add_up_all_shards) {
    websocket_client live(aimeter->connect());
    ASSERT_EQ(live.shake_hands("/api/admin/ai/live", "Authorization: Bearer secret\r\n").status(), 101);
    play(600);
    wait_until_all_is_recorded();
    const auto all = wanted();
    const auto count = all.size();
    std::int64_t told = 0;
    for (const auto& id : all) told += counted_price(id).nano();
    const double cost = static_cast<double>(told) / 1e9;

    const json overview = ask("/ai/overview"), usage = ask("/ai/usage?days=2"), stats = ask("/stats");
    EXPECT_EQ(overview["month"]["requests"], count);
    EXPECT_EQ(stats["aiRequestsTotal"], count);
    EXPECT_EQ(stats["recentActivity"].size(), 10U);
    EXPECT_EQ(usage["totals"]["requests"], count);
    EXPECT_NEAR(usage["totals"]["cost"].get<double>(), cost, 1e-9);
    EXPECT_NEAR(usage["totals"]["activeUsers"].get<double>(), users, 1);  // an estimate
    EXPECT_TRUE(usage["totals"]["p95DurationMs"].is_number());
    for (const std::string list : {"byFeature", "byModel", "byHour", "overTime"}) {
        std::size_t sum = 0;
        for (const auto& row : usage[list]) sum += row["requests"].get<std::size_t>();
        EXPECT_EQ(sum, count) << list;
    }
    std::map<std::string, std::size_t> of_user;
    for (const auto& request : upstream.requests()) ++of_user[request.field("x-user-id").value_or("")];
    ASSERT_EQ(usage["topUsers"].size(), 10U);
    std::size_t before = count;
    for (const auto& row : usage["topUsers"]) {
        EXPECT_EQ(row["requests"], of_user[row["userId"]]) << row;
        EXPECT_LE(row["requests"].get<std::size_t>(), before);
        before = row["requests"].get<std::size_t>();
    }

    // The list of requests, page by page: newest first, each once.
    std::set<std::string> seen;
    std::string cursor;
    std::size_t pages = 0;
    do {
        const json page = ask("/ai/requests?limit=67" + (cursor.empty() ? "" : "&cursor=" + cursor));
        for (const auto& row : page["records"]) EXPECT_TRUE(seen.insert(row["requestId"]).second) << row;
        cursor = page["next"].is_string() ? page["next"].get<std::string>() : "";
        ASSERT_LT(++pages, 100U);
    } while (!cursor.empty());
    EXPECT_EQ(seen, all);
    EXPECT_EQ(get("/ai/requests?cursor=1-1.x").status(), 400);
    const json of_one = ask("/ai/requests?user=user-3&limit=500");
    EXPECT_EQ(of_one["records"].size(), of_user["user-3"]);
    EXPECT_EQ(ask("/ai/users/user-3?days=2")["totals"]["requests"], of_user["user-3"]);

    const auto exported = get("/ai/export?days=2&format=ndjson");
    std::istringstream lines(exported.body);
    std::set<std::string> rows;
    for (std::string line; std::getline(lines, line);) {
        const auto row = json::parse(line, nullptr, false);
        EXPECT_TRUE(rows.insert(row["requestId"].get<std::string>()).second);
    }
    EXPECT_EQ(rows, all);

    std::string audit;  // 202 while it lasts
    ASSERT_TRUE(eventually(
        [&] {
            const auto answer = get("/ai/verify");
            audit = answer.body;
            return answer.status() == 200;
        },
        milliseconds(60'000)));
    const json verified = json::parse(audit, nullptr, false);
    EXPECT_EQ(verified["ok"], true) << verified;
    EXPECT_EQ(verified["totals"]["streams"]["requests"], count);
    EXPECT_EQ(verified["totals"]["hashes"]["requests"], count);

    std::string messages;
    for (int i = 0; i < 40 && messages.find("\"aiRequestsTotal\":" + std::to_string(count)) == std::string::npos; ++i)
        messages = live.read_text();
    EXPECT_THAT(messages, HasSubstr("\"aiRequestsTotal\":" + std::to_string(count)));
}

TEST_F(fault_cluster, a_difference_is_found_and_mended_in_its_shard) {
    play(200);
    wait_until_all_is_recorded();
    const std::string key = key_of(3, "usage:total"), other = key_of(5, "usage:total");
    redis.run(key, {"HINCRBY", key, "requests", "7"});
    redis.run(other, {"DEL", other});
    const auto found = aimeter->run("verify");
    EXPECT_EQ(found.exit_code, 1);
    EXPECT_THAT(found.out, AllOf(HasSubstr(key), HasSubstr(other), HasSubstr("shard 3: ")));
    const auto mended = aimeter->run("verify", {"--repair"});
    EXPECT_EQ(mended.exit_code, 0) << mended.out << mended.err;
    EXPECT_EQ(aimeter->run("verify").exit_code, 0);
    EXPECT_EQ(recorded(), wanted().size());
}

}  // namespace
}  // namespace tests
