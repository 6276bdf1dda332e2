// What comes before the final answer, or before the request is whole: 1xx answers, Expect: 100-continue, early answers.
#include <gmock/gmock.h>

#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

class proxy_interim : public proxy_test {};

TEST_F(proxy_interim, informational_answers_are_relayed) {
    AIMETER_ONLY();
    upstream.next({wait_head(),
                   send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"),
                   send(ok_response("end"))});
    start();
    raw_client client = connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto hints = client.read();
    EXPECT_EQ(hints.status(), 103);
    EXPECT_EQ(hints.field("link"), "</a.css>");
    EXPECT_EQ(client.read().status(), 102);
    EXPECT_EQ(client.read().body, "end");
}

TEST_F(proxy_interim, informational_answers_are_kept_from_http_1_0) {
    AIMETER_ONLY();
    upstream.next({wait_head(), send("HTTP/1.1 103 Early Hints\r\n\r\n" + ok_response("end"))});
    start();
    EXPECT_EQ(ask("GET / HTTP/1.0\r\nHost: a\r\n\r\n").body, "end");
}

TEST_F(proxy_interim, expect_continue_body_follows_the_100) {
    upstream.next({wait_head(), send("HTTP/1.1 100 Continue\r\n\r\n"), wait_bytes(4), send(ok_response("thanks"))});
    start();
    raw_client client = connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    EXPECT_EQ(client.read().status(), 100);
    client.send("body");
    auto answer = client.read();
    if (answer.status() == 100) answer = client.read();  // one from the proxy and one from the upstream is allowed
    EXPECT_EQ(answer.body, "thanks");
    EXPECT_THAT(upstream.everything(), ::testing::EndsWith("\r\n\r\nbody"));
}

TEST_F(proxy_interim, expect_continue_refused_by_the_upstream_is_final) {
    AIMETER_ONLY();
    upstream.next({wait_head(), send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno")});
    start();
    raw_client client = connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    const auto answer = client.read();
    EXPECT_EQ(answer.status(), 417);
    EXPECT_EQ(answer.body, "no");
    // The body was never sent: another request on this connection must not be taken for it.
    expect_still_serving();
}

TEST_F(proxy_interim, early_answer_arrives_while_the_body_is_still_being_sent) {
    upstream.next({wait_head(), send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")});
    start();
    raw_client client = connect();
    client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nfirst bytes");
    const auto answer = client.read();
    EXPECT_EQ(answer.status(), 401);
    EXPECT_EQ(answer.body, "no");
    // The rest of the body is never taken for a request.
    client.send(std::string(989 - 40, 'x') + "GET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n1234");
    expect_still_serving();
    for (const auto& request : upstream.requests()) EXPECT_NE(request.target(), "/smuggled");
}

// ---- 1xx ----------------------------------------------------------------------------------------------------------

TEST_F(proxy_interim, interim_answers_pass_before_any_kind_of_answer) {
    AIMETER_ONLY();  // nginx drops them
    struct row {
        std::string method, answer, body;
    };
    start();
    raw_client client = connect();
    for (const row& row :
         std::vector<row>{{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none", "one"},
                          {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n", "two"},
                          {"GET", "HTTP/1.1 204 No Content\r\n\r\n", ""},
                          {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", ""},
                          {"POST", "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno", "no"},
                          {"GET", "HTTP/1.1 200 OK\r\n\r\nfive", "five"}}) {
        SCOPED_TRACE(row.method + row.answer);
        upstream.otherwise({wait_request(),
                            send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nlink: </b.js>\r\nConnection: X-Hop\r\n"
                                 "X-Hop: 1\r\n\r\nHTTP/1.1 100 \r\n\r\nHTTP/1.1 199 Any\r\nX-Last: 1\r\n\r\n" +
                                 row.answer),
                            close_now()});
        // Never on a connection that is about to end: a POST would not be sent again.
        const std::size_t index = upstream.connections();
        client.send(row.method + " / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        const auto hints = client.read();
        EXPECT_EQ(hints.start_line, "HTTP/1.1 103 Early Hints");
        EXPECT_EQ(hints.fields, (field_list{{"Link", "</a.css>"}, {"link", "</b.js>"}})) << hints.raw_head;
        EXPECT_EQ(client.read().raw_head, "HTTP/1.1 100 \r\n\r\n");
        EXPECT_EQ(client.read().field("x-last"), "1");
        const auto last =
            client.read(row.method == "HEAD" ? http_reader::kind::response_to_head : http_reader::kind::response);
        EXPECT_EQ(last.status(), parse_message(row.answer, http_reader::kind::response_to_head).status());
        EXPECT_EQ(last.body, row.body);
        EXPECT_TRUE(last.complete);
        EXPECT_TRUE(upstream.wait(index, [](const auto& c) { return c.closed_here; }));
        EXPECT_FALSE(last.field("link"));
    }
}

TEST_F(proxy_interim, an_interim_answer_arrives_before_the_final_one_exists) {
    AIMETER_ONLY();
    auto gate = make_gate();
    upstream.next({wait_request(), send("HTTP/1.1 103 Early Hints\r\n\r\n"), pause(gate), send(ok_response("end"))});
    start();
    raw_client client = connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read().status(), 103);
    gate->set();
    EXPECT_EQ(client.read().body, "end");
}

TEST_F(proxy_interim, framing_fields_of_an_interim_answer_mean_nothing) {
    AIMETER_ONLY();  // RFC 9112, 6.3: it has no body, whatever it says
    upstream.next(
        {wait_request(), send("HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nHTTP/1.1 102 Processing\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n" +
                              ok_response("end"))});
    start();
    raw_client client = connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read().raw_head, "HTTP/1.1 103 Early Hints\r\n\r\n");
    EXPECT_EQ(client.read().raw_head, "HTTP/1.1 102 Processing\r\n\r\n");
    EXPECT_EQ(client.read().body, "end");
}

TEST_F(proxy_interim, interim_answers_without_end_are_502) {
    AIMETER_ONLY();
    const auto hints = [](int count) {
        std::string out;
        for (int i = 0; i < count; ++i) out += "HTTP/1.1 103 Early Hints\r\n\r\n";
        return out;
    };
    start();
    const auto last_status = [&](const std::string& answer) {
        upstream.otherwise({wait_request(), send(answer), close_now()});
        raw_client client = connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        int status = client.read().status();
        while (status == 103) status = client.read().status();
        return status;
    };
    EXPECT_EQ(last_status(hints(32) + ok_response("end")), 200);
    EXPECT_EQ(last_status(hints(33) + ok_response("end")), 502);
    EXPECT_EQ(last_status(hints(2)), 502);
}

// ---- Expect -------------------------------------------------------------------------------------------------------

const std::string expecting = "POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";

TEST_F(proxy_interim, the_100_is_the_upstreams_to_give) {
    AIMETER_ONLY();  // nginx gives it itself
    auto gate = make_gate();
    upstream.next({wait_head(), pause(gate), send("HTTP/1.1 100 Continue\r\n\r\n"), wait_bytes(4),
                   send("HTTP/1.1 100 Continue\r\n\r\n" + ok_response("thanks")),
                   serve(answer_with(ok_response("ok")))});
    start();
    raw_client client = connect();
    client.send(expecting);
    ASSERT_TRUE(upstream.wait_received(0, "Expect: 100-continue\r\n"));
    EXPECT_TRUE(client.silent(milliseconds(50)));
    gate->set();
    EXPECT_EQ(client.read().status(), 100);
    client.send("body");
    EXPECT_EQ(client.read().status(), 100) << "one behind the body is passed on as well";
    EXPECT_EQ(client.read().body, "thanks");
    client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read().body, "ok");
}

TEST_F(proxy_interim, a_client_that_does_not_wait_for_the_100_is_served) {
    for (const std::string& request :
         {expecting + "body", std::string("POST /p HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nTransfer-Encoding: "
                                          "chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")}) {
        if (!proxy) start();
        raw_client client = connect();
        client.send(request);
        auto answer = client.read();
        if (answer.status() == 100) answer = client.read();
        EXPECT_EQ(answer.body, "ok");
        EXPECT_EQ(upstream.requests().back().body, "body");
        client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_EQ(client.read().body, "ok");
    }
}

TEST_F(proxy_interim, an_upstream_that_knows_no_100_gets_the_body_when_the_client_stops_waiting) {
    start();
    raw_client client = connect();
    client.send(expecting);
    if (!proxy_is_nginx()) {
        EXPECT_TRUE(client.silent(milliseconds(50)));
    }
    client.send("body");
    auto answer = client.read();
    if (answer.status() == 100) answer = client.read();
    EXPECT_EQ(answer.body, "ok");
    EXPECT_EQ(first_request().body, "body");
}

TEST_F(proxy_interim, an_expectation_of_http_1_0_is_ignored) {
    start();
    raw_client client = connect();
    client.send("POST /p HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody");
    EXPECT_EQ(client.read().body, "ok") << "RFC 9110, 10.1.1: no 100 for it";
    EXPECT_FALSE(first_request().field("expect"));
}

// ---- answers that do not wait for the request ---------------------------------------------------------------------

TEST_F(proxy_interim, a_final_answer_before_the_body_is_the_last_on_its_connection) {
    AIMETER_ONLY();  // nginx closes as well, without saying so
    start();
    const std::string open_ended = "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    for (const std::string& request :
         {expecting, std::string("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\nfirst"), open_ended}) {
        for (const std::string& answer :
             {std::string("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno"),
              std::string("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"),
              std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n")}) {
            SCOPED_TRACE(request + answer);
            upstream.otherwise({wait_head(), send(answer)});
            raw_client client = connect();
            client.send(request);
            const auto got = client.read();
            EXPECT_EQ(got.body, "no");
            EXPECT_TRUE(got.complete);
            EXPECT_EQ(got.field("connection"), "close") << "the client must know that the rest is not wanted";
            client.send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
            EXPECT_EQ(client.read_to_end(), "");
            EXPECT_NE(client.ended(), ending::none);
        }
    }
    upstream.otherwise({serve(answer_with(ok_response("ok")))});
    expect_still_serving();
    EXPECT_EQ(upstream.everything().find("smuggled"), std::string::npos);
}

TEST_F(proxy_interim, a_client_that_was_answered_need_not_send_its_body) {
    AIMETER_ONLY();
    auto gate = make_gate();
    const std::string begun = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst";
    start({.config = "[limits]\nbody_timeout = \"300ms\""});
    upstream.next({wait_head(), send(begun), pause(gate), send("later")});
    raw_client client = connect();
    client.send(expecting);
    ASSERT_TRUE(client.read_until("first"));
    EXPECT_TRUE(client.silent(milliseconds(700))) << "cut for a body that nobody waits for";
    gate->set();
    EXPECT_TRUE(client.read_until("later"));
    EXPECT_TRUE(client.ends());

    upstream.next({wait_head(), send(begun)});
    raw_client leaving = connect();
    leaving.send(expecting);
    ASSERT_TRUE(leaving.read_until("first"));
    EXPECT_TRUE(leaving.silent(milliseconds(700)));
    leaving.close();
    EXPECT_TRUE(upstream.wait_ended(1, milliseconds(3000))) << "nobody noticed that the client has left";
}

TEST_F(proxy_interim, a_client_that_sends_all_before_it_reads_may_do_so) {
    upstream.next({wait_head(), send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")});
    start();
    raw_client client = connect();
    client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n");
    const event never;
    for (int i = 0; i < 30; ++i) {
        never.wait(milliseconds(100));  // a slow line
        ASSERT_TRUE(client.send("x")) << "cut off after " << i << " pieces";
    }
    EXPECT_EQ(client.read().body, "no");
    EXPECT_TRUE(client.ends() || proxy_is_nginx());
}

TEST_F(proxy_interim, an_upstream_that_answers_and_slams_the_door_is_heard) {
    // It does not read the body: closing then sends a RST right behind its answer.
    start();
    for (int i = 0; i < 20; ++i) {
        upstream.next(
            {wait_head(), send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"), close_now()});
        raw_client client = connect();
        client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n");
        const auto got = client.read();
        EXPECT_EQ(got.status(), 413);
        EXPECT_EQ(got.body, "no");
        client.send_some(std::string(1'000'000, 'x') + "\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
                         milliseconds(500));
        client.read_to_end();
        EXPECT_NE(client.ended(), ending::none) << "the rest of a body would be taken for a request";
    }
    expect_still_serving();
    EXPECT_EQ(upstream.everything().find("smuggled"), std::string::npos);
}

TEST_F(proxy_interim, what_an_upstream_did_not_read_of_a_body_is_no_request) {
    // The upload breaks before the answer is read: both its answer and its RST are there when the next piece is sent.
    start();
    const std::string rest = std::string(6'000'000, 'x') + "\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for (int i = 0; i < 50; ++i) {
        auto gate = make_gate();
        const std::size_t index = upstream.connections();
        upstream.next({wait_for("first"), pause(gate), send(ok_response("early")), reset_now()});
        raw_client client = connect();
        client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(rest.size() + 5) +
                    "\r\n\r\nfirst");
        ASSERT_TRUE(upstream.wait_received(index, "first"));
        gate->set();
        client.send_some(rest, milliseconds(500));
        client.read();
        // The connection may stay when the body has gone out whole; what comes next is the client's next request then.
        client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
        const auto next = client.read();
        EXPECT_TRUE(next.body.empty() || next.body == "ok") << next.raw_head << next.body;
    }
    expect_still_serving();
    for (const auto& request : upstream.requests()) EXPECT_NE(request.target(), "/smuggled");
}

// Its own pages are aimeter's to ask the body for.
TEST_F(proxy_interim, an_admin_request_that_awaits_100_is_asked_for_its_body) {
    AIMETER_ONLY();
    start();
    raw_client client = connect();
    client.send("POST /admin/login HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n");
    EXPECT_EQ(client.read().status(), 100);
    client.send("token=wrong");
    EXPECT_EQ(client.read().status(), 401);

    raw_client with_body = connect();
    with_body.send(
        "POST /admin/login HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\ntoken=wrong");
    EXPECT_EQ(with_body.read().status(), 401) << "it did not wait";
    EXPECT_EQ(upstream.connections(), 0U);
}

TEST_F(proxy_interim, an_admin_request_whose_body_stalls_is_408) {
    AIMETER_ONLY();
    start({.config = "[limits]\nbody_timeout = \"200ms\""});
    raw_client client = connect();
    client.send("POST /admin/login HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\ntoken=");
    expect_problem(client.read(), 408);
    EXPECT_TRUE(client.ends());
}

}  // namespace
}  // namespace tests
