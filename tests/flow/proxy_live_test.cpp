// GET /ai/live from outside: who gets in, what a dashboard hears of requests through this and other instances, and what
// becomes of it when Redis, the client or aimeter goes.
#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/record_test.hpp"
#include "tests/support/websocket_client.hpp"

namespace {

using namespace tests;
using nlohmann::json;
using namespace std::string_literals;

const std::string path = "/api/admin/ai/live";
const std::string bearer = "Authorization: Bearer secret\r\n";

class proxy_live : public record_test {
protected:
    void SetUp() override {
        AIMETER_ONLY();
        upstream.otherwise({serve(answer_with(json_answer()))});
    }
    void begin(const std::string& more = {}, const std::string& top = {}) {
        start({.config = top + "\n[admin]\ntokens = [\"secret\"]\n" + more});
        redis();  // it answers: nothing below is about its start
    }
    void request() { EXPECT_EQ(ask(tracked()).status(), 200); }

    int status_of(const std::string& fields) {
        websocket_client one(connect());
        return one.shake_hands(path, fields).status();
    }
    websocket_client open() {
        websocket_client made(connect());
        EXPECT_EQ(made.shake_hands(path, bearer).status(), 101) << proxy->process().err();
        return made;
    }
    static json message(websocket_client& of, milliseconds within = patience) {
        const std::string text = of.read_text(within);
        return text.empty() ? json{{"type", "nothing came"}} : json::parse(text);
    }
    // The next message of this type.
    static json next(websocket_client& of, const std::string& type) {
        for (;;) {
            json one = message(of);
            if (one["type"] == type || one["type"] == "nothing came") return one;
        }
    }
};

TEST_F(proxy_live, HandshakeIsThatOfTheRfc) {
    begin();
    websocket_client one(connect());
    const auto answer = one.shake_hands(path, bearer);
    EXPECT_EQ(answer.status(), 101);
    EXPECT_EQ(answer.field("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    EXPECT_EQ(answer.field("upgrade"), "websocket");
    EXPECT_EQ(answer.field("connection"), "Upgrade");
    EXPECT_FALSE(answer.field("content-length") || answer.field("transfer-encoding"));
    EXPECT_EQ(message(one)["type"], "snapshot");
}

TEST_F(proxy_live, HandshakeOfStrangersIsRefused) {
    begin();
    EXPECT_EQ(status_of(""), 401);
    EXPECT_EQ(status_of("Authorization: Bearer wrong\r\n"), 401);
    EXPECT_EQ(status_of(bearer + "Origin: http://evil.example\r\n"), 403);
    EXPECT_EQ(status_of(bearer + "Origin: null\r\n"), 403);
    EXPECT_EQ(status_of(bearer + "Origin: http://app.example.evil.example\r\n"), 403);
    EXPECT_EQ(status_of(bearer + "Origin: http://app.example:8080\r\n"), 403);
    EXPECT_EQ(status_of(bearer + "Origin: http://app.example\r\nOrigin: http://app.example\r\n"), 403);
    EXPECT_EQ(status_of(bearer + "Origin: http://app.example\r\n"), 101);
    EXPECT_EQ(status_of(bearer + "Origin: https://APP.example:443\r\n"), 101);
}

TEST_F(proxy_live, WhatIsNoHandshakeIsToldWhatIsMissing) {
    begin();
    const auto status = [&](const std::string& line, const std::string& fields) {
        return ask(line + "\r\nHost: a\r\n" + bearer + fields + "\r\n");
    };
    const std::string upgrade = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n";
    const std::string version = "Sec-WebSocket-Version: 13\r\n",
                      key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const std::string get = "GET " + path + " HTTP/1.1";
    const auto plain = status(get, "");
    EXPECT_EQ(plain.status(), 426);
    EXPECT_EQ(plain.field("upgrade"), "websocket");
    EXPECT_EQ(status(get, "Upgrade: websocket\r\n" + version + key).status(), 426);  // no Connection: Upgrade
    EXPECT_EQ(status(get, "Upgrade: h2c\r\nConnection: Upgrade\r\n" + version + key).status(), 426);
    const auto old = status(get, upgrade + "Sec-WebSocket-Version: 8\r\n" + key);
    EXPECT_EQ(old.status(), 426);
    EXPECT_EQ(old.field("sec-websocket-version"), "13");
    EXPECT_EQ(status(get, upgrade + version).status(), 400);
    EXPECT_EQ(status(get, upgrade + version + "Sec-WebSocket-Key: short\r\n").status(), 400);
    EXPECT_EQ(status(get, upgrade + version + key + key).status(), 400);
    EXPECT_EQ(status("GET " + path + "?x=1 HTTP/1.1", upgrade + version + key).status(), 400);
    EXPECT_EQ(status("POST " + path + " HTTP/1.1", upgrade + version + key + "Content-Length: 0\r\n").status(), 405);
    EXPECT_EQ(status("GET " + path + " HTTP/1.0", upgrade + version + key).status(), 426);
    raw_client head = connect();
    head.send("HEAD " + path + " HTTP/1.1\r\nHost: a\r\n" + bearer + upgrade + version + key + "\r\n");
    EXPECT_EQ(head.read(http_reader::kind::response_to_head).status(), 405);
    EXPECT_TRUE(upstream.requests().empty());
}

TEST_F(proxy_live, DeltaTellsOfARequestWithinTwoSeconds) {
    begin();
    request();
    records(1);
    auto one = open();
    const json first = message(one);
    EXPECT_EQ(first["type"], "snapshot");
    EXPECT_EQ(first["stats"]["aiRequestsTotal"], 1);
    EXPECT_EQ(first["stats"]["recentActivity"].size(), 1U);
    EXPECT_EQ(first["overview"]["today"]["requests"], 1);
    for (const char* const part : {"generatedAt", "timezone", "today", "month", "trends", "quality"})
        EXPECT_TRUE(first["overview"].contains(part)) << part;

    request();
    request();
    const json second = message(one, prompt);
    ASSERT_EQ(second["type"], "delta") << second;
    EXPECT_EQ(second["seq"], first["seq"].get<int>() + 1);
    // The two may have been committed apart.
    json all = second;
    if (second["added"]["requests"] == 1) all = message(one);
    EXPECT_EQ(all["stats"]["aiRequestsTotal"], 3);
    EXPECT_FALSE(all["stats"].contains("recentActivity"));
    EXPECT_EQ(all["today"]["requests"], 3);
    EXPECT_EQ(all["month"]["requests"], 3);
    EXPECT_EQ(all["added"]["success"], all["added"]["requests"]);
    EXPECT_EQ(all["recentActivity"].size(), all["added"]["requests"].get<std::size_t>());
    EXPECT_EQ(all["recentActivity"][0]["event"], "ai_generation");
    for (const char* const what :
         {"requests", "success", "errors", "blocked", "aborted", "cached", "cost", "saved", "tokensUsed"})
        EXPECT_TRUE(all["added"].contains(what)) << what;
    EXPECT_TRUE(all["today"].contains("p95DurationMs"));
}

TEST_F(proxy_live, NothingIsSaidWhenNothingHappens) {
    begin();
    auto one = open();
    EXPECT_EQ(message(one)["type"], "snapshot");
    EXPECT_EQ(message(one, milliseconds(2'500))["type"], "nothing came");
}

TEST_F(proxy_live, TheSnapshotSaysWhatTheEndpointsSay) {
    begin();
    for (int i = 0; i < 3; ++i) request();
    records(3);
    auto one = open();
    const json first = message(one);
    const auto get = [&](const std::string& target) {
        return json::parse(ask("GET /api/admin" + target + " HTTP/1.1\r\nHost: a\r\n" + bearer + "\r\n").body);
    };
    EXPECT_EQ(first["stats"], get("/stats"));
    json overview = get("/ai/overview"), live = first["overview"];
    for (json* of : {&overview, &live}) {
        of->erase("generatedAt");
        of->erase("trends");  // up to this moment
    }
    EXPECT_EQ(live, overview);
}

TEST_F(proxy_live, WhatAnotherInstanceCommittedIsTold) {
    begin();
    auto one = open();
    EXPECT_EQ(message(one)["type"], "snapshot");
    std::string socket;
    for (const auto& file : std::filesystem::recursive_directory_iterator(aimeter().data_dir() + "/redis"))
        if (file.is_socket()) socket = file.path();
    aimeter_process other({.upstream = upstream.url(), .config = "[redis]\nurl = \"unix:" + socket + "\"\n"});
    other.start();
    raw_client client = other.connect();
    client.send(tracked("X-Request-Id: from-the-other\r\n"));
    EXPECT_EQ(client.read().status(), 200);
    const json told = message(one);
    EXPECT_EQ(told["type"], "delta");
    EXPECT_EQ(told["added"]["requests"], 1);
    EXPECT_EQ(told["added"]["cost"].dump(), gemini_cost);
    other.process().signal(SIGTERM);
    EXPECT_EQ(other.process().wait_exit(), 0);
}

TEST_F(proxy_live, EverybodyHearsTheSameInTheSameOrder) {
    begin("", "workers = 2");
    std::vector<websocket_client> all;
    for (int i = 0; i < 4; ++i) all.push_back(open());
    for (auto& one : all) EXPECT_EQ(message(one)["type"], "snapshot");
    std::vector<std::string> heard(all.size());
    for (int round = 0; round < 3; ++round) {
        request();
        for (std::size_t i = 0; i < all.size(); ++i) heard[i] += all[i].read_text() + "\n";
    }
    EXPECT_NE(heard[0].find("\"delta\""), std::string::npos);
    for (const auto& one : heard) EXPECT_EQ(one, heard[0]);
}

TEST_F(proxy_live, RedisGoneAndBackIsTold) {
    begin();
    auto one = open();
    const json first = message(one);
    const pid_t server = redis().server_pid();
    ::kill(server, SIGSTOP);
    const json down = message(one, milliseconds(15'000));
    EXPECT_EQ(down["type"], "state");
    EXPECT_EQ(down["redis"], "down");
    EXPECT_THAT(down["since"].get<std::string>(), ::testing::StartsWith("20"));
    request();  // proxied all the same
    auto late = open();
    EXPECT_EQ(message(late)["type"], "snapshot");
    EXPECT_EQ(message(late)["redis"], "down");
    ::kill(server, SIGCONT);
    EXPECT_EQ(next(one, "state")["redis"], "up");
    EXPECT_EQ(next(late, "state")["redis"], "up");
    const json after = next(one, "delta");
    EXPECT_EQ(after["seq"], first["seq"].get<int>() + 1);
    EXPECT_EQ(after["stats"]["aiRequestsTotal"], 1);
}

TEST_F(proxy_live, PingsAndCloseAreThoseOfTheRfc) {
    begin("live_ping = \"2s\"");
    auto one = open(), silent = open();
    EXPECT_EQ(message(one)["type"], "snapshot");
    one.send(websocket_client::frame_of(9, "are you there"));
    const auto pong = one.read_control();
    EXPECT_EQ(pong.opcode, 10);
    EXPECT_EQ(pong.payload, "are you there");
    const auto ping = one.read_control();
    EXPECT_EQ(ping.opcode, 9);
    one.send(websocket_client::frame_of(10, ping.payload));
    EXPECT_EQ(one.read_control().opcode, 9);
    one.send(websocket_client::frame_of(8, "\x03\xE8"));
    EXPECT_EQ(one.read_control().code(), 1000);
    EXPECT_TRUE(one.connection().ends());
    EXPECT_EQ(silent.read_control().opcode, 9);
    EXPECT_TRUE(silent.connection().ends());  // it said nothing for four seconds
}

TEST_F(proxy_live, WhoBreaksTheProtocolHearsWhy) {
    begin();
    const websocket_client::shape not_masked{.masked = false}, with_rsv{.reserved = 4}, padded{.length_bytes = 8};
    const auto code_of = [&](const std::string& bytes) {
        auto one = open();
        one.send(bytes);
        return one.read_control().code();
    };
    EXPECT_EQ(code_of(websocket_client::frame_of(1, "hi", not_masked)), 1002);
    EXPECT_EQ(code_of(websocket_client::frame_of(1, "hi", with_rsv)), 1002);
    EXPECT_EQ(code_of(websocket_client::frame_of(1, "hi", padded)), 1002);
    EXPECT_EQ(code_of(websocket_client::frame_of(3, "")), 1002);
    EXPECT_EQ(code_of(websocket_client::frame_of(1, "\xFF\xFE")), 1007);
    EXPECT_EQ(code_of(websocket_client::frame_of(1, std::string(4097, 'x'))), 1009);
    EXPECT_EQ(code_of(websocket_client::frame_of(2, "x")), 1003);
    expect_still_serving();
}

TEST_F(proxy_live, NoMoreThanAreAllowedAndPlacesAreGivenBack) {
    begin("live_connections = 2");
    auto one = open();
    {
        auto two = open();
        EXPECT_EQ(status_of(bearer), 503);
    }
    EXPECT_TRUE(eventually([&] { return status_of(bearer) == 101; }));
}

TEST_F(proxy_live, DrainEndsLiveSocketsAtOnce) {
    begin();
    auto one = open(), stubborn = open();
    EXPECT_EQ(message(one)["type"], "snapshot");
    EXPECT_EQ(message(stubborn)["type"], "snapshot");
    proxy->process().signal(SIGTERM);
    EXPECT_EQ(one.read_control(prompt).code(), 1001);
    EXPECT_EQ(stubborn.read_control(prompt).code(), 1001);
    one.send(websocket_client::frame_of(8, "\x03\xE9"));
    EXPECT_TRUE(one.connection().ends());
    EXPECT_EQ(proxy->process().wait_exit(), 0);  // the other one never answers
    EXPECT_EQ(proxy->process().err().find("drain_timeout is over"), std::string::npos);
    ends_well = false;
}

TEST_F(proxy_live, ASuccessorTakesOverAndTheSocketsGo) {
    begin();
    auto one = open();
    EXPECT_EQ(message(one)["type"], "snapshot");
    proxy->process().signal(SIGUSR2);
    EXPECT_EQ(one.read_control(milliseconds(20'000)).code(), 1001);
    one.connection().close();
    EXPECT_EQ(proxy->process().wait_exit(), 0);
    auto again = open();
    EXPECT_EQ(message(again)["type"], "snapshot");
    ends_well = false;  // the successor ends with the folder's processes
}

}  // namespace
