// The connections of one worker when the upstream's addresses change under it, as a name's do: what stays keeps its
// connections, what is gone loses the idle ones at once and the others when they are given back.
#include "proxy/upstream_pool.hpp"

#include <gmock/gmock.h>

#include <deque>

#include "tests/support/scripted_upstream.hpp"

namespace {

using namespace proxy;
using tests::scripted_upstream;

conf::settings settings_with(std::uint32_t idle) {
    conf::settings made = conf::default_settings();
    made.limits.upstream_idle = idle;
    return made;
}

upstream_addresses resolved(const std::vector<const scripted_upstream*>& peers) {
    std::vector<conf::endpoint> named;
    for (const scripted_upstream* one : peers) {
        conf::endpoint where;
        where.host = "127.0.0.1";
        where.port = one->port();
        where.text = one->url();
        named.push_back(where);
    }
    return resolve_upstream(named, {});
}

class UpstreamPool : public testing::Test {
protected:
    void use(const std::vector<const scripted_upstream*>& peers, std::uint32_t idle = 64) {
        pool.use(settings_with(idle), nullptr, std::make_shared<const upstream_addresses>(resolved(peers)));
    }

    static detached connect_one(upstream_pool& from, peer_turn& turn, std::shared_ptr<stream>& into, reactor& events) {
        auto made = co_await from.connect(turn);
        if (auto* connection = std::get_if<std::shared_ptr<stream>>(&made)) into = std::move(*connection);
        events.stop();
    }
    // A connection to the peer that the turn is given.
    std::shared_ptr<stream> connect(peer_turn& turn) {
        std::shared_ptr<stream> made;
        EXPECT_TRUE(pool.choose(turn));
        connect_one(pool, turn, made, events);
        serve();
        return made;
    }
    void serve() {
        events.run(std::chrono::milliseconds(5), [this](steady_time now) { streams.expire_overdue(now); });
    }
    // An idle connection of each peer.
    void fill(const std::vector<const scripted_upstream*>& peers) {
        std::deque<peer_turn> turns;  // under way together: each peer gets one
        std::vector<std::shared_ptr<stream>> made;
        for (std::size_t i = 0; i < peers.size(); ++i) made.push_back(connect(turns.emplace_back()));
        for (std::size_t i = 0; i < peers.size(); ++i) pool.give_back(turns[i], std::move(made[i]), std::nullopt);
        for (const scripted_upstream* one : peers) ASSERT_TRUE(one->wait_connections(1));
    }
    bool has_idle() {
        peer_turn turn;
        EXPECT_TRUE(pool.choose(turn));
        const auto kept = pool.take_idle(turn);
        if (kept) pool.give_back(turn, kept, std::nullopt);
        return kept != nullptr;
    }

    scripted_upstream a, b;
    reactor events;
    stream_list streams;
    tracking::system_time clock;
    upstream_pool pool{
        {.in = events, .streams = streams, .clock = clock, .seed = 1, .changed = [](const peer_change&) {}}};
};

TEST_F(UpstreamPool, AddressesThatStayKeepTheirConnectionsAndThoseThatGoLoseThem) {
    use({&a, &b});
    fill({&a, &b});
    scripted_upstream c;
    use({&c, &b});
    EXPECT_TRUE(a.wait_ended(0, tests::prompt));
    EXPECT_EQ(b.connection(0).ended, tests::ending::none);
    use({&b});
    EXPECT_TRUE(has_idle());
    EXPECT_EQ(b.connections(), 1U);
}

TEST_F(UpstreamPool, AConnectionInUseAtAnAddressThatGoesIsNotKept) {
    use({&a});
    {
        peer_turn turn;
        auto connection = connect(turn);
        ASSERT_TRUE(connection);
        use({&b});
        EXPECT_TRUE(connection->is_open()) << "what is under way is finished";
        pool.give_back(turn, std::move(connection), std::nullopt);
    }
    EXPECT_TRUE(a.wait_ended(0, tests::prompt));
    use({&a});
    EXPECT_FALSE(has_idle());
}

TEST_F(UpstreamPool, AConnectionThatIsBeingMadeOutlivesItsAddress) {
    use({&a});
    peer_turn turn;
    std::shared_ptr<stream> made;
    ASSERT_TRUE(pool.choose(turn));
    connect_one(pool, turn, made, events);
    use({&b});
    serve();
    EXPECT_TRUE(made);
}

TEST_F(UpstreamPool, ASmallerLimitDropsTheConnectionsThatWereLongestIdle) {
    use({&a});
    fill({&a});
    peer_turn first, second;
    auto one = connect(first);  // the one that is idle stays so
    auto two = connect(second);
    pool.give_back(first, std::move(one), std::nullopt);
    pool.give_back(second, std::move(two), std::nullopt);
    ASSERT_TRUE(a.wait_connections(3));
    use({&a}, 1);
    EXPECT_TRUE(a.wait_ended(0, tests::prompt));
    EXPECT_TRUE(a.wait_ended(1, tests::prompt));
    EXPECT_EQ(a.connection(2).ended, tests::ending::none);
    EXPECT_TRUE(has_idle());
}

}  // namespace
