// What must not pass: malformed and ambiguous requests are answered with an error, the connection ends, and not one of
// their bytes reaches the upstream; malformed answers become 502. What is sent stands in framing_tables.hpp.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/flow/framing_tables.hpp"
#include "tests/support/mutant.hpp"
#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// ---- running them ---------------------------------------------------------------------------------------------------

class proxy_framing : public proxy_test {
protected:
    // Sends `bytes` in the pieces that `send` makes of them; the answer must be an error and the last on its
    // connection.
    template <typename Send>
    void expect_refused(const bad_request& row, Send send) {
        SCOPED_TRACE(row.name);
        raw_client client = connect();
        send(client);
        const auto answer = client.read();
        if (std::find(row.statuses.begin(), row.statuses.end(), answer.status()) == row.statuses.end()) {
            ADD_FAILURE() << "answered " << answer.status() << " " << answer.raw_head << answer.body;
        } else {
            expect_problem(answer, answer.status());
        }
        // Nothing further of this connection is processed.
        const std::string rest = client.read_to_end();
        EXPECT_EQ(rest, "") << "a second answer";
        EXPECT_NE(client.ended(), ending::none) << "the connection was kept";
    }

    void expect_refused(const bad_request& row) {
        expect_refused(row, [&](raw_client& client) { client.send(row.bytes); });
    }

    void expect_untouched_upstream() {
        expect_still_serving();
        EXPECT_THAT(upstream.everything(), Not(HasSubstr("evil")));
        const auto all = upstream.requests();
        for (const auto& request : all) EXPECT_EQ(request.target(), "/canary");
    }

    static std::vector<bad_request> rows(std::vector<bad_request> all) {
        if (proxy_is_nginx()) std::erase_if(all, [](const bad_request& row) { return !row.nginx; });
        return all;
    }
};

TEST_F(proxy_framing, ambiguous_lengths_are_refused_and_never_forwarded) {
    start();
    for (const auto& row : rows(ambiguous_lengths())) expect_refused(row);
    expect_untouched_upstream();
}

TEST_F(proxy_framing, malformed_heads_are_refused_and_never_forwarded) {
    start();
    for (const auto& row : rows(malformed_heads())) expect_refused(row);
    expect_untouched_upstream();
}

TEST_F(proxy_framing, unknown_transfer_codings_are_501) {
    AIMETER_ONLY();
    start();
    expect_refused({"TE gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), {501}});
    expect_untouched_upstream();
}

TEST_F(proxy_framing, arriving_byte_by_byte_changes_nothing) {
    AIMETER_ONLY();
    start();
    auto all = ambiguous_lengths();
    for (auto& row : malformed_heads()) all.push_back(std::move(row));
    for (const auto& row : all) {
        expect_refused(row, [&](raw_client& client) {
            for (const char byte : row.bytes) client.send(std::string_view(&byte, 1));
        });
    }
    expect_untouched_upstream();
}

TEST_F(proxy_framing, being_cut_anywhere_changes_nothing) {
    AIMETER_ONLY();
    start();
    const auto all = ambiguous_lengths();
    const std::vector<std::string> chosen{
        "CL.TE",     "TE.CL", "CL.CL differing",        "TE chunked, identity", "TE NUL", "TE behind a bare LF",
        "TE folded", "CL +5", "CL 18446744073709551621"};
    for (const auto& row : all) {
        if (std::find(chosen.begin(), chosen.end(), row.name) == chosen.end()) continue;
        for (std::size_t cut = 1; cut < row.bytes.size(); ++cut) {
            expect_refused(row, [&](raw_client& client) {
                client.send(std::string_view(row.bytes).substr(0, cut));
                client.silent(
                    milliseconds(1));  // lets the proxy read the first piece alone; an answer may come already
                client.send(std::string_view(row.bytes).substr(cut));
            });
            if (HasFailure()) FAIL() << row.name << " cut at " << cut;
        }
    }
    expect_untouched_upstream();
}

TEST_F(proxy_framing, a_bad_request_behind_a_good_one_ends_the_connection) {
    AIMETER_ONLY();
    start();
    for (const auto& row : ambiguous_lengths()) {
        SCOPED_TRACE(row.name);
        raw_client client = connect();
        client.send("GET /canary HTTP/1.1\r\nHost: a\r\n\r\n" + row.bytes);
        EXPECT_EQ(client.read().status(), 200);
        EXPECT_THAT(row.statuses, Contains(client.read().status()));
        EXPECT_EQ(client.read_to_end(), "");
    }
    expect_untouched_upstream();
}

TEST_F(proxy_framing, malformed_chunks_break_the_request_off) {
    AIMETER_ONLY();
    // Answers only whole requests: one that looked whole to it would be recorded in requests().
    start();
    for (const auto& row : malformed_chunks()) {
        expect_refused(row);
        expect_refused(row, [&](raw_client& client) {
            for (const char byte : row.bytes) client.send(std::string_view(&byte, 1));
        });
    }
    expect_still_serving();
    for (const auto& request : upstream.requests()) {
        EXPECT_EQ(request.target(), "/canary") << "taken for a whole request: " << request.raw_head << request.body;
    }
}

TEST_F(proxy_framing, endless_heads_lines_and_trailers_meet_their_limits) {
    AIMETER_ONLY();
    start({.config = "[limits]\nheader_bytes = 8192"});
    const std::string much(200'000, 'x');
    std::string many;
    for (int i = 0; i < 20'000; ++i) many += "X-" + std::to_string(i) + ": y\r\n";
    expect_refused({"long target", "GET /evil" + much + " HTTP/1.1\r\nHost: a\r\n\r\n", {414}});
    expect_refused({"endless target", "GET /evil" + much, {414}});
    expect_refused({"endless method", "EVIL" + much});
    expect_refused({"long value", "GET /evil HTTP/1.1\r\nHost: a\r\nX: " + much + "\r\n\r\n", {431}});
    expect_refused({"long name", "GET /evil HTTP/1.1\r\nHost: a\r\n" + much + ": y\r\n\r\n", {431}});
    expect_refused({"many fields", "GET /evil HTTP/1.1\r\nHost: a\r\n" + many + "\r\n", {431}});
    expect_refused({"long method", much + " /evil HTTP/1.1\r\nHost: a\r\n\r\n"});
    expect_untouched_upstream();
    expect_refused({"long chunk extension",
                    post("Transfer-Encoding: chunked\r\n", "3;" + much + "\r\nabc\r\n0\r\n\r\n"),
                    {400, 413, 431}});
    expect_refused({"long trailers", post("Transfer-Encoding: chunked\r\n", "0\r\n" + many + "\r\n"), {400, 413, 431}});
    expect_refused({"long chunk size",
                    post("Transfer-Encoding: chunked\r\n", std::string(100'000, '0') + "3\r\nabc\r\n0\r\n\r\n"),
                    {400, 413, 431}});
    expect_still_serving();
    for (const auto& request : upstream.requests()) EXPECT_EQ(request.target(), "/canary");
}

// ---- mutants ------------------------------------------------------------------------------------------------------

// One canonical head: no control byte, one framing at most.
void expect_canonical(const http_message& message) {
    EXPECT_LE(message.count("content-length") + message.count("transfer-encoding"), 1U) << message.raw_head;
    std::string lines = message.raw_head;
    for (auto at = lines.find("\r\n"); at != std::string::npos; at = lines.find("\r\n")) lines.erase(at, 2);
    EXPECT_EQ(lines.find_first_of("\r\n\0\x7f"s), std::string::npos) << message.raw_head;
}

TEST_F(proxy_framing, whatever_a_mutant_is_the_upstream_gets_one_canonical_form) {
    AIMETER_ONLY();
    start();
    std::vector<std::string> seeds{
        "GET /a?some=thing HTTP/1.1\r\nHost: a\r\nUser-Agent: a mutant of many words, (and more)\r\n\r\n",
        post("Content-Length: 5\r\n", "hello"),
        post("Transfer-Encoding: chunked\r\n", "3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n") +
            "GET /b HTTP/1.1\r\nHost: a\r\n\r\n"};
    const std::size_t good = seeds.size();
    for (const auto& row : ambiguous_lengths()) seeds.push_back(row.bytes);
    std::mt19937 random(20261122);
    // Many at a time: the ones that are not whole are waited for together.
    for (int batch = 0; batch < 50; ++batch) {
        std::vector<raw_client> clients(60);
        for (auto& client : clients) {
            client = connect();
            const bool of_a_good_one = random() % 2 == 0;
            client.send(mutant(seeds[random() % (of_a_good_one ? good : seeds.size())], random));
        }
        const auto until = clock::now() + milliseconds(60);
        for (auto& client : clients) {
            client.read_to_end(std::chrono::duration_cast<milliseconds>(until - clock::now()));
        }
    }
    expect_still_serving();
    EXPECT_GT(upstream.requests().size(), 200U) << "the mutants are too wild to show anything";
    for (std::size_t i = 0; i < upstream.connections(); ++i) {
        EXPECT_EQ(upstream.connection(i).malformed, "") << upstream.connection(i).received;
    }
    for (const auto& request : upstream.requests()) {
        EXPECT_EQ(request.count("host"), 1U) << request.raw_head;
        expect_canonical(request);
    }
}

TEST_F(proxy_framing, whatever_a_mutant_answer_is_the_client_gets_one_canonical_form) {
    AIMETER_ONLY();
    start();
    const std::vector<std::string> seeds{
        "HTTP/1.1 200 OK\r\nServer: a mutant\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.0 404 Not Found\r\nConnection: close\r\n\r\nno such "
        "thing",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"};
    std::mt19937 random(20261123);
    int passed = 0;
    for (int i = 0; i < 1500; ++i) {
        const std::string sent = mutant(seeds[random() % seeds.size()], random);
        upstream.otherwise({wait_head(), send(sent), close_now()});
        raw_client client = connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        const std::string got = client.read_to_end();
        ASSERT_NE(client.ended(), ending::none) << sent;
        SCOPED_TRACE(sent + "\n---- became ----\n" + got);
        std::string_view rest = got;
        http_message message;
        do {
            http_reader reader(http_reader::kind::response);
            rest.remove_prefix(reader.feed(rest));
            EXPECT_FALSE(reader.failed()) << reader.failure();
            message = reader.message();
            expect_canonical(message);
        } while (message.status() >= 100 && message.status() < 200 && !rest.empty());
        EXPECT_EQ(rest, "") << "bytes behind the answer";
        const bool framed = message.count("content-length") + message.count("transfer-encoding") == 1;
        EXPECT_TRUE(framed || message.status() == 204 || message.status() == 304) << "ends nowhere";
        passed += message.complete && message.status() != 502 ? 1 : 0;
        if (HasFailure()) break;
    }
    EXPECT_GT(passed, 200) << "the mutants are too wild to show anything";
    upstream.otherwise({serve(answer_with(ok_response("ok")))});
    expect_still_serving();
}

// ---- answers of the upstream --------------------------------------------------------------------------------------

TEST_F(proxy_framing, malformed_answers_become_502) {
    start();
    for (const auto& row : malformed_answers()) {
        if (proxy_is_nginx() && !row.nginx) continue;
        SCOPED_TRACE(row.name);
        upstream.otherwise({wait_head(), send(row.bytes), close_now()});
        raw_client client = connect();
        client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        auto answer = client.read();
        if (answer.status() == 103) answer = client.read();
        expect_problem(answer, 502);
        EXPECT_FALSE(answer.field("x")) << "a field of the refused answer";
        // The client did nothing wrong: its connection may serve on, but never with a leftover of that answer.
        upstream.otherwise({serve(answer_with(ok_response("fine", "Connection: close\r\n")))});  // never pooled
        client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
        const auto next = client.read();
        if (!next.start_line.empty()) {
            EXPECT_EQ(next.body, "fine");
        }
        EXPECT_EQ(ask("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").body, "fine");
    }
}

TEST_F(proxy_framing, bytes_behind_a_complete_answer_are_never_the_next_one) {
    upstream.next({wait_head(), send(ok_response("one") + "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned")});
    start();
    raw_client client = connect();
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read().body, "one");
    client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read().body, "ok");
    EXPECT_EQ(upstream.connections(), 2U) << "a connection with unasked bytes was used again";
}

TEST_F(proxy_framing, a_broken_chunked_answer_never_ends_as_complete) {
    AIMETER_ONLY();
    start();
    const std::vector<std::string> broken{"3\r\nabc\r\nzz\r\n",
                                          "3\r\nabc\r\n-1\r\n",
                                          "3\r\nabcd\r\n0\r\n\r\n",
                                          "3\r\nabc\n0\r\n\r\n",
                                          "3\nabc\r\n0\r\n\r\n",
                                          "3\r\nabc\r\n10000000000000000\r\n",
                                          "3\r\nabc\r\nFFFFFFFFFFFFFFFF\r\nabc",
                                          "3\r\nabc\r\n0x3\r\nabc\r\n0\r\n\r\n",
                                          "3\r\nabc\r\n3;a\rb\r\nabc\r\n0\r\n\r\n",
                                          "3\r\nabc\r\n3;" + std::string(40'000, 'x') + "\r\nabc\r\n0\r\n\r\n",
                                          "3\r\nabc\r\n0\r\nX: " + std::string(40'000, 'x') + "\r\n\r\n",
                                          "3\r\nabc\r\n0\r\nX: y\n\r\n",
                                          "3\r\nabc\r\n0\r\nX : y\r\n\r\n",
                                          "3\r\nabc\r\n0\r\n",
                                          "3\r\nabc\r\n",
                                          "3\r\nab"};
    for (const auto& body : broken) {
        SCOPED_TRACE(body);
        upstream.next({wait_head(), send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body), close_now()});
        raw_client client = connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        const auto answer = client.read();
        if (answer.status() == 502) continue;  // noticed before the head was passed on
        EXPECT_EQ(answer.status(), 200);
        EXPECT_FALSE(answer.complete);
        EXPECT_TRUE(client.ends());
    }
    upstream.otherwise({serve(answer_with(ok_response("ok")))});
    expect_still_serving();
}

}  // namespace
}  // namespace tests
