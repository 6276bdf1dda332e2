// Which keys of a set are taken: those that can verify RS256 and ES256, and no weak or doubtful ones.
#include "tracking/request/jwks.hpp"

#include "tests/support/identity_kit.hpp"

namespace tests {
namespace {

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

std::string rsa_jwk(const std::string& exponent) {
    const std::string modulus = "\xC1" + std::string(254, '\x55') + "\x0F";  // 2048 bits, odd
    return R"({"kty":"RSA","kid":"r","n":")" + base64url(modulus) + R"(","e":")" + base64url(exponent) + "\"}";
}

TEST(KeySet, WeakAndImpossibleNumbersAreNoKeys) {
    for (const std::string& exponent : {std::string("\x00", 1), std::string("\x01"), std::string("\x02"),
                                        std::string("\x01\x00\x00", 3), std::string(9, '\x03')}) {
        EXPECT_NE(load_error_of_keys(key_set_text({rsa_jwk(exponent)})), "") << testing::PrintToString(exponent);
    }
    const auto ec_jwk = [](const std::string& x, const std::string& y) {
        return R"({"kty":"EC","crv":"P-256","kid":"e","x":")" + base64url(x) + R"(","y":")" + base64url(y) + "\"}";
    };
    const std::string beyond_the_field(32, '\xFF'), some(32, '\x01');
    EXPECT_THAT(load_error_of_keys(key_set_text({ec_jwk(some, some)})), testing::HasSubstr("not a point"));
    EXPECT_THAT(load_error_of_keys(key_set_text({ec_jwk(beyond_the_field, some)})), testing::HasSubstr("not a point"));
    EXPECT_THAT(load_error_of_keys(key_set_text({ec_jwk("\x01", some)})), testing::HasSubstr("32 bytes"));
    EXPECT_THAT(load_error_of_keys(key_set_text({ec_jwk(std::string(33, '\x01'), some)})),
                testing::HasSubstr("32 bytes"));
}

TEST(KeySet, AlgorithmAndTypeMustAgree) {
    const signing_key ec = signing_key::p256("k"), rsa = signing_key::rsa("k");
    for (const std::string& jwk :
         {ec.jwk(R"(,"alg":"RS256")"), rsa.jwk(R"(,"alg":"ES256")"), rsa.jwk(R"(,"alg":"PS256")"),
          rsa.jwk(R"(,"alg":null)"), rsa.jwk(R"(,"use":["sig"])"), ec.jwk(R"(,"key_ops":[])"),
          ec.jwk(R"(,"key_ops":"verify")"), ec.jwk(R"(,"use":"sig","key_ops":["encrypt"])")}) {
        EXPECT_THAT(load_error_of_keys(key_set_text({jwk})), testing::HasSubstr("no key")) << jwk;
    }
}

TEST(KeySet, AnIssuersSetIsTakenAsFarAsItIsOfUse) {
    const signing_key good = signing_key::p256("good"), small = signing_key::rsa("small", 1024);
    auto parsed = tracking::key_set::parse(key_set_text({small.jwk(), good.jwk(), signing_key::p256("good").jwk()}));
    const auto& set = std::get<tracking::key_set>(parsed);
    EXPECT_EQ(set.size(), 1U);
    EXPECT_THAT(set.unusable(), testing::ElementsAre("key \"small\": an RSA key must have 2048 to 8192 bits",
                                                     "two keys for the same algorithm are called \"good\""));
    EXPECT_TRUE(set.knows("good"));
    EXPECT_FALSE(set.knows("small"));
    EXPECT_THAT(load_error_of_keys(key_set_text({small.jwk(), good.jwk()})), testing::HasSubstr("small"))
        << "an operator's own file is to be right";
}

TEST(KeySet, AKeyIsFoundByItsNameAndAlgorithm) {
    using tracking::signature_algorithm;
    const auto set = [](const std::vector<std::string>& keys) {
        return std::get<tracking::key_set>(tracking::key_set::parse(key_set_text(keys)));
    };
    const std::string same = "same", other = "other", none;
    const auto both = set({signing_key::p256("same").jwk(), signing_key::rsa("same").jwk()});
    EXPECT_NE(both.find(&same, signature_algorithm::es256), nullptr);
    EXPECT_NE(both.find(&same, signature_algorithm::rs256), both.find(&same, signature_algorithm::es256));
    EXPECT_EQ(both.find(&other, signature_algorithm::es256), nullptr);
    EXPECT_NE(both.find(nullptr, signature_algorithm::es256), nullptr) << "the only one";

    auto first = set({signing_key::p256("same").jwk()});
    const auto* of_first = first.find(&same, signature_algorithm::es256);
    first.add(set({signing_key::p256("same").jwk(), signing_key::p256("other").jwk()}));
    EXPECT_EQ(first.size(), 2U);
    EXPECT_EQ(first.find(&same, signature_algorithm::es256), of_first);
    EXPECT_NE(first.find(&other, signature_algorithm::es256), nullptr);
    EXPECT_EQ(first.find(nullptr, signature_algorithm::es256), nullptr) << "two candidates are none";

    const auto nameless = set({signing_key::p256("").jwk()});
    EXPECT_EQ(nameless.find(&none, signature_algorithm::es256), nullptr) << "an empty name is nobody's";
    EXPECT_NE(nameless.find(nullptr, signature_algorithm::es256), nullptr);
}

}  // namespace
}  // namespace tests
