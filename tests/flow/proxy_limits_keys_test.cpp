// Each key of [limits] that proxy_limits_test.cpp does not have, at its boundary: what is just within passes, what is
// just beyond does not. Of times: half of a time and twice it.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

const std::string get = "GET /g HTTP/1.1\r\nHost: a\r\n\r\n";

constexpr milliseconds limit{600};
constexpr milliseconds within = limit / 2;
const std::string limit_text = "600ms";

void pass(milliseconds time) { std::this_thread::sleep_for(time); }  // what is tested is time itself

class proxy_limits_keys : public proxy_test {
protected:
    void SetUp() override { AIMETER_ONLY(); }
    void start_with(const std::string& keys) { start({.config = "workers = 1\n[limits]\n" + keys}); }
    int status_of(const std::string& answer) {
        upstream.otherwise({wait_head(), send(answer), close_now()});
        return ask(get).status();
    }
};

// ---- sizes and counts ---------------------------------------------------------------------------------------------

TEST_F(proxy_limits_keys, header_fields) {
    start_with("header_fields = 10");
    const auto counted = [](int fields) {
        std::string out = "GET /h HTTP/1.1\r\nHost: a\r\n";
        for (int i = 1; i < fields; ++i) out += "X: y\r\n";
        return out + "\r\n";
    };
    EXPECT_EQ(ask(counted(10)).status(), 200);
    expect_problem(ask(counted(11)), 431);
    aimeter().rewrite_config("workers = 1\n[limits]\nheader_fields = 11");
    proxy->process().signal(SIGHUP);
    EXPECT_TRUE(eventually([&] { return ask(counted(11)).status() == 200; }));
    expect_problem(ask(counted(12)), 431);
}

TEST_F(proxy_limits_keys, answer_header_bytes_and_fields) {
    for (const std::size_t most : {1024U, 40'000U, 100'000U}) {
        start_with("answer_header_bytes = " + std::to_string(most) + "\nanswer_header_fields = 5");
        const auto sized = [](std::size_t size) {
            const std::string start = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ";
            return start + std::string(size - start.size() - 4, 'x') + "\r\n\r\n";
        };
        EXPECT_EQ(status_of(sized(most)), 200);
        EXPECT_EQ(status_of(sized(most + 1)), 502);
        EXPECT_EQ(status_of("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n"), 200);
        EXPECT_EQ(status_of("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n"),
                  502);
    }
}

TEST_F(proxy_limits_keys, interim_answers) {
    const auto hints = [](int count) {
        std::string out;
        for (int i = 0; i < count; ++i) out += "HTTP/1.1 103 Early Hints\r\n\r\n";
        return out + ok_response("end");
    };
    const auto last_status = [&](const std::string& answer) {
        upstream.otherwise({wait_head(), send(answer), close_now()});
        raw_client client = connect();
        client.send(get);
        http_message got = client.read();
        while (got.status() == 103) got = client.read();
        return got.status();
    };
    start_with("interim_answers = 2");
    EXPECT_EQ(last_status(hints(2)), 200);
    EXPECT_EQ(last_status(hints(3)), 502);
    start_with("interim_answers = 0");
    EXPECT_EQ(last_status(hints(0)), 200);
    EXPECT_EQ(last_status(hints(1)), 502);
}

bool all_threads_are_stopped(pid_t pid) {
    for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
        std::ifstream in(thread.path() / "stat");
        const std::string text{std::istreambuf_iterator<char>(in), {}};
        if (text.find(") T ") == std::string::npos) return false;
    }
    return true;
}

// Linux keeps one connection more than the number says, and drops what comes beyond it.
TEST_F(proxy_limits_keys, backlog) {
    start_with("backlog = 5");
    ::kill(proxy->pid(), SIGSTOP);
    ASSERT_TRUE(eventually([&] { return all_threads_are_stopped(proxy->pid()); }));
    std::vector<descriptor> clients;
    int connected = 0;
    for (int i = 0; i < 9; ++i) {
        clients.push_back(connect_to("127.0.0.1", proxy->port(), milliseconds(50)));
        connected += clients.back().valid() ? 1 : 0;
    }
    ::kill(proxy->pid(), SIGCONT);
    EXPECT_EQ(connected, 6);
    clients.clear();
    expect_still_serving();
}

TEST_F(proxy_limits_keys, connections_over_the_limit_in_tls_are_told_by_an_alert) {
    const test_authority authority;
    const certificate own = authority.issue();
    temp_dir folder;
    write_file(folder.path() + "/cert", own.cert);
    write_file(folder.path() + "/key", own.key);
    start({.config = "workers = 1\n[tls]\ncert = \"" + folder.path() + "/cert\"\nkey = \"" + folder.path() +
                     "/key\"\n[limits]\nconnections = 2"});
    const tls_side side({});
    raw_client one("127.0.0.1", proxy->port(), side), two("127.0.0.1", proxy->port(), side);
    EXPECT_TRUE(one.connected() && two.connected());
    raw_client three("127.0.0.1", proxy->port(), side);
    EXPECT_FALSE(three.connected());
    EXPECT_THAT(three.tls().failure(), testing::HasSubstr("internal error"));
    two.send(get);
    EXPECT_EQ(two.read().status(), 200);
    one.close();
    EXPECT_TRUE(eventually([&] { return raw_client("127.0.0.1", proxy->port(), side).connected(); }));
}

// A refused client that sends at once, or keeps on sending, still reads why; and a flood of them costs no more than
// sockets for a moment.
TEST_F(proxy_limits_keys, whoever_is_over_the_limit_of_connections_reads_why) {
    start_with("connections = 1");
    raw_client holder = connect();
    holder.send(get);
    EXPECT_EQ(holder.read().status(), 200);
    std::vector<raw_client> refused;
    for (int i = 0; i < 200; ++i) {
        refused.push_back(connect());
        refused.back().send(get + std::string(1000, 'x'));
    }
    int told = 0;
    for (auto& one : refused) told += one.read().status() == 503 ? 1 : 0;
    EXPECT_GE(told, 64);
    holder.send(get);
    EXPECT_EQ(holder.read().status(), 200);
    raw_client last = connect();
    last.send(get);
    EXPECT_TRUE(eventually([&] {
        last = connect();
        last.send(get);
        return last.read().status() == 503;
    }));
    EXPECT_TRUE(last.ends(prompt));
}

// ---- times --------------------------------------------------------------------------------------------------------

TEST_F(proxy_limits_keys, header_timeout_is_for_the_whole_head) {
    start_with("header_timeout = \"" + limit_text + "\"");
    raw_client client = connect();
    client.send("GET / HTTP/1.1\r\n");
    pass(within);
    client.send("Host: a\r\n\r\n");
    EXPECT_EQ(client.read().status(), 200);
    client.send("GET / HTTP/1.1\r\n");  // a second head has as long again
    pass(within);
    client.send("Host: a\r\n\r\n");
    EXPECT_EQ(client.read().status(), 200);
    client.send("GET / HTTP/1.1\r\n");
    pass(within);
    client.send("Host: a\r\n");
    pass(limit);
    expect_problem(client.read(), 408);
}

TEST_F(proxy_limits_keys, body_timeout_is_for_each_silence) {
    start_with("body_timeout = \"" + limit_text + "\"");
    raw_client client = connect();
    client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    for (int i = 0; i < 4; ++i) {
        pass(within);
        client.send("x");
    }
    EXPECT_EQ(client.read().status(), 200);
    client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nx");
    pass(2 * limit);
    expect_problem(client.read(), 408);
}

TEST_F(proxy_limits_keys, idle_timeout) {
    start_with("idle_timeout = \"" + limit_text + "\"");
    raw_client client = connect();
    client.send(get);
    EXPECT_EQ(client.read().status(), 200);
    for (int i = 0; i < 3; ++i) {
        pass(within);
        client.send(get);
        EXPECT_EQ(client.read().status(), 200);
    }
    EXPECT_TRUE(client.silent(within)) << "closed too early";
    EXPECT_TRUE(client.ends(prompt)) << "kept too long";
}

TEST_F(proxy_limits_keys, upstream_read_timeout_is_for_each_silence) {
    auto gates = std::vector{make_gate(), make_gate(), make_gate()};
    upstream.next({wait_request(), pause(gates[0]), send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
                   pause(gates[1]), send("a"), pause(gates[2]), send("b")});
    start_with("upstream_read_timeout = \"" + limit_text + "\"");
    raw_client client = connect();
    client.send(get);
    for (const auto& gate : gates) {
        pass(within);
        gate->set();
    }
    const auto whole = client.read();
    EXPECT_EQ(whole.body, "ab");
    upstream.next({wait_request()});
    raw_client second = connect();
    second.send(get);
    EXPECT_TRUE(second.silent(within));
    expect_problem(second.read(), 504);
}

TEST_F(proxy_limits_keys, upstream_read_timeout_begins_when_the_request_is_whole) {
    auto gate = make_gate();
    upstream.next({wait_request(), pause(gate), send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")});
    start_with("upstream_read_timeout = \"" + limit_text + "\"");
    raw_client client = connect();
    client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    pass(within);
    client.send("cd");
    pass(within);
    gate->set();
    EXPECT_EQ(client.read().body, "ok");
}

TEST_F(proxy_limits_keys, upstream_idle_timeout_and_upstream_idle) {
    start_with("upstream_idle_timeout = \"" + limit_text + "\"\nupstream_idle = 1");
    EXPECT_EQ(ask(get).status(), 200);
    pass(within);
    EXPECT_EQ(ask(get).status(), 200);
    EXPECT_EQ(upstream.connections(), 1U) << "not kept";
    EXPECT_TRUE(upstream.wait_ended(0, prompt)) << "kept too long";
    // Two at once: one is kept.
    auto gate = make_gate();
    for (int i = 0; i < 2; ++i)
        upstream.next({wait_request(), pause(gate), send(ok_response("ok")), serve(answer_with(ok_response("ok")))});
    raw_client one = connect(), two = connect();
    one.send(get);
    two.send(get);
    ASSERT_TRUE(upstream.wait_connections(3));
    gate->set();
    EXPECT_EQ(one.read().status(), 200);
    EXPECT_EQ(two.read().status(), 200);
    EXPECT_TRUE(eventually([&] {
        return (upstream.connection(1).ended != ending::none) != (upstream.connection(2).ended != ending::none);
    }));
}

// A body that is refused early goes on arriving: the connection stays readable for so long.
class proxy_limits_linger : public proxy_limits_keys {
protected:
    raw_client refused_early() {
        raw_client client = connect();
        client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + std::string(100, 'x'));
        EXPECT_EQ(client.read().status(), 413);
        return client;
    }
    static bool broken(raw_client& client) { return !client.send("x") || client.ended() == ending::rst; }
};

TEST_F(proxy_limits_linger, linger_timeout_is_for_each_silence) {
    start_with("body_bytes = 10\nlinger_timeout = \"" + limit_text + "\"");
    raw_client client = refused_early();
    for (int i = 0; i < 4; ++i) {
        pass(within);
        EXPECT_TRUE(client.send("x")) << "closed while it was sending";
    }
    pass(2 * limit);
    EXPECT_TRUE(eventually([&] { return broken(client); }, prompt)) << "still open";
}

TEST_F(proxy_limits_linger, linger_time_is_for_all_of_it) {
    start_with("body_bytes = 10\nlinger_time = \"" + limit_text + "\"");
    raw_client client = refused_early();
    const auto before = clock::now();
    while (!broken(client) && clock::now() - before < patience) pass(milliseconds(20));
    EXPECT_GE(clock::now() - before, within);
    EXPECT_LT(clock::now() - before, limit + prompt);
}

}  // namespace
}  // namespace tests
