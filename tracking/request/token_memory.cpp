#include "tracking/request/token_memory.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

namespace tracking {

namespace {

constexpr std::size_t good_max = 8192;
constexpr std::size_t bad_max = 4096;
constexpr std::int64_t bad_ms = 10'000;  // new keys come with new rules, and those forget all

EVP_MAC_CTX* keyed_hmac(std::string_view secret) {
    EVP_MAC* hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    EVP_MAC_CTX* context = EVP_MAC_CTX_new(hmac);
    EVP_MAC_free(hmac);  // the context holds it
    std::array<char, 7> digest{'S', 'H', 'A', '2', '5', '6', '\0'};
    const std::array<OSSL_PARAM, 2> params{OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
                                           OSSL_PARAM_construct_end()};
    const auto* key = reinterpret_cast<const unsigned char*>(secret.data());
    if (context != nullptr && EVP_MAC_init(context, key, secret.size(), params.data()) == 1) return context;
    EVP_MAC_CTX_free(context);
    return nullptr;
}

}  // namespace

identity_rules::memory::memory()
    : good_(good_max), bad_(bad_max), sha256_(EVP_MD_fetch(nullptr, "SHA256", nullptr)), hashing_(EVP_MD_CTX_new()) {}

identity_rules::memory::~memory() {
    EVP_MAC_CTX_free(naming_);
    EVP_MD_CTX_free(hashing_);
    EVP_MD_free(sha256_);
}

void identity_rules::memory::belong_to(std::uint64_t rules) {
    if (rules == rules_) return;
    rules_ = rules;
    good_.clear();
    bad_.clear();
    EVP_MAC_CTX_free(naming_);
    naming_ = nullptr;
}

bool identity_rules::memory::digest(std::string_view text, digest256& into) {
    return EVP_DigestInit_ex2(hashing_, sha256_, nullptr) == 1 &&
           EVP_DigestUpdate(hashing_, text.data(), text.size()) == 1 &&
           EVP_DigestFinal_ex(hashing_, into.data(), nullptr) == 1;
}

const verified_token* identity_rules::memory::judge(std::string_view token, const key_set& keys,
                                                    const token_rules& rules, std::int64_t now_ms, bool& key_unknown) {
    digest256 key;
    if (token.size() > token_bytes_max || !digest(token, key)) return nullptr;
    if (const verified_token* known = good_.find(key)) {
        if (now_ms >= known->from_ms && now_ms < known->until_ms) return known;
        good_.erase(key);
    } else if (const std::int64_t* until = bad_.find(key)) {
        if (now_ms < *until && *until - now_ms <= bad_ms) return nullptr;  // unless the clock was set back since
        bad_.erase(key);
    }
    auto verdict = verify_token(token, keys, rules, now_ms);
    if (auto* verified = std::get_if<verified_token>(&verdict)) return good_.put(key, std::move(*verified));
    const auto refused = std::get<token_refusal>(verdict);
    if (refused == token_refusal::unknown_key) key_unknown = true;
    if (refused != token_refusal::not_yet_valid) bad_.put(key, now_ms + bad_ms);
    return nullptr;
}

void identity_rules::memory::name_key(std::string_view secret, std::string_view key, std::string& into) {
    constexpr std::size_t named_bytes = 6;
    into.clear();
    if (naming_ == nullptr) naming_ = keyed_hmac(secret);
    digest256 tag;
    std::size_t size = 0;
    const auto* bytes = reinterpret_cast<const unsigned char*>(key.data());
    // Started anew without a key, the context takes the one it was given.
    if (naming_ == nullptr || EVP_MAC_init(naming_, nullptr, 0, nullptr) != 1 ||
        EVP_MAC_update(naming_, bytes, key.size()) != 1 || EVP_MAC_final(naming_, tag.data(), &size, tag.size()) != 1) {
        return;
    }
    constexpr std::string_view hex = "0123456789abcdef";
    into = "key:";
    for (std::size_t i = 0; i < named_bytes; ++i) {
        into.push_back(hex[tag[i] >> 4]);
        into.push_back(hex[tag[i] & 0x0F]);
    }
}

}  // namespace tracking
