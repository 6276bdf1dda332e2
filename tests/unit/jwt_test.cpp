// Which tokens are good: only what the configured keys have signed, for this application and this moment, and without a
// doubt about what it says.
#include "tests/support/identity_kit.hpp"

namespace tests {
namespace {

TEST_F(Tokens, AVerifiedTokenNamesTheUserAndThePlan) {
    for (const signing_key* key : {rsa, ec}) {
        const identity who = by_cookie(key->token(claims(R"(,"plan":"pro")")));
        EXPECT_EQ(who.user_id, "user_1");
        EXPECT_EQ(who.clerk_user_id, "user_1");
        EXPECT_EQ(who.plan, "pro");
        EXPECT_EQ(who.from, user_source::jwt);
    }
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

TEST_F(Tokens, AKeyIsNeverChosenByWhatTheTokenSays) {
    const std::string body = claims();
    for (const std::string kid :
         {"", "KEY_1", "key_1 ", "key_1\\u0000", "../../../../dev/null", "/proc/self/environ", "' OR '1'='1",
          "key_2' UNION SELECT 'key_1", "https://evil.example/jwks.json", "$(id)", "*"}) {
        expect_refused(rsa->sign(R"({"alg":"RS256","kid":")" + kid + "\"}", body), kid);
    }
    expect_refused(rsa->sign(R"({"alg":"RS256","kid":")" + std::string(5000, 'k') + "\"}", body), "a giant kid");
    expect_refused(rsa->sign(R"({"alg":"RS256","kid":"nobody","kid":"key_1"})", body), "kid twice");
    expect_refused(rsa->sign(R"({"alg":"RS256","kid":null})", body), "kid is null");
    expect_refused(rsa->sign(R"({"alg":"RS256","kid":["key_1"]})", body), "kid is a list");
    const std::string own_key = R"({"alg":"RS256","kid":"own","jwk":)" + foreign->jwk() + "}";
    expect_refused(foreign->sign(own_key, body), "a key inside the token");
    expect_refused(foreign->sign(R"({"alg":"RS256","kid":"key_1","jku":"https://evil.example/"})", body), "jku");
    expect_refused(foreign->sign(R"({"alg":"RS256","kid":"key_1","x5u":"https://evil.example/"})", body), "x5u");
}

TEST_F(Tokens, ExtensionsThatChangeWhatIsSignedAreRefused) {
    const std::string body = claims();
    expect_refused(rsa->sign(R"({"alg":"RS256","kid":"key_1","b64":false,"crit":["b64"]})", body), "RFC 7797");
    expect_refused(rsa->sign(R"({"alg":"RS256","kid":"key_1","b64":false})", body), "b64 without crit");
    expect_refused(rsa->sign(R"({"alg":"RS256","kid":"key_1","b64":"true"})", body), "b64 is no flag");
    expect_accepted(rsa->sign(R"({"alg":"RS256","kid":"key_1","b64":true})", body), "the usual encoding, said aloud");
    expect_refused(rsa->sign(R"({"alg":"RS256","kid":"key_1","crit":["b64"],"b64":true})", body), "crit at all");
}

TEST_F(Tokens, AnEcSignatureIsTwoNumbersOf32BytesEach) {
    const std::string good = ec->token(claims());
    const std::string signed_text = good.substr(0, good.rfind('.') + 1);
    expect_accepted(good, "as RFC 7518 says");
    for (const auto& [bytes, why] : std::vector<std::pair<std::string, std::string>>{
             {std::string(64, '\0'), "zeros hold for nothing (CVE-2022-21449)"},
             {std::string(64, '\xFF'), "beyond the order of the curve"},
             {"\x30\x06\x02\x01\x01\x02\x01\x01", "ASN.1"},
             {std::string(63, '\x01'), "63 bytes"},
             {std::string(65, '\x01'), "65 bytes"},
             {"", "none"}}) {
        expect_refused(signed_text + base64url(bytes), why);
    }
}

TEST_F(Tokens, TheMomentsOfExpAndNbfAreExactToTheMillisecond) {
    settings_.jwt.leeway = std::chrono::milliseconds(0);
    const std::string token = rsa->token(claims(",\"nbf\":" + std::to_string(now_s)));
    EXPECT_EQ(by_cookie(token, now_ms - 1).user_id, "anonymous");
    EXPECT_EQ(by_cookie(token, now_ms).user_id, "user_1") << "not before: then it is good";
    EXPECT_EQ(by_cookie(token, now_ms + 59'999).user_id, "user_1");
    EXPECT_EQ(by_cookie(token, now_ms + 60'000).user_id, "anonymous") << "on or after exp it is not (RFC 7519, 4.1.4)";
    expect_refused(rsa->token(claims(",\"nbf\":" + std::to_string(now_s + 61))), "begins after its end");
}

TEST_F(Tokens, ThePlanOfClerkIsTakenAsItIs) {
    settings_.jwt.plan_claim = "pla";
    EXPECT_EQ(by_cookie(rsa->token(claims(R"(,"pla":"u:free","fea":"u:export")"))).plan, "u:free");
    settings_.jwt.plan_claim = "public_metadata.plan";
    EXPECT_EQ(by_cookie(rsa->token(claims(R"(,"public_metadata":{"plan":"pro"})"))).plan, "pro");
    EXPECT_EQ(by_cookie(rsa->token(claims(R"(,"public_metadata":["plan"])"))).plan, "");
    settings_.jwt.plan_claim = "";
    EXPECT_EQ(by_cookie(rsa->token(claims(R"(,"plan":"pro","":"odd")"))).plan, "") << "no claim is asked for";
}

}  // namespace
}  // namespace tests
