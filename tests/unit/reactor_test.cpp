// The workers' loop: what is posted from other threads runs, in order; a socket's readiness is told once and kept; a
// busy connection leaves the others their turn; what a handler closes is not called any more.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

#include "proxy/stream.hpp"
#include "proxy/task.hpp"

namespace {

using namespace proxy;
using namespace std::chrono_literals;

void serve(reactor& events, stream_list& streams) {
    events.run(5ms, [&](steady_time now) { streams.expire_overdue(now); });
}

// Two connected sockets: one end as a stream of the reactor, the other for the test to write to.
struct connection {
    explicit connection(reactor& in, stream_list& list) {
        std::array<int, 2> ends{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
        here = std::make_shared<stream>(in, list, ends[0], AF_UNIX);
        peer = ends[1];
    }
    ~connection() { hang_up(); }
    void write(std::string_view text) const {
        EXPECT_EQ(::write(peer, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    void hang_up() {
        if (peer >= 0) ::close(std::exchange(peer, -1));
    }

    std::shared_ptr<stream> here;
    int peer = -1;
};

TEST(Reactor, CallsAtTheTimeThatWasAskedForAndNotBefore) {
    reactor events;
    std::vector<int> called;
    const auto begin = std::chrono::steady_clock::now();
    steady_time second{};
    events.call_at(begin + 20ms, [&] {
        called.push_back(20);
        second = std::chrono::steady_clock::now();
        events.call_at(begin, [&] { events.stop(); });
    });
    events.call_at(begin + 10ms, [&] { called.push_back(10); });
    events.run(10s, [](steady_time) {});
    EXPECT_EQ(called, (std::vector{10, 20}));
    EXPECT_GE(second, begin + 20ms);
    EXPECT_LT(std::chrono::steady_clock::now(), begin + 5s);  // the loop's tick was not waited for
}

TEST(Reactor, RunsWhatOtherThreadsPostInTheirOrder) {
    constexpr int posts = 2000;
    reactor events;
    stream_list streams;
    std::array<std::vector<int>, 3> seen;
    int left = posts * 3;
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < seen.size(); ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < posts; ++i) {
                events.post([&, t, i] {
                    seen[t].push_back(i);
                    if (--left == 0) events.stop();
                });
            }
        });
    }
    serve(events, streams);
    for (auto& thread : threads) thread.join();
    for (const auto& of_thread : seen) {
        ASSERT_EQ(of_thread.size(), static_cast<std::size_t>(posts));
        for (int i = 0; i < posts; ++i) ASSERT_EQ(of_thread[static_cast<std::size_t>(i)], i);
    }
}

detached read_all(std::shared_ptr<stream> from, std::string& into, io_error& ended, reactor& events) {
    std::array<char, 8> room{};
    for (;;) {
        ended = co_await from->readable(10s);
        if (ended != io_error::none) break;
        const io_result got = from->try_read(room);
        if (got.error == io_error::would_block) continue;
        if (!got) {
            ended = got.error;
            break;
        }
        into.append(room.data(), got.bytes);
    }
    events.stop();
}

TEST(Reactor, AStreamIsReadToItsEndWhateverArrivesTogether) {
    for (const std::string_view text : {"", "short", "exactly8", "longer than the room there is"}) {
        reactor events;
        stream_list streams;
        connection one(events, streams);
        std::string got;
        io_error ended = io_error::none;
        read_all(one.here, got, ended, events);
        one.write(text);  // data and end may be told in one event, or the data was there before
        one.hang_up();
        serve(events, streams);
        EXPECT_EQ(got, text);
        EXPECT_EQ(ended, io_error::end);
    }
}

detached await_once(std::shared_ptr<stream> from, std::chrono::milliseconds timeout, io_error& how, reactor& events) {
    how = co_await from->readable(timeout);
    events.stop();
}

TEST(Reactor, AWaitEndsAtItsDeadline) {
    reactor events;
    stream_list streams;
    const connection one(events, streams);
    io_error how = io_error::none;
    await_once(one.here, 20ms, how, events);
    serve(events, streams);
    EXPECT_EQ(how, io_error::timed_out);
}

TEST(Reactor, ClosingEndsTheWait) {
    reactor events;
    stream_list streams;
    const connection one(events, streams);
    io_error how = io_error::none;
    await_once(one.here, 10s, how, events);
    std::thread other([&] { events.post([&] { one.here->close(); }); });
    serve(events, streams);
    other.join();
    EXPECT_EQ(how, io_error::closed);
}

// Reads a connection that always has more, until it is told to stop.
detached drink(std::shared_ptr<stream> from, const connection& source, int& sips, const bool& enough) {
    std::array<char, 4> room{};
    while (!enough) {
        co_await from->readable(10s);
        source.write("more");
        if (from->try_read(room)) ++sips;
    }
}

detached answer(std::shared_ptr<stream> from, bool& enough, reactor& events) {
    co_await from->readable(10s);
    enough = true;
    events.stop();
}

TEST(Reactor, ABusyConnectionLeavesTheOthersTheirTurn) {
    reactor events;
    stream_list streams;
    const connection busy(events, streams);
    const connection quiet(events, streams);
    int sips = 0;
    bool enough = false;
    busy.write("first");
    drink(busy.here, busy, sips, enough);
    answer(quiet.here, enough, events);
    quiet.write("me too");
    serve(events, streams);
    EXPECT_TRUE(enough);
    EXPECT_LT(sips, 200);
}

detached close_the_other(std::shared_ptr<stream> from, const std::shared_ptr<stream>& other, int& calls,
                         reactor& events) {
    const io_error how = co_await from->readable(10s);
    if (how == io_error::none) {
        ++calls;
        other->close();
    }
    events.post([&events] { events.stop(); });
}

TEST(Reactor, WhatAHandlerClosesIsNotCalledInTheSameTurn) {
    reactor events;
    stream_list streams;
    const connection one(events, streams);
    const connection two(events, streams);
    int calls = 0;
    close_the_other(one.here, two.here, calls, events);
    close_the_other(two.here, one.here, calls, events);
    one.write("x");
    two.write("x");
    serve(events, streams);
    EXPECT_EQ(calls, 1);
}

// As a child between fork and exec does. The address sanitizer sees what would go wrong.
TEST(Reactor, AClosedSocketIsNotHeardOfThoughACopyOfItStaysOpen) {
    for (const bool closed : {true, false}) {
        reactor events;
        stream_list streams;
        connection one(events, streams);
        const int copy = ::dup(one.here->descriptor());
        if (closed) one.here->close();
        one.here.reset();
        one.write("x");
        events.post([&] { events.stop(); });
        serve(events, streams);
        ::close(copy);
    }
}

TEST(Reactor, KnowsAConnectionToBeQuietOrNot) {
    reactor events;
    stream_list streams;
    connection one(events, streams);
    EXPECT_TRUE(one.here->quiet());
    EXPECT_TRUE(one.here->quiet_now());
    one.hang_up();
    EXPECT_FALSE(one.here->quiet_now()) << "asked of the kernel, before any event";
    events.post([&] { events.stop(); });
    serve(events, streams);
    EXPECT_FALSE(one.here->quiet()) << "heard by the reactor";
}

}  // namespace
