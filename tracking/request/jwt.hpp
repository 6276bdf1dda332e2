// Verifies a session token (RFC 7519, signed as RFC 7515 says, with the cautions of RFC 8725). Pure: keys, rules and
// the time are given. Nothing of a token is believed, or even parsed beyond its header, before its signature holds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tracking/request/jwks.hpp"

namespace tracking {

inline constexpr std::size_t token_bytes_max = 8192;

struct token_rules {
    std::string issuer;                           // "" = any
    std::vector<std::string> authorized_parties;  // empty = any; a token without azp passes
    std::int64_t leeway_ms = 0;
    std::string claim = "sub";  // a member of the token, or a path through its objects ("metadata.user")
    std::string plan_claim = "plan";
};

struct verified_token {
    std::string user;     // of `claim`
    std::string subject;  // `sub`; may be absent when `claim` names another
    std::string plan;
    std::int64_t from_ms = 0;   // valid from (nbf and iat, less the leeway) ...
    std::int64_t until_ms = 0;  // ... until before this (exp and the leeway)
};

enum class token_refusal : std::uint8_t {
    malformed,      // not three parts of base64url, too long, or a header that is no JSON
    algorithm,      // not RS256 or ES256, or with extensions that change what is signed
    unknown_key,    // it names a key that is not in the set: a newer set may have it
    no_key,         // no key of that name for that algorithm, or it names none and there are several
    signature,      // the signature does not hold
    claims,         // signed, but the claims are missing, doubled, of the wrong type or unfit
    issuer,         // of another issuer
    party,          // made for another application
    expired,        //
    not_yet_valid,  // nbf or iat lie ahead
};

std::variant<verified_token, token_refusal> verify_token(std::string_view token, const key_set& keys,
                                                         const token_rules& rules, std::int64_t now_ms);

// Three parts, the first of which begins like a JSON object: what an API key never looks like.
bool looks_like_token(std::string_view text) noexcept;

}  // namespace tracking
