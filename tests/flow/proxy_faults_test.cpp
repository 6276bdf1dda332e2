// When something goes wrong: upstreams that refuse, cut or stall, clients that leave or crawl. What the client gets,
// and what the upstream sees of it.
#include <gmock/gmock.h>

#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string get = "GET /g HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string post = "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";

class proxy_faults : public proxy_test {};

// ---- upstreams that fail ------------------------------------------------------------------------------------------

TEST_F(proxy_faults, refused_is_502) {
    std::uint16_t port = 0;
    listen_on("127.0.0.1", port);  // closed again: nobody listens there
    start({.upstream = "http://127.0.0.1:" + std::to_string(port)});
    expect_problem(ask(get), 502);
    expect_problem(ask(post), 502);
}

TEST_F(proxy_faults, the_client_connection_survives_a_502) {
    upstream.next({wait_request(), reset_now()});
    start();
    raw_client client = connect();
    client.send(post);
    expect_problem(client.read(), 502);
    client.send(get);
    EXPECT_EQ(client.read().body, "ok");
}

// HTTP/1.0 keeps a connection only when it is told so, and an error says nothing of the kind.
TEST_F(proxy_faults, a_502_ends_the_connection_of_an_http_1_0_client) {
    AIMETER_ONLY();
    upstream.next({wait_request(), reset_now()});
    start();
    raw_client client = connect();
    client.send("GET /g HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    expect_problem(client.read(), 502);
    EXPECT_TRUE(client.ends(prompt));
}

TEST_F(proxy_faults, reset_close_and_garbage_before_an_answer_are_502) {
    start();
    for (const script& how : std::vector<script>{{wait_request(), reset_now()},
                                                 {wait_request(), close_now()},
                                                 {reset_now()},
                                                 {close_now()},
                                                 {wait_request(), send("HTTP/1.1 200"), close_now()},
                                                 {wait_request(), send("HTTP/1.1 200 OK\r\nX: y\r\n"), reset_now()}}) {
        upstream.next(how);
        expect_problem(ask(post), 502);
    }
    expect_still_serving();
}

TEST_F(proxy_faults, a_cut_answer_never_looks_complete) {
    start();
    struct cut {
        std::string name, bytes;
        bool with_reset;
    };
    const std::string fixed = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this";
    const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n";
    for (const cut& how : std::vector<cut>{{"length, FIN", fixed, false},
                                           {"length, RST", fixed, true},
                                           {"chunked, FIN", chunked, false},
                                           {"chunked, RST", chunked, true},
                                           {"inside a chunk", chunked + "50\r\nabc", false},
                                           {"no last chunk end", chunked + "0\r\n", false}}) {
        SCOPED_TRACE(how.name);
        auto gate = make_gate();
        upstream.next({wait_request(), send(how.bytes), pause(gate), how.with_reset ? reset_now() : close_now()});
        raw_client client = connect();
        client.send(post);
        ASSERT_TRUE(client.read_until("only this"));
        gate->set();
        const std::string rest = client.read_to_end();
        EXPECT_NE(client.ended(), ending::none) << "the connection was kept";
        EXPECT_THAT(rest, Not(HasSubstr("0\r\n\r\n")));
    }
    expect_still_serving();
}

TEST_F(proxy_faults, a_reset_close_delimited_answer_never_looks_complete) {
    AIMETER_ONLY();
    auto gate = make_gate();
    upstream.next({wait_request(), send("HTTP/1.1 200 OK\r\n\r\nonly this"), pause(gate), reset_now()});
    start();
    raw_client client = connect();
    client.send(post);
    ASSERT_EQ(client.read_head().status(), 200);
    ASSERT_TRUE(client.read_until("only this"));
    gate->set();
    const std::string rest = client.read_to_end();
    EXPECT_THAT(rest, Not(HasSubstr("0\r\n\r\n")));
    EXPECT_NE(client.ended(), ending::none);
}

TEST_F(proxy_faults, no_answer_in_time_is_504) {
    AIMETER_ONLY();
    upstream.next({wait_request()});
    start({.config = "[limits]\nupstream_read_timeout = \"300ms\""});
    const auto before = clock::now();
    expect_problem(ask(post), 504);
    EXPECT_GE(clock::now() - before, milliseconds(250));
    EXPECT_TRUE(upstream.wait_ended(0, prompt)) << "the upstream connection was kept";
    expect_still_serving();
}

TEST_F(proxy_faults, an_upstream_that_takes_nothing_of_the_body_is_504) {
    AIMETER_ONLY();
    upstream.next({wait_head(), stall()});
    start({.config = "[limits]\nbody_timeout = \"300ms\"\nupstream_read_timeout = \"60s\""});
    raw_client client = connect();
    const auto before = clock::now();
    client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    client.send_some(std::string(100'000'000, 'x'), milliseconds(250));
    expect_problem(client.read(), 504);
    EXPECT_LT(clock::now() - before, patience) << "it waited for an answer, too";
    EXPECT_TRUE(client.ends());
    expect_still_serving();
}

TEST_F(proxy_faults, an_answer_that_stalls_is_broken_off) {
    AIMETER_ONLY();
    upstream.next({wait_request(), send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")});
    start({.config = "[limits]\nupstream_read_timeout = \"300ms\""});
    raw_client client = connect();
    client.send(post);
    const auto answer = client.read();
    EXPECT_EQ(answer.status(), 200);
    EXPECT_FALSE(answer.complete);
    EXPECT_NE(client.ended(), ending::none);
    EXPECT_TRUE(upstream.wait_ended(0, prompt));
}

TEST_F(proxy_faults, a_slow_but_steady_answer_is_not_timed_out) {
    AIMETER_ONLY();
    // Ten pauses of 150 ms: longer together than the stall that is allowed.
    script steps{wait_request(), send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")};
    std::vector<std::shared_ptr<event>> gates;
    for (int i = 0; i < 10; ++i) {
        gates.push_back(make_gate());
        steps.push_back(pause(gates.back()));
        steps.push_back(send("x"));
    }
    upstream.next(steps);
    start({.config = "[limits]\nupstream_read_timeout = \"1s\""});
    raw_client client = connect();
    client.send(post);
    ASSERT_EQ(client.read_head().status(), 200);
    for (const auto& gate : gates) {
        EXPECT_TRUE(client.silent(milliseconds(150)));
        gate->set();
        ASSERT_TRUE(client.read_until("x"));
    }
}

TEST_F(proxy_faults, no_connection_in_time_is_504) {
    AIMETER_ONLY();
    // A full accept queue: the kernel drops further SYNs.
    std::uint16_t port = 0;
    const descriptor full = listen_on("127.0.0.1", port, 0);
    std::vector<descriptor> fillers;
    for (int i = 0; i < 8; ++i) fillers.push_back(connect_to("127.0.0.1", port, milliseconds(50)));
    start({.upstream = "http://127.0.0.1:" + std::to_string(port),
           .config = "[limits]\nupstream_connect_timeout = \"300ms\""});
    const auto before = clock::now();
    expect_problem(ask(get), 504);
    EXPECT_LT(clock::now() - before, prompt);
}

// Whatever of a request the upstream did not take would be read in front of the next one.
TEST_F(proxy_faults, a_connection_that_did_not_take_its_request_whole_serves_no_other) {
    AIMETER_ONLY();
    if (tls_everywhere::get() != nullptr) GTEST_SKIP() << "over a unix socket, which is never TLS";
    const temp_dir folder;
    scripted_upstream lazy(folder.path() + "/socket");  // whose buffers are small
    const step serve_one = serve(answer_with(ok_response("ok", "Connection: close\r\n")));
    lazy.otherwise({serve_one});
    start({.upstream = lazy.url()});
    for (std::size_t bytes = 64 * 1024; bytes < 448 * 1024; bytes += 16 * 1024) {
        const std::size_t index = lazy.connections();
        const auto gate = make_gate();
        const step read_nothing = [gate](upstream_connection&) { return gate->wait(); };
        lazy.next({wait_head(), send(ok_response("early")), read_nothing, wait_bytes(bytes), serve_one});
        raw_client client = connect();
        client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n" +
                    std::string(bytes, 'b'));
        ASSERT_EQ(client.read().body, "early");
        raw_client other = connect();
        other.send(get);
        gate->set();
        ASSERT_EQ(other.read().body, "ok") << bytes;
        while (!lazy.wait_ended(index, milliseconds(10))) ASSERT_EQ(ask(get).body, "ok") << bytes;
    }
}

// ---- clients that leave or crawl ----------------------------------------------------------------------------------

TEST_F(proxy_faults, a_client_that_leaves_before_the_answer_aborts_the_upstream) {
    start();
    for (const bool with_reset : {false, true}) {
        const std::size_t index = upstream.connections();
        upstream.next({wait_request()});
        raw_client client = connect();
        client.send(post);
        ASSERT_TRUE(upstream.wait(index, [](const auto& c) { return c.requests.size() == 1; }));
        with_reset ? client.reset() : client.close();
        EXPECT_TRUE(upstream.wait_ended(index, prompt)) << (with_reset ? "RST" : "FIN");
    }
    expect_still_serving();
}

TEST_F(proxy_faults, a_client_that_half_closes_has_left) {
    AIMETER_ONLY();  // nginx ignores it; forward.half_close = false is the default here
    upstream.next({wait_request()});
    start();
    raw_client client = connect();
    client.send(post);
    ASSERT_TRUE(upstream.wait_received(0, "body"));
    client.half_close();
    EXPECT_TRUE(upstream.wait_ended(0, prompt));
}

// forward.half_close = true: a FIN only says that the client has nothing more to ask.
class proxy_half_close : public proxy_test {
protected:
    void SetUp() override { AIMETER_ONLY(); }
    void start_here(const std::string& more = "") { start({.config = more + "[forward]\nhalf_close = true"}); }
};

TEST_F(proxy_half_close, a_client_that_half_closes_gets_its_answer) {
    auto gates = std::vector{make_gate(), make_gate()};
    upstream.next({wait_request(), pause(gates[0]), send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst"),
                   pause(gates[1]), send("later"), serve(answer_with(ok_response("ok")))});
    start_here();
    raw_client client = connect();
    client.send(post);
    ASSERT_TRUE(upstream.wait_received(0, "body"));
    client.half_close();
    EXPECT_TRUE(client.silent(milliseconds(100)));
    gates[0]->set();
    ASSERT_TRUE(client.read_until("first"));
    EXPECT_TRUE(client.silent(milliseconds(100)));
    gates[1]->set();
    EXPECT_TRUE(client.read_until("later"));
    EXPECT_TRUE(client.ends(prompt));
    expect_still_serving();
}

TEST_F(proxy_half_close, all_that_was_asked_before_the_end_is_answered) {
    start_here();
    raw_client client = connect();
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.half_close();
    EXPECT_EQ(client.read().status(), 200);
    EXPECT_EQ(client.read().status(), 200);
    EXPECT_TRUE(client.ends(prompt));
}

TEST_F(proxy_half_close, a_reset_behind_the_end_still_aborts_the_upstream) {
    start_here();
    for (const bool answer_began : {false, true}) {
        const std::size_t index = upstream.connections();
        upstream.next(answer_began ? script{wait_request(), send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")}
                                   : script{wait_request()});
        raw_client client = connect();
        client.send(post);
        ASSERT_TRUE(upstream.wait_received(index, "body"));
        if (answer_began) {
            ASSERT_TRUE(client.read_until("first"));
        }
        client.half_close();
        EXPECT_FALSE(upstream.wait_ended(index, milliseconds(150)));
        client.reset();
        EXPECT_TRUE(upstream.wait_ended(index, prompt)) << answer_began;
    }
}

TEST_F(proxy_half_close, a_client_that_is_gone_is_noticed_when_it_is_written_to) {
    auto gate = make_gate();
    script streaming{wait_request(), send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), pause(gate)};
    for (int i = 0; i < 50; ++i) {
        streaming.push_back(send("5\r\npiece\r\n"));
        streaming.push_back([](upstream_connection&) {
            std::this_thread::sleep_for(milliseconds(20));  // a stream: each piece on its own
            return true;
        });
    }
    upstream.next(streaming);
    start_here();
    raw_client client = connect();
    client.send(post);
    ASSERT_TRUE(upstream.wait_received(0, "body"));
    client.close();
    gate->set();
    EXPECT_TRUE(upstream.wait_ended(0, prompt));
}

TEST_F(proxy_half_close, an_end_in_the_middle_of_the_body_has_left) {
    upstream.next({wait_request()});
    start_here();
    raw_client client = connect();
    client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\npart");
    ASSERT_TRUE(upstream.wait_received(0, "part"));
    client.half_close();
    EXPECT_TRUE(upstream.wait_ended(0, prompt));
    EXPECT_TRUE(upstream.connection(0).requests.empty()) << "taken for a whole request";
}

TEST_F(proxy_faults, a_client_that_leaves_in_the_middle_of_its_body_aborts_the_upstream) {
    start();
    for (const bool with_reset : {false, true}) {
        const std::size_t index = upstream.connections();
        upstream.next({wait_request()});
        raw_client client = connect();
        client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\npart");
        ASSERT_TRUE(upstream.wait_received(index, "part"));
        with_reset ? client.reset() : client.close();
        EXPECT_TRUE(upstream.wait_ended(index, prompt));
        EXPECT_TRUE(upstream.connection(index).requests.empty()) << "taken for a whole request";
    }
}

// Its request fills what is read at once, so that nothing more is read before the answer.
TEST_F(proxy_faults, a_client_that_leaves_after_a_large_request_aborts_the_upstream) {
    start();
    for (const std::size_t bytes : {32'000U, 65'000U, 300'000U}) {
        for (const bool with_reset : {false, true}) {
            const std::size_t index = upstream.connections();
            upstream.next({wait_request()});
            raw_client client = connect();
            client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n" +
                        std::string(bytes, 'b'));
            ASSERT_TRUE(upstream.wait(index, [](const auto& c) { return c.requests.size() == 1; }));
            with_reset ? client.reset() : client.close();
            EXPECT_TRUE(upstream.wait_ended(index, prompt)) << bytes << (with_reset ? " RST" : " FIN");
        }
    }
    expect_still_serving();
}

TEST_F(proxy_faults, a_client_that_leaves_in_the_middle_of_the_answer_aborts_the_upstream) {
    start();
    for (const bool with_reset : {false, true}) {
        const std::size_t index = upstream.connections();
        upstream.next({wait_request(), send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")});
        raw_client client = connect();
        client.send(post);
        ASSERT_TRUE(client.read_until("first"));
        with_reset ? client.reset() : client.close();
        EXPECT_TRUE(upstream.wait_ended(index, prompt)) << (with_reset ? "RST" : "FIN");
    }
    expect_still_serving();
}

TEST_F(proxy_faults, a_slow_reader_gets_all_of_it) {
    const std::string body(20'000'000, 'r');
    upstream.next({wait_request(), send(ok_response(body))});
    start();
    raw_client client = connect();
    client.send(post);
    ASSERT_EQ(client.read_head().status(), 200);
    std::size_t got = 0;
    while (got < body.size()) {
        const auto piece = client.read_until("r");  // takes in what is there, up to 64 KiB at a time
        ASSERT_TRUE(piece);
        got += piece->size() + client.take_unread().size();
    }
    EXPECT_EQ(got, body.size());
}

TEST_F(proxy_faults, a_client_that_takes_nothing_is_closed_after_the_stall) {
    AIMETER_ONLY();
    upstream.next({wait_request(), send(ok_response(std::string(100'000'000, 'r')))});
    start({.config = "[limits]\nbody_timeout = \"400ms\""});
    raw_client client = connect();
    client.send(post);
    ASSERT_EQ(client.read_head().status(), 200);
    EXPECT_TRUE(upstream.wait_ended(0)) << "the upstream is held for ever";
    EXPECT_LT(client.read_to_end().size(), 100'000'000U);
}

TEST_F(proxy_faults, a_client_that_reads_slowly_but_steadily_has_not_stalled) {
    AIMETER_ONLY();
    const std::size_t size = 30'000'000, slow = 8'000'000, piece = 64 * 1024;
    upstream.next({wait_request(), send(ok_response(std::string(size, 'r')))});
    start({.config = "[limits]\nbody_timeout = \"2s\""});
    raw_client client = connect();
    client.send(post);
    ASSERT_EQ(client.read_head().status(), 200);
    const event never;
    std::size_t got = 0;
    for (; got < slow; got += piece) {
        ASSERT_TRUE(client.read_exactly(piece)) << "cut after " << got << " bytes";
        never.wait(milliseconds(80));  // a slow line
    }
    EXPECT_TRUE(client.read_exactly(size - got)) << "cut in the end";
}

TEST_F(proxy_faults, a_head_that_crawls_is_408) {
    AIMETER_ONLY();
    start({.config = "[limits]\nheader_timeout = \"300ms\""});
    raw_client client = connect();
    client.send("GET /slow HTTP/1.1\r\nHo");
    expect_problem(client.read(), 408);
    EXPECT_TRUE(client.ends());
    raw_client drip = connect();  // some byte all the time does not help
    const auto before = clock::now();
    while (drip.silent(milliseconds(20)) && clock::now() - before < patience) drip.send("G");
    expect_problem(drip.read(), 408);
    EXPECT_EQ(upstream.connections(), 0U);
}

TEST_F(proxy_faults, many_that_crawl_keep_nobody_else_waiting) {
    start();
    std::vector<raw_client> crawling;
    for (const std::string& piece :
         {std::string("G"), std::string("GET /slow HTTP/1.1\r\nHost: a\r\nX: "),
          std::string("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"),
          std::string("POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")}) {
        for (int i = 0; i < 60; ++i) {
            crawling.push_back(connect());
            crawling.back().send(piece);
        }
    }
    for (int i = 0; i < 50; ++i) {
        const auto before = clock::now();
        expect_still_serving();
        EXPECT_LT(clock::now() - before, milliseconds(500));
        for (auto& client : crawling) client.send("x");
    }
}

TEST_F(proxy_faults, a_body_that_stalls_is_408_and_aborts_the_upstream) {
    AIMETER_ONLY();
    upstream.next({wait_request()});
    start({.config = "[limits]\nbody_timeout = \"300ms\""});
    raw_client client = connect();
    client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    expect_problem(client.read(), 408);
    EXPECT_TRUE(client.ends());
    if (upstream.connections() > 0) {
        EXPECT_TRUE(upstream.wait_ended(0, prompt));
    }
}

TEST_F(proxy_faults, idle_connections_are_closed) {
    AIMETER_ONLY();
    start({.config = "[limits]\nidle_timeout = \"300ms\"\nheader_timeout = \"300ms\""});
    raw_client silent = connect();
    raw_client client = connect();
    client.send(get);
    EXPECT_EQ(client.read().status(), 200);
    EXPECT_TRUE(client.ends());
    EXPECT_EQ(client.ended(), ending::fin);
    const std::string last_words = silent.read_to_end();
    EXPECT_NE(silent.ended(), ending::none);
    EXPECT_TRUE(last_words.empty() || last_words.starts_with("HTTP/1.1 408"));
}

}  // namespace
}  // namespace tests
