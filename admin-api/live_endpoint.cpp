// GET /ai/live: whether a request becomes a live socket (RFC 6455, 4.2). The token, or the session, has been checked by
// then; the Origin is checked here, because a page of any site can open a WebSocket with its visitor's cookies.
#include <algorithm>

#include "admin-api/endpoints.hpp"
#include "admin-api/live_feed.hpp"
#include "admin-api/problem.hpp"
#include "admin-api/session_cookie.hpp"
#include "admin-api/websocket.hpp"

namespace admin {

namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
}

// The only field of that name; nullptr when there is none, or more than one.
const std::string* only(const request& what, std::string_view name) {
    const std::string* found = nullptr;
    for (const auto& [field, value] : what.headers) {
        if (field != name) continue;
        if (found != nullptr) return nullptr;
        found = &value;
    }
    return found;
}

bool has(const request& what, std::string_view name) {
    return std::any_of(what.headers.begin(), what.headers.end(),
                       [&](const auto& field) { return field.first == name; });
}

// Whether a comma-separated field names `member` (in lower case).
bool lists(const request& what, std::string_view name, std::string_view member) {
    for (const auto& [field, value] : what.headers) {
        if (field != name) continue;
        const std::string all = lower(value);
        for (std::size_t at = 0; at <= all.size();) {
            const auto end = std::min(all.find(',', at), all.size());
            const auto first = std::min(all.find_first_not_of(" \t", at), end);
            const auto last = all.find_last_not_of(" \t", end == 0 ? 0 : end - 1);
            if (first < end && all.compare(first, last + 1 - first, member) == 0) return true;
            at = end + 1;
        }
    }
    return false;
}

response upgrade_required(std::string_view detail) {
    response made = problem(426, detail);
    made.headers.emplace_back("Upgrade", "websocket");
    made.headers.emplace_back("Connection", "Upgrade");
    made.headers.emplace_back("Sec-WebSocket-Version", "13");
    return made;
}

}  // namespace

response live(const request& what, live_feed& feed) {
    // Who is no browser sends no Origin, and no page can make a browser send a token.
    if (has(what, "origin") && !comes_from_own_page(what))
        return problem(403, "The Origin is not the host that was asked.");
    if (!lists(what, "upgrade", "websocket") || !lists(what, "connection", "upgrade"))
        return upgrade_required("This route is a WebSocket: ask for an upgrade.");
    const std::string* const version = only(what, "sec-websocket-version");
    if (version == nullptr || *version != "13") return upgrade_required("The version of WebSocket must be 13.");
    const std::string* const key = only(what, "sec-websocket-key");
    if (key == nullptr || !websocket::is_key(*key))
        return problem(400, "Sec-WebSocket-Key must be 16 bytes in base64, once.");
    auto place = feed.join();
    if (!place) return problem(503, "admin.live_connections are open already.");
    response made;
    made.status = 101;
    made.headers = {
        {"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", websocket::accept_of(*key)}};
    made.live_place = std::move(place);
    return made;
}

}  // namespace admin
