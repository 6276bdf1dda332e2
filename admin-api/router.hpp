// Which routes are aimeter's own: everything else under the same prefix goes to the application. Pure.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "conf/config.hpp"

namespace admin {

enum class endpoint_id {
    overview,
    usage,
    stats,
    requests,
    healthz,
    readyz,
    metrics,
    user,
    verify,
    export_records,
    live,
    openapi
};

struct route {
    std::string_view path;  // below admin.path
    endpoint_id endpoint;
    bool open;  // needs no token
    std::span<const std::string_view> parameters;
    bool at_root = false;   // of an own listener, too
    bool has_name = false;  // the path ends in a slash, and what is behind it is a name
};

std::span<const route> all_routes();

struct matched {
    const route* to;
    std::string_view query;  // behind the '?'
    std::string_view name;   // of a route that has one: not empty, as it was sent (slashes and %XX in it)
};

// The path is compared byte by byte, up to a name at its end: no decoding, no dot segments, no trailing slash. With
// `own_listener` some routes are served at the root as well.
std::optional<matched> match(const conf::admin_settings& settings, std::string_view target, bool own_listener);

}  // namespace admin
