// The public keys that sign the application's session tokens: a JSON Web Key Set (RFC 7517) read once at start, then
// shared by all workers, which only read it. Private and symmetric keys are never taken from it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace tracking {

enum class signature_algorithm : std::uint8_t { rs256, es256 };

class key_set {
public:
    // The string says what is wrong with the set. Keys for other purposes or algorithms are passed over; a set without
    // one usable key is an error.
    static std::variant<key_set, std::string> parse(std::string_view json);

    // The key of that id and algorithm. A token that names no key (`kid` null) is only matched when there is one
    // candidate. Null when there is none.
    evp_pkey_st* find(const std::string* kid, signature_algorithm algorithm) const noexcept;

private:
    struct free_key {
        void operator()(evp_pkey_st* key) const noexcept;
    };
    struct key {
        std::string kid;
        signature_algorithm algorithm;
        std::unique_ptr<evp_pkey_st, free_key> handle;
    };
    std::vector<key> keys_;
};

}  // namespace tracking
