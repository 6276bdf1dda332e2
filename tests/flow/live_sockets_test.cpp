// Live sockets over real (unix) sockets on a worker's loop: who is slow gets a snapshot when there is room again, and
// holds nothing meanwhile; who breaks the protocol hears why; a drain ends them all.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

#include "proxy/live_sockets.hpp"
#include "tests/support/eventually.hpp"

namespace {

using namespace proxy;
using namespace std::chrono_literals;
using namespace std::string_literals;
using admin::live_message;
using tests::eventually;

// Numbered in the order of their making, as the feed does it.
live_message text_of(live_message::kind is, const std::string& text) {
    static std::uint64_t order = 0;
    std::string frame;
    admin::websocket::append_frame(frame, admin::websocket::opcode::text, text);
    if (is != live_message::kind::snapshot) ++order;
    return {is, order, std::make_shared<const std::string>(frame)};
}
live_message snapshot(int seq) { return text_of(live_message::kind::snapshot, "snapshot " + std::to_string(seq)); }

std::string masked(int first, const std::string& payload) {  // a mask of zeros: the bytes as they are
    return std::string{static_cast<char>(first), static_cast<char>(0x80 | payload.size())} + "\0\0\0\0"s + payload;
}

// The client's end of a socket pair.
struct client {
    int fd = -1;
    std::string received;
    bool ended = false;

    ~client() { close(); }
    void close() {
        if (fd >= 0) ::close(std::exchange(fd, -1));
    }
    void send(const std::string& bytes) const {
        ASSERT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
    }
    void read() {
        std::array<char, 65536> piece;
        for (;;) {
            const auto got = ::recv(fd, piece.data(), piece.size(), MSG_DONTWAIT);
            if (got == 0) ended = true;
            if (got <= 0) return;
            received.append(piece.data(), static_cast<std::size_t>(got));
        }
    }
    bool gets(const std::string& text) {
        return eventually([&] { return read(), received.find(text) != std::string::npos; });
    }
    bool sees_end() {
        return eventually([&] { return read(), ended; });
    }
};

class LiveSockets : public testing::Test {
protected:
    void TearDown() override {
        on_worker([this] { streams_.close_all(); });
        loop_.stop();
        thread_.join();
    }

    template <class What>
    void on_worker(What what) {
        std::atomic<bool> done = false;
        loop_.post([&] {
            what();
            done = true;
        });
        ASSERT_TRUE(eventually([&] { return done.load(); }));
    }
    detached serve(int fd, live_socket::timing times) {
        const auto here = std::make_shared<stream>(loop_, streams_, fd, AF_UNIX);
        buffer received(pool_);
        {
            live_socket one(live_, *here, received, times);
            co_await one.run();
        }
        here->close();
        ++ended_;
    }
    void connect(client& to, live_socket::timing times = {10s, 10s}) {
        on_worker([&] { connect_here(to, times); });
    }
    void connect_here(client& to, live_socket::timing times = {10s, 10s}) {  // on the worker
        std::array<int, 2> ends{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
        to.fd = ends[1];
        serve(ends[0], times);
    }
    void publish(const live_message& what) {
        on_worker([&] { live_.publish(what); });
    }

    reactor loop_;
    stream_list streams_;
    buffer_pool pool_;
    std::atomic<int> wanted_ = 0;
    std::atomic<int> ended_ = 0;
    live_sockets live_{loop_, [this] { ++wanted_; }};
    std::thread thread_{[this] { loop_.run(5ms, [this](steady_time now) { streams_.expire_overdue(now); }); }};
};

TEST_F(LiveSockets, BeginWithASnapshotAndGoOnWithEachDelta) {
    client one;
    connect(one);
    EXPECT_EQ(wanted_, 1);
    publish(text_of(live_message::kind::delta, "too early"));
    publish(snapshot(1));
    publish(text_of(live_message::kind::delta, "delta 2"));
    publish(snapshot(2));  // for somebody else
    publish(text_of(live_message::kind::delta, "delta 3"));
    ASSERT_TRUE(one.gets("delta 3"));
    EXPECT_EQ(one.received,
              "\x81\x0Asnapshot 1\x81\x07"
              "delta 2\x81\x07"
              "delta 3");
}

TEST_F(LiveSockets, AGreetingIsForThoseWhoHaveHeardNothing) {
    client old, fresh;
    connect(old);
    publish(snapshot(1));
    connect(fresh);
    publish(text_of(live_message::kind::greeting, "redis is down"));
    publish(text_of(live_message::kind::greeting, "redis is down"));
    publish(text_of(live_message::kind::notice, "redis is up"));
    publish(snapshot(2));
    ASSERT_TRUE(old.gets("up"));
    ASSERT_TRUE(fresh.gets("snapshot 2"));
    EXPECT_EQ(old.received, "\x81\x0Asnapshot 1\x81\x0Bredis is up");
    EXPECT_EQ(fresh.received, "\x81\x0Dredis is down\x81\x0Bredis is up\x81\x0Asnapshot 2");
}

// A thousand messages for a client that does not read: what it holds is one of them, and then it is asked for once.
TEST_F(LiveSockets, ASlowClientIsGivenASnapshotWhenItReadsAgain) {
    client slow, quick;
    connect(slow);
    connect(quick);
    publish(snapshot(0));
    ASSERT_TRUE(slow.gets("snapshot 0"));
    ASSERT_TRUE(quick.gets("snapshot 0"));
    const int wanted = wanted_;
    std::weak_ptr<const std::string> held;
    for (int i = 1; i <= 1000; ++i) {
        const auto big = text_of(live_message::kind::delta, "delta " + std::to_string(i) + std::string(2000, '.'));
        publish(big);
        if (i == 500) held = big.frames;
        quick.read();
    }
    ASSERT_TRUE(quick.gets("delta 1000"));
    EXPECT_TRUE(held.expired());  // nobody keeps what was missed
    EXPECT_EQ(wanted_, wanted);
    ASSERT_TRUE(eventually([&] { return slow.read(), wanted_ == wanted + 1; }));
    slow.read();
    EXPECT_LT(slow.received.size(), 512U * 1024);  // of 2 MB: what the kernel held, and one message
    EXPECT_EQ(slow.received.find("delta 1000"), std::string::npos);
    publish(text_of(live_message::kind::delta, "not for it"));
    publish(snapshot(1000));
    publish(text_of(live_message::kind::delta, "delta 1001"));
    ASSERT_TRUE(slow.gets("delta 1001"));
    EXPECT_NE(slow.received.find("snapshot 1000"), std::string::npos);
    EXPECT_EQ(slow.received.find("not for it"), std::string::npos);
}

TEST_F(LiveSockets, AThousandSocketsGetEachMessageInOrder) {
    std::vector<client> many(1000);
    for (auto& one : many) connect(one);
    publish(snapshot(1));
    for (int i = 2; i <= 5; ++i) publish(text_of(live_message::kind::delta, "d" + std::to_string(i)));
    for (auto& one : many) {
        ASSERT_TRUE(one.gets("d5"));
        ASSERT_EQ(one.received,
                  "\x81\x0Asnapshot 1\x81\x02"
                  "d2\x81\x02"
                  "d3\x81\x02"
                  "d4\x81\x02"
                  "d5");
    }
}

// Requests come between: of hundreds of sockets a few are written to at a time.
TEST_F(LiveSockets, OnlyAFewAreWrittenToAtATime) {
    std::vector<client> many(100);
    for (auto& one : many) connect(one);
    publish(snapshot(1));
    for (auto& one : many) ASSERT_TRUE(one.gets("snapshot 1"));
    const auto have_it = [&] {
        for (auto& one : many) one.read();
        return std::count_if(many.begin(), many.end(), [](const client& one) { return one.received.ends_with("d2"); });
    };
    std::ptrdiff_t at_once = 0;
    on_worker([&] {
        live_.publish(text_of(live_message::kind::delta, "d2"));
        at_once = have_it();
    });
    EXPECT_LT(at_once, 10);
    EXPECT_TRUE(eventually([&] { return have_it() == 100; }));
}

TEST_F(LiveSockets, WhoComesMeanwhileIsNotKeptWaitingAndHearsNothingTwice) {
    std::vector<client> many(1000);
    for (auto& one : many) connect(one);
    publish(snapshot(1));
    for (auto& one : many) ASSERT_TRUE(one.gets("snapshot 1"));
    client late;
    on_worker([&] {
        live_.publish(text_of(live_message::kind::delta, "d2"));
        connect_here(late);
        live_.publish(snapshot(2));
    });
    ASSERT_TRUE(late.gets("snapshot 2"));
    on_worker([&] { many.back().read(); });
    EXPECT_FALSE(many.back().received.ends_with("d2"));  // half a second behind the first ones
    publish(text_of(live_message::kind::delta, "d3"));
    ASSERT_TRUE(late.gets("d3"));
    ASSERT_TRUE(many.back().gets("d3"));
    EXPECT_EQ(late.received,
              "\x81\x0Asnapshot 2\x81\x02"
              "d3");
    EXPECT_EQ(many.back().received,
              "\x81\x0Asnapshot 1\x81\x02"
              "d2\x81\x02"
              "d3");
}

TEST_F(LiveSockets, PingsAreAnsweredAndCloseIsReturned) {
    client one;
    connect(one);
    publish(snapshot(1));
    one.send(masked(0x89, "abc"));
    ASSERT_TRUE(
        one.gets("\x8A\x03"
                 "abc"));
    one.send(masked(0x81, "whatever") + masked(0x88, "\x03\xE8"));
    ASSERT_TRUE(one.sees_end());
    EXPECT_TRUE(one.received.ends_with("\x88\x02\x03\xE8")) << one.received;
    EXPECT_EQ(ended_, 1);
}

TEST_F(LiveSockets, WhoBreaksTheProtocolHearsWhy) {
    for (const auto& [sent, code] : {std::pair{"\x81\x01x"s, 1002}, std::pair{masked(0x81, "\xFF"), 1007},
                                     std::pair{masked(0x82, "x"), 1003}, std::pair{"\x81\xFE\x10\x01"s, 1009}}) {
        client one;
        connect(one);
        one.send(sent);
        ASSERT_TRUE(one.sees_end()) << code;
        const std::string wanted{'\x88', '\x02', static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)};
        EXPECT_EQ(one.received, wanted) << code;
    }
}

TEST_F(LiveSockets, WhoDoesNotAnswerAPingIsGivenUp) {
    client dead, alive;
    connect(dead, {100ms, 10s});
    connect(alive, {100ms, 10s});
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(alive.gets("\x89\x00"s));
        alive.received.clear();
        alive.send(masked(0x8A, ""));
    }
    ASSERT_TRUE(dead.sees_end());
    EXPECT_EQ(dead.received, "\x89\x00"s);
    EXPECT_EQ(ended_, 1);
}

TEST_F(LiveSockets, ADrainSaysGoodbyeAndWaitsForNobody) {
    client reads, stuck;
    connect(reads);
    connect(stuck);
    publish(snapshot(1));
    const std::string large(1 << 20, '.');
    publish(text_of(live_message::kind::delta, large));
    ASSERT_TRUE(eventually([&] { return reads.read(), reads.received.size() > large.size(); }));
    on_worker([this] { live_.leave(); });
    ASSERT_TRUE(eventually([&] { return ended_ == 2; }));
    ASSERT_TRUE(reads.sees_end());
    ASSERT_TRUE(stuck.sees_end());
    EXPECT_TRUE(reads.received.ends_with("\x88\x02\x03\xE9"));
    EXPECT_FALSE(stuck.received.ends_with("\x88\x02\x03\xE9"));
    client late;
    connect(late);
    ASSERT_TRUE(late.sees_end());
    EXPECT_EQ(late.received, "\x88\x02\x03\xE9");
}

}  // namespace
