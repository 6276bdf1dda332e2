// The upstream's names: resolved again in their interval, sooner while a peer fails; what does not resolve keeps what
// it had; and what the workers tell of their peers, as /readyz and the log say it.
#include "proxy/upstream_watch.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <mutex>

namespace {

using namespace proxy;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::vector<std::string> texts(const upstream_addresses& of) {
    std::vector<std::string> all;
    for (const auto& one : of.all) all.push_back(one.text);
    return all;
}

class UpstreamWatch : public testing::Test {
protected:
    ~UpstreamWatch() override {
        watch.stop();
        names_come(true);
    }

    // false: whoever asks waits until they do.
    void names_come(bool they_do) {
        gate = they_do;
        gate.notify_all();
    }

    // What the names resolve to from now on.
    void resolves_to(const std::vector<std::string>& names) {
        const std::lock_guard lock(mutex_);
        names_ = names;
    }
    upstream_addresses resolve() {
        gate.wait(false);
        const std::lock_guard lock(mutex_);
        ++asked;
        upstream_addresses found;
        for (const auto& name : names_) {
            found.all.emplace_back();
            found.all.back().text = name;
        }
        if (names_.empty()) found.problem = "app: nobody knows";
        return found;
    }
    template <class Condition>
    bool wait(Condition condition, std::chrono::milliseconds within = 10s) {
        const auto end = std::chrono::steady_clock::now() + within;
        while (!condition() && std::chrono::steady_clock::now() < end) context.run_one_until(end);
        return condition();
    }
    void follow(std::chrono::milliseconds interval) { watch.follow({conf::endpoint{}}, interval); }

    boost::asio::io_context context;
    const boost::asio::executor_work_guard<boost::asio::io_context::executor_type> kept{context.get_executor()};
    tracking::system_time clock;
    std::atomic<int> asked = 0;
    std::atomic<bool> gate = true;
    int changed = 0;
    upstream_watch watch{context.get_executor(), [this](const auto&, const auto&) { return resolve(); }, clock,
                         [this] { ++changed; }};

private:
    std::mutex mutex_;
    std::vector<std::string> names_{"a", "b"};
};

TEST_F(UpstreamWatch, TellsOfOtherAddressesAndOfNothingElse) {
    follow(5ms);
    EXPECT_THAT(texts(*watch.addresses()), ElementsAre("a", "b"));
    resolves_to({"b", "a"});
    ASSERT_TRUE(wait([&] { return asked >= 4; }));
    EXPECT_EQ(changed, 0) << "another order is no change";
    resolves_to({"b", "c"});
    ASSERT_TRUE(wait([&] { return changed == 1; }));
    EXPECT_THAT(texts(*watch.addresses()), UnorderedElementsAre("b", "c"));
}

TEST_F(UpstreamWatch, WhatDoesNotResolveKeepsWhatItHad) {
    follow(5ms);
    resolves_to({});
    ASSERT_TRUE(wait([&] { return asked >= 4; }));
    EXPECT_THAT(texts(*watch.addresses()), ElementsAre("a", "b"));
    EXPECT_EQ(changed, 0);
}

TEST_F(UpstreamWatch, APeerThatFailsIsResolvedSoonerButNotMoreOftenThanEverySecond) {
    follow(1h);
    const auto before = std::chrono::steady_clock::now();
    for (std::size_t worker = 0; worker < 50; ++worker) watch.note(worker, {"a", "refused"});
    resolves_to({"b", "c"});
    ASSERT_TRUE(wait([&] { return changed == 1; }));
    EXPECT_GE(std::chrono::steady_clock::now() - before, 900ms);
    EXPECT_EQ(asked, 2);
}

TEST_F(UpstreamWatch, APeerFailsFromTheFirstWorkerThatLeavesItOutToTheLastThatTakesItBack) {
    follow(1h);
    const auto of_a = [&] { return watch.peers().at(0); };
    watch.note(0, {"a", "refused"});
    const auto since = of_a().failing_since_ms;
    ASSERT_TRUE(since);
    EXPECT_NEAR(static_cast<double>(*since), static_cast<double>(clock.wall_ms()), 5000);
    watch.note(1, {"a", "timed out"});
    watch.note(0, {"a", std::nullopt});
    EXPECT_EQ(of_a().failing_since_ms, since);
    watch.note(1, {"a", std::nullopt});
    EXPECT_FALSE(of_a().failing_since_ms);
    EXPECT_EQ(of_a().last_error, "timed out");
    EXPECT_EQ(watch.peers().at(1).last_error, "");
}

TEST_F(UpstreamWatch, WhatWasKnownOfAnAddressEndsWithIt) {
    follow(5ms);
    watch.note(0, {"a", "refused"});
    watch.note(0, {"nobody", "refused"});
    EXPECT_EQ(watch.peers().size(), 2U);
    resolves_to({"b"});
    ASSERT_TRUE(wait([&] { return changed == 1; }));
    watch.note(0, {"a", "refused"});  // was under way
    EXPECT_EQ(watch.peers().size(), 1U);
    resolves_to({"a", "b"});
    ASSERT_TRUE(wait([&] { return changed == 2; }));
    for (const auto& one : watch.peers()) EXPECT_FALSE(one.failing_since_ms) << one.address;
}

TEST_F(UpstreamWatch, AReloadWithTheSamePeersKeepsTheirAddressesAndWaitsForNobody) {
    follow(1h);
    names_come(false);
    resolves_to({"c"});
    bool in_force = false;
    watch.follow_when_resolved({conf::endpoint{}}, 1h, [&] { in_force = true; });
    EXPECT_TRUE(in_force);
    EXPECT_THAT(texts(*watch.addresses()), ElementsAre("a", "b"));
    names_come(true);
    ASSERT_TRUE(wait([&] { return changed == 1; }));
    EXPECT_THAT(texts(*watch.addresses()), ElementsAre("c"));
}

TEST_F(UpstreamWatch, AReloadWithOtherPeersIsInForceWhenTheirAddressesAreKnown) {
    follow(1h);
    names_come(false);
    resolves_to({"c"});
    conf::endpoint other;
    other.host = "other";
    bool replaced = false, in_force = false;
    watch.follow_when_resolved({other}, 1h, [&] { replaced = true; });
    watch.follow_when_resolved({other}, 1h, [&] {
        in_force = true;
        EXPECT_THAT(texts(*watch.addresses()), ElementsAre("c"));
    });
    EXPECT_FALSE(in_force);
    EXPECT_THAT(texts(*watch.addresses()), ElementsAre("a", "b")) << "what is in force stays until then";
    bool others_go_on = false;
    boost::asio::post(context, [&] { others_go_on = true; });
    ASSERT_TRUE(wait([&] { return others_go_on; }));
    EXPECT_FALSE(in_force);
    names_come(true);
    ASSERT_TRUE(wait([&] { return in_force; }));
    EXPECT_FALSE(replaced) << "a later reload has taken its place";
    EXPECT_EQ(changed, 0);
}

// ---- resolve_upstream ---------------------------------------------------------------------------------------------

conf::endpoint peer(const std::string& host, std::uint16_t port, bool tls = false) {
    conf::endpoint made;
    made.host = host;
    made.port = port;
    made.tls = tls;
    made.text = (tls ? "https://" : "http://") + host + ":" + std::to_string(port);
    return made;
}

const std::string no_name(70, 'x');  // longer than a label may be: refused without asking anybody

TEST(Resolve, EachAddressIsOneHoweverOftenItIsNamed) {
    conf::endpoint local;
    local.unix_path = "/run/app.sock";
    local.text = "unix:/run/app.sock";
    const auto found = resolve_upstream({peer("127.0.0.1", 3000), peer("127.0.0.1", 3000),
                                         peer("127.0.0.1", 3000, true), peer("127.0.0.1", 3001), local, local},
                                        {});
    EXPECT_THAT(texts(found), ElementsAre("http://127.0.0.1:3000", "https://127.0.0.1:3000", "http://127.0.0.1:3001",
                                          "unix:/run/app.sock"));
    EXPECT_EQ(found.problem, "");
    EXPECT_EQ(found.all[1].tls_name, "127.0.0.1");
}

TEST(Resolve, ANameIsShownWithWhatItResolvedTo) {
    const auto found = resolve_upstream({peer("localhost", 3000)}, {});
    EXPECT_THAT(texts(found), testing::Contains("http://localhost:3000 (127.0.0.1:3000)"));
}

TEST(Resolve, ANameThatDoesNotResolveKeepsItsAddressesBesideThoseThatDo) {
    upstream_addresses before;
    for (const auto& [text, configured] : {std::pair("old", peer(no_name, 1).text), {"other", "http://other"}}) {
        before.all.emplace_back();
        before.all.back().text = text;
        before.all.back().configured = configured;
    }
    const auto found = resolve_upstream({peer(no_name, 1), peer("127.0.0.1", 2)}, before);
    EXPECT_THAT(texts(found), ElementsAre("old", "http://127.0.0.1:2"));
    EXPECT_NE(found.problem, "");
    EXPECT_THAT(resolve_upstream({peer(no_name, 1)}, {}).all, IsEmpty());
}

}  // namespace
