// Several upstream peers: which one is asked, what becomes of those that fail, restart, move or come back, and what a
// reload leaves alone. What a user sees of it: answers, records, the log, /readyz.
#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <fstream>
#include <thread>

#include "tests/support/graceful_server.hpp"
#include "tests/support/record_test.hpp"

namespace tests {
namespace {

using ::testing::ContainsRegex;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string get = "GET /g HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string post = "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";

std::string url_of(std::uint16_t port) { return "http://127.0.0.1:" + std::to_string(port); }

std::size_t count(const std::string& in, const std::string& text) {
    std::size_t times = 0;
    for (auto at = in.find(text); at != std::string::npos; at = in.find(text, at + 1)) ++times;
    return times;
}

class proxy_peers : public record_test {
protected:
    // With these peers; one worker unless `config` says otherwise.
    void start_with(const std::vector<std::string>& urls, const std::string& config = "") {
        std::string list;
        for (const auto& url : urls) list += (list.empty() ? "" : ",") + url;
        upstreams_ = list;
        start({.upstream = list, .config = config});
    }
    // A port where nobody listens (any more).
    static void dead(std::uint16_t& port) { listen_on("127.0.0.1", port); }
    std::string log() const { return proxy->process().err(); }
    // So often in the log, and no more.
    bool logged(const std::string& text, std::size_t times) const {
        eventually([&] { return count(log(), text) >= times; });
        return count(log(), text) == times;
    }
    std::string readiness() const {
        std::ifstream file(aimeter().data_dir() + "/admin-token");
        std::string token;
        std::getline(file, token);
        return ask("GET /api/admin/readyz HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + token + "\r\n\r\n").body;
    }
    void reload(const std::string& config, const std::string& upstreams) const {
        const auto before = count(log(), "configuration reloaded");
        aimeter().rewrite_config(config, upstreams);
        proxy->process().signal(SIGHUP);
        ASSERT_TRUE(eventually([&] { return count(log(), "configuration reloaded") > before; })) << log();
    }
    void reload(const std::string& config) const { reload(config, upstreams_); }

    std::string upstreams_;
    scripted_upstream other;
};

// ---- the choice ---------------------------------------------------------------------------------------------------

TEST_F(proxy_peers, each_gets_a_share) {
    start_with({upstream.url(), other.url()});
    for (int i = 0; i < 100; ++i) ASSERT_EQ(ask(get).status(), 200);
    EXPECT_NEAR(static_cast<double>(upstream.requests().size()), 50, 30);
    EXPECT_EQ(upstream.requests().size() + other.requests().size(), 100U);
    EXPECT_EQ(upstream.connections(), 1U) << "its connection is not reused";
    EXPECT_EQ(other.connections(), 1U);
}

TEST_F(proxy_peers, each_is_asked_by_its_own_host_when_the_clients_is_not_kept) {
    std::uint16_t gone = 0;
    dead(gone);
    start_with({url_of(gone), upstream.url(), other.url("localhost")}, "[forward]\npreserve_host = false");
    for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(ask(get).status(), 200);
        ASSERT_EQ(ask("GET /g HTTP/1.0\r\n\r\n").status(), 200);
    }
    const auto host = [](const std::string& name, const scripted_upstream& of) {
        return name + ":" + std::to_string(of.port());
    };
    ASSERT_FALSE(upstream.requests().empty());
    ASSERT_FALSE(other.requests().empty());
    for (const auto& one : upstream.requests()) EXPECT_EQ(one.field("host"), host("127.0.0.1", upstream));
    for (const auto& one : other.requests()) EXPECT_EQ(one.field("host"), host("localhost", other));
}

TEST_F(proxy_peers, a_slow_peer_gets_nothing_while_another_is_idle) {
    auto gate = make_gate();
    const auto slow_once = [&](const http_message& request) {
        if (request.method() == "POST") gate->wait();
        return ok_response(request.method());
    };
    upstream.otherwise({serve(slow_once)});
    other.otherwise({serve(slow_once)});
    start_with({upstream.url(), other.url()});
    raw_client waiting = connect();
    waiting.send(post);
    ASSERT_TRUE(eventually([&] { return upstream.requests().size() + other.requests().size() == 1; }));
    scripted_upstream& fast = upstream.requests().empty() ? upstream : other;
    for (int i = 0; i < 50; ++i) ASSERT_EQ(ask(get).status(), 200);
    EXPECT_EQ(fast.requests().size(), 50U);
    gate->set();
    EXPECT_EQ(waiting.read().body, "POST");
}

TEST_F(proxy_peers, unix_tcp_and_tls_peers_serve_together) {
    if (tls_everywhere::get() != nullptr) GTEST_SKIP() << "brings its own TLS";
    const temp_dir folder;
    const test_authority authority;
    write_file(folder.path() + "/ca.pem", authority.pem());
    scripted_upstream local(folder.path() + "/app.sock");
    scripted_upstream secure(tls_side({.own = authority.issue()}));
    start_with({local.url(), upstream.url(), secure.url("localhost")},
               "[forward]\nca_file = \"" + folder.path() + "/ca.pem\"\n");
    for (int i = 0; i < 60; ++i) ASSERT_EQ(ask(post).body, "ok") << log();
    for (const scripted_upstream* one : {&local, &upstream, &secure}) {
        EXPECT_GT(one->requests().size(), 5U) << one->url();
        EXPECT_EQ(one->connections(), 1U) << one->url();
    }
}

// ---- peers that fail ----------------------------------------------------------------------------------------------

TEST_F(proxy_peers, a_dead_peer_costs_no_request_is_said_once_and_comes_back) {
    std::uint16_t port = 0;
    dead(port);
    start_with({upstream.url(), url_of(port), other.url()},
               "[forward]\nfail_timeout = \"200ms\"\nmax_fail_timeout = \"200ms\"\n");
    const auto until = clock::now() + milliseconds(700);
    int asked = 0;
    for (; asked < 60 || clock::now() < until; ++asked) ASSERT_EQ(ask(asked % 2 == 0 ? post : get).body, "ok");
    EXPECT_EQ(upstream.requests().size() + other.requests().size(), static_cast<std::size_t>(asked));
    EXPECT_TRUE(logged(url_of(port) + ": Connection refused; left out", 1)) << log();
    for (const auto& request : upstream.requests()) EXPECT_EQ(request.body, request.method() == "POST" ? "body" : "");

    graceful_server back(port);
    ASSERT_TRUE(eventually([&] { return ask(post).status() == 200 && back.served() > 5; })) << log();
    EXPECT_TRUE(logged(url_of(port) + ": back", 1)) << log();
}

// A full accept queue: the kernel drops further SYNs, so that each try costs the whole timeout.
TEST_F(proxy_peers, a_peer_that_does_not_answer_syns_delays_one_request_for_each_back_off) {
    std::uint16_t port = 0;
    const descriptor full = listen_on("127.0.0.1", port, 0);
    std::vector<descriptor> fillers;
    for (int i = 0; i < 8; ++i) fillers.push_back(connect_to("127.0.0.1", port, milliseconds(50)));
    start_with({upstream.url(), url_of(port), other.url()},
               "[limits]\nupstream_connect_timeout = \"300ms\"\n[forward]\nfail_timeout = \"1h\"\n"
               "max_fail_timeout = \"1h\"\n");
    int delayed = 0;
    for (int i = 0; i < 100; ++i) {
        const auto before = clock::now();
        ASSERT_EQ(ask(post).body, "ok");
        if (clock::now() - before > milliseconds(250)) ++delayed;
    }
    EXPECT_EQ(delayed, 1);
    EXPECT_TRUE(logged("connecting timed out; left out", 1)) << log();
}

TEST_F(proxy_peers, when_all_are_dead_the_answer_is_502_at_once_and_the_first_that_is_back_serves) {
    std::array<std::uint16_t, 3> ports{};
    std::vector<std::string> urls;
    for (auto& port : ports) dead(port), urls.push_back(url_of(port));
    start_with(urls, "[forward]\nfail_timeout = \"1h\"\nmax_fail_timeout = \"1h\"\n");
    const auto before = clock::now();
    for (int i = 0; i < 20; ++i) expect_problem(ask(post), 502);
    EXPECT_LT(clock::now() - before, prompt);
    EXPECT_TRUE(logged("left out", 3)) << log();
    const graceful_server back(ports[1]);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(post).body, "ok") << "it waits for its back-off";
    EXPECT_EQ(back.served(), 20);
}

TEST_F(proxy_peers, looking_for_a_peer_has_an_end) {
    std::vector<descriptor> held;
    std::vector<std::string> urls;
    for (int peer = 0; peer < 5; ++peer) {
        std::uint16_t port = 0;
        held.push_back(listen_on("127.0.0.1", port, 0));
        for (int i = 0; i < 8; ++i) held.push_back(connect_to("127.0.0.1", port, milliseconds(20)));
        urls.push_back(url_of(port));
    }
    start_with(urls, "[limits]\nupstream_connect_timeout = \"400ms\"\n");
    const auto before = clock::now();
    expect_problem(ask(post), 504);
    const auto took = clock::now() - before;
    EXPECT_GE(took, milliseconds(750)) << "twice upstream_connect_timeout";
    EXPECT_LT(took, milliseconds(1500));
}

TEST_F(proxy_peers, a_peer_that_never_answers_is_left_out_after_max_fails_requests) {
    other.otherwise({wait_request(), close_now()});
    start_with({upstream.url(), other.url()},
               "[forward]\nmax_fails = 4\nfail_timeout = \"1h\"\nmax_fail_timeout = \"1h\"\n");
    int failed = 0;
    for (int i = 0; i < 100; ++i) {
        const auto answer = ask(post);
        if (answer.status() != 200) ++failed, expect_problem(answer, 502);
    }
    EXPECT_EQ(failed, 4) << "a request that was written is not sent again, and one in a row more is one too many";
    EXPECT_EQ(other.requests().size(), 4U);
    EXPECT_TRUE(logged("connections end without an answer; left out", 1)) << log();
}

TEST_F(proxy_peers, a_peer_that_did_not_answer_is_back_when_it_answers) {
    other.otherwise({wait_request(), reset_now()});
    start_with({upstream.url(), other.url()},
               "[forward]\nmax_fails = 1\nfail_timeout = \"100ms\"\nmax_fail_timeout = \"100ms\"\n");
    ASSERT_TRUE(eventually([&] { return ask(get).status() == 502; }));
    other.otherwise({serve(answer_with(ok_response("better")))});
    EXPECT_TRUE(eventually([&] { return ask(get).body == "better"; }));
    EXPECT_TRUE(proxy->process().wait_err(other.url() + ": back")) << log();
}

TEST_F(proxy_peers, attempts_count_the_connections_that_failed) {
    std::uint16_t port = 0;
    dead(port);
    upstream.otherwise({serve(answer_with(json_answer()))});
    start_with({url_of(port), upstream.url()}, "[forward]\nfail_timeout = \"1h\"\nmax_fail_timeout = \"1h\"\n");
    std::size_t sent = 0;
    while (log().find("left out") == std::string::npos && sent < 100) {
        ASSERT_EQ(ask(tracked()).status(), 200);
        ++sent;
    }
    for (int i = 0; i < 3; ++i, ++sent) ASSERT_EQ(ask(tracked()).status(), 200);
    std::map<std::string, int> attempts;
    for (const auto& record : records(sent)) {
        ++attempts[value(record, "attempts")];
        expect_fields(record, {{"success", "1"}, {"status", "200"}, {"outcome", "ok"}});
    }
    EXPECT_EQ(attempts["2"], 1) << "the one that found out";
    EXPECT_EQ(attempts["1"], static_cast<int>(sent) - 1);
}

TEST_F(proxy_peers, attempts_count_each_peer_when_all_are_dead) {
    std::array<std::uint16_t, 2> ports{};
    for (auto& port : ports) dead(port);
    start_with({url_of(ports[0]), url_of(ports[1])});
    expect_problem(ask(tracked()), 502);
    const auto all = records(1);
    ASSERT_EQ(all.size(), 1U);
    expect_fields(all[0], {{"attempts", "2"}, {"status", "502"}, {"outcome", "error"}, {"costSource", "none"}});
}

TEST_F(proxy_peers, readiness_names_each_peer) {
    std::uint16_t port = 0;
    dead(port);
    start_with({upstream.url(), url_of(port)}, "[forward]\nfail_timeout = \"1h\"\nmax_fail_timeout = \"1h\"\n");
    ASSERT_TRUE(eventually([&] { return ask(get).status() == 200 && log().find("left out") != std::string::npos; }));
    const auto body = readiness();
    EXPECT_THAT(body, HasSubstr("\"reachable\":true"));
    EXPECT_THAT(body, HasSubstr("{\"address\":\"" + upstream.url() +
                                "\",\"healthy\":true,\"failingSince\":null,\"lastError\":null}"));
    EXPECT_THAT(body, ContainsRegex("\"address\":\"" + url_of(port) +
                                    "\",\"healthy\":false,\"failingSince\":\"20[0-9T:.+Z-]+\","
                                    "\"lastError\":\"Connection refused\""));
    EXPECT_THAT(ask("GET /api/admin/readyz HTTP/1.1\r\nHost: a\r\n\r\n").body, Not(HasSubstr("127.0.0.1")));
}

// ---- peers that restart -------------------------------------------------------------------------------------------

TEST_F(proxy_peers, restarts_of_peers_in_turn_under_load_lose_nothing_that_may_be_sent_again) {
    std::array<graceful_server, 3> peers;
    start_with({url_of(peers[0].port()), url_of(peers[1].port()), url_of(peers[2].port())},
               "workers = 2\n[forward]\nfail_timeout = \"50ms\"\nmax_fail_timeout = \"200ms\"\n");
    std::atomic<bool> over = false;
    std::atomic<int> gets = 0, posts = 0, lost_posts = 0, wrong = 0;
    std::vector<std::thread> clients;
    for (int i = 0; i < 8; ++i) {
        clients.emplace_back([&, posting = i % 2 == 0] {
            raw_client client = connect();
            while (!over) {
                client.send(posting ? post : get);
                const auto answer = client.read();
                ++(posting ? posts : gets);
                if (answer.status() == 200 && answer.body == "ok") continue;
                // The one thing that nobody can know: whether a POST that met its connection's end was taken.
                const bool race = posting && answer.status() == 502 &&
                                  (answer.body.find("closed the connection without an answer") != std::string::npos ||
                                   answer.body.find("reset the connection") != std::string::npos);
                ++(race ? lost_posts : wrong);
                if (!race) ADD_FAILURE() << (posting ? "POST: " : "GET: ") << answer.raw_head << answer.body;
                if (!answer.complete) client = connect();
            }
        });
    }
    int closed_idle = 0;
    for (int round = 0; round < 2; ++round) {
        for (graceful_server& peer : peers) {
            const int before = gets + posts;
            const auto more = [&](int requests) {
                return eventually([&, from = gets + posts] { return gets + posts >= from + requests; });
            };
            EXPECT_TRUE(more(100));
            peer.stop();
            EXPECT_TRUE(more(100)) << "nothing is served while one peer of three is away";
            peer.start();
            const int served = peer.served();
            EXPECT_TRUE(eventually([&] { return peer.served() > served + 20; })) << "it does not come back";
            EXPECT_GT(gets + posts, before);
        }
    }
    over = true;
    for (auto& one : clients) one.join();
    for (const auto& peer : peers) closed_idle += peer.closed_idle();
    EXPECT_EQ(wrong, 0);
    EXPECT_LE(lost_posts, closed_idle);
    std::printf("%d GET, %d POST, 6 restarts, %d kept connections closed: %d POST lost in the race\n", gets.load(),
                posts.load(), closed_idle, lost_posts.load());
}

// ---- connections that are kept, and for how long ------------------------------------------------------------------

TEST_F(proxy_peers, a_connection_is_left_before_its_peer_closes_it) {
    upstream.otherwise({serve(answer_with(ok_response("ok", "Keep-Alive: timeout=1, max=100\r\n")))});
    start_with({upstream.url()});
    EXPECT_EQ(ask(get).body, "ok");
    EXPECT_TRUE(upstream.wait_ended(0, milliseconds(900))) << "half a second is left";
    EXPECT_EQ(ask(get).body, "ok");
    EXPECT_EQ(upstream.connections(), 2U);
}

TEST_F(proxy_peers, a_reload_keeps_the_connections_that_it_does_not_concern) {
    start_with({upstream.url()});
    EXPECT_EQ(ask(get).body, "ok");
    reload("[limits]\nbody_bytes = 10\n");
    EXPECT_EQ(ask(get).body, "ok");
    expect_problem(ask("POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234567890"), 413);
    EXPECT_EQ(upstream.connections(), 1U);
    reload("[limits]\nupstream_idle = 0\n");
    EXPECT_TRUE(upstream.wait_ended(0, prompt)) << "nothing idle is to be kept";
    EXPECT_EQ(ask(get).body, "ok");
}

TEST_F(proxy_peers, a_request_under_way_at_a_reload_leaves_its_connection_to_the_next) {
    auto gate = make_gate();
    upstream.otherwise(
        {wait_request(), pause(gate), send(ok_response("slow")), serve(answer_with(ok_response("next")))});
    start_with({upstream.url()});
    raw_client client = connect();
    client.send(post);
    ASSERT_TRUE(upstream.wait_received(0, "body"));
    reload("[limits]\nbody_bytes = 10\n");
    gate->set();
    EXPECT_EQ(client.read().body, "slow");
    EXPECT_EQ(ask(get).body, "next");
    EXPECT_EQ(upstream.connections(), 1U);
}

TEST_F(proxy_peers, a_reload_that_verifies_as_before_keeps_tls_connections) {
    if (tls_everywhere::get() != nullptr) GTEST_SKIP() << "brings its own TLS";
    const temp_dir folder;
    const std::string ca = folder.path() + "/ca.pem";
    const test_authority authority;
    write_file(ca, authority.pem());
    scripted_upstream secure(tls_side({.own = authority.issue()}));
    const std::string config = "[forward]\nca_file = \"" + ca + "\"\n";
    start_with({secure.url("localhost")}, config);
    EXPECT_EQ(ask(get).body, "ok");
    reload(config + "[limits]\nbody_bytes = 10\n");
    EXPECT_EQ(ask(get).body, "ok");
    EXPECT_EQ(secure.connections(), 1U);

    write_file(ca, authority.pem() + test_authority().pem());  // the same name, other authorities
    reload(config);
    EXPECT_TRUE(secure.wait_ended(0, prompt));
    EXPECT_EQ(ask(get).body, "ok");
    EXPECT_EQ(secure.connections(), 2U);
    EXPECT_FALSE(secure.connection(1).tls.resumed) << "by a session that was verified by other rules";
}

TEST_F(proxy_peers, a_reload_that_changes_the_peers_leaves_the_old_ones_and_keeps_the_others) {
    auto gate = make_gate();
    scripted_upstream stays;
    upstream.otherwise({serve([&](const http_message& request) {
        if (request.method() == "POST") gate->wait();
        return ok_response("old");
    })});
    start_with({upstream.url(), stays.url()});
    ASSERT_TRUE(eventually(
        [&] { return ask(get).status() == 200 && upstream.connections() == 1 && stays.connections() == 1; }));
    raw_client client = connect();  // under way at the old peer
    std::size_t at = upstream.requests().size();
    do client.send(post);
    while (!eventually([&] { return upstream.requests().size() > at; }, milliseconds(200)) &&
           client.read().status() == 200);
    reload("", stays.url() + "," + other.url());
    at = upstream.requests().size();
    for (int i = 0; i < 40; ++i) EXPECT_EQ(ask(get).body, "ok");
    EXPECT_EQ(upstream.requests().size(), at);
    EXPECT_EQ(stays.connections(), 1U) << "the connection of the peer that stays was dropped";
    EXPECT_GT(other.requests().size(), 0U);
    gate->set();
    EXPECT_EQ(client.read().body, "old") << "what was under way is finished";
    EXPECT_TRUE(upstream.wait_ended(upstream.connections() - 1, prompt)) << "and its connection not kept";
}

}  // namespace
}  // namespace tests
