// A configuration text as a tree of values that know where they stand. The only part that knows the TOML library;
// it knows no key. An override (environment, flag) is a value too: `loose` text that the key's own type reads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "conf/config.hpp"

namespace conf {

struct place {
    std::uint32_t line = 0;  // 1-based; 0 = not from a file
    std::uint32_t column = 0;
};

struct member;

struct value {
    enum class kind { text, integer, real, boolean, date, list, table, loose };

    kind is = kind::table;
    place at;
    std::string text;  // of text and loose
    std::int64_t integer = 0;
    double real = 0;
    bool boolean = false;
    std::vector<value> items;     // of a list
    std::vector<member> members;  // of a table

    static value loose(std::string text);
    bool is_text() const { return is == kind::text || is == kind::loose; }
    std::string_view kind_name() const;  // "an integer", for messages
};

struct member {
    std::string key;
    place at;
    value what;
};

// The table that `text` is, or the first error of syntax. Never throws on any input but for lack of memory.
std::variant<value, config_error> parse_toml(std::string_view text, const std::string& source);

}  // namespace conf
