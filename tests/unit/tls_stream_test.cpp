// A stream over TLS keeps a stream's promises: what OpenSSL holds is not forgotten, both directions flow through full
// sockets, and what arrives is told to whoever waits.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "proxy/tls.hpp"
#include "proxy/write_all.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/child_process.hpp"

namespace {

using namespace proxy;
using namespace std::chrono_literals;

class tls_stream : public ::testing::Test {
protected:
    void SetUp() override {
        const tests::test_authority authority;
        const tests::certificate own = authority.issue();
        tests::write_file(folder.path() + "/cert.pem", own.cert);
        tests::write_file(folder.path() + "/key.pem", own.key);
        tests::write_file(folder.path() + "/ca.pem", authority.pem());
        conf::tls_settings serving;
        serving.cert = folder.path() + "/cert.pem";
        serving.key = folder.path() + "/key.pem";
        server_side = made(make_server_tls(serving));
        conf::forward_settings trust;
        trust.ca_file = folder.path() + "/ca.pem";
        client_side = made(make_client_tls(trust));

        std::array<int, 2> ends{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
        for (const int end : ends) {
            const int small = 4096;  // so that records do not go out whole
            ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        }
        server = std::make_shared<stream>(events, streams, ends[0], AF_UNIX);
        client = std::make_shared<stream>(events, streams, ends[1], AF_UNIX);
        server->secure(tls_channel::of_server(*server_side, ends[0]));
        client->secure(tls_channel::of_client(*client_side, ends[1], "localhost", std::make_shared<tls_session>()));
        greet(server);
        greet(client);
        run_until([&] { return greeted == 2; });
    }

    static tls_context made(std::variant<tls_context, std::string> what) {
        if (const auto* problem = std::get_if<std::string>(&what)) ADD_FAILURE() << *problem;
        return std::get<tls_context>(what);
    }

    detached greet(std::shared_ptr<stream> one) {
        const io_error how = co_await shake_hands(*one, 10s);
        EXPECT_EQ(how, io_error::none) << one->tls()->problem();
        ++greeted;
    }

    // Turns of the loop until the condition holds.
    template <class Condition>
    void run_until(Condition holds) {
        const auto give_up = std::chrono::steady_clock::now() + 60s;
        while (!holds() && std::chrono::steady_clock::now() < give_up) {
            reactor& loop = events;
            loop.run(1ms, [&](steady_time now) {
                streams.expire_overdue(now);
                if (holds() || now >= give_up) loop.stop();
            });
        }
        ASSERT_TRUE(holds());
    }

    tests::temp_dir folder;
    tls_context server_side, client_side;
    reactor events;
    stream_list streams;
    std::shared_ptr<stream> server, client;
    int greeted = 0;
};

std::string pattern(std::size_t size) {
    std::string out(size, '\0');
    std::uint32_t state = 7;
    for (char& c : out) c = static_cast<char>((state = state * 1664525U + 1013904223U) >> 24U);
    return out;
}

// In pieces of many sizes, several to a write.
detached write_in_pieces(std::shared_ptr<stream> to, std::string text, int& done) {
    std::size_t size = 1;
    for (std::size_t at = 0; at < text.size();) {
        std::array<iovec, 3> pieces{};
        for (iovec& piece : pieces) {
            size = size * 3 % 40'009;
            piece = {text.data() + at, std::min(size, text.size() - at)};
            at += piece.iov_len;
        }
        const io_result sent = co_await write_all(*to, pieces, 10s);
        EXPECT_TRUE(sent);
    }
    to->shutdown_send();
    ++done;
}

detached read_to_end(std::shared_ptr<stream> from, std::string& into, io_error& ended, int& done) {
    std::string room(30'011, '\0');
    std::size_t size = 1;
    for (ended = io_error::none; ended == io_error::none;) {
        ended = co_await from->readable(10s);
        if (ended != io_error::none) break;
        size = size * 5 % room.size();
        const io_result got = from->try_read(std::span(room).first(size + 1));
        into.append(room.data(), got.bytes);
        if (!got && got.error != io_error::would_block) ended = got.error;
    }
    ++done;
}

TEST_F(tls_stream, BothDirectionsFlowThroughFullSockets) {
    const std::string there = pattern(3'000'000), back = pattern(2'000'000);
    std::string at_server, at_client;
    io_error server_ended{}, client_ended{};
    int done = 0;
    read_to_end(server, at_server, server_ended, done);
    read_to_end(client, at_client, client_ended, done);
    write_in_pieces(client, there, done);
    write_in_pieces(server, back, done);
    run_until([&] { return done == 4; });
    EXPECT_TRUE(at_server == there);
    EXPECT_TRUE(at_client == back);
    EXPECT_EQ(server_ended, io_error::end);
    EXPECT_EQ(client_ended, io_error::end);
}

TEST_F(tls_stream, ASocketThatEndsUnannouncedIsTruncated) {
    std::string got;
    io_error ended{};
    int done = 0;
    read_to_end(server, got, ended, done);
    EXPECT_TRUE(client->quiet_now());  // takes the session tickets: unread, they would make it a reset
    client->close();
    run_until([&] { return done == 1; });
    EXPECT_EQ(ended, io_error::truncated);
}

detached await_once(std::shared_ptr<stream> from, io_error& how, int& done) {
    how = co_await from->readable(5s);
    ++done;
}

TEST_F(tls_stream, WhatALookFoundIsToldToWhoeverWaits) {
    EXPECT_TRUE(client->quiet_now()) << "session tickets are not what anybody waits for";
    io_error how{};
    int done = 0;
    await_once(server, how, done);
    EXPECT_TRUE(server->quiet_now());
    std::string text = "hello";
    const iovec piece{text.data(), text.size()};
    EXPECT_EQ(client->try_write({&piece, 1}).bytes, text.size());
    EXPECT_FALSE(server->quiet_now()) << "which takes the bytes out of the socket";
    run_until([&] { return done == 1; });
    EXPECT_EQ(how, io_error::none);
    std::array<char, 16> room{};
    EXPECT_EQ(server->try_read(room).bytes, text.size());
    EXPECT_TRUE(server->quiet_now());
}

TEST_F(tls_stream, AWaitWithHalfARecordThereCanBeEnded) {
    std::string text(20'000, 'x');  // more than the socket takes: its second record stays behind
    const iovec piece{text.data(), text.size()};
    std::size_t sent = 0;
    while (const io_result wrote = client->try_write({&piece, 1})) sent += wrote.bytes;
    std::string got;
    io_error ended{};
    int done = 0;
    read_to_end(server, got, ended, done);
    run_until([&] { return got.size() >= sent; });
    server->cancel_read();
    EXPECT_EQ(done, 1);
    EXPECT_EQ(ended, io_error::closed);
}

}  // namespace
