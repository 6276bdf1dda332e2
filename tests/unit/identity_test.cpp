// Who sent a request: only what is proven or comes from a trusted peer names a user, and everything else is anonymous.
#include "tracking/request/identity.hpp"

#include <nlohmann/json.hpp>

#include "tests/support/identity_kit.hpp"

namespace tests {
namespace {

TEST_F(Tokens, ComesFromTheCookieItsSuffixedFormOrTheBearerHeader) {
    const std::string good = rsa->token(claims());
    judge rules(settings_);
    const std::vector<fields> found{
        {{"cookie", "a=b; __session=" + good + "; c=d"}},
        {{"Cookie", "__session=\"" + good + "\""}},
        {{"Cookie", "a=b"}, {"Cookie", "__session=" + good}},
        {{"Cookie", "__session_AbC-12_x=" + good}},
        {{"Cookie", "__session=stale; __session_abcdefgh=" + good}},
        {{"Cookie", "__session=" + foreign->token(claims()) + ";__session_abcdefgh=" + good}},
        {{"Authorization", "Bearer " + good}},
        {{"authorization", "bearer  " + good}},
        {{"Cookie", "__session=" + foreign->token(claims())}, {"Authorization", "Bearer " + good}},
    };
    for (const fields& head : found) EXPECT_EQ(rules.ask(head).from, user_source::jwt) << head.front().second;
    const std::vector<fields> passed_over{
        {{"Cookie", "session=" + good}},
        {{"Cookie", "x__session=" + good}},
        {{"Cookie", "__session_short=" + good}},
        {{"Cookie", "__session_ninechars=" + good}},
        {{"Cookie", "__session_abc.efgh=" + good}},
        {{"Cookie", "__session " + good}},
        {{"Authorization", good}},
        {{"Authorization", "Basic " + good}},
        {{"X-Session", good}},
    };
    for (const fields& head : passed_over) EXPECT_EQ(rules.ask(head).user_id, "anonymous") << head.front().second;
}

TEST_F(Tokens, TheCookieAndTheHeaderCanBeRenamed) {
    settings_.jwt.cookie = "token";
    settings_.jwt.header = "X-Forwarded-Access-Token";
    const std::string good = rsa->token(claims());
    judge rules(settings_);
    EXPECT_EQ(rules.ask({{"Cookie", "token=" + good}}).user_id, "user_1");
    EXPECT_EQ(rules.ask({{"X-Forwarded-Access-Token", good}}).user_id, "user_1");
    EXPECT_EQ(rules.ask({{"X-Forwarded-Access-Token", "Bearer " + good}}).user_id, "user_1");
    EXPECT_EQ(rules.ask({{"Cookie", "__session=" + good}, {"Authorization", "Bearer " + good}}).user_id, "anonymous");
}

TEST_F(Tokens, WithoutKeysNoTokenNamesAnyone) {
    settings_.jwt.jwks_file.clear();
    expect_refused(rsa->token(claims()), "nothing to verify with");
}

TEST(IdentityHeader, CountsOnlyFromATrustedPeer) {
    conf::identity_settings settings;
    settings.header = "X-User-Id";
    settings.plan_header = "X-User-Plan";
    judge rules(settings);
    const fields head{{"x-user-id", "u1"}, {"x-user-plan", "pro"}};
    const identity trusted = rules.ask(head, true);
    EXPECT_EQ(trusted.user_id, "u1");
    EXPECT_EQ(trusted.plan, "pro");
    EXPECT_EQ(trusted.from, user_source::header);
    EXPECT_EQ(trusted.clerk_user_id, "");
    const identity spoofed = rules.ask(head, false);
    EXPECT_EQ(spoofed.user_id, "anonymous");
    EXPECT_EQ(spoofed.plan, "");
    EXPECT_EQ(spoofed.from, user_source::anonymous);
}

TEST(IdentityHeader, MustBeOneFitValue) {
    conf::identity_settings settings;
    settings.header = "x-user-id";
    judge rules(settings);
    EXPECT_EQ(rules.ask({{"X-User-Id", ""}}, true).user_id, "anonymous");
    EXPECT_EQ(rules.ask({{"X-User-Id", std::string(257, 'u')}}, true).user_id, "anonymous");
    EXPECT_EQ(rules.ask({{"X-User-Id", "a\tb"}}, true).user_id, "anonymous");
    EXPECT_EQ(rules.ask({{"X-User-Id", "\xFF"}}, true).user_id, "anonymous");
    EXPECT_EQ(rules.ask({{"X-User-Id", "evil"}, {"X-User-Id", "u1"}}, true).user_id, "anonymous") << "two that differ";
    EXPECT_EQ(rules.ask({{"X-User-Id", "u1"}, {"X-User-Id", "u1"}}, true).user_id, "u1");
    EXPECT_EQ(rules.ask({{"X-User-Id", "u1"}}, true).plan, "") << "no plan header is configured";
}

TEST(IdentityHeader, IsKnownInEverySpellingThatBecomesTheSameVariable) {
    conf::identity_settings settings;
    settings.header = "X-User-Id";
    settings.plan_header = "x-plan";
    const judge rules(settings);
    for (const std::string name : {"X-User-Id", "x-user-id", "X_User_Id", "x_user-id", "X-PLAN"}) {
        EXPECT_TRUE(rules.rules().is_identity_header(name)) << name;
    }
    for (const std::string name : {"", "X-User-Ids", "X-User", "X.User.Id"}) {
        EXPECT_FALSE(rules.rules().is_identity_header(name)) << name;
    }
    EXPECT_FALSE(judge(conf::identity_settings{}).rules().is_identity_header(""));
}

TEST(ApiKeys, BecomeStableNamesThatDoNotTellTheKey) {
    conf::identity_settings settings;
    settings.api_keys = true;
    // HMAC-SHA256("Jefe", "what do ya want for nothing?") begins 5bdcc146bf60 (RFC 4231, test case 2).
    judge rules(settings, "Jefe");
    const std::string key = "what do ya want for nothing?";
    for (const fields& head : std::vector<fields>{{{"x-api-key", key}},
                                                  {{"X-Goog-Api-Key", key}},
                                                  {{"api-key", key}},
                                                  {{"Authorization", "Bearer " + key}}}) {
        for (int again = 0; again < 2; ++again) {
            const identity who = rules.ask(head);
            EXPECT_EQ(who.user_id, "key:5bdcc146bf60") << head.front().first;
            EXPECT_EQ(who.from, user_source::key);
        }
    }
    EXPECT_NE(rules.ask({{"x-api-key", "sk-1"}}).user_id, rules.ask({{"x-api-key", "sk-2"}}).user_id);
    EXPECT_NE(judge(settings, "other").ask({{"x-api-key", key}}).user_id, "key:5bdcc146bf60");
    EXPECT_EQ(rules.ask({{"x-api-key", ""}}).user_id, "anonymous");
    EXPECT_EQ(rules.ask({{"Authorization", "Basic dTpw"}}).user_id, "anonymous");
    EXPECT_EQ(rules.ask({{"Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."}}).user_id, "anonymous")
        << "a token that is not verified is not a key either";
}

TEST(ApiKeys, AreOffByDefaultAndNeedASecret) {
    conf::identity_settings settings;
    EXPECT_EQ(judge(settings).ask({{"x-api-key", "sk-1"}}).user_id, "anonymous");
    settings.api_keys = true;
    EXPECT_THAT(load_error(settings, ""), testing::HasSubstr("secret"));
}

TEST(Identity, TheStrongestProofWins) {
    const signing_key key = signing_key::p256("k");
    const temporary_file file(key_set_text({key.jwk()}));
    conf::identity_settings settings;
    settings.jwt.jwks_file = file.path();
    settings.header = "x-user-id";
    settings.api_keys = true;
    settings.anonymous = "nobody";
    judge rules(settings);
    const std::pair<std::string, std::string> token{
        "cookie", "__session=" + key.token(R"({"sub":"by_token","exp":)" + std::to_string(now_s + 60) + "}")};
    const std::pair<std::string, std::string> header{"x-user-id", "by_header"};
    const std::pair<std::string, std::string> api_key{"x-api-key", "sk-1"};
    EXPECT_EQ(rules.ask({api_key, header, token}, true).from, user_source::jwt);
    EXPECT_EQ(rules.ask({api_key, header}, true).from, user_source::header);
    EXPECT_EQ(rules.ask({api_key, header}, false).from, user_source::key);
    EXPECT_EQ(rules.ask({header}, false).from, user_source::anonymous);
    EXPECT_EQ(rules.ask({}, true).user_id, "nobody");
}

TEST(Identity, AgreesWithTheSharedVectors) {
    const std::filesystem::path folder = std::filesystem::path(AIMETER_SHARED_DIR) / "data/identity-vectors";
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no shared vectors here";
    const auto config = nlohmann::json::parse(std::ifstream(folder / "config.json"));
    conf::identity_settings settings;
    settings.jwt.jwks_file = folder / "jwks.json";
    settings.jwt.issuer = config["issuer"];
    settings.jwt.authorized_parties = config["authorized_parties"].get<std::vector<std::string>>();
    settings.jwt.leeway = std::chrono::seconds(config["leeway_s"].get<int>());
    settings.jwt.cookie = config["cookie"];
    settings.header = "x-user-id";
    judge rules(settings);
    const auto proxies = std::get<tracking::cidr_set>(
        tracking::cidr_set::parse(config["trusted_proxies"].get<std::vector<std::string>>()));
    std::ifstream lines(folder / "vectors.jsonl");
    int read = 0;
    for (std::string line; std::getline(lines, line); ++read) {
        const auto vector = nlohmann::json::parse(line);
        fields head;
        for (const auto& [name, value] : vector["request_headers"].items()) head.emplace_back(name, value);
        const bool trusted = holds(proxies, vector.value("peer", config["peer"].get<std::string>()));
        const identity who = rules.ask(head, trusted, config["now"].get<std::int64_t>() * 1000);
        EXPECT_EQ(who.from == user_source::jwt, vector["expect_verified"].get<bool>()) << vector["id"];
        const auto& user = vector["expect_user"];
        EXPECT_EQ(who.user_id, user.is_null() ? "anonymous" : user.get<std::string>()) << vector["id"];
    }
    EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace tests
