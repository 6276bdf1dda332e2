#include "tests/support/token_maker.hpp"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <array>
#include <stdexcept>
#include <utility>
#include <vector>

namespace tests {

namespace {

void require(bool condition) {
    if (!condition) throw std::runtime_error("OpenSSL refused to make a test key or signature");
}

std::string number(EVP_PKEY* key, const char* name, int width = 0) {
    BIGNUM* value = nullptr;
    require(EVP_PKEY_get_bn_param(key, name, &value) == 1);
    std::vector<unsigned char> bytes(static_cast<std::size_t>(width > 0 ? width : BN_num_bytes(value)));
    require(BN_bn2binpad(value, bytes.data(), static_cast<int>(bytes.size())) >= 0);
    BN_free(value);
    return {bytes.begin(), bytes.end()};
}

std::string signed_text(std::string_view header, std::string_view payload) {
    return base64url(header) + "." + base64url(payload);
}

// r and s of the ASN.1 sequence, 32 bytes each.
std::string raw_pair(const std::string& der) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &bytes, static_cast<long>(der.size()));
    require(pair != nullptr);
    std::array<unsigned char, 64> raw{};
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw.data(), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw.data() + 32, 32);
    ECDSA_SIG_free(pair);
    return {raw.begin(), raw.end()};
}

}  // namespace

std::string base64url(std::string_view bytes) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string text;
    std::uint32_t bits = 0;
    int held = 0;
    for (const char c : bytes) {
        bits = bits << 8 | static_cast<unsigned char>(c);
        held += 8;
        while (held >= 6) {
            held -= 6;
            text.push_back(alphabet[bits >> held & 0x3F]);
        }
    }
    if (held > 0) text.push_back(alphabet[bits << (6 - held) & 0x3F]);
    return text;
}

signing_key::signing_key(EVP_PKEY* key, std::string kid, bool is_rsa)
    : key_(key, EVP_PKEY_free), kid_(std::move(kid)), is_rsa_(is_rsa) {
    require(key != nullptr);
}

signing_key signing_key::rsa(std::string kid, unsigned bits) { return {EVP_RSA_gen(bits), std::move(kid), true}; }
signing_key signing_key::p256(std::string kid) { return {EVP_EC_gen("P-256"), std::move(kid), false}; }

std::string signing_key::jwk(std::string_view more) const {
    std::string text = R"({"kid":")" + kid_ + '"';
    if (is_rsa_) {
        text += R"(,"kty":"RSA","n":")" + base64url(number(key_.get(), OSSL_PKEY_PARAM_RSA_N)) + R"(","e":")" +
                base64url(number(key_.get(), OSSL_PKEY_PARAM_RSA_E)) + '"';
    } else {
        text += R"(,"kty":"EC","crv":"P-256","x":")" + base64url(number(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, 32)) +
                R"(","y":")" + base64url(number(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, 32)) + '"';
    }
    return text + std::string(more) + "}";
}

std::string signing_key::public_pem() const {
    BIO* memory = BIO_new(BIO_s_mem());
    require(PEM_write_bio_PUBKEY(memory, key_.get()) == 1);
    char* text = nullptr;
    const long size = BIO_get_mem_data(memory, &text);
    std::string pem(text, static_cast<std::size_t>(size));
    BIO_free(memory);
    return pem;
}

std::string signing_key::sign(std::string_view header, std::string_view payload) const {
    const std::string text = signed_text(header, payload);
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    require(EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key_.get()) == 1);
    std::string signature(1024, '\0');
    std::size_t size = signature.size();
    require(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                           reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1);
    EVP_MD_CTX_free(context);
    signature.resize(size);
    return text + "." + base64url(is_rsa_ ? signature : raw_pair(signature));
}

std::string signing_key::token(std::string_view payload) const {
    return sign(std::string(R"({"alg":")") + (is_rsa_ ? "RS256" : "ES256") + R"(","typ":"JWT","kid":")" + kid_ + "\"}",
                payload);
}

std::string key_set_text(const std::vector<std::string>& keys) {
    std::string text = R"({"keys":[)";
    for (const std::string& key : keys) text += (&key == &keys.front() ? "" : ",") + key;
    return text + "]}";
}

std::string sign_hs256(std::string_view header, std::string_view payload, std::string_view secret) {
    const std::string text = signed_text(header, payload);
    std::array<unsigned char, EVP_MAX_MD_SIZE> tag{};
    unsigned size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), tag.data(), &size);
    return text + "." + base64url({reinterpret_cast<const char*>(tag.data()), size});
}

}  // namespace tests
