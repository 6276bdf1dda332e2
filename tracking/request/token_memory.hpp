// What a worker remembers of tokens it has judged, so that a signature is checked once and not with every request.
// Bounded; keyed by the token's SHA-256, so that no token stays in memory. Not shared between threads.
#pragma once

#include <openssl/types.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "tracking/request/identity.hpp"
#include "tracking/request/jwt.hpp"

namespace tracking {

using digest256 = std::array<unsigned char, 32>;

// The least recently used entry makes room for a new one.
template <class Value>
class recent_map {
public:
    explicit recent_map(std::size_t capacity) : capacity_(capacity) {}

    // The pointer holds until the next put or erase.
    const Value* find(const digest256& key) {
        const auto found = index_.find(key);
        if (found == index_.end()) return nullptr;
        order_.splice(order_.begin(), order_, found->second);
        return &found->second->second;
    }

    const Value* put(const digest256& key, Value value) {
        erase(key);
        if (order_.size() >= capacity_) {
            index_.erase(order_.back().first);
            order_.pop_back();
        }
        order_.emplace_front(key, std::move(value));
        index_.emplace(key, order_.begin());
        return &order_.front().second;
    }

    void erase(const digest256& key) {
        const auto found = index_.find(key);
        if (found == index_.end()) return;
        order_.erase(found->second);
        index_.erase(found);
    }

    void clear() {
        index_.clear();
        order_.clear();
    }

private:
    struct first_bytes {  // of a digest: as good as any hash
        std::size_t operator()(const digest256& key) const noexcept {
            std::size_t hash = 0;
            std::memcpy(&hash, key.data(), sizeof hash);
            return hash;
        }
    };
    using entry = std::pair<digest256, Value>;
    std::size_t capacity_;
    std::list<entry> order_;
    std::unordered_map<digest256, typename std::list<entry>::iterator, first_bytes> index_;
};

class identity_rules::memory {
public:
    memory();
    ~memory();
    memory(const memory&) = delete;
    memory& operator=(const memory&) = delete;

    // Forgets everything when `rules` are not those of last time (after a reload or new keys): other keys, other
    // verdicts.
    void belong_to(std::uint64_t rules);

    // The token's identity while it is valid; null when it is refused. Verifies what is not remembered; `key_unknown`
    // is set when such a token names a key that is not in the set, and left alone otherwise.
    const verified_token* judge(std::string_view token, const key_set& keys, const token_rules& rules,
                                std::int64_t now_ms, bool& key_unknown);
    // "key:" and 12 hex digits of HMAC-SHA256(secret, key).
    void name_key(std::string_view secret, std::string_view key, std::string& into);

private:
    bool digest(std::string_view text, digest256& into);

    // Good and bad apart, so that a flood of bad tokens pushes no good one out.
    recent_map<verified_token> good_;
    recent_map<std::int64_t> bad_;  // until when it is not looked at again
    std::uint64_t rules_ = 0;
    EVP_MD* sha256_;
    EVP_MD_CTX* hashing_;
    EVP_MAC_CTX* naming_ = nullptr;
};

}  // namespace tracking
