// Restart without a dropped connection: a successor in place (SIGUSR2), whatever is killed in between.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <filesystem>

#include "tests/support/steady_load.hpp"
#include "tests/support/succession_test.hpp"

namespace tests {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// ---- SIGUSR2 ------------------------------------------------------------------------------------------------------

TEST_F(proxy_succession, no_request_fails_and_each_is_recorded_once) {
    start_serving("workers = 2\n[redis]\nstream_maxlen = 0\n[track]\nlog = \"off\"");
    const pid_t first = serving;
    const pid_t redis = aimeter().redis().server_pid();
    steady_load clients(proxy->port(), 6, 3);
    for (int i = 0; i < 4; ++i) {
        ASSERT_TRUE(clients.go_on_for(400)) << log();
        const pid_t before = upgrade();
        if (before == first)
            EXPECT_EQ(proxy->process().wait_exit(), 0) << log();
        else
            EXPECT_TRUE(gone(before)) << "it holds on: " << log();
    }
    ASSERT_TRUE(clients.go_on_for(400));
    clients.stop();
    EXPECT_THAT(clients.failures(), IsEmpty());
    EXPECT_EQ(aimeter().redis().server_pid(), redis);
    expect_each_once(clients.answered());
    EXPECT_THAT(log(), Not(HasSubstr("embedded Redis: it died")));
}

TEST_F(proxy_succession, whoever_asks_while_the_old_one_drains_is_served_by_the_new_one) {
    start_serving("workers = 1");
    auto gate = make_gate();
    upstream.next(
        {wait_request(), send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst"), pause(gate), send("later")});
    raw_client slow = connect();
    slow.send(tracked("slow"));
    ASSERT_TRUE(slow.read_until("first"));
    raw_client idle = connect();
    idle.send(get);
    EXPECT_EQ(idle.read().status(), 200);

    const pid_t old = upgrade();
    EXPECT_EQ(ask(tracked("fresh")).status(), 200);
    EXPECT_EQ(recorded_soon("fresh"), 1);
    EXPECT_EQ(recorded_soon("slow", milliseconds(1500)), 0) << "taken for interrupted while it lives";
    EXPECT_FALSE(idle.ends(milliseconds(100))) << "a connection between two requests was closed without a word";
    idle.send(get);
    const auto last = idle.read();
    EXPECT_EQ(last.status(), 200);
    EXPECT_EQ(last.field("connection"), "close");
    EXPECT_TRUE(idle.ends());
    gate->set();
    EXPECT_TRUE(slow.read_until("later")) << "the answer in flight was cut";
    EXPECT_EQ(proxy->process().wait_exit(), 0) << log();
    EXPECT_NE(serving, old);
    expect_each_once({"slow", "fresh"});
}

// As a service manager starts it, at the address of before.
TEST_F(proxy_succession, a_start_after_the_new_one_was_killed_need_not_wait_for_the_old_one) {
    start_serving("workers = 1");
    auto gate = make_gate();
    upstream.next(
        {wait_request(), send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst"), pause(gate), send("later")});
    raw_client slow = connect();
    slow.send(tracked("slow"));
    ASSERT_TRUE(slow.read_until("first"));
    upgrade();
    EXPECT_EQ(ask(tracked("fresh")).status(), 200);
    ::kill(serving, SIGKILL);
    ASSERT_TRUE(eventually([this] { return memory_kib(serving, "VmRSS") == 0; }));

    spawn_options again = aimeter().how_to_serve();
    again.env["AIMETER_LISTEN"] = "127.0.0.1:" + std::to_string(proxy->port());
    child_process next(again);
    serving = next.pid();
    ASSERT_TRUE(next.wait_out("aimeter ready")) << next.err();
    EXPECT_EQ(ask(tracked("after")).status(), 200);
    EXPECT_TRUE(proxy->process().running()) << "the slow answer is still under way: " << log();
    gate->set();
    EXPECT_TRUE(slow.read_until("later")) << "the answer in flight was cut";
    EXPECT_EQ(proxy->process().wait_exit(), 0) << log();
    expect_each_once({"slow", "fresh", "after"});
    next.signal(SIGTERM);
    EXPECT_EQ(next.wait_exit(), 0) << next.err();
    serving = 0;
}

TEST_F(proxy_succession, a_successor_that_cannot_start_changes_nothing) {
    start_serving("workers = 1");
    aimeter().rewrite_config("[limits]\nheader_bites = 1");
    ASSERT_GT(call_successor(), 0);
    EXPECT_TRUE(proxy->process().wait_err("upgrade failed, this process goes on: ")) << log();
    EXPECT_TRUE(eventually([&] {
        return log().find("did you mean limits.header_bytes", log().find("goes on")) != std::string::npos;
    })) << "it does not say why: "
        << log();
    expect_still_serving();
    EXPECT_EQ(ask(tracked("between")).status(), 200);
    aimeter().rewrite_config("");
    ASSERT_GT(call_successor(), 0);
    ASSERT_GT(number_behind("upgrade: process ", ++upgraded), 0) << log();
    serving = static_cast<pid_t>(number_behind(" starts as process ", called));
    EXPECT_EQ(proxy->process().wait_exit(), 0) << log();
    expect_still_serving();
    expect_each_once({"between"});
}

// The successor hangs while it reads its keys from a pipe that nobody writes to: killed there, it is at an early moment
// of its life, with a journal of its own already.
TEST_F(proxy_succession, a_successor_killed_before_it_serves_changes_nothing) {
    start_serving("workers = 1");
    const std::string fifo = aimeter().data_dir() + "/keys";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    aimeter().rewrite_config("[identity.jwt]\njwks_file = \"" + fifo + "\"");
    const pid_t next = call_successor();
    ASSERT_GT(next, 0);
    EXPECT_EQ(ask(tracked("meanwhile")).status(), 200);
    ::kill(serving, SIGUSR2);
    EXPECT_TRUE(proxy->process().wait_err("one is under way")) << log();
    ::kill(next, SIGKILL);
    EXPECT_TRUE(proxy->process().wait_err("ended by signal 9")) << log();
    aimeter().rewrite_config("");
    EXPECT_EQ(ask(tracked("after")).status(), 200);
    upgrade();
    EXPECT_EQ(ask(tracked("last")).status(), 200);
    expect_each_once({"meanwhile", "after", "last"});
}

TEST_F(proxy_succession, a_program_that_is_gone_is_named) {
    temp_dir folder;
    const std::string link = folder.path() + "/aimeter";
    auto made = make_proxy({.upstream = upstream.url()});
    proxy = std::move(made);
    std::filesystem::create_symlink(AIMETER_BINARY, link);
    child_process child({{link, "serve", "-c", aimeter().config_path()}, {}, AIMETER_SOURCE_DIR});
    ASSERT_TRUE(child.wait_out("aimeter ready"));
    std::filesystem::remove(link);
    child.signal(SIGUSR2);
    EXPECT_TRUE(child.wait_err("it cannot be run: No such file or directory")) << child.err();
    std::filesystem::create_symlink(AIMETER_BINARY, link);
    child.signal(SIGUSR2);
    EXPECT_TRUE(child.wait_err(" serves from now on")) << child.err();
    EXPECT_EQ(child.wait_exit(), 0) << child.err();
}

TEST_F(proxy_succession, an_old_one_killed_while_it_drains_leaves_its_records_to_the_new_one) {
    start_serving("workers = 2");
    upstream.next({wait_request()});
    raw_client slow = connect();
    slow.send(tracked("cut"));
    ASSERT_TRUE(upstream.wait_received(0, "{}"));
    std::set<std::string> asked{"cut"};
    const auto ask_some = [&](const std::string& name) {
        for (int i = 0; i < 50; ++i) {
            asked.insert(name + std::to_string(i));
            EXPECT_EQ(ask(tracked(name + std::to_string(i))).status(), 200);
        }
    };
    ask_some("before-");
    const pid_t redis = aimeter().redis().server_pid();
    ::kill(redis, SIGSTOP);  // so that records wait in both journals
    ask_some("hung-");
    upgrade();
    ask_some("beside-");
    proxy->process().signal(SIGKILL);
    EXPECT_EQ(proxy->process().wait_exit(), 128 + SIGKILL);
    ::kill(redis, SIGCONT);
    ask_some("after-");
    expect_each_once(asked);
    for (const auto& one : aimeter().redis().stream("aimeter:usage")) {
        if (one.at("requestId") == "cut") {
            EXPECT_EQ(one.at("outcome"), "interrupted");
        }
    }
    EXPECT_EQ(aimeter().redis().server_pid(), redis);
}

// Each round a little later, in turn the old one and the new one; then everything, and a start from what is left.
TEST_F(proxy_succession, kills_at_any_moment_of_a_handover_lose_and_double_nothing) {
    start_serving("workers = 2\n[track]\nlog = \"off\"");
    std::set<std::string> answered;
    const pid_t redis = redis_pid();
    for (int round = 0; round < 12; ++round) {
        pid_t next = 0;
        for (int i = 0; i < 160; ++i) {
            const std::string id = std::to_string(round) + "-" + std::to_string(i);
            if (i == 20) proxy->process().signal(SIGUSR2);
            if (i == 21 + 10 * round) {
                next = last_successor();
                if (round % 2 == 0 || next == 0)
                    proxy->process().signal(SIGKILL);
                else
                    ::kill(next, SIGKILL);
            }
            raw_client client("127.0.0.1", proxy->port(), milliseconds(100));
            if (client.connected() && client.send(tracked(id)) && client.read().status() == 200) answered.insert(id);
        }
        proxy->process().signal(SIGKILL);
        proxy->process().wait_exit();
        if (next == 0) next = last_successor();
        if (next != 0) ::kill(next, SIGKILL);
        EXPECT_TRUE(next == 0 || gone(next));
        for (const pid_t left : adopted_children())  // one that was started and not named any more
            if (left != redis) ::kill(left, SIGKILL);
        ASSERT_TRUE(eventually([] { return adopted_children().size() <= 1; }));
        proxy->start();
        serving = proxy->pid();
    }
    EXPECT_GT(answered.size(), 12U * 80U);
    std::set<std::string> wanted = answered;
    for (const auto& request : upstream.requests()) wanted.insert(request.field("x-request-id").value_or(""));
    expect_each_once(wanted);
}

TEST_F(proxy_succession, every_queue_is_served_whatever_the_number_of_workers) {
    start_serving("workers = 3");
    for (const char* workers : {"workers = 1", "workers = 5", "workers = 2"}) {
        aimeter().rewrite_config(workers);
        upgrade();
        std::vector<raw_client> clients;
        for (int i = 0; i < 60; ++i) clients.push_back(connect());
        for (auto& one : clients) ASSERT_TRUE(one.send(get));
        for (auto& one : clients) ASSERT_EQ(one.read().status(), 200) << workers << log();
    }
}

TEST_F(proxy_succession, a_unix_socket_stays_where_it_is) {
    temp_dir folder;
    const std::string path = folder.path() + "/listen";
    start_serving("workers = 2\n[admin]\nlisten = \"127.0.0.1:0\"", "unix:" + path);
    struct stat before{}, after{};
    ASSERT_EQ(::stat(path.c_str(), &before), 0);
    upgrade();
    EXPECT_EQ(proxy->process().wait_exit(), 0) << log();
    ASSERT_EQ(::stat(path.c_str(), &after), 0) << "the one that left removed it";
    EXPECT_EQ(before.st_ino, after.st_ino);
    ::kill(serving, SIGTERM);
    EXPECT_TRUE(gone(std::exchange(serving, 0)));
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(proxy_succession, the_service_manager_is_told) {
    temp_dir folder;
    const std::string path = folder.path() + "/notify";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    const descriptor manager(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(manager.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const auto told = [&] {
        std::array<char, 256> text{};
        read_some(manager, text.data(), text.size() - 1, clock::now() + patience);
        return std::string(text.data());
    };
    start({.config = "workers = 1", .env = {{"NOTIFY_SOCKET", path}}});
    serving = proxy->pid();
    EXPECT_EQ(told(), "READY=1");
    upgrade();
    EXPECT_EQ(told(), "MAINPID=" + std::to_string(serving) + "\nREADY=1");
    ::kill(serving, SIGTERM);
    EXPECT_EQ(told(), "STOPPING=1");
    EXPECT_TRUE(gone(std::exchange(serving, 0)));
}

// ---- ending -------------------------------------------------------------------------------------------------------

TEST_F(proxy_succession, a_second_signal_ends_at_once_and_redis_with_it) {
    upstream.next({wait_request()});
    start_serving("workers = 1");
    const pid_t redis = aimeter().redis().server_pid();
    raw_client client = connect();
    client.send(tracked("cut"));
    ASSERT_TRUE(upstream.wait_received(0, "{}"));
    proxy->process().signal(SIGTERM);
    EXPECT_TRUE(proxy->process().wait_err("draining"));
    proxy->process().signal(SIGTERM);
    EXPECT_EQ(proxy->process().wait_exit(milliseconds(2000)), 1);
    EXPECT_TRUE(gone(redis)) << "redis-server was left behind";
    proxy->start();
    serving = proxy->pid();
    expect_each_once({"cut"});
}

}  // namespace
}  // namespace tests
