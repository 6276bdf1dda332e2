// Bearer tokens (RFC 6750) and the brake on guessing.
#include "admin-api/auth.hpp"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <optional>

#include "admin-api/problem.hpp"

namespace admin {

namespace {

using std::chrono::steady_clock;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The token of "Bearer TOKEN", the scheme in any case; nullopt when the request carries none. Two Authorization
// fields are none: which of them a proxy before us has looked at is anybody's guess.
std::optional<std::string_view> bearer_token(const request& what) {
    constexpr std::string_view scheme = "bearer ";
    std::optional<std::string_view> token;
    int fields = 0;
    for (const auto& [name, value] : what.headers) {
        if (name != "authorization") continue;
        ++fields;
        std::string_view rest = value;
        if (rest.size() < scheme.size()) continue;
        const bool bearer = std::equal(scheme.begin(), scheme.end(), rest.begin(),
                                       [](char expected, char c) { return expected == lower(c); });
        if (!bearer) continue;
        rest.remove_prefix(scheme.size());
        rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
        rest.remove_suffix(rest.size() - std::min(rest.find_last_not_of(" \t") + 1, rest.size()));
        token = rest;
    }
    return fields == 1 ? token : std::nullopt;
}

}  // namespace

std::chrono::seconds throttle::failed(const std::string& peer, steady_clock::time_point now) {
    auto found = peers_.find(peer);
    if (found == peers_.end()) {
        make_room(now);
        found = peers_.emplace(peer, tries{now, 0}).first;
    } else if (now - found->second.since >= wrong_tokens_window) {
        found->second = {now, 0};
    }
    auto& tries = found->second;
    if (tries.count < wrong_tokens_most) {
        ++tries.count;
        return std::chrono::seconds{0};
    }
    return std::max(std::chrono::seconds{1},
                    std::chrono::ceil<std::chrono::seconds>(tries.since + wrong_tokens_window - now));
}

// Peers whose minute is over go first; when none is, the one that began first.
void throttle::make_room(steady_clock::time_point now) {
    if (peers_.size() < throttled_peers_most) return;
    std::erase_if(peers_, [now](const auto& one) { return now - one.second.since >= wrong_tokens_window; });
    if (peers_.size() < throttled_peers_most) return;
    peers_.erase(std::min_element(peers_.begin(), peers_.end(),
                                  [](const auto& a, const auto& b) { return a.second.since < b.second.since; }));
}

authenticator::authenticator(const std::vector<std::string>& tokens, const tracking::time_source& clock,
                             std::chrono::milliseconds session)
    : clock_(clock), sessions_(session) {
    for (const auto& token : tokens) {
        if (!token.empty()) tokens_.push_back(digest_of(token));
    }
}

token_digest authenticator::digest_of(std::string_view token) {
    token_digest made{};
    SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), made.data());
    return made;
}

// Digests have one length and all of them are compared: the time tells nothing about a token, nor which one it was.
bool authenticator::is_known(std::string_view token) const {
    const token_digest given = digest_of(token);
    bool known = false;
    for (const auto& one : tokens_) known |= CRYPTO_memcmp(one.data(), given.data(), given.size()) == 0;
    return known;
}

authenticator::result authenticator::check(const request& what) {
    if (const auto token = bearer_token(what)) return check_token(*token, what.peer);
    if (!sessions_.holds(what, tokens_, clock_.wall_ms())) return {verdict::missing};
    const bool changes = what.method != "GET" && what.method != "HEAD";
    return {changes && !comes_from_own_page(what) ? verdict::foreign : verdict::passed};
}

authenticator::result authenticator::check_token(std::string_view token, const std::string& peer) {
    if (is_known(token)) return {verdict::passed};
    const auto wait = throttle_.failed(peer, clock_.steady());
    if (wait.count() > 0) return {verdict::throttled, wait};
    return {verdict::wrong};
}

std::string authenticator::open_session(std::string_view token) const {
    return sessions_.open(digest_of(token), clock_.wall_ms());
}

response refusal(const authenticator::result& why) {
    if (why.is == authenticator::verdict::throttled) {
        response made = problem(429, "Too many wrong tokens from this address; try again later.");
        made.headers.emplace_back("Retry-After", std::to_string(why.retry_after.count()));
        return made;
    }
    if (why.is == authenticator::verdict::foreign) {
        return problem(403, "A session changes things from the dashboard's own pages only; use a token elsewhere.");
    }
    const bool wrong = why.is == authenticator::verdict::wrong;
    response made =
        problem(401, wrong ? "The token is not one of admin.tokens." : "Send the header Authorization: Bearer TOKEN.");
    made.headers.emplace_back("WWW-Authenticate",
                              wrong ? R"(Bearer realm="aimeter", error="invalid_token")" : R"(Bearer realm="aimeter")");
    return made;
}

}  // namespace admin
