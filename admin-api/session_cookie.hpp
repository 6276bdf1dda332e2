// Logins of the pages: a signed cookie that says when it ends. The signature's key comes from the token that opened the
// session, so that a session survives a restart, is good at every instance that knows the token, and dies with it.
// What logged out is remembered until it would have ended anyway. Control thread only.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin-api/api.hpp"

namespace admin {

using token_digest = std::array<unsigned char, 32>;  // SHA-256 of a token

// Sessions that were logged out and are remembered; beyond, the one that ends first is forgotten.
inline constexpr std::size_t closed_sessions_most = 4096;

class session_cookies {
public:
    explicit session_cookies(std::chrono::milliseconds length) : length_(length) {}

    // The value of a new session's cookie; "" when the system gave no random bytes.
    std::string open(const token_digest& by, std::int64_t now_ms) const;
    // Whether one of the request's session cookies is good: signed by one of `tokens`, not over, not logged out.
    bool holds(const request& what, const std::vector<token_digest>& tokens, std::int64_t now_ms) const;
    // Logs out every good session of the request.
    void close(const request& what, const std::vector<token_digest>& tokens, std::int64_t now_ms);
    std::chrono::seconds length() const { return std::chrono::duration_cast<std::chrono::seconds>(length_); }

private:
    std::chrono::milliseconds length_;
    std::map<std::string, std::int64_t, std::less<>> closed_;  // cookie value -> ms since the epoch when it ends
};

// The Set-Cookie lines that give `value` to admin.ui_path and admin.path, and to no other path of the application. An
// empty value takes the cookie away.
std::vector<std::string> set_cookie_lines(const conf::admin_settings& settings, std::string_view value,
                                          std::chrono::seconds length, bool secure);

// False when a browser says that another site's page made this request (Sec-Fetch-Site, or Origin against Host), and
// when nothing says that one of ours did. A page of another site can set none of these fields.
bool comes_from_own_page(const request& what);
// The value of a field that stands once; "" when it is absent or repeated. `name` is lower-case.
std::string_view field_of(const request& what, std::string_view name);

}  // namespace admin
