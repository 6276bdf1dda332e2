// The table of routes, and how a request target finds its row.
#include "admin-api/router.hpp"

#include <algorithm>
#include <array>

#include "admin-api/api.hpp"
#include "admin-api/dashboard.hpp"

namespace admin {

namespace {

constexpr std::array<std::string_view, 3> range_parameters{"days", "from", "to"};
constexpr std::array<std::string_view, 7> usage_parameters{"days",  "from", "to",      "feature",
                                                           "model", "plan", "provider"};
constexpr std::array<std::string_view, 10> requests_parameters{"from",    "to",    "limit",   "cursor", "user",
                                                               "feature", "model", "outcome", "plan",   "provider"};

constexpr std::array<std::string_view, 10> export_parameters{"days",    "from",  "to",      "format", "user",
                                                             "feature", "model", "outcome", "plan",   "provider"};

constexpr std::array<route, 12> routes{{
    {"/ai/overview", endpoint_id::overview, false, {}},
    {"/ai/usage", endpoint_id::usage, false, usage_parameters},
    {"/ai/requests", endpoint_id::requests, false, requests_parameters},
    {"/ai/export", endpoint_id::export_records, false, export_parameters},
    {"/ai/live", endpoint_id::live, false, {}},
    {"/ai/users/", endpoint_id::user, false, range_parameters, false, true},
    {"/ai/verify", endpoint_id::verify, false, {}},
    {"/openapi.json", endpoint_id::openapi, false, {}},
    {"/stats", endpoint_id::stats, false, {}},
    {"/healthz", endpoint_id::healthz, true, {}, true},
    {"/readyz", endpoint_id::readyz, true, {}, true},
    {"/metrics", endpoint_id::metrics, false, {}, true},
}};

// RFC 9112: a target may be absolute ("http://host/path") even when the server is no proxy to the client.
std::string_view without_authority(std::string_view target) {
    if (target.starts_with('/')) return target;
    const auto scheme = target.find("://");
    if (scheme == std::string_view::npos) return {};
    const auto path = target.find('/', scheme + 3);
    return path == std::string_view::npos ? std::string_view{} : target.substr(path);
}

// Whether a path can be one of ours at all.
bool lies_below_a_prefix(const conf::admin_settings& settings, std::string_view target) {
    return target.starts_with(settings.path) || target.starts_with(settings.ui_path);
}

const route* find(std::string_view path, bool at_root) {
    for (const auto& one : routes) {
        const bool fits = one.has_name ? path.size() > one.path.size() && path.starts_with(one.path) : path == one.path;
        if (fits && (one.at_root || !at_root)) return &one;
    }
    return nullptr;
}

}  // namespace

std::span<const route> all_routes() { return routes; }

std::optional<matched> match(const conf::admin_settings& settings, std::string_view target, bool own_listener) {
    target = without_authority(target);
    const auto mark = std::min(target.find('?'), target.size());
    const auto path = target.substr(0, mark);
    const auto query = target.substr(std::min(mark + 1, target.size()));
    std::string_view prefix = settings.path;
    while (prefix.ends_with('/')) prefix.remove_suffix(1);
    const auto below = path.starts_with(prefix) ? path.substr(prefix.size()) : std::string_view();
    const route* to = find(below, false);
    if (to == nullptr && own_listener) to = find(path, true);
    if (to == nullptr) return std::nullopt;
    return matched{to, query, to->has_name ? below.substr(to->path.size()) : std::string_view()};
}

std::string_view session_cookie_below(const conf::admin_settings& settings, std::string_view target) {
    return lies_below_a_prefix(settings, without_authority(target)) ? session_cookie_name : std::string_view{};
}

bool owns(const conf::admin_settings& settings, std::string_view target, bool own_listener) {
    target = without_authority(target);
    if (!own_listener && !lies_below_a_prefix(settings, target)) return false;  // nearly every request that passes
    return owns_page(settings, target) || match(settings, target, own_listener).has_value();
}

}  // namespace admin
