// The value is EXPIRES.NONCE.MAC: seconds since the epoch, 128 random bits and HMAC-SHA256 over both, in hex.
#include "admin-api/session_cookie.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <charconv>
#include <span>

namespace admin {

namespace {

std::string hex(std::span<const unsigned char> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const unsigned char byte : bytes) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

// The prefix keeps this use of a token's digest apart from any other.
std::string signature(const token_digest& by, std::string_view what) {
    const std::string message = "aimeter session " + std::string(what);
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned int length = 0;
    HMAC(EVP_sha256(), by.data(), static_cast<int>(by.size()), reinterpret_cast<const unsigned char*>(message.data()),
         message.size(), mac.data(), &length);
    return hex({mac.data(), length});
}

// When the session of this value ends, in ms since the epoch; nullopt for what no token of ours has signed.
std::optional<std::int64_t> end_of(std::string_view value, const std::vector<token_digest>& tokens) {
    const auto dot = value.rfind('.');
    if (dot == std::string_view::npos || value.size() > 256) return std::nullopt;
    const auto what = value.substr(0, dot), mac = value.substr(dot + 1);
    bool genuine = false;
    for (const auto& token : tokens) {
        const std::string right = signature(token, what);
        genuine |= right.size() == mac.size() && CRYPTO_memcmp(right.data(), mac.data(), right.size()) == 0;
    }
    std::int64_t seconds = 0;
    const auto parsed = std::from_chars(what.data(), what.data() + what.size(), seconds);
    if (!genuine || parsed.ec != std::errc{}) return std::nullopt;
    return seconds * 1000;
}

// The values of the cookie with our name: two paths, or two hands, may have set several.
std::vector<std::string_view> session_values(const request& what) {
    std::vector<std::string_view> values;
    for (const auto& [name, text] : what.headers) {
        if (name != "cookie") continue;
        for (std::string_view rest = text; !rest.empty();) {
            const auto end = std::min(rest.find(';'), rest.size());
            std::string_view pair = rest.substr(0, end);
            rest.remove_prefix(std::min(end + 1, rest.size()));
            pair.remove_prefix(std::min(pair.find_first_not_of(" \t"), pair.size()));
            const auto equals = pair.find('=');
            if (equals == std::string_view::npos || pair.substr(0, equals) != session_cookie_name) continue;
            values.push_back(pair.substr(equals + 1));
        }
    }
    return values;
}

// Whether `path` lies at or below `prefix`, segment by segment.
bool is_below(std::string_view path, std::string_view prefix) {
    return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

}  // namespace

std::string session_cookies::open(const token_digest& by, std::int64_t now_ms) const {
    std::array<unsigned char, 16> nonce{};
    if (RAND_bytes(nonce.data(), static_cast<int>(nonce.size())) != 1) return {};
    const std::string what = std::to_string((now_ms + length_.count()) / 1000) + '.' + hex(nonce);
    return what + '.' + signature(by, what);
}

bool session_cookies::holds(const request& what, const std::vector<token_digest>& tokens, std::int64_t now_ms) const {
    const auto values = session_values(what);
    return std::any_of(values.begin(), values.end(), [&](std::string_view value) {
        const auto end = end_of(value, tokens);
        return end && *end > now_ms && !closed_.contains(value);
    });
}

void session_cookies::close(const request& what, const std::vector<token_digest>& tokens, std::int64_t now_ms) {
    std::erase_if(closed_, [now_ms](const auto& one) { return one.second <= now_ms; });
    for (const std::string_view value : session_values(what)) {
        const auto end = end_of(value, tokens);
        if (!end || *end <= now_ms) continue;
        if (closed_.size() >= closed_sessions_most) {
            closed_.erase(std::min_element(closed_.begin(), closed_.end(),
                                           [](const auto& a, const auto& b) { return a.second < b.second; }));
        }
        closed_.emplace(value, *end);
    }
}

std::vector<std::string> set_cookie_lines(const conf::admin_settings& settings, std::string_view value,
                                          std::chrono::seconds length, bool secure) {
    const std::string rest = "; Max-Age=" + std::to_string(value.empty() ? 0 : length.count()) +
                             "; HttpOnly; SameSite=Strict" + (secure ? "; Secure" : "");
    const auto line = [&](const std::string& path) {
        return std::string(session_cookie_name).append("=").append(value).append("; Path=").append(path).append(rest);
    };
    if (is_below(settings.path, settings.ui_path)) return {line(settings.ui_path)};
    if (is_below(settings.ui_path, settings.path)) return {line(settings.path)};
    return {line(settings.ui_path), line(settings.path)};
}

std::string_view field_of(const request& what, std::string_view name) {
    const std::string* found = nullptr;
    for (const auto& [key, value] : what.headers) {
        if (key != name) continue;
        if (found != nullptr) return {};
        found = &value;
    }
    return found != nullptr ? std::string_view(*found) : std::string_view{};
}

// A proxy before us may have replaced Host, and says what it was in X-Forwarded-Host.
bool comes_from_own_page(const request& what) {
    const auto site = field_of(what, "sec-fetch-site"), origin = field_of(what, "origin");
    if (!site.empty() && site != "same-origin") return false;
    if (origin.empty()) return !site.empty();
    const auto scheme = origin.find("://");
    if (scheme == std::string_view::npos) return false;  // "null"
    // The scheme's own port may stand or not.
    const std::string_view port = origin.starts_with("https:") ? ":443" : ":80";
    const auto without_port = [port](std::string_view text) {
        return text.ends_with(port) ? text.substr(0, text.size() - port.size()) : text;
    };
    const auto authority = without_port(origin.substr(scheme + 3));
    const auto same = [&](std::string_view host) {
        host = without_port(host);
        return !host.empty() &&
               std::equal(host.begin(), host.end(), authority.begin(), authority.end(), [](char a, char b) {
                   const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
                   return lower(a) == lower(b);
               });
    };
    const auto forwarded = field_of(what, "x-forwarded-host");  // of several proxies the first one's word
    auto first = forwarded.substr(0, forwarded.find(','));
    while (first.ends_with(' ') || first.ends_with('\t')) first.remove_suffix(1);
    return same(field_of(what, "host")) || same(first);
}

}  // namespace admin
