// Who sent a request: only what is proven or comes from a trusted peer names a user, and everything else is anonymous.
#include "tracking/request/identity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/token_maker.hpp"
#include "tracking/request/base64url.hpp"
#include "tracking/request/cookies.hpp"

namespace {

using tests::signing_key;
using tracking::identity;
using tracking::identity_rules;
using tracking::user_source;
using fields = std::vector<std::pair<std::string, std::string>>;

constexpr std::int64_t now_s = 1'790'000'000;
constexpr std::int64_t now_ms = now_s * 1000;

// A file that is gone with the test.
class temporary_file {
public:
    explicit temporary_file(const std::string& text) {
        std::string path = (std::filesystem::temp_directory_path() / "aimeter-jwks-XXXXXX").string();
        const int file = mkstemp(path.data());
        if (file < 0) throw std::runtime_error("mkstemp");
        close(file);
        path_ = path;
        std::ofstream(path_) << text;
    }
    ~temporary_file() { std::filesystem::remove(path_); }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

std::string key_set_text(const std::vector<std::string>& keys) {
    std::string text = R"({"keys":[)";
    for (const std::string& key : keys) text += (&key == &keys.front() ? "" : ",") + key;
    return text + "]}";
}

// Rules with a memory of their own, asked with plain lists of fields.
class judge {
public:
    explicit judge(const conf::identity_settings& settings, const std::string& secret = "server secret")
        : rules_(std::get<std::shared_ptr<const identity_rules>>(identity_rules::load(settings, secret))),
          memory_(rules_->make_memory()) {}

    identity ask(const fields& head, bool peer_trusted = false, std::int64_t at_ms = now_ms) {
        std::vector<tracking::header_field> views;
        for (const auto& [name, value] : head) views.push_back({name, value});
        identity result{"left over", "left over", "left over", user_source::app};
        rules_->identify({views}, peer_trusted, at_ms, *memory_, result);
        return result;
    }
    const identity_rules& rules() const { return *rules_; }

private:
    std::shared_ptr<const identity_rules> rules_;
    std::unique_ptr<identity_rules::memory, void (*)(identity_rules::memory*)> memory_;
};

std::string load_error(const conf::identity_settings& settings, const std::string& secret = "s") {
    auto loaded = identity_rules::load(settings, secret);
    const auto* error = std::get_if<std::string>(&loaded);
    return error == nullptr ? "" : *error;
}

std::string load_error_of_keys(const std::string& jwks) {
    const temporary_file file(jwks);
    conf::identity_settings settings;
    settings.jwt.jwks_file = file.path();
    return load_error(settings);
}

class Tokens : public testing::Test {
protected:
    static void SetUpTestSuite() {
        rsa = new signing_key(signing_key::rsa("key_1"));
        ec = new signing_key(signing_key::p256("key_2"));
        foreign = new signing_key(signing_key::rsa("key_1"));
    }
    static void TearDownTestSuite() {
        delete rsa;
        delete ec;
        delete foreign;
    }

    Tokens() : file_(key_set_text({rsa->jwk(R"(,"alg":"RS256","use":"sig")"), ec->jwk()})) {
        settings_.jwt.jwks_file = file_.path();
    }

    static std::string claims(const std::string& more = "", const std::string& sub = R"("user_1")") {
        return R"({"sub":)" + sub + R"(,"exp":)" + std::to_string(now_s + 60) + more + "}";
    }
    identity by_cookie(const std::string& token, std::int64_t at_ms = now_ms) {
        return judge(settings_).ask({{"Cookie", "__session=" + token}}, false, at_ms);
    }
    void expect_refused(const std::string& token, const std::string& why) {
        const identity who = by_cookie(token);
        EXPECT_EQ(who.user_id, "anonymous") << why;
        EXPECT_EQ(who.from, user_source::anonymous) << why;
        EXPECT_EQ(who.clerk_user_id, "") << why;
        EXPECT_EQ(who.plan, "") << why;
    }
    void expect_accepted(const std::string& token, const std::string& why) {
        const identity who = by_cookie(token);
        EXPECT_EQ(who.user_id, "user_1") << why;
        EXPECT_EQ(who.from, user_source::jwt) << why;
    }

    static signing_key* rsa;
    static signing_key* ec;
    static signing_key* foreign;  // another key by the same name
    temporary_file file_;
    conf::identity_settings settings_;
};
signing_key* Tokens::rsa = nullptr;
signing_key* Tokens::ec = nullptr;
signing_key* Tokens::foreign = nullptr;

TEST_F(Tokens, AVerifiedTokenNamesTheUserAndThePlan) {
    for (const signing_key* key : {rsa, ec}) {
        const identity who = by_cookie(key->token(claims(R"(,"plan":"pro")")));
        EXPECT_EQ(who.user_id, "user_1");
        EXPECT_EQ(who.clerk_user_id, "user_1");
        EXPECT_EQ(who.plan, "pro");
        EXPECT_EQ(who.from, user_source::jwt);
    }
}

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

TEST_F(Tokens, OnlyTheTwoAlgorithmsAndTheirOwnKeysAreTaken) {
    const std::string body = claims();
    expect_refused(rsa->sign(R"({"alg":"none","kid":"key_1"})", body), "alg none");
    expect_refused(tests::base64url(R"({"alg":"none"})") + "." + tests::base64url(body) + ".", "alg none, unsigned");
    expect_refused(rsa->sign(R"({"alg":"RS512","kid":"key_1"})", body), "another algorithm");
    expect_refused(rsa->sign(R"({"alg":"rs256","kid":"key_1"})", body), "algorithms are case-sensitive");
    expect_refused(rsa->sign(R"({"kid":"key_1"})", body), "no algorithm");
    expect_refused(rsa->sign(R"({"alg":["RS256"],"kid":"key_1"})", body), "alg is a list");
    expect_refused(tests::sign_hs256(R"({"alg":"HS256","kid":"key_1"})", body, rsa->public_pem()), "key confusion");
    expect_refused(ec->sign(R"({"alg":"ES256","kid":"key_1"})", body), "the kid of an RSA key");
    expect_refused(rsa->sign(R"({"alg":"RS256","kid":"key_2"})", body), "the kid of an EC key");
    expect_refused(rsa->sign(R"({"alg":"RS256","kid":"nobody"})", body), "unknown kid");
    expect_refused(rsa->sign(R"({"alg":"RS256","kid":7})", body), "kid is a number");
    expect_refused(foreign->token(body), "the right kid, the wrong key");
    expect_refused(rsa->sign(R"({"alg":"RS256","kid":"key_1","crit":["exp"]})", body), "critical extension");
    expect_refused(rsa->sign(R"({"alg":"RS256","kid":"key_1","crit":[]})", body), "crit at all");
    expect_refused(rsa->sign(R"({"alg":"none","alg":"RS256","kid":"key_1"})", body), "alg twice");
    expect_accepted(rsa->sign(R"({"alg":"RS256"})", body), "no kid, and one RSA key only");
}

TEST_F(Tokens, DamagedTokensAreRefused) {
    const std::string good = rsa->token(claims());
    const std::size_t second_dot = good.rfind('.');
    expect_refused("", "empty");
    expect_refused("..", "dots");
    expect_refused("ey..", "dots");
    expect_refused(good.substr(0, second_dot), "two parts");
    expect_refused(good + ".x", "four parts");
    expect_refused(good + "=", "padding");
    expect_refused(good.substr(0, second_dot + 1), "no signature");
    expect_refused(good.substr(0, good.size() - 4), "a shorter signature");
    std::string changed = good;
    changed[second_dot + 20] = changed[second_dot + 20] == 'A' ? 'B' : 'A';
    expect_refused(changed, "a changed signature");
    const std::string other = rsa->token(claims("", R"("user_2")"));
    const std::size_t first_dot = good.find('.');
    const std::string swapped = good.substr(0, first_dot) +
                                other.substr(other.find('.'), other.rfind('.') - other.find('.')) +
                                good.substr(second_dot);
    expect_refused(swapped, "another's claims");
    // The last character of the signature holds two unused bits: any other value of theirs is another token.
    std::string loose = good;
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    loose.back() = alphabet[alphabet.find(loose.back()) + 1];
    expect_refused(loose, "unused bits set");
    expect_refused(rsa->sign("not json", claims()), "header is no JSON");
    expect_refused(rsa->sign(R"("RS256")", claims()), "header is no object");
    expect_refused(rsa->token("[]"), "claims are no object");
    expect_refused(rsa->token(claims() + "x"), "something after the claims");
}

TEST_F(Tokens, GiantTokensAreNotLookedAt) {
    const auto of_size = [&](std::size_t filler) {
        return rsa->token(claims(R"(,"filler":")" + std::string(filler, 'x') + '"'));
    };
    EXPECT_LE(of_size(5000).size(), 8192U);
    expect_accepted(of_size(5000), "within 8 KB");
    EXPECT_GT(of_size(6500).size(), 8192U);
    expect_refused(of_size(6500), "over 8 KB");
    expect_refused(rsa->token(claims(",\"deep\":" + std::string(100, '[') + std::string(100, ']'))), "nested too deep");
}

TEST_F(Tokens, TimesAreWholeSecondsWithinTheLeeway) {
    const auto with = [&](const std::string& members) { return rsa->token(R"({"sub":"user_1")" + members + "}"); };
    const auto at = [](std::int64_t from_now) { return std::to_string(now_s + from_now); };
    expect_accepted(with(",\"exp\":" + at(1)), "still valid");
    expect_accepted(with(",\"exp\":" + at(-4)), "expired 4 s ago, 5 s of leeway");
    expect_refused(with(",\"exp\":" + at(-5)), "expired 5 s ago");
    expect_refused(with(""), "no exp");
    expect_refused(with(",\"exp\":\"" + at(60) + "\""), "exp is a text");
    expect_refused(with(",\"exp\":" + at(60) + ".0"), "exp is fractional");
    expect_refused(with(",\"exp\":1e400"), "exp is no number at all");
    expect_refused(with(",\"exp\":1e10"), "exp has an exponent");
    expect_refused(with(",\"exp\":18446744073709551615"), "exp beyond any year");
    expect_refused(with(",\"exp\":99999999999999999999999"), "exp beyond 64 bits");
    expect_refused(with(",\"exp\":-1"), "exp before the epoch");
    expect_refused(with(",\"exp\":null"), "exp is null");
    expect_refused(with(",\"exp\":true"), "exp is a flag");
    expect_refused(with(",\"exp\":" + at(60) + ",\"exp\":" + at(90)), "exp twice");
    expect_accepted(with(",\"exp\":" + at(60) + ",\"nbf\":" + at(5) + ",\"iat\":" + at(5)), "begins within the leeway");
    expect_refused(with(",\"exp\":" + at(60) + ",\"nbf\":" + at(6)), "nbf lies ahead");
    expect_refused(with(",\"exp\":" + at(60) + ",\"iat\":" + at(6)), "iat lies ahead");
    expect_refused(with(",\"exp\":" + at(60) + ",\"nbf\":\"x\""), "nbf is a text");
}

TEST_F(Tokens, TheIssuerAndThePartyMustBeTheConfiguredOnes) {
    settings_.jwt.issuer = "https://issuer.example";
    settings_.jwt.authorized_parties = {"https://app.example", "https://www.example"};
    const std::string iss = R"(,"iss":"https://issuer.example")";
    expect_accepted(rsa->token(claims(iss + R"(,"azp":"https://www.example")")), "both known");
    expect_accepted(rsa->token(claims(iss)), "azp may be absent");
    expect_refused(rsa->token(claims()), "no issuer");
    expect_refused(rsa->token(claims(R"(,"iss":"https://issuer.example/")")), "another issuer");
    expect_refused(rsa->token(claims(R"(,"iss":["https://issuer.example"])")), "issuer in a list");
    expect_refused(rsa->token(claims(iss + R"(,"azp":"https://evil.example")")), "another party");
    expect_refused(rsa->token(claims(iss + R"(,"azp":null)")), "azp is null");
    expect_refused(rsa->token(claims(iss + R"(,"iss":"https://evil.example")")), "issuer twice");
}

TEST_F(Tokens, SubjectsMustBeFitToBeIds) {
    expect_refused(rsa->token(claims("", R"("")")), "empty");
    expect_refused(rsa->token(claims("", "12345")), "a number");
    expect_refused(rsa->token(claims("", "null")), "null");
    expect_refused(rsa->token(claims("", R"("a\nb")")), "a line break");
    expect_refused(rsa->token(claims("", R"("a\u0000b")")), "a NUL");
    expect_refused(rsa->token(claims("", R"("a\u007fb")")), "DEL");
    expect_refused(rsa->token(claims("", R"("a\u0085b")")), "a C1 control");
    expect_refused(rsa->token(claims("", R"("a\ud800b")")), "half a surrogate pair");
    expect_refused(rsa->token(claims("", "\"a\xFF\"")), "no UTF-8");
    expect_refused(rsa->token(claims(R"(,"sub":"user_1")", R"("user_2")")), "twice");
    expect_refused(rsa->token(claims("", '"' + std::string(257, 'u') + '"')), "257 bytes");
    EXPECT_EQ(by_cookie(rsa->token(claims("", '"' + std::string(256, 'u') + '"'))).user_id, std::string(256, 'u'));
    const identity unfit_plan = by_cookie(rsa->token(claims(R"(,"plan":"a\nb")")));
    EXPECT_EQ(unfit_plan.user_id, "user_1");
    EXPECT_EQ(unfit_plan.plan, "");
}

TEST_F(Tokens, TheUserAndThePlanCanBeOtherClaims) {
    settings_.jwt.claim = "metadata.account.id";
    settings_.jwt.plan_claim = "https://app.example/plan";
    const identity who =
        by_cookie(rsa->token(claims(R"(,"metadata":{"account":{"id":"acc_9"}},"https://app.example/plan":"team")")));
    EXPECT_EQ(who.user_id, "acc_9");
    EXPECT_EQ(who.clerk_user_id, "user_1") << "the verified subject stays beside it";
    EXPECT_EQ(who.plan, "team");
    expect_refused(rsa->token(claims()), "the claim is missing");
    expect_refused(rsa->token(claims(R"(,"metadata":"x")")), "the path leads nowhere");
    expect_refused(rsa->token(claims(R"(,"metadata":{"account":{"id":"acc_9","id":"acc_8"}})")), "doubled inside");
}

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

TEST_F(Tokens, WithoutKeysNoTokenNamesAnyone) {
    settings_.jwt.jwks_file.clear();
    expect_refused(rsa->token(claims()), "nothing to verify with");
}

TEST(KeySet, SaysWhatIsWrong) {
    conf::identity_settings settings;
    settings.jwt.jwks_file = "/nonexistent/jwks.json";
    EXPECT_THAT(load_error(settings), testing::HasSubstr("cannot read /nonexistent/jwks.json"));
    EXPECT_THAT(load_error_of_keys("{"), testing::HasSubstr("not JSON"));
    EXPECT_THAT(load_error_of_keys("[]"), testing::HasSubstr("keys"));
    EXPECT_THAT(load_error_of_keys(R"({"keys":[]})"), testing::HasSubstr("no key"));
    EXPECT_THAT(load_error_of_keys(R"({"keys":[1]})"), testing::HasSubstr("not an object"));
    EXPECT_THAT(load_error_of_keys(R"({"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]})"),
                testing::HasSubstr("key \"a\": an RSA key must have"));
    EXPECT_THAT(load_error_of_keys(R"({"keys":[{"kty":"RSA","kid":"a","n":"**","e":"AQAB"}]})"),
                testing::HasSubstr("not base64url"));
    const std::string zeros(43, 'A');
    EXPECT_THAT(
        load_error_of_keys(R"({"keys":[{"kty":"EC","crv":"P-256","x":")" + zeros + R"(","y":")" + zeros + "\"}]}"),
        testing::HasSubstr("not a point"));
    EXPECT_THAT(load_error_of_keys(key_set_text({signing_key::rsa("small", 1024).jwk()})), testing::HasSubstr("2048"));
    const signing_key key = signing_key::p256("same");
    EXPECT_THAT(load_error_of_keys(key_set_text({key.jwk(), key.jwk()})), testing::HasSubstr("are called \"same\""));
}

TEST(KeySet, PassesOverKeysForOtherPurposes) {
    const signing_key key = signing_key::p256("k");
    for (const std::string purpose :
         {R"(,"use":"enc")", R"(,"alg":"ES384")", R"(,"key_ops":["sign"])", R"(,"alg":"HS256")"}) {
        EXPECT_THAT(load_error_of_keys(key_set_text({key.jwk(purpose)})), testing::HasSubstr("no key")) << purpose;
    }
    EXPECT_THAT(
        load_error_of_keys(R"({"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"k"},{"kty":"OKP","crv":"Ed25519"}]})"),
        testing::HasSubstr("no key"));
    EXPECT_EQ(
        load_error_of_keys(key_set_text({R"({"kty":"OKP","crv":"Ed25519"})", key.jwk(R"(,"key_ops":["verify"])")})),
        "");
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
        const bool trusted = proxies.contains(vector.value("peer", config["peer"].get<std::string>()));
        const identity who = rules.ask(head, trusted, config["now"].get<std::int64_t>() * 1000);
        EXPECT_EQ(who.from == user_source::jwt, vector["expect_verified"].get<bool>()) << vector["id"];
        const auto& user = vector["expect_user"];
        EXPECT_EQ(who.user_id, user.is_null() ? "anonymous" : user.get<std::string>()) << vector["id"];
    }
    EXPECT_GT(read, 0);
}

TEST(AddressBlocks, HoldTheirAddressesAndNoOthers) {
    const auto set = [](std::vector<std::string> blocks) {
        return std::get<tracking::cidr_set>(tracking::cidr_set::parse(blocks));
    };
    const auto defaults = set(conf::forward_settings{}.trusted_proxies);
    for (const char* address : {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"}) {
        EXPECT_TRUE(defaults.contains(address)) << address;
    }
    for (const char* address :
         {"128.0.0.1", "10.0.0.1", "::2", "::ffff:10.0.0.1", "", "localhost", "127.0.0.1 ", "127.1", "::127.0.0.1"}) {
        EXPECT_FALSE(defaults.contains(address)) << address;
    }
    const auto mixed = set({"10.1.2.3/9", "192.0.2.7", "2001:db8::/33", "::ffff:198.51.100.0/120", "fe80::1"});
    for (const char* address : {"10.0.0.0", "10.127.255.255", "192.0.2.7", "2001:db8:7fff::1", "198.51.100.200",
                                "::ffff:198.51.100.1", "fe80::1%eth0"}) {
        EXPECT_TRUE(mixed.contains(address)) << address;
    }
    for (const char* address : {"10.128.0.0", "192.0.2.8", "2001:db8:8000::1", "198.51.101.0", "fe80::2"}) {
        EXPECT_FALSE(mixed.contains(address)) << address;
    }
    EXPECT_TRUE(set({"0.0.0.0/0"}).contains("203.0.113.9"));
    EXPECT_FALSE(set({"0.0.0.0/0"}).contains("2001:db8::1"));
    EXPECT_TRUE(set({"::/0"}).contains("2001:db8::1"));
    EXPECT_FALSE(set({"::/0"}).contains("203.0.113.9")) << "all of IPv6 is not all of IPv4";
    EXPECT_FALSE(set({}).contains("127.0.0.1"));
}

TEST(AddressBlocks, NameWhatIsWrong) {
    for (const std::string text : {"", "/", "/8", "10.0.0.0/33", "::1/129", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/-1",
                                   "10.0.0.0/8/8", "10.0.0", "host", "1.2.3.4.5", "10.0.0.0/ 8", "10.0.0.0/8 "}) {
        auto parsed = tracking::cidr_set::parse({"127.0.0.1", text});
        const auto* error = std::get_if<std::string>(&parsed);
        ASSERT_NE(error, nullptr) << text;
        EXPECT_THAT(*error, testing::HasSubstr('"' + text + '"'));
    }
}

TEST(Cookies, AreReadAsServersReadThem) {
    std::string_view rest = "a=1;b = 2 ; noise;=empty; c=\"quoted\"; d=x=y;e=";
    std::string seen;
    tracking::cookie each;
    while (tracking::next_cookie(rest, each)) seen += std::string(each.name) + "[" + std::string(each.value) + "]";
    EXPECT_EQ(seen, "a[1]b[2][empty]c[quoted]d[x=y]e[]");
}

TEST(Base64Url, KnowsOneTextForEachSequenceOfBytes) {
    EXPECT_EQ(tracking::base64url_decode(""), "");
    EXPECT_EQ(tracking::base64url_decode("Zg"), "f");
    EXPECT_EQ(tracking::base64url_decode("Zm8"), "fo");
    EXPECT_EQ(tracking::base64url_decode("Zm9v"), "foo");
    EXPECT_EQ(tracking::base64url_decode("-_-_"), "\xFB\xFF\xBF");
    for (const std::string text : {"Z", "Zg==", "Zh", "Zm9", "+/+/", "Zm 9v", "Zm9v\n"}) {
        EXPECT_EQ(tracking::base64url_decode(text), std::nullopt) << text;
    }
}

}  // namespace
