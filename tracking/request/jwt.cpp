#include "tracking/request/jwt.hpp"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "tracking/request/base64url.hpp"
#include "tracking/request/label.hpp"

namespace tracking {

namespace {

using json = nlohmann::json;

constexpr int depth_max = 16;
constexpr std::int64_t last_second = 253'402'300'799;  // of the year 9999: beyond it, seconds were mistaken for ms
constexpr std::size_t es256_bytes = 64;

struct token_parts {
    std::string_view header, payload, signature;
    std::string_view signed_text;  // header.payload
};

std::optional<token_parts> split(std::string_view token) noexcept {
    if (token.size() > token_bytes_max) return std::nullopt;
    const std::size_t first = token.find('.');
    if (first == std::string_view::npos) return std::nullopt;
    const std::size_t second = token.find('.', first + 1);
    if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
    return token_parts{token.substr(0, first), token.substr(first + 1, second - first - 1), token.substr(second + 1),
                       token.substr(0, second)};
}

// The object in a part of a token. A member that is there twice is refused wherever it is: two readers of such a
// token need not agree on what it says.
std::optional<json> object_of(std::string_view part) {
    const auto text = base64url_decode(part);
    if (!text) return std::nullopt;
    std::vector<std::set<std::string>> names;
    bool refused = false;
    const auto watch = [&](int depth, json::parse_event_t event, json& value) {
        if (depth > depth_max) refused = true;
        if (event == json::parse_event_t::object_start) {
            names.emplace_back();
        } else if (event == json::parse_event_t::object_end) {
            names.pop_back();
        } else if (event == json::parse_event_t::key) {
            if (!names.back().insert(value.get<std::string>()).second) refused = true;
        }
        return true;
    };
    json parsed = json::parse(*text, watch, false);
    if (refused || !parsed.is_object()) return std::nullopt;
    return parsed;
}

struct token_header {
    signature_algorithm algorithm;
    std::optional<std::string> kid;
};

std::variant<token_header, token_refusal> read_header(std::string_view part) {
    const auto header = object_of(part);
    if (!header) return token_refusal::malformed;
    if (header->contains("crit")) return token_refusal::algorithm;  // none is understood here
    const auto encoded = header->find("b64");                       // RFC 7797: the payload may be signed unencoded
    if (encoded != header->end() && *encoded != true) return token_refusal::algorithm;
    const auto named = header->find("alg");
    token_header result{};
    if (named == header->end()) return token_refusal::algorithm;
    if (*named == "RS256") {
        result.algorithm = signature_algorithm::rs256;
    } else if (*named == "ES256") {
        result.algorithm = signature_algorithm::es256;
    } else {
        return token_refusal::algorithm;
    }
    if (const auto kid = header->find("kid"); kid != header->end()) {
        if (!kid->is_string()) return token_refusal::no_key;
        result.kid = kid->get<std::string>();
    }
    return result;
}

// ES256 signs with the two numbers side by side; OpenSSL reads them as an ASN.1 sequence.
std::optional<std::string> to_der(const std::string& raw) {
    if (raw.size() != es256_bytes) return std::nullopt;
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(ECDSA_SIG_new(), ECDSA_SIG_free);
    const auto* bytes = reinterpret_cast<const unsigned char*>(raw.data());
    BIGNUM* r = BN_bin2bn(bytes, es256_bytes / 2, nullptr);
    BIGNUM* s = BN_bin2bn(bytes + es256_bytes / 2, es256_bytes / 2, nullptr);
    if (!pair || r == nullptr || s == nullptr || ECDSA_SIG_set0(pair.get(), r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return std::nullopt;
    }
    std::array<unsigned char, 80> der{};
    unsigned char* end = der.data();
    const int size = i2d_ECDSA_SIG(pair.get(), &end);
    if (size <= 0) return std::nullopt;
    return std::string(reinterpret_cast<const char*>(der.data()), static_cast<std::size_t>(size));
}

bool signature_holds(const token_parts& parts, signature_algorithm algorithm, EVP_PKEY* key) {
    auto signature = base64url_decode(parts.signature);
    if (signature && algorithm == signature_algorithm::es256) signature = to_der(*signature);
    if (!signature) return false;
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    if (!context || EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) != 1) return false;
    return EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature->data()), signature->size(),
                            reinterpret_cast<const unsigned char*>(parts.signed_text.data()),
                            parts.signed_text.size()) == 1;
}

// A time as whole seconds. `required` false: absent is `absent`.
bool read_seconds(const json& claims, const char* name, std::optional<std::int64_t>& into) {
    const auto found = claims.find(name);
    if (found == claims.end()) return true;
    if (!found->is_number_integer()) return false;
    if (found->is_number_unsigned() && found->get<std::uint64_t>() > static_cast<std::uint64_t>(last_second)) {
        return false;
    }
    into = found->get<std::int64_t>();
    return *into >= 0 && *into <= last_second;
}

// A member named so, dots included ("https://app.example/plan"), or a path through objects ("metadata.plan").
// None when the path is empty.
const json* member_at(const json& object, std::string_view path) {
    if (path.empty()) return nullptr;
    if (const auto found = object.find(path); found != object.end()) return &*found;
    const std::size_t dot = path.find('.');
    if (dot == std::string_view::npos) return nullptr;
    const auto outer = object.find(path.substr(0, dot));
    if (outer == object.end() || !outer->is_object()) return nullptr;
    return member_at(*outer, path.substr(dot + 1));
}

// nullopt = absent; empty = there, but unfit to be an id.
std::optional<std::string> id_at(const json& claims, std::string_view path) {
    const json* found = member_at(claims, path);
    if (found == nullptr) return std::nullopt;
    if (!found->is_string() || !is_fit_id(found->get_ref<const std::string&>())) return std::string();
    return found->get<std::string>();
}

std::optional<token_refusal> check_origin(const json& claims, const token_rules& rules) {
    if (!rules.issuer.empty()) {
        const auto issuer = claims.find("iss");
        if (issuer == claims.end() || *issuer != rules.issuer) return token_refusal::issuer;
    }
    if (const auto party = claims.find("azp"); party != claims.end() && !rules.authorized_parties.empty()) {
        const bool known =
            party->is_string() &&
            std::ranges::find(rules.authorized_parties, party->get<std::string>()) != rules.authorized_parties.end();
        if (!known) return token_refusal::party;
    }
    return std::nullopt;
}

std::variant<verified_token, token_refusal> read_claims(const json& claims, const token_rules& rules,
                                                        std::int64_t now_ms) {
    std::optional<std::int64_t> exp;
    std::optional<std::int64_t> nbf;
    std::optional<std::int64_t> iat;
    if (!read_seconds(claims, "exp", exp) || !read_seconds(claims, "nbf", nbf) || !read_seconds(claims, "iat", iat) ||
        !exp) {
        return token_refusal::claims;
    }
    if (const auto refused = check_origin(claims, rules)) return *refused;
    verified_token token;
    token.until_ms = *exp * 1000 + rules.leeway_ms;
    token.from_ms = std::max(nbf.value_or(0), iat.value_or(0)) * 1000 - rules.leeway_ms;
    if (now_ms >= token.until_ms) return token_refusal::expired;
    if (now_ms < token.from_ms) return token_refusal::not_yet_valid;

    const auto subject = claims.contains("sub") ? id_at(claims, "sub") : std::nullopt;
    const auto user = id_at(claims, rules.claim);
    if ((subject && subject->empty()) || !user || user->empty()) return token_refusal::claims;
    token.subject = subject.value_or("");
    token.user = *user;
    token.plan = id_at(claims, rules.plan_claim).value_or("");
    return token;
}

}  // namespace

std::variant<verified_token, token_refusal> verify_token(std::string_view token, const key_set& keys,
                                                         const token_rules& rules, std::int64_t now_ms) {
    const auto parts = split(token);
    if (!parts) return token_refusal::malformed;
    const auto read = read_header(parts->header);
    if (const auto* refused = std::get_if<token_refusal>(&read)) return *refused;
    const auto& header = std::get<token_header>(read);
    EVP_PKEY* key = keys.find(header.kid ? &*header.kid : nullptr, header.algorithm);
    if (key == nullptr) {
        const bool unknown = header.kid && !header.kid->empty() && !keys.knows(*header.kid);
        return unknown ? token_refusal::unknown_key : token_refusal::no_key;
    }
    if (!signature_holds(*parts, header.algorithm, key)) return token_refusal::signature;
    const auto claims = object_of(parts->payload);
    if (!claims) return token_refusal::claims;
    return read_claims(*claims, rules, now_ms);
}

bool looks_like_token(std::string_view text) noexcept {
    return text.starts_with("ey") && std::ranges::count(text, '.') == 2;
}

}  // namespace tracking
