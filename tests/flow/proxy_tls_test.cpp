// TLS on both sides: what is offered and refused, certificates that change under load, upstreams that are not who they
// should be, ends that are not ends. That bodies, streams and tunnels pass over it is shown by the other proxy tests,
// which run a second time with AIMETER_TEST_TLS=1.
#include <gmock/gmock.h>
#include <openssl/ssl.h>

#include <atomic>

#include "tests/support/record_test.hpp"
#include "tests/support/tls_link.hpp"

namespace tests {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

class tls_test : public record_test {
protected:
    void SetUp() override {
        record_test::SetUp();
        if (tls_everywhere::get() != nullptr) GTEST_SKIP() << "brings its own TLS";
        install(authority.issue());
        write_file(file("ca.pem"), authority.pem());
    }

    std::string file(const std::string& name) const { return folder.path() + "/" + name; }
    void install(const certificate& own) const {
        write_file(file("cert.pem"), own.cert);
        write_file(file("key.pem"), own.key);
    }
    std::string serving() const {
        return "[tls]\ncert = \"" + file("cert.pem") + "\"\nkey = \"" + file("key.pem") + "\"\n";
    }
    std::string trusting() const { return "[forward]\nca_file = \"" + file("ca.pem") + "\"\n"; }

    raw_client connect_tls(const tls_side& side) const { return {"127.0.0.1", proxy->port(), side}; }
    static http_message ask_on(raw_client& client, const std::string& request = get) {
        client.send(request);
        return client.read();
    }
    std::string log() const { return proxy->process().err(); }

    temp_dir folder;
    test_authority authority;
    tls_side any_client{{}};
};

// ---- from clients -------------------------------------------------------------------------------------------------

TEST_F(tls_test, clients_are_served_over_tls_1_2_and_1_3_and_the_upstream_is_told) {
    start({.config = serving()});
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        raw_client client = connect_tls(tls_side({.least_version = version, .most_version = version}));
        ASSERT_TRUE(client.connected()) << client.tls().failure();
        EXPECT_EQ(client.tls().alpn(), "http/1.1");
        for (int i = 0; i < 3; ++i) EXPECT_EQ(ask_on(client).body, "ok");
        EXPECT_EQ(upstream.requests().back().field("x-forwarded-proto"), "https");
    }
}

TEST_F(tls_test, older_versions_are_refused) {
    const auto expect_refused = [this](int version) {
        raw_client client = connect_tls(tls_side({.least_version = version, .most_version = version}));
        EXPECT_FALSE(client.connected()) << version;
        EXPECT_THAT(client.tls().failure(), HasSubstr("protocol version"));
        EXPECT_EQ(connect_tls(any_client).connected(), true);
    };
    start({.config = serving()});
    expect_refused(TLS1_VERSION);
    expect_refused(TLS1_1_VERSION);
    proxy->process().signal(SIGTERM);
    EXPECT_EQ(proxy->process().wait_exit(), 0);
    start({.config = serving() + "min_version = \"1.3\"\n"});
    expect_refused(TLS1_2_VERSION);
}

TEST_F(tls_test, only_http_1_1_is_agreed_on) {
    start({.config = serving()});
    raw_client both = connect_tls(tls_side({.alpn = {"h2", "http/1.1"}}));
    EXPECT_EQ(both.tls().alpn(), "http/1.1");
    raw_client none = connect_tls(tls_side({.alpn = {}}));
    EXPECT_EQ(none.tls().alpn(), "");
    EXPECT_EQ(ask_on(none).status(), 200);
    raw_client other = connect_tls(tls_side({.alpn = {"h2"}}));
    EXPECT_FALSE(other.connected());
    EXPECT_THAT(other.tls().failure(), HasSubstr("no application protocol"));
}

TEST_F(tls_test, the_second_connection_resumes_the_session_on_any_worker) {
    start({.config = "workers = 2\n" + serving()});
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const tls_side side({.least_version = version, .most_version = version});
        for (int i = 0; i < 8; ++i) {
            raw_client client = connect_tls(side);
            EXPECT_EQ(ask_on(client).status(), 200);  // TLS 1.3 tickets come behind the handshake
            EXPECT_EQ(client.tls().resumed(), i > 0) << i;
        }
    }
}

TEST_F(tls_test, plain_http_is_told_so) {
    start({.config = serving()});
    raw_client client = raw_client::plain("127.0.0.1", proxy->port());
    client.send(get);
    expect_problem(client.read(), 400);
    EXPECT_TRUE(client.ends());
    EXPECT_EQ(connect_tls(any_client).connected(), true);
}

TEST_F(tls_test, what_is_no_handshake_is_cut_and_a_slow_one_holds_nobody_up) {
    start({.config = serving() + "[limits]\nheader_timeout = \"400ms\"\n"});
    raw_client garbage = raw_client::plain("127.0.0.1", proxy->port());
    garbage.send(std::string(300, '\x7f'));
    garbage.read_to_end();
    EXPECT_NE(garbage.ended(), ending::none);

    raw_client silent = raw_client::plain("127.0.0.1", proxy->port());
    raw_client slow = raw_client::plain("127.0.0.1", proxy->port());
    slow.send("\x16\x03\x01\x02\x00\x01");  // a record of 512 bytes, of which one comes
    raw_client client = connect_tls(any_client);
    EXPECT_EQ(ask_on(client).status(), 200);
    EXPECT_TRUE(silent.ends(prompt));
    EXPECT_TRUE(slow.ends(prompt));
}

TEST_F(tls_test, a_handshake_under_way_does_not_hold_up_the_end) {
    start({.config = serving(), .drain_timeout = "20s"});
    raw_client slow = raw_client::plain("127.0.0.1", proxy->port());
    slow.send("\x16\x03\x01\x02");
    raw_client client = connect_tls(any_client);  // behind the slow one, on the same worker
    EXPECT_EQ(ask_on(client).status(), 200);
    proxy->process().signal(SIGTERM);
    EXPECT_EQ(proxy->process().wait_exit(), 0);
    EXPECT_TRUE(client.ends());
    EXPECT_EQ(client.ended(), ending::fin) << "an idle client is told that nothing follows";
    ends_well = false;
}

TEST_F(tls_test, clients_are_told_when_a_connection_ends_between_requests) {
    start({.config = serving() + "[limits]\nidle_timeout = \"100ms\"\n"});
    raw_client client = connect_tls(any_client);
    EXPECT_EQ(ask_on(client).status(), 200);
    EXPECT_TRUE(client.ends());
    EXPECT_EQ(client.ended(), ending::fin);
}

TEST_F(tls_test, a_client_may_change_keys) {
    start({.config = serving()});
    constexpr std::size_t pieces = 20, size = 100'000;
    upstream.next({wait_head(), send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2000000\r\n\r\n"),
                   echo(pieces * size)});
    raw_client echoed = connect_tls(tls_side({.least_version = TLS1_3_VERSION}));
    echoed.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n");
    ASSERT_EQ(echoed.read_head().status(), 200);
    for (std::size_t i = 0; i < pieces; ++i) {
        const std::string piece = std::string(size - 10, 'x') + "piece " + std::to_string(1000 + i);
        echoed.tls().ask_new_key();
        ASSERT_TRUE(echoed.send(piece));
        ASSERT_EQ(echoed.read_until(piece), piece) << i;
    }

    raw_client client = connect_tls(tls_side({.least_version = TLS1_3_VERSION}));
    for (int i = 0; i < 5; ++i) {
        client.tls().ask_new_key();
        EXPECT_EQ(ask_on(client).body, "ok");
    }
}

TEST_F(tls_test, the_admin_listener_serves_tls_as_well) {
    std::uint16_t port = 0;
    listen_on("127.0.0.1", port);
    start({.config = serving() + "[admin]\nlisten = \"127.0.0.1:" + std::to_string(port) + "\"\n"});
    raw_client client("127.0.0.1", port, any_client);
    EXPECT_EQ(ask_on(client, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200);
}

// ---- certificates -------------------------------------------------------------------------------------------------

TEST_F(tls_test, a_key_that_does_not_fit_or_has_a_password_is_named_at_the_start) {
    certificate odd = authority.issue();
    odd.key = authority.issue().key;
    install(odd);
    EXPECT_THAT([&] { start({.config = serving()}); },
                ::testing::ThrowsMessage<std::runtime_error>(HasSubstr("tls.key: " + file("key.pem"))));
    const auto checked = aimeter_process({.upstream = upstream.url(), .config = serving()}).run("check");
    EXPECT_EQ(checked.exit_code, 1);
    EXPECT_THAT(checked.err, ::testing::ContainsRegex("aimeter.toml:[0-9]+:[0-9]+: tls.key: " + file("key.pem")));
    odd.key =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAg=\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n";
    install(odd);
    EXPECT_THAT([&] { start({.config = serving()}); },
                ::testing::ThrowsMessage<std::runtime_error>(HasSubstr("tls.key: " + file("key.pem"))));
}

TEST_F(tls_test, a_reload_changes_the_certificate_and_drops_no_request) {
    install(authority.issue({.names = {"first"}}));
    start({.config = "workers = 2\n" + serving()});
    raw_client old = connect_tls(any_client);
    EXPECT_EQ(old.tls().peer_name(), "first");

    std::atomic<bool> over = false;
    std::atomic<int> served = 0, failed = 0;
    std::vector<std::thread> load;
    for (int i = 0; i < 3; ++i) {
        load.emplace_back([&] {
            const tls_side side({});
            while (!over) {
                raw_client client("127.0.0.1", proxy->port(), side);
                for (int n = 0; n < 3; ++n) ++(ask_on(client).status() == 200 ? served : failed);
            }
        });
    }
    const auto name_now = [&] { return connect_tls(tls_side({})).tls().peer_name(); };
    for (const std::string name : {"second", "third"}) {
        install(authority.issue({.names = {name}}));
        proxy->process().signal(SIGHUP);
        EXPECT_TRUE(eventually([&] { return name_now() == name; })) << log();
    }
    over = true;
    for (auto& one : load) one.join();
    EXPECT_GT(served, 0);
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(ask_on(old).status(), 200) << "a connection lives on with the certificate that it began with";

    write_file(file("key.pem"), authority.issue().key);
    proxy->process().signal(SIGHUP);
    EXPECT_TRUE(proxy->process().wait_err("reload refused: tls.key: " + file("key.pem")));
    EXPECT_EQ(name_now(), "third");
    EXPECT_THAT(log(), Not(HasSubstr("PRIVATE")));
}

// ---- several certificates -----------------------------------------------------------------------------------------

class several_certificates : public tls_test {
protected:
    // The configuration's item for a certificate of these names, written into files of its own.
    std::string pair(const std::string& name, const std::vector<std::string>& names) const {
        const certificate made = authority.issue({.names = names, .addresses = {"127.0.0.1"}});
        write_file(file(name + ".pem"), made.cert);
        write_file(file(name + ".key"), made.key);
        return "{ cert = \"" + file(name + ".pem") + "\", key = \"" + file(name + ".key") + "\" }";
    }
    // The name in the certificate that a client gets that asks for `name`; it is answered, too.
    std::string certificate_for(const std::string& name, int version = 0) const {
        raw_client client =
            connect_tls(tls_side({.server_name = name, .least_version = version, .most_version = version}));
        EXPECT_EQ(ask_on(client).status(), 200) << name;
        return client.tls().peer_name();
    }
};

TEST_F(several_certificates, the_name_that_is_asked_for_chooses) {
    install(authority.issue({.names = {"main.test", "own.wild.test"}}));
    start({.config = serving() + "certificates = [" + pair("a", {"a.test", "also-a.test", "main.test"}) + ", " +
                     pair("wild", {"*.wild.test", "a.test"}) + "]\n"});
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        EXPECT_EQ(certificate_for("a.test", version), "a.test");
        EXPECT_EQ(certificate_for("Also-A.TEST", version), "a.test");
        EXPECT_EQ(certificate_for("x.wild.test", version), "*.wild.test");
        EXPECT_EQ(certificate_for("own.wild.test", version), "main.test") << "the whole name comes before a wildcard";
        EXPECT_EQ(certificate_for("main.test", version), "main.test") << "the first that has it";
        for (const std::string other : {"", "wild.test", "x.y.wild.test", "b.test", "test"})
            EXPECT_EQ(certificate_for(other, version), "main.test") << other;
    }
}

TEST_F(several_certificates, the_first_of_the_list_is_for_all_others_when_there_is_no_other) {
    start({.config = "[tls]\ncertificates = [" + pair("a", {"a.test"}) + ", " + pair("b", {"b.test"}) + "]\n"});
    EXPECT_EQ(certificate_for("b.test"), "b.test");
    EXPECT_EQ(certificate_for("c.test"), "a.test");
    EXPECT_EQ(certificate_for(""), "a.test");
}

TEST_F(several_certificates, all_of_them_agree_on_http_1_1_resume_and_keep_the_version) {
    start({.config = "workers = 2\n" + serving() + "min_version = \"1.3\"\ncertificates = [" + pair("a", {"a.test"}) +
                     "]\n"});
    const tls_side side({.server_name = "a.test", .alpn = {"h2", "http/1.1"}});
    for (int i = 0; i < 6; ++i) {
        raw_client client = connect_tls(side);
        EXPECT_EQ(ask_on(client).status(), 200);
        EXPECT_EQ(client.tls().alpn(), "http/1.1");
        EXPECT_EQ(client.tls().resumed(), i > 0) << i;
    }
    EXPECT_FALSE(connect_tls(tls_side({.server_name = "a.test", .alpn = {"h2"}})).connected());
    EXPECT_FALSE(connect_tls(tls_side({.server_name = "a.test", .most_version = TLS1_2_VERSION})).connected());
}

TEST_F(several_certificates, a_reload_changes_them_and_connections_live_on) {
    start({.config = serving() + "certificates = [" + pair("a", {"a.test"}) + "]\n"});
    raw_client old = connect_tls(tls_side({.server_name = "a.test"}));
    EXPECT_EQ(old.tls().peer_name(), "a.test");
    EXPECT_EQ(certificate_for("b.test"), "localhost");

    pair("a", {"b.test", "a.test"});  // the same files
    proxy->process().signal(SIGHUP);
    EXPECT_TRUE(eventually([&] { return certificate_for("a.test") == "b.test"; })) << log();
    EXPECT_EQ(ask_on(old).status(), 200);

    write_file(file("a.key"), authority.issue().key);
    proxy->process().signal(SIGHUP);
    EXPECT_TRUE(proxy->process().wait_err("reload refused: tls.certificates.key: " + file("a.key")));
    EXPECT_EQ(certificate_for("b.test"), "b.test");
}

TEST_F(several_certificates, one_that_no_client_could_choose_is_refused) {
    EXPECT_THAT([&] { start({.config = serving() + "certificates = [" + pair("a", {}) + "]\n"}); },
                ::testing::ThrowsMessage<std::runtime_error>(
                    HasSubstr("tls.certificates.cert: " + file("a.pem") + ": no name in it")));
}

// ---- to upstreams -------------------------------------------------------------------------------------------------

TEST_F(tls_test, an_https_upstream_is_asked_by_its_name_and_kept) {
    scripted_upstream secure(tls_side({.own = authority.issue()}));
    start({.upstream = secure.url("localhost"), .config = trusting()});
    for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(get).body, "ok") << log();
    EXPECT_EQ(secure.connections(), 1U);
    const auto shaken = secure.connection(0).tls;
    EXPECT_EQ(shaken.server_name, "localhost");
    EXPECT_EQ(shaken.alpn, "http/1.1");
    EXPECT_EQ(ask("GET /api/admin/readyz HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200);
}

TEST_F(tls_test, an_upstream_by_address_gets_no_name_and_must_have_it_in_its_certificate) {
    scripted_upstream secure(tls_side({.own = authority.issue()}));
    start({.upstream = secure.url(), .config = trusting()});
    EXPECT_EQ(ask(get).body, "ok") << log();
    EXPECT_EQ(secure.connection(0).tls.server_name, "");
}

TEST_F(tls_test, an_upstream_that_cannot_prove_who_it_is_gets_no_request) {
    struct {
        wanted_certificate wanted;
        const char *name, *problem;
    } const cases[] = {
        {{.names = {"other.example"}}, "localhost", "host name does not match"},
        {{.addresses = {"127.0.0.9"}}, "127.0.0.1", "IP address does not match"},
        {{.until = -std::chrono::hours(1)}, "localhost", "certificate has expired"},
        {{.from = std::chrono::hours(1)}, "localhost", "certificate is not yet valid"},
        {{.self_signed = true}, "localhost", "self-signed certificate"},
    };
    for (const auto& [wanted, name, problem] : cases) {
        scripted_upstream secure(tls_side({.own = authority.issue(wanted)}));
        start({.upstream = secure.url(name), .config = trusting()});
        const auto answer = ask(tracked());
        expect_problem(answer, 502);
        EXPECT_THAT(answer.body, HasSubstr(problem));
        const auto recorded = records(1);
        ASSERT_EQ(recorded.size(), 1U);
        EXPECT_THAT(value(recorded[0], "errorMessage"), HasSubstr(problem));
        expect_fields(recorded[0], {{"outcome", "error"}, {"status", "502"}, {"success", "0"}});
        EXPECT_THAT(secure.everything(), IsEmpty());
        start({.upstream = secure.url(name), .config = "[forward]\nverify = false\n"});
        EXPECT_EQ(ask(get).body, "ok") << problem;
    }
}

TEST_F(tls_test, an_authority_that_nobody_named_is_not_trusted) {
    scripted_upstream secure(tls_side({.own = authority.issue()}));
    start({.upstream = secure.url("localhost")});
    const auto answer = ask(get);
    expect_problem(answer, 502);
    EXPECT_THAT(answer.body, HasSubstr("issuer certificate"));
}

TEST_F(tls_test, a_reload_that_verifies_uses_nothing_of_before) {
    scripted_upstream secure(tls_side({.own = authority.issue({.names = {"other.example"}})}));
    start({.upstream = secure.url("localhost"), .config = "[forward]\nverify = false\n"});
    EXPECT_EQ(ask(get).status(), 200);
    aimeter().rewrite_config(trusting());
    proxy->process().signal(SIGHUP);
    ASSERT_TRUE(proxy->process().wait_err("configuration reloaded"));
    EXPECT_TRUE(eventually([&] { return ask(get).status() == 502; }));
}

TEST_F(tls_test, an_upstream_with_old_tls_or_none_is_502) {
    scripted_upstream old(tls_side({.own = authority.issue(), .most_version = TLS1_1_VERSION}));
    start({.upstream = old.url("localhost"), .config = trusting()});
    auto answer = ask(get);
    expect_problem(answer, 502);
    EXPECT_THAT(answer.body, HasSubstr("TLS handshake with localhost"));

    upstream.otherwise({wait_bytes(1), send("HTTP/1.1 400 Bad Request\r\n\r\n")});
    start({.upstream = "https://127.0.0.1:" + std::to_string(upstream.port()), .config = trusting()});
    answer = ask(get);
    expect_problem(answer, 502);
    EXPECT_THAT(answer.body, HasSubstr("wrong version number"));
}

TEST_F(tls_test, an_upstream_that_shakes_no_hands_is_504_in_time_and_holds_nobody_up) {
    upstream.otherwise({stall()});
    start({.upstream = "https://127.0.0.1:" + std::to_string(upstream.port()),
           .config = trusting() + "[limits]\nupstream_connect_timeout = \"2s\"\n"});
    raw_client waiting = connect();
    waiting.send(get);
    ASSERT_TRUE(upstream.wait_connections(1));
    EXPECT_EQ(ask("GET /api/admin/healthz HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200);
    EXPECT_TRUE(waiting.silent(milliseconds(1)));
    expect_problem(waiting.read(), 504);
}

TEST_F(tls_test, new_connections_to_the_upstream_resume_the_session) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        scripted_upstream secure(
            tls_side({.own = authority.issue(), .least_version = version, .most_version = version}));
        secure.otherwise({wait_request(), send(ok_response("ok", "Connection: close\r\n")), close_now()});
        start({.upstream = secure.url("localhost"), .config = trusting()});
        for (std::size_t i = 0; i < 3; ++i) {
            EXPECT_EQ(ask(get).body, "ok");
            EXPECT_EQ(secure.connection(i).tls.resumed, i > 0) << i;
        }
    }
}

TEST_F(tls_test, late_session_tickets_leave_a_kept_connection_fit) {
    scripted_upstream secure(tls_side({.own = authority.issue(), .least_version = TLS1_3_VERSION}));
    script steps;
    for (int i = 0; i < 10; ++i)
        steps.insert(steps.end(), {wait_request(), send(ok_response("ok")), late_ticket(), late_ticket()});
    secure.otherwise(steps);
    start({.upstream = secure.url("localhost"), .config = trusting()});
    for (int i = 0; i < 10; ++i) EXPECT_EQ(ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").body, "ok");
    EXPECT_EQ(secure.connections(), 1U);
}

TEST_F(tls_test, an_upstream_may_change_keys) {
    scripted_upstream secure(tls_side({.own = authority.issue(), .least_version = TLS1_3_VERSION}));
    script steps;
    for (int i = 0; i < 5; ++i) steps.insert(steps.end(), {wait_request(), new_key(), send(ok_response("ok"))});
    secure.otherwise(steps);
    start({.upstream = secure.url("localhost"), .config = trusting()});
    for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(get).body, "ok");
    EXPECT_EQ(secure.connections(), 1U);
}

// ---- ends that are not ends ---------------------------------------------------------------------------------------

TEST_F(tls_test, a_body_until_the_end_needs_the_end_to_be_said) {
    scripted_upstream secure(tls_side({.own = authority.issue()}));
    start({.upstream = secure.url("localhost"), .config = trusting()});
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";

    secure.next({wait_request(), send(head + gemini_body), close_now()});
    EXPECT_TRUE(ask(tracked()).complete);
    secure.next({wait_request(), send(head + gemini_body), cut_now()});
    EXPECT_FALSE(ask(tracked()).complete);
    const auto recorded = records(2);
    ASSERT_EQ(recorded.size(), 2U);
    expect_fields(recorded[0], {{"outcome", "ok"}, {"success", "1"}});
    expect_fields(recorded[1], {{"outcome", "upstream_abort"}, {"success", "0"}});
}

TEST_F(tls_test, a_body_of_known_length_is_whole_without_it) {
    scripted_upstream secure(tls_side({.own = authority.issue()}));
    secure.next({wait_request(), send(ok_response("whole")), cut_now()});
    start({.upstream = secure.url("localhost"), .config = trusting()});
    const auto answer = ask(get);
    EXPECT_EQ(answer.body, "whole");
    EXPECT_TRUE(answer.complete);
    EXPECT_EQ(ask(get).body, "ok") << "the next request finds another connection";
}

TEST_F(tls_test, an_answer_that_was_cut_is_not_ended_well_to_the_client) {
    upstream.next({wait_request(), send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), close_now()});
    start({.config = serving()});
    raw_client client = connect_tls(any_client);
    EXPECT_FALSE(ask_on(client).complete);
    EXPECT_TRUE(client.ended() == ending::cut || client.ended() == ending::rst);
}

}  // namespace
}  // namespace tests
