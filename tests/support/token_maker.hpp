// Throwaway signing keys, made when a test runs, and tokens signed with them as an identity provider would, or as an
// attacker would. Each text is signed as it is given, so that a test can write what no JSON library would.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct evp_pkey_st;

namespace tests {

std::string base64url(std::string_view bytes);

class signing_key {
public:
    static signing_key rsa(std::string kid, unsigned bits = 2048);
    static signing_key p256(std::string kid);

    const std::string& kid() const { return kid_; }
    // The public half as a JSON Web Key; `more` holds further members (", \"use\":\"sig\"").
    std::string jwk(std::string_view more = "") const;
    std::string public_pem() const;

    // header.payload.signature with RS256 or ES256, whatever `header` says.
    std::string sign(std::string_view header, std::string_view payload) const;
    // The usual header for this key.
    std::string token(std::string_view payload) const;

private:
    signing_key(evp_pkey_st* key, std::string kid, bool is_rsa);
    std::shared_ptr<evp_pkey_st> key_;
    std::string kid_;
    bool is_rsa_;
};

// The set of these keys (JSON Web Keys), as an issuer publishes it.
std::string key_set_text(const std::vector<std::string>& keys);

// header.payload.signature with HMAC-SHA256.
std::string sign_hs256(std::string_view header, std::string_view payload, std::string_view secret);

}  // namespace tests
