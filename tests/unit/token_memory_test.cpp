// What a worker remembers of tokens, and when it says that keys are missing.
#include "tests/support/identity_kit.hpp"
#include "tracking/request/jwks.hpp"

namespace tests {
namespace {

TEST_F(Tokens, ARememberedTokenIsForgottenWhenItExpires) {
    judge rules(settings_);
    const fields head{{"Cookie", "__session=" + rsa->token(claims())}};
    EXPECT_EQ(rules.ask(head, false, now_ms).user_id, "user_1");
    EXPECT_EQ(rules.ask(head, false, now_ms + 64'999).user_id, "user_1") << "exp is 60 s ahead, the leeway 5 s";
    EXPECT_EQ(rules.ask(head, false, now_ms + 65'000).user_id, "anonymous");
    EXPECT_EQ(rules.ask(head, false, now_ms + 66'000).user_id, "anonymous");
}

TEST_F(Tokens, ATokenOfTheNextMomentIsTakenWhenThatComes) {
    judge rules(settings_);
    const fields head{{"Cookie", "__session=" + rsa->token(claims(",\"nbf\":" + std::to_string(now_s + 6)))}};
    EXPECT_EQ(rules.ask(head, false, now_ms).user_id, "anonymous");
    EXPECT_EQ(rules.ask(head, false, now_ms + 1000).user_id, "user_1");
    EXPECT_EQ(rules.ask(head, false, now_ms).user_id, "anonymous") << "the clock was set back";
}

TEST_F(Tokens, AMemoryDoesNotOutliveItsRules) {
    const auto first = std::get<std::shared_ptr<const identity_rules>>(identity_rules::load(settings_, "s"));
    settings_.jwt.issuer = "https://issuer.example";
    const auto second = std::get<std::shared_ptr<const identity_rules>>(identity_rules::load(settings_, "s"));
    const auto memory = first->make_memory();
    const std::string cookie = "__session=" + rsa->token(claims());
    const std::vector<tracking::header_field> head{{"Cookie", cookie}};
    identity who;
    first->identify({head}, false, now_ms, *memory, who);
    EXPECT_EQ(who.user_id, "user_1");
    second->identify({head}, false, now_ms, *memory, who);
    EXPECT_EQ(who.user_id, "anonymous") << "the reloaded rules demand an issuer";
    first->identify({head}, false, now_ms, *memory, who);
    EXPECT_EQ(who.user_id, "user_1");
}

TEST_F(Tokens, AFloodOfTokensPushesNoneOutThatIsInUse) {
    judge rules(settings_);
    const fields user{{"Cookie", "__session=" + rsa->token(claims())}};
    EXPECT_EQ(rules.ask(user).user_id, "user_1");
    for (int i = 0; i < 20'000; ++i) {
        const fields bad{{"Cookie", "__session=eyJ" + std::to_string(i) + ".eyJ.x"}};
        EXPECT_EQ(rules.ask(bad).user_id, "anonymous");
    }
    EXPECT_EQ(rules.ask(user).user_id, "user_1");
}

TEST_F(Tokens, OneRequestCannotAskForManySignatures) {
    judge rules(settings_);
    std::string cookies;
    for (int i = 0; i < 8; ++i) cookies += "__session=eyJ" + std::to_string(i) + ".eyJ.x; ";
    const std::string good = "__session=" + rsa->token(claims());
    EXPECT_EQ(rules.ask({{"Cookie", good + "; " + cookies}}).user_id, "user_1");
    EXPECT_EQ(rules.ask({{"Cookie", cookies + good}}).user_id, "anonymous") << "the ninth is not looked at";
}

// ---- keys that are fetched ------------------------------------------------------------------------------------------

std::shared_ptr<const tracking::key_set> keys_of(const std::vector<std::string>& jwks) {
    return std::make_shared<const tracking::key_set>(
        std::get<tracking::key_set>(tracking::key_set::parse(key_set_text(jwks))));
}

class FetchedKeys : public Tokens {
protected:
    FetchedKeys() { settings_.jwt.jwks_file.clear(); }
    std::shared_ptr<const identity_rules> rules_with(const std::shared_ptr<const tracking::key_set>& keys) {
        const auto plain = std::get<std::shared_ptr<const identity_rules>>(identity_rules::load(settings_, "s"));
        return plain->with_fetched(keys, wanted_);
    }
    static fields cookie(const std::string& token) { return {{"Cookie", "__session=" + token}}; }

    std::shared_ptr<std::atomic<bool>> wanted_ = std::make_shared<std::atomic<bool>>(false);
};

TEST_F(FetchedKeys, VerifyLikeThoseOfAFileAndBesideThem) {
    judge by_url(rules_with(keys_of({ec->jwk()})));
    EXPECT_EQ(by_url.ask(cookie(ec->token(claims()))).user_id, "user_1");
    EXPECT_EQ(by_url.ask(cookie(rsa->token(claims()))).user_id, "anonymous");
    const temporary_file file(key_set_text({rsa->jwk()}));
    settings_.jwt.jwks_file = file.path();
    judge by_both(rules_with(keys_of({ec->jwk(), foreign->jwk()})));
    EXPECT_EQ(by_both.ask(cookie(ec->token(claims()))).user_id, "user_1");
    EXPECT_EQ(by_both.ask(cookie(rsa->token(claims()))).user_id, "user_1");
    EXPECT_EQ(by_both.ask(cookie(foreign->token(claims()))).user_id, "anonymous") << "the file's key has this name";
}

TEST_F(FetchedKeys, TakeThePlaceOfTheFormerOnes) {
    const auto before = rules_with(keys_of({rsa->jwk()}));
    const auto after = before->with_fetched(keys_of({ec->jwk()}), wanted_);
    const auto memory = before->make_memory();
    const auto user = [&](const auto& rules, const std::string& token) {
        const std::string text = "__session=" + token;
        const std::vector<tracking::header_field> head{{"Cookie", text}};
        identity who;
        rules->identify({head}, false, now_ms, *memory, who);
        return who.user_id;
    };
    const std::string former = rsa->token(claims()), next = ec->token(claims());
    EXPECT_EQ(user(before, former), "user_1");
    EXPECT_EQ(user(before, next), "anonymous");
    EXPECT_EQ(user(after, next), "user_1") << "that it was refused is forgotten";
    EXPECT_EQ(user(after, former), "anonymous") << "that it was good is forgotten";
    EXPECT_EQ(user(after->with_fetched(nullptr, wanted_), next), "anonymous");
}

TEST_F(FetchedKeys, AreWantedOnlyWhenATokenNamesOneThatIsMissing) {
    judge rules(rules_with(keys_of({rsa->jwk()})));
    for (const std::string& token :
         {rsa->token(claims()), foreign->token(claims()), rsa->sign(R"({"alg":"RS256"})", "{}"),
          rsa->sign(R"({"alg":"RS256","kid":""})", claims()), ec->sign(R"({"alg":"ES256","kid":"key_1"})", claims()),
          ec->sign(R"({"alg":"none","kid":"key_9"})", claims()), rsa->sign(R"({"alg":"RS256","kid":9})", claims()),
          std::string("eyJ.eyJ.x"), std::string("nonsense")}) {
        rules.ask(cookie(token));
        EXPECT_FALSE(wanted_->load()) << token;
    }
    const fields missing = cookie(ec->token(claims()));
    EXPECT_EQ(rules.ask(missing).user_id, "anonymous");
    EXPECT_TRUE(wanted_->load());
    *wanted_ = false;
    rules.ask(missing);
    EXPECT_FALSE(wanted_->load()) << "said once";
    judge(rules_with(nullptr)).ask(missing);
    EXPECT_FALSE(wanted_->load()) << "without any key they are on their way anyway";
}

}  // namespace
}  // namespace tests
