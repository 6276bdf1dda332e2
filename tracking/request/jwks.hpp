// The public keys that sign the application's session tokens: a JSON Web Key Set (RFC 7517), read from a file or from
// what a URL answered. Immutable once made and shared by all workers. Private and symmetric keys are never taken.
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
    // The string says what is wrong with the set. Keys for other purposes or algorithms are passed over in silence,
    // those that should be of use but are not (RFC 7517, section 5) are listed in unusable(); a set without one usable
    // key is an error.
    static std::variant<key_set, std::string> parse(std::string_view json);

    // The key of that id and algorithm. A token that names no key (`kid` null) is only matched when there is one
    // candidate; an empty name is nobody's. Null when there is none. It lives as long as a set that holds it.
    evp_pkey_st* find(const std::string* kid, signature_algorithm algorithm) const noexcept;
    // Whether a key has this name, whatever its algorithm.
    bool knows(std::string_view kid) const noexcept;
    bool empty() const noexcept { return keys_.empty(); }
    std::size_t size() const noexcept { return keys_.size(); }

    // Why keys were passed over: 'key "a": an RSA key must have 2048 to 8192 bits'.
    const std::vector<std::string>& unusable() const noexcept { return unusable_; }

    // Adds the keys of another set; of two with the same name and algorithm this set's stays.
    void add(const key_set& other);

private:
    struct key {
        std::string kid;  // "" = it has none
        signature_algorithm algorithm;
        std::shared_ptr<evp_pkey_st> handle;  // sets that were joined share their keys
    };
    bool holds_one_like(const key& other) const noexcept;

    std::vector<key> keys_;
    std::vector<std::string> unusable_;
};

}  // namespace tracking
