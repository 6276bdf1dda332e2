// Listening sockets that are handed in from outside, as systemd does (LISTEN_FDS): they outlive the process.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "tests/support/certificates.hpp"
#include "tests/support/succession_test.hpp"

namespace tests {
namespace {

using testing::HasSubstr;

class proxy_activation : public proxy_succession {
protected:
    // As systemd starts it: the sockets from descriptor 3 on.
    std::unique_ptr<child_process> start_with(const std::vector<const descriptor*>& sockets) const {
        std::string script;
        int next = 3;
        for (const auto* one : sockets)  // out of the way of 3 first
            script += "exec " + std::to_string(100 + next++) + "<&" + std::to_string(one->get()) + "; ";
        for (int i = 3; i < next; ++i) script += "exec " + std::to_string(i) + "<&" + std::to_string(100 + i) + "; ";
        script += "export LISTEN_PID=$$ LISTEN_FDS=" + std::to_string(sockets.size()) + "; exec '" + AIMETER_BINARY +
                  "' serve -c '" + aimeter().config_path() + "'";
        for (const auto* one : sockets) ::fcntl(one->get(), F_SETFD, 0);
        return std::make_unique<child_process>(spawn_options{{"/bin/bash", "-c", script}, {}, AIMETER_SOURCE_DIR});
    }
    void configure(const std::string& listen, const std::string& config = "workers = 2") {
        proxy = make_proxy({.upstream = upstream.url(), .config = config, .listen = listen});
    }
};

TEST_F(proxy_activation, a_connection_that_came_while_nobody_ran_is_answered) {
    std::uint16_t port = 0;
    const descriptor socket = listen_on("127.0.0.1", port);
    configure("127.0.0.1:" + std::to_string(port));
    auto first = start_with({&socket});
    ASSERT_TRUE(first->wait_out("aimeter ready: listening on 127.0.0.1:" + std::to_string(port))) << first->err();
    raw_client one("127.0.0.1", port);
    one.send(tracked("one"));
    EXPECT_EQ(one.read().status(), 200);
    one.close();
    first->signal(SIGTERM);
    EXPECT_EQ(first->wait_exit(), 0) << first->err();
    raw_client between("127.0.0.1", port);
    ASSERT_TRUE(between.connected()) << "its leaving closed the socket for others";
    ASSERT_TRUE(between.send(tracked("between")));
    auto second = start_with({&socket});
    EXPECT_EQ(between.read().status(), 200) << second->err();
    expect_each_once({"one", "between"});
    second->signal(SIGTERM);
    EXPECT_EQ(second->wait_exit(), 0) << second->err();
}

TEST_F(proxy_activation, workers_share_one_socket_evenly) {
    std::uint16_t port = 0;
    const descriptor socket = listen_on("127.0.0.1", port);
    configure("127.0.0.1:" + std::to_string(port), "workers = 4");
    auto child = start_with({&socket});
    ASSERT_TRUE(child->wait_out("aimeter ready")) << child->err();
    for (int i = 0; i < 80; ++i) {
        raw_client one("127.0.0.1", port);
        one.send(tracked(std::to_string(i)));
        EXPECT_EQ(one.read().status(), 200);
    }
    std::map<std::string, std::string> journals;  // one for each worker, and how many records it brought
    eventually([&] {
        long all = 0;
        for (const auto& [id, count] : journals = aimeter().redis().hash("aimeter:journals")) all += std::stol(count);
        return all == 80;
    });
    EXPECT_EQ(journals.size(), 4U) << "a worker got nothing";
    for (const auto& [id, count] : journals) EXPECT_GE(std::stol(count), 10) << id;
    child->signal(SIGTERM);
    EXPECT_EQ(child->wait_exit(), 0);
}

TEST_F(proxy_activation, sockets_of_every_kind_are_taken_and_handed_on) {
    temp_dir folder;
    std::uint16_t port = 0, admin_port = 0, v6_port = 0;
    const descriptor socket = listen_on("127.0.0.1", port);
    const descriptor admin = listen_on("127.0.0.1", admin_port);
    const descriptor v6 = listen_on("::1", v6_port);
    const std::string path = folder.path() + "/s";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    const descriptor local(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(local.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(local.get(), 16), 0);
    configure("unix:" + path, "workers = 2\n[admin]\nlisten = \"127.0.0.1:" + std::to_string(admin_port) + "\"");
    std::ifstream in(aimeter().config_path());
    std::string text{std::istreambuf_iterator<char>(in), {}};
    text.replace(text.find("\"unix:" + path + "\""), path.size() + 7,
                 "[\"localhost:" + std::to_string(port) + "\", \"[::1]:" + std::to_string(v6_port) +
                     "\", \"unix:" + path + "\"]");
    write_file(aimeter().config_path(), text);
    auto child = start_with({&local, &admin, &v6, &socket});
    ASSERT_TRUE(child->wait_out("aimeter ready: listening on unix:" + path)) << child->err();
    for (int round = 0; round < 2; ++round) {
        raw_client plain("127.0.0.1", port);
        plain.send(get);
        EXPECT_EQ(plain.read().status(), 200);
        raw_client other("::1", v6_port);
        other.send(get);
        EXPECT_EQ(other.read().status(), 200);
        raw_client asking("127.0.0.1", admin_port);
        asking.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_EQ(asking.read().status(), 200);
        const descriptor client(::socket(AF_UNIX, SOCK_STREAM, 0));
        ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        write_all(client, get, clock::now() + patience);
        std::array<char, 64> head{};
        read_some(client, head.data(), head.size(), clock::now() + patience);
        EXPECT_THAT(std::string(head.data(), head.size()), HasSubstr("HTTP/1.1 200"));
        if (round == 0) {
            child->signal(SIGUSR2);
            ASSERT_TRUE(child->wait_err(" serves from now on")) << child->err();
            EXPECT_EQ(child->wait_exit(), 0) << child->err();
        }
    }
    for (const pid_t one : adopted_children()) ::kill(one, SIGTERM);
    EXPECT_TRUE(eventually([] { return adopted_children().empty(); })) << child->err();
    EXPECT_TRUE(std::filesystem::exists(path)) << "it is not aimeter's to remove";
}

TEST_F(proxy_activation, what_is_not_configured_is_an_error_that_names_it) {
    std::uint16_t port = 0, other = 0;
    const descriptor socket = listen_on("127.0.0.1", port);
    const descriptor stray = listen_on("127.0.0.1", other);
    configure("127.0.0.1:" + std::to_string(port));
    auto child = start_with({&socket, &stray});
    EXPECT_EQ(child->wait_exit(), 1);
    child->wait_output_end();
    EXPECT_THAT(child->err(), HasSubstr("a listening socket on 127.0.0.1:" + std::to_string(other) + " was handed in"));
    const descriptor file(::open("/dev/null", O_RDONLY));
    auto second = start_with({&socket, &file});
    EXPECT_EQ(second->wait_exit(), 1);
    second->wait_output_end();
    EXPECT_THAT(second->err(), HasSubstr("descriptor 4 is not a listening stream socket"));
}

TEST_F(proxy_activation, a_file_that_is_no_socket_stays_where_it_is) {
    const temp_dir folder;
    const std::string path = folder.path() + "/notes";
    std::ofstream(path) << "kept";
    aimeter_process started({.upstream = "http://127.0.0.1:1", .listen = "unix:" + path});
    started.launch();
    EXPECT_EQ(started.process().wait_exit(), 1);
    started.process().wait_output_end();
    EXPECT_THAT(started.process().err(), HasSubstr(path + ": is not a socket"));
    std::string content;
    std::ifstream(path) >> content;
    EXPECT_EQ(content, "kept");
}

}  // namespace
}  // namespace tests
