// Bounds and second chances: limits at their boundary, when a request is tried again and when never, draining and
// reloading, and a Redis that hangs or dies without a request noticing.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <algorithm>

#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

const std::string get = "GET /g HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string post = "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";

class proxy_limits : public proxy_test {};

TEST_F(proxy_limits, as_many_files_may_be_open_as_the_system_allows) {
    AIMETER_ONLY();
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit few{std::min<rlim_t>(256, before.rlim_max), before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
    start();
    ::setrlimit(RLIMIT_NOFILE, &before);
    rlimit found{};
    ASSERT_EQ(::prlimit(proxy->pid(), RLIMIT_NOFILE, nullptr, &found), 0);
    EXPECT_EQ(found.rlim_cur, before.rlim_max);
}

// ---- limits -------------------------------------------------------------------------------------------------------

TEST_F(proxy_limits, header_limit_at_its_boundary) {
    AIMETER_ONLY();
    start({.config = "[limits]\nheader_bytes = 4096"});
    const auto head_of = [](std::size_t size) {
        const std::string start = "GET /h HTTP/1.1\r\nHost: a\r\nX: ";
        return start + std::string(size - start.size() - 4, 'x') + "\r\n\r\n";
    };
    EXPECT_EQ(ask(head_of(4090)).status(), 200);
    EXPECT_EQ(ask(head_of(4096)).status(), 200);
    expect_problem(ask(head_of(4097)), 431);
    expect_problem(ask(head_of(100'000)), 431);
    // A head may not hide behind what was pipelined before it.
    raw_client client = connect();
    client.send(head_of(4000) + head_of(4000) + head_of(5000));
    EXPECT_EQ(client.read().status(), 200);
    EXPECT_EQ(client.read().status(), 200);
    EXPECT_EQ(client.read().status(), 431);
    EXPECT_TRUE(client.ends());
}

TEST_F(proxy_limits, request_line_and_field_count_at_their_boundary) {
    AIMETER_ONLY();
    start({.config = "[limits]\nheader_bytes = 4096"});
    const auto line_of = [](std::size_t size) {  // the line alone as long as the head may be
        return "GET /" + std::string(size - 16, 'x') + " HTTP/1.1\r\n";
    };
    expect_problem(ask(line_of(4096) + "Host: a\r\n\r\n"), 431);
    expect_problem(ask(line_of(4097) + "Host: a\r\n\r\n"), 414);
    EXPECT_EQ(ask(line_of(4096 - 11) + "Host: a\r\n\r\n").status(), 200);
    const auto counted = [](int fields) {
        std::string out = "GET /h HTTP/1.1\r\nHost: a\r\n";
        for (int i = 1; i < fields; ++i) out += "X: y\r\n";
        return out + "\r\n";
    };
    EXPECT_EQ(ask(counted(256)).status(), 200);
    EXPECT_EQ(upstream.requests().back().count("x"), 255U);
    expect_problem(ask(counted(257)), 431);
}

TEST_F(proxy_limits, options_of_connection_at_their_boundary) {
    AIMETER_ONLY();  // each is looked for among all fields
    const auto options = [](int count) {
        std::string out = "Connection: x";
        for (int i = 1; i < count; ++i) out += i % 2 == 0 ? ",x" : ",";
        return out + "\r\n";
    };
    upstream.otherwise({serve([&](const http_message& request) {
        return ok_response("ok", request.target() == "/65" ? options(65) : options(64));
    })});
    start();
    EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: a\r\n" + options(32) + options(32) + "\r\n").status(), 200);
    expect_problem(ask("GET / HTTP/1.1\r\nHost: a\r\n" + options(32) + options(33) + "\r\n"), 400);
    expect_problem(ask("GET /65 HTTP/1.1\r\nHost: a\r\n\r\n"), 502);
    expect_still_serving();
}

TEST_F(proxy_limits, chunk_lines_and_trailers_at_their_boundary) {
    AIMETER_ONLY();
    start({.config = "[limits]\nheader_bytes = 4096"});
    const auto post_chunks = [](const std::string& body) {
        return "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body;
    };
    const auto extended = [&](std::size_t bytes) {
        return post_chunks("3;" + std::string(bytes, 'x') + "\r\nabc\r\n0\r\n\r\n");
    };
    const auto trailed = [&](std::size_t bytes) {  // with the empty line at its end
        return post_chunks("0\r\nX: " + std::string(bytes - 7, 'x') + "\r\n\r\n");
    };
    EXPECT_EQ(ask(extended(4095)).status(), 200);  // and the CR
    expect_problem(ask(extended(4096)), 400);
    EXPECT_EQ(ask(trailed(4096)).status(), 200);
    expect_problem(ask(trailed(4097)), 400);
    const auto padded = [&](std::size_t digits) {  // leading zeros mean nothing, however many they are
        return post_chunks(std::string(digits - 1, '0') + "a\r\n0123456789\r\n" + std::string(digits, '0') +
                           "\r\n\r\n");
    };
    for (const std::size_t digits : {14U, 17U, 4095U}) EXPECT_EQ(ask(padded(digits)).body, "ok") << digits;
    expect_problem(ask(padded(4096)), 400);
    expect_problem(ask(post_chunks("10000000000000\r\nabc")), 400);  // 2^52
    EXPECT_EQ(upstream.requests().size(), 5U);
}

TEST_F(proxy_limits, body_limit_at_its_boundary) {
    AIMETER_ONLY();
    start({.config = "[limits]\nbody_bytes = 1000"});
    const auto fixed = [](std::size_t size) {
        return "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
               std::string(size, 'x');
    };
    const auto chunked = [](std::size_t size) {
        std::string out = "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (std::size_t i = 0; i < size; ++i) out += "1\r\nx\r\n";
        return out + "0\r\n\r\n";
    };
    EXPECT_EQ(ask(fixed(1000)).status(), 200);
    EXPECT_EQ(ask(chunked(1000)).status(), 200);
    EXPECT_EQ(upstream.requests().size(), 2U);
    expect_problem(ask(fixed(1001)), 413);
    expect_problem(ask(chunked(1001)), 413);
    expect_problem(ask("POST /b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n"), 413);
    EXPECT_EQ(upstream.requests().size(), 2U) << "a body over the limit was taken for whole";
    expect_still_serving();
}

TEST_F(proxy_limits, connections_over_the_limit_are_503) {
    AIMETER_ONLY();
    if (tls_everywhere::get() != nullptr) GTEST_SKIP() << "without a handshake, of which there are too many";
    start({.config = "workers = 1\n[limits]\nconnections = 2"});
    raw_client one = connect();
    raw_client two = connect();
    one.send(get);
    EXPECT_EQ(one.read().status(), 200);
    two.send(get);
    EXPECT_EQ(two.read().status(), 200);
    raw_client three = connect();
    three.send(get);
    expect_problem(three.read(), 503);
    EXPECT_TRUE(three.ends());
    one.close();
    EXPECT_TRUE(eventually([&] { return ask(get).status() == 200; })) << "the place was not freed";
}

// ---- retries ------------------------------------------------------------------------------------------------------

// Answers once, then dies on the next request without a word.
const script dies_at_second{wait_request(), send(ok_response("first")), wait_request(), close_now()};

TEST_F(proxy_limits, an_idempotent_request_is_tried_again_when_a_pooled_connection_dies) {
    upstream.next(dies_at_second);
    start();
    EXPECT_EQ(ask(get).body, "first");
    EXPECT_EQ(ask(get).body, "ok");
    EXPECT_EQ(upstream.connections(), 2U);
    EXPECT_EQ(upstream.requests().size(), 3U);
}

TEST_F(proxy_limits, an_idempotent_request_with_a_body_is_whole_when_tried_again) {
    upstream.next(dies_at_second);
    start();
    EXPECT_EQ(ask(get).body, "first");
    const auto answer = ask("PUT /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
    if (answer.status() == 502) return;  // giving up is right, too
    EXPECT_EQ(answer.body, "ok");
    EXPECT_EQ(upstream.requests().back().body, "body");
}

TEST_F(proxy_limits, a_post_is_never_sent_twice) {
    upstream.next(dies_at_second);
    start();
    EXPECT_EQ(ask(get).body, "first");
    expect_problem(ask(post), 502);
    EXPECT_EQ(upstream.connections(), 1U);
    EXPECT_EQ(upstream.requests().size(), 2U);
    expect_still_serving();
}

TEST_F(proxy_limits, a_post_is_never_sent_twice_after_a_reset) {
    upstream.next({wait_request(), send(ok_response("first")), wait_head(), reset_now()});
    start();
    EXPECT_EQ(ask(get).body, "first");
    expect_problem(ask(post), 502);
    EXPECT_EQ(upstream.connections(), 1U);
}

TEST_F(proxy_limits, a_request_is_not_tried_again_on_a_connection_that_was_new) {
    AIMETER_ONLY();
    upstream.next({wait_request(), close_now()});
    start();
    expect_problem(ask(get), 502);
    EXPECT_EQ(upstream.connections(), 1U);
}

TEST_F(proxy_limits, a_request_is_not_tried_again_once_its_answer_began) {
    upstream.next({wait_request(), send(ok_response("first")), wait_request(),
                   send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart"), close_now()});
    start();
    EXPECT_EQ(ask(get).body, "first");
    const auto cut = ask(get);
    EXPECT_FALSE(cut.complete && cut.status() == 200);
    EXPECT_EQ(upstream.connections(), 1U);
}

TEST_F(proxy_limits, a_post_goes_to_a_fresh_connection_when_the_pooled_one_has_ended) {
    start();
    for (const step& end : {close_now(), reset_now()}) {
        const std::size_t index = upstream.connections();
        auto gate = make_gate();
        upstream.next({wait_request(), send(ok_response("first")), pause(gate), end});
        upstream.otherwise({wait_request(), send(ok_response("second", "Connection: close\r\n")), close_now()});
        EXPECT_EQ(ask(get).body, "first");
        gate->set();
        ASSERT_TRUE(upstream.wait(index, [](const auto& c) { return c.closed_here; }));
        EXPECT_EQ(ask(post).body, "second");
        EXPECT_EQ(upstream.connections(), index + 2);
    }
}

TEST_F(proxy_limits, a_connection_that_spoke_unasked_is_not_used) {
    auto gate = make_gate();
    upstream.next({wait_request(), send(ok_response("first")), pause(gate),
                   send("HTTP/1.1 408 Request Timeout\r\n\r\n"), half_close()});
    start();
    EXPECT_EQ(ask(get).body, "first");
    gate->set();
    EXPECT_TRUE(upstream.wait_ended(0, prompt)) << "a pooled connection with unasked bytes was kept";
    EXPECT_EQ(ask(post).body, "ok");
    EXPECT_EQ(upstream.connections(), 2U);
}

// ---- ending and reloading -----------------------------------------------------------------------------------------

TEST_F(proxy_limits, sigterm_finishes_what_is_in_flight_and_refuses_the_rest) {
    AIMETER_ONLY();
    auto gate = make_gate();
    upstream.next(
        {wait_request(), send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst"), pause(gate), send("later")});
    start({.drain_timeout = "20s"});
    raw_client idle = connect();
    raw_client client = connect();
    client.send(post);
    ASSERT_EQ(client.read_head().status(), 200);
    ASSERT_TRUE(client.read_until("first"));
    proxy->process().signal(SIGTERM);
    EXPECT_TRUE(idle.ends(prompt)) << "an idle connection holds the drain up";
    EXPECT_TRUE(eventually([&] { return !connect().connected(); })) << "still accepting";
    EXPECT_TRUE(proxy->process().running());
    gate->set();
    EXPECT_TRUE(client.read_until("later")) << "the answer in flight was cut";
    EXPECT_TRUE(client.ends());
    EXPECT_EQ(proxy->process().wait_exit(), 0) << proxy->process().err();
    ends_well = false;
}

TEST_F(proxy_limits, sigterm_serves_what_was_asked_before_it) {
    AIMETER_ONLY();
    if (tls_everywhere::get() != nullptr) GTEST_SKIP() << "nobody shakes hands with a process that stands still";
    start({.drain_timeout = "20s"});
    stop_process(proxy->pid());  // so that all of them wait in the queue
    std::vector<raw_client> asking, silent;
    for (int i = 0; i < 300; ++i) {
        if (i % 10 == 0) silent.push_back(connect());
        asking.push_back(connect());
        asking.back().send(get);
    }
    proxy->process().signal(SIGTERM);
    proxy->process().signal(SIGCONT);
    for (auto& client : asking) {
        const auto answer = client.read();
        EXPECT_EQ(answer.status(), 200);
        EXPECT_TRUE(client.ends());
    }
    for (auto& client : silent) EXPECT_TRUE(client.ends(prompt)) << "it holds the drain up";
    EXPECT_EQ(proxy->process().wait_exit(), 0) << proxy->process().err();
    ends_well = false;
}

TEST_F(proxy_limits, drain_has_an_end) {
    AIMETER_ONLY();
    upstream.next({wait_request()});
    start({.drain_timeout = "300ms"});
    raw_client client = connect();
    client.send(post);
    ASSERT_TRUE(upstream.wait_received(0, "body"));
    proxy->process().signal(SIGTERM);
    EXPECT_TRUE(proxy->process().wait_exit().has_value());
    EXPECT_TRUE(upstream.wait_ended(0));
    ends_well = false;
}

TEST_F(proxy_limits, a_second_signal_ends_at_once) {
    AIMETER_ONLY();
    upstream.next({wait_request()});
    start({.drain_timeout = "60s"});
    raw_client client = connect();
    client.send(post);
    ASSERT_TRUE(upstream.wait_received(0, "body"));
    proxy->process().signal(SIGTERM);
    EXPECT_TRUE(eventually([&] { return !connect().connected(); }));
    proxy->process().signal(SIGINT);
    EXPECT_TRUE(proxy->process().wait_exit(milliseconds(5000)).has_value());
    ends_well = false;
}

TEST_F(proxy_limits, sighup_with_a_bad_file_keeps_the_old_settings_and_every_connection) {
    AIMETER_ONLY();
    start();
    raw_client client = connect();
    client.send(get);
    EXPECT_EQ(client.read().status(), 200);
    aimeter().rewrite_config("[limits]\nheader_bites = 1");
    proxy->process().signal(SIGHUP);
    EXPECT_TRUE(proxy->process().wait_err("header_bites")) << proxy->process().err();
    client.send(get);
    EXPECT_EQ(client.read().status(), 200);
    expect_still_serving();
}

TEST_F(proxy_limits, sighup_changes_a_limit_without_dropping_a_request) {
    AIMETER_ONLY();
    auto gate = make_gate();
    upstream.next({wait_request(), pause(gate), send(ok_response("slow"))});
    start();
    raw_client client = connect();
    client.send(post);
    ASSERT_TRUE(upstream.wait_received(0, "body"));
    aimeter().rewrite_config("[limits]\nbody_bytes = 10");
    proxy->process().signal(SIGHUP);
    EXPECT_TRUE(eventually(
        [&] { return ask("POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234567890").status() == 413; }));
    gate->set();
    EXPECT_EQ(client.read().body, "slow");
}

// ---- tracking must not be felt ------------------------------------------------------------------------------------

const std::string tracked = "POST /api/ai/generate-cover-letter HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";

bool recorded(const aimeter_process& aimeter, long long count) {
    return eventually(
        [&] {
            try {
                return aimeter.redis().number({"XLEN", "aimeter:usage"}) == count;
            } catch (const std::exception&) {  // it went away in between
                return false;
            }
        },
        milliseconds(30'000));
}

TEST_F(proxy_limits, a_hung_redis_delays_no_request) {
    AIMETER_ONLY();
    start();
    EXPECT_EQ(ask(tracked).status(), 200);
    const pid_t redis = aimeter().redis().server_pid();
    ::kill(redis, SIGSTOP);
    for (int i = 0; i < 200; ++i) {
        const auto before = clock::now();
        ASSERT_EQ(ask(tracked).status(), 200);
        ASSERT_LT(clock::now() - before, milliseconds(1000)) << i;
    }
    ::kill(redis, SIGCONT);
    EXPECT_TRUE(recorded(aimeter(), 201));
}

TEST_F(proxy_limits, a_killed_redis_delays_no_request_and_loses_no_record) {
    AIMETER_ONLY();
    start();
    EXPECT_EQ(ask(tracked).status(), 200);
    ASSERT_TRUE(recorded(aimeter(), 1));
    ::kill(aimeter().redis().server_pid(), SIGKILL);
    for (int i = 0; i < 200; ++i) ASSERT_EQ(ask(tracked).status(), 200) << i;
    EXPECT_TRUE(recorded(aimeter(), 201));
}

}  // namespace
}  // namespace tests
