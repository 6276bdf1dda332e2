// Who may ask: a bearer token, compared in constant time, and a brake on guessing. Control thread only.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "admin-api/api.hpp"
#include "tracking/clock.hpp"

namespace admin {

// Wrong tokens that one peer may send within a minute; more are answered 429 until that minute is over. The right
// token passes all the same: a guesser who shares a NAT or a proxy with an operator cannot lock them out.
inline constexpr int wrong_tokens_most = 10;
inline constexpr std::chrono::seconds wrong_tokens_window{60};
inline constexpr std::size_t throttled_peers_most = 4096;

class throttle {
public:
    // Counts a wrong token. Zero, or the time after which the peer may try again.
    std::chrono::seconds failed(const std::string& peer, std::chrono::steady_clock::time_point now);
    std::size_t size() const { return peers_.size(); }

private:
    struct tries {
        std::chrono::steady_clock::time_point since;
        int count = 0;
    };
    void make_room(std::chrono::steady_clock::time_point now);

    std::unordered_map<std::string, tries> peers_;
};

class authenticator {
public:
    authenticator(const std::vector<std::string>& tokens, const tracking::time_source& clock);

    enum class verdict { passed, missing, wrong, throttled };
    struct result {
        verdict is;
        std::chrono::seconds retry_after{0};
    };
    result check(const request& what);

private:
    using digest = std::array<unsigned char, 32>;
    static digest digest_of(std::string_view token);
    bool is_known(std::string_view token) const;

    std::vector<digest> tokens_;
    const tracking::time_source& clock_;
    throttle throttle_;
};

// 401 or 429 for whatever is not `passed`.
response refusal(const authenticator::result& why);

}  // namespace admin
