#include "tracking/request/jwks.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "tracking/request/base64url.hpp"

namespace tracking {

namespace {

using json = nlohmann::json;

template <auto Free>
struct freed_by {
    template <class T>
    void operator()(T* pointer) const noexcept {
        Free(pointer);
    }
};
using context_ptr = std::unique_ptr<EVP_PKEY_CTX, freed_by<EVP_PKEY_CTX_free>>;
using builder_ptr = std::unique_ptr<OSSL_PARAM_BLD, freed_by<OSSL_PARAM_BLD_free>>;
using params_ptr = std::unique_ptr<OSSL_PARAM, freed_by<OSSL_PARAM_free>>;
using number_ptr = std::unique_ptr<BIGNUM, freed_by<BN_free>>;

constexpr std::size_t keys_max = 64;
constexpr int rsa_bits_min = 2048;
constexpr int rsa_bits_max = 8192;  // a larger key would make every verification slow
constexpr std::size_t p256_bytes = 32;

std::string text_member(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<std::string> bytes_member(const json& object, const char* name) {
    return base64url_decode(text_member(object, name));
}

number_ptr to_number(const std::string& bytes) {
    return number_ptr(
        BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()), nullptr));
}

EVP_PKEY* build_key(const char* type, OSSL_PARAM_BLD* builder) {
    const params_ptr params(OSSL_PARAM_BLD_to_param(builder));
    const context_ptr making(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* key = nullptr;
    if (!params || !making || EVP_PKEY_fromdata_init(making.get()) != 1 ||
        EVP_PKEY_fromdata(making.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
        return nullptr;
    }
    const context_ptr checking(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    if (checking && EVP_PKEY_public_check(checking.get()) == 1) return key;
    EVP_PKEY_free(key);
    return nullptr;
}

std::variant<EVP_PKEY*, std::string> rsa_key(const json& jwk) {
    const auto modulus = bytes_member(jwk, "n");
    const auto exponent = bytes_member(jwk, "e");
    if (!modulus || modulus->empty()) return "n is missing or not base64url";
    if (!exponent || exponent->empty() || exponent->size() > 8) return "e is missing, not base64url or too long";
    const number_ptr n = to_number(*modulus);
    const number_ptr e = to_number(*exponent);
    if (!n || !e) return "out of memory";
    const int bits = BN_num_bits(n.get());
    if (bits < rsa_bits_min || bits > rsa_bits_max) return "an RSA key must have 2048 to 8192 bits";
    const builder_ptr builder(OSSL_PARAM_BLD_new());
    if (!builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
        return "out of memory";
    }
    EVP_PKEY* key = build_key("RSA", builder.get());
    if (key == nullptr) return "not a usable RSA public key";
    return key;
}

std::variant<EVP_PKEY*, std::string> p256_key(const json& jwk) {
    const auto x = bytes_member(jwk, "x");
    const auto y = bytes_member(jwk, "y");
    if (!x || x->size() != p256_bytes || !y || y->size() != p256_bytes) return "x and y must be 32 bytes each";
    const std::string point = '\x04' + *x + *y;  // uncompressed
    const builder_ptr builder(OSSL_PARAM_BLD_new());
    if (!builder || OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1) {
        return "out of memory";
    }
    EVP_PKEY* key = build_key("EC", builder.get());
    if (key == nullptr) return "not a point of the curve P-256";
    return key;
}

// A key for signatures, as far as it says what it is for.
bool is_for_verifying(const json& jwk) {
    if (jwk.contains("use") && text_member(jwk, "use") != "sig") return false;
    const auto operations = jwk.find("key_ops");
    if (operations == jwk.end()) return true;
    return operations->is_array() &&
           std::ranges::any_of(*operations, [](const json& each) { return each == "verify"; });
}

std::optional<signature_algorithm> algorithm_of(const json& jwk) {
    const std::string type = text_member(jwk, "kty");
    const bool told = jwk.contains("alg");
    const std::string algorithm = text_member(jwk, "alg");
    if (type == "RSA" && (!told || algorithm == "RS256")) return signature_algorithm::rs256;
    if (type == "EC" && text_member(jwk, "crv") == "P-256" && (!told || algorithm == "ES256")) {
        return signature_algorithm::es256;
    }
    return std::nullopt;
}

}  // namespace

std::variant<key_set, std::string> key_set::parse(std::string_view text) {
    const json document = json::parse(text, nullptr, false);
    if (document.is_discarded()) return "not JSON";
    const auto list = document.is_object() ? document.find("keys") : document.end();
    if (list == document.end() || !list->is_array()) return "not a JSON Web Key Set: it has no array \"keys\"";
    if (list->size() > keys_max) return "more than " + std::to_string(keys_max) + " keys";
    key_set set;
    for (const json& jwk : *list) {
        if (!jwk.is_object()) return "\"keys\" holds something that is not an object";
        const auto algorithm = algorithm_of(jwk);
        if (!algorithm || !is_for_verifying(jwk)) continue;
        const std::string kid = text_member(jwk, "kid");
        auto made = *algorithm == signature_algorithm::rs256 ? rsa_key(jwk) : p256_key(jwk);
        if (const std::string* why = std::get_if<std::string>(&made)) {
            set.unusable_.push_back("key \"" + kid + "\": " + *why);
            continue;
        }
        const key added{kid, *algorithm, {std::get<EVP_PKEY*>(made), EVP_PKEY_free}};
        if (set.holds_one_like(added)) {
            set.unusable_.push_back("two keys for the same algorithm are called \"" + kid + "\"");
        } else {
            set.keys_.push_back(added);
        }
    }
    if (!set.empty()) return set;
    return set.unusable_.empty() ? "no key for RS256 or ES256 signatures" : set.unusable_.front();
}

bool key_set::holds_one_like(const key& other) const noexcept {
    return std::ranges::any_of(
        keys_, [&](const key& each) { return each.kid == other.kid && each.algorithm == other.algorithm; });
}

void key_set::add(const key_set& other) {
    for (const key& each : other.keys_) {
        if (!holds_one_like(each)) keys_.push_back(each);
    }
}

bool key_set::knows(std::string_view kid) const noexcept {
    return std::ranges::any_of(keys_, [&](const key& each) { return each.kid == kid; });
}

evp_pkey_st* key_set::find(const std::string* kid, signature_algorithm algorithm) const noexcept {
    evp_pkey_st* only = nullptr;
    for (const key& each : keys_) {
        if (each.algorithm != algorithm) continue;
        if (kid != nullptr) {
            if (each.kid == *kid && !kid->empty()) return each.handle.get();
        } else if (only != nullptr) {
            return nullptr;
        } else {
            only = each.handle.get();
        }
    }
    return only;
}

}  // namespace tracking
