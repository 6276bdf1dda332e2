// The table of all keys: each name of conf/aimeter.toml, and the function that reads it into the settings.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "conf/readers.hpp"

namespace conf {

struct key_rule {
    std::string_view name;  // dotted
    void (*read)(const value& from, settings& into, const context& at);
    // Keys of features that this version does not have are known, so that they are refused instead of being ignored.
    bool supported = true;
};

std::span<const key_rule> key_rules();
const key_rule* find_rule(std::string_view key);
// Whether some key stands below `section`: "identity.jwt".
bool is_section(std::string_view section);

// AIMETER_REDIS_URL of redis.url.
std::string environment_name(std::string_view key);

}  // namespace conf
