// Which routes are aimeter's own: everything else under the same prefix goes to the application. Pure.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "conf/config.hpp"

namespace admin {

enum class endpoint_id { overview, usage, stats, requests, healthz, readyz, metrics };

struct route {
    std::string_view path;  // below admin.path
    endpoint_id endpoint;
    bool open;  // needs no token
    std::span<const std::string_view> parameters;
    bool at_root = false;  // of an own listener, too
};

struct matched {
    const route* to;
    std::string_view query;  // behind the '?'
};

// The path is compared byte by byte: no decoding, no dot segments, no trailing slash. With `own_listener` some
// routes are served at the root as well.
std::optional<matched> match(const conf::admin_settings& settings, std::string_view target, bool own_listener);

}  // namespace admin
