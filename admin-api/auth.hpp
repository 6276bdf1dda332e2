// Who may ask: a bearer token, compared in constant time, or a session that one has opened, and a brake on guessing.
// Control thread only.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "admin-api/api.hpp"
#include "admin-api/session_cookie.hpp"
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
    authenticator(const std::vector<std::string>& tokens, const tracking::time_source& clock,
                  std::chrono::milliseconds session = conf::admin_settings{}.session);

    // foreign: a session's cookie with a request that changes something and was not made by one of our pages.
    enum class verdict { passed, missing, wrong, throttled, foreign };
    struct result {
        verdict is;
        std::chrono::seconds retry_after{0};
    };
    // A bearer token, or without one the cookie of a session.
    result check(const request& what);

    // A token that came some other way (the login's form), from this peer.
    result check_token(std::string_view token, const std::string& peer);
    // The cookie's value for a token that has passed.
    std::string open_session(std::string_view token) const;
    void close_session(const request& what) { sessions_.close(what, tokens_, clock_.wall_ms()); }
    std::chrono::seconds session_length() const { return sessions_.length(); }

private:
    static token_digest digest_of(std::string_view token);
    bool is_known(std::string_view token) const;

    std::vector<token_digest> tokens_;
    const tracking::time_source& clock_;
    throttle throttle_;
    session_cookies sessions_;
};

// 401, 403 or 429 for whatever is not `passed`.
response refusal(const authenticator::result& why);

}  // namespace admin
