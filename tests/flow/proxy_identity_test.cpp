// Tokens that are verified with keys by URL: from the first start over rotations, issuers that fail in every way, and
// restarts, to the record. Whatever the issuer does, the proxy serves.
#include <fstream>

#include "tests/support/key_server.hpp"
#include "tests/support/record_test.hpp"
#include "tests/support/token_maker.hpp"

namespace tests {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class proxy_identity : public record_test {
protected:
    void start_with_url(const std::string& url, const std::string& more = "") { start({.config = config(url, more)}); }
    static std::string config(const std::string& url, const std::string& more = "") {
        return "[identity.jwt]\njwks_url = \"" + url + "\"\n" + more;
    }
    static std::string claims(const std::string& more = "") {
        const auto now =
            std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
        return R"({"sub":"user_1","exp":)" + std::to_string(now.count() + 600) + more + "}";
    }
    redis_record record_with(const std::string& token) {
        return record_of(json_answer(), tracked("Cookie: __session=" + token + "\r\n"));
    }
    std::string user_of(const std::string& token) { return value(record_with(token), "userId"); }
    bool is_verified_soon(const std::string& token) {
        return eventually([&] { return user_of(token) == "user_1"; });
    }
    std::string in_folder(const std::string& name, const std::string& text) {
        const std::string path = folder.path() + "/" + name;
        std::ofstream(path) << text;
        return path;
    }
    void reload(const std::string& new_config) {
        aimeter().rewrite_config(new_config);
        proxy->process().signal(SIGHUP);
    }

    temp_dir folder;
    signing_key key = signing_key::rsa("key_1");
    signing_key next_key = signing_key::p256("key_2");
};

TEST_F(proxy_identity, a_token_is_verified_with_fetched_keys) {
    key_server issuer(key_answer(key_set_text({key.jwk()})));
    start_with_url(issuer.url(), "plan_claim = \"pla\"");
    ASSERT_TRUE(is_verified_soon(key.token(claims()))) << proxy->process().err();
    expect_fields(record_with(key.token(claims(R"(,"pla":"u:free")"))),
                  {{"userId", "user_1"}, {"clerkUserId", "user_1"}, {"plan", "u:free"}, {"userSource", "jwt"}});
    EXPECT_EQ(user_of(signing_key::rsa("key_1").token(claims())), "anonymous") << "another key by the same name";
    EXPECT_TRUE(proxy->process().wait_err("identity: 1 keys from " + issuer.url()));
    EXPECT_EQ(issuer.questions(), 1U) << "once for all requests";
}

TEST_F(proxy_identity, over_tls_from_an_authority_of_ones_own) {
    const test_authority authority;
    key_server issuer(key_answer(key_set_text({key.jwk()})), authority.issue({.addresses = {}}));
    start_with_url(issuer.url("localhost"), "[forward]\nca_file = \"" + in_folder("ca.pem", authority.pem()) + "\"");
    EXPECT_TRUE(is_verified_soon(key.token(claims()))) << proxy->process().err();
    EXPECT_EQ(issuer.server_name(), "localhost");
}

TEST_F(proxy_identity, a_wrong_certificate_gives_no_keys) {
    const test_authority authority, stranger;
    key_server issuer(key_answer(key_set_text({key.jwk()})), stranger.issue({.addresses = {}}));
    start_with_url(issuer.url("localhost"), "[forward]\nca_file = \"" + in_folder("ca.pem", authority.pem()) + "\"");
    EXPECT_TRUE(proxy->process().wait_err("its certificate: ")) << proxy->process().err();
    EXPECT_EQ(user_of(key.token(claims())), "anonymous");
    EXPECT_EQ(issuer.questions(), 0U);
}

TEST_F(proxy_identity, an_issuer_that_comes_later_is_found) {
    std::uint16_t port = 0;
    listen_on("127.0.0.1", port);  // closed again
    start_with_url("http://127.0.0.1:" + std::to_string(port) + "/.well-known/jwks.json");
    EXPECT_TRUE(proxy->process().wait_err("tokens are not verified until there are some")) << proxy->process().err();
    EXPECT_EQ(user_of(key.token(claims())), "anonymous");
    EXPECT_EQ(last_answer.status(), 200);
    key_server issuer(key_answer(key_set_text({key.jwk()})), {}, port);
    EXPECT_TRUE(is_verified_soon(key.token(claims()))) << proxy->process().err();
}

TEST_F(proxy_identity, a_new_key_is_fetched_when_a_token_names_it) {
    key_server issuer(key_answer(key_set_text({key.jwk()}), "Cache-Control: max-age=86400\r\n"));
    start_with_url(issuer.url());
    ASSERT_TRUE(is_verified_soon(key.token(claims())));
    issuer.answer(key_answer(key_set_text({next_key.jwk()})));
    EXPECT_EQ(issuer.questions(), 1U) << "nothing has asked for it yet";
    const std::string token = next_key.token(claims());
    EXPECT_EQ(user_of(token), "anonymous") << "the request that brings the news does not wait for it";
    EXPECT_TRUE(is_verified_soon(token)) << proxy->process().err();
    EXPECT_EQ(issuer.questions(), 2U);
    EXPECT_EQ(user_of(key.token(claims())), "anonymous") << "the issuer took this key back";
}

TEST_F(proxy_identity, invented_key_names_make_nobody_ask_often) {
    key_server issuer(key_answer(key_set_text({key.jwk()})));
    start_with_url(issuer.url());
    ASSERT_TRUE(is_verified_soon(key.token(claims())));
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(user_of(key.sign(R"({"alg":"RS256","kid":"../../)" + std::to_string(i) + "\"}", claims())),
                  "anonymous");
    }
    EXPECT_TRUE(issuer.wait_questions(2));
    EXPECT_EQ(user_of(key.sign(R"({"alg":"RS256","kid":"once more"})", claims())), "anonymous");
    EXPECT_FALSE(issuer.wait_questions(3, milliseconds(500)));
    // A name that the set does hold is no reason to ask, whatever is wrong with the token.
    EXPECT_EQ(user_of(key.token(claims())), "user_1");
}

TEST_F(proxy_identity, keys_stay_when_the_issuer_fails) {
    const std::string good = key_answer(key_set_text({key.jwk()}));
    key_server issuer(good);
    start_with_url(issuer.url());
    ASSERT_TRUE(is_verified_soon(key.token(claims())));
    const std::pair<std::string, std::string> failures[] = {
        {"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "status 500"},
        {key_answer("<html>not today</html>"), "not JSON"},
        {key_answer(R"({"keys":[]})"), "no key for RS256 or ES256"},
        {key_answer(R"({"keys":[{"kty":"RSA","kid":"a\nb","n":"AQAB","e":"AQAB"}]})"), "key \"a_b\""},
        {key_answer(std::string(5'000'000, ' ')), "larger than 1 MiB"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{", "ended early"},
    };
    for (const auto& [bytes, words] : failures) {
        issuer.answer(bytes);
        proxy->process().signal(SIGHUP);
        EXPECT_TRUE(proxy->process().wait_err(words)) << words << " in " << proxy->process().err();
        EXPECT_EQ(user_of(key.token(claims())), "user_1") << words;
        EXPECT_THAT(proxy->process().err(), HasSubstr("the last good ones stay in use"));
    }
    issuer.answer(good);
    EXPECT_TRUE(proxy->process().wait_err("answers again")) << proxy->process().err();
}

TEST_F(proxy_identity, an_issuer_that_hangs_holds_nothing_up) {
    key_server issuer(key_answer(key_set_text({key.jwk()})));
    issuer.hang();
    start_with_url(issuer.url());
    ASSERT_TRUE(issuer.wait_questions(1));
    EXPECT_EQ(user_of(key.token(claims())), "anonymous");
    expect_still_serving();
    issuer.answer(key_answer(key_set_text({key.jwk()})));
    ASSERT_TRUE(is_verified_soon(key.token(claims())));
    issuer.hang();
    proxy->process().signal(SIGHUP);
    ASSERT_TRUE(issuer.wait_questions(2));
    EXPECT_EQ(user_of(key.token(claims())), "user_1");
    // The proxy also ends while it waits for the issuer: TearDown.
}

TEST_F(proxy_identity, a_restart_while_the_issuer_is_away_still_verifies) {
    auto issuer = std::make_unique<key_server>(key_answer(key_set_text({key.jwk()})));
    const std::string url = issuer->url();
    start_with_url(url);
    ASSERT_TRUE(is_verified_soon(key.token(claims())));
    issuer.reset();
    proxy->process().signal(SIGKILL);
    proxy->process().wait_exit();
    proxy->start();
    EXPECT_EQ(user_of(key.token(claims())), "user_1") << "from the first request on: " << proxy->process().err();
    EXPECT_TRUE(proxy->process().wait_err("the last good ones stay in use"));
    // What was kept of one issuer proves nothing of another.
    reload(config(url + "?other"));
    EXPECT_TRUE(proxy->process().wait_err("tokens are not verified until there are some"));
    EXPECT_EQ(user_of(key.token(claims())), "anonymous");
}

TEST_F(proxy_identity, a_damaged_kept_set_is_passed_over) {
    key_server issuer(key_answer(key_set_text({key.jwk()})));
    start_with_url(issuer.url());
    ASSERT_TRUE(is_verified_soon(key.token(claims())));
    for (const std::string& damaged :
         {std::string("{\"url\":\"" + issuer.url() + "\",\"keys\":[{]"), std::string("[]"), std::string(),
          "{\"url\":\"" + issuer.url() + "\",\"keys\":7}", std::string(5'000'000, '{')}) {
        proxy->process().signal(SIGTERM);
        ASSERT_EQ(proxy->process().wait_exit(), 0);
        std::ofstream(aimeter().data_dir() + "/jwks.json", std::ios::trunc) << damaged;
        proxy->start();
        EXPECT_TRUE(is_verified_soon(key.token(claims()))) << proxy->process().err();
    }
}

TEST_F(proxy_identity, a_reload_changes_the_url) {
    key_server first(key_answer(key_set_text({key.jwk()}))), second(key_answer(key_set_text({next_key.jwk()})));
    start_with_url(first.url());
    ASSERT_TRUE(is_verified_soon(key.token(claims())));
    reload(config(second.url()));
    EXPECT_TRUE(is_verified_soon(next_key.token(claims()))) << proxy->process().err();
    EXPECT_EQ(user_of(key.token(claims())), "anonymous");
    const auto asked_first = first.questions();
    reload("");
    EXPECT_TRUE(eventually([&] { return user_of(next_key.token(claims())) == "anonymous"; }));
    EXPECT_EQ(first.questions(), asked_first);
}

TEST_F(proxy_identity, other_keys_leave_the_connections_to_the_upstream) {
    const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    key_server issuer(key_answer(key_set_text({key.jwk()})));
    start();
    EXPECT_EQ(ask(get).body, "ok");
    reload(config(issuer.url()));
    ASSERT_TRUE(proxy->process().wait_err("identity: 1 keys from " + issuer.url()));
    EXPECT_EQ(ask(get).body, "ok");
    EXPECT_EQ(upstream.connections(), 1U);
    ASSERT_TRUE(is_verified_soon(key.token(claims()))) << "the keys are in use";
}

TEST_F(proxy_identity, keys_of_a_file_and_of_a_url_are_both_valid) {
    const signing_key of_url = signing_key::rsa("key_1");  // the name of the file's key
    key_server issuer(key_answer(key_set_text({of_url.jwk(), next_key.jwk()})));
    start_with_url(issuer.url(), "jwks_file = \"" + in_folder("keys.json", key_set_text({key.jwk()})) + "\"");
    EXPECT_EQ(user_of(key.token(claims())), "user_1") << "the file's keys need no issuer";
    EXPECT_TRUE(is_verified_soon(next_key.token(claims())));
    EXPECT_EQ(user_of(key.token(claims())), "user_1");
    EXPECT_EQ(user_of(of_url.token(claims())), "anonymous") << "of two by the same name the file's is the one";
}

TEST_F(proxy_identity, neither_tokens_nor_the_query_of_the_url_are_logged) {
    key_server issuer(key_answer(key_set_text({key.jwk()})));
    start_with_url(issuer.url() + "?key=very-secret");
    const std::string token = key.token(claims());
    ASSERT_TRUE(is_verified_soon(token));
    issuer.answer("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    proxy->process().signal(SIGHUP);
    EXPECT_TRUE(proxy->process().wait_err("status 403"));
    EXPECT_THAT(issuer.last_question(), HasSubstr("?key=very-secret"));
    EXPECT_THAT(proxy->process().err(), Not(HasSubstr("very-secret")));
    EXPECT_THAT(proxy->process().err(), Not(HasSubstr(token)));
}

TEST_F(proxy_identity, check_refuses_keys_that_serve_would_refuse_and_names_their_place) {
    const std::string keys = in_folder("keys.json", "no keys");
    const aimeter_process made({.upstream = upstream.url(), .env = {{"AIMETER_IDENTITY_JWT_JWKS_FILE", keys}}});
    const auto checked = made.run("check");
    EXPECT_EQ(checked.exit_code, 1);
    EXPECT_EQ(checked.out, "");
    EXPECT_THAT(checked.err,
                HasSubstr("environment AIMETER_IDENTITY_JWT_JWKS_FILE: identity.jwt.jwks_file: " + keys + ": "));
}

}  // namespace
}  // namespace tests
