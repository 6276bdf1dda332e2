// A read-only view of a message head, so that rules over header fields know nothing of the proxy's parser.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace tracking {

struct header_field {
    std::string_view name;   // as sent
    std::string_view value;  // without surrounding white space
};

struct head_view {
    std::span<const header_field> fields;

    // The first field of that name (compared case-blind); empty view when there is none.
    std::string_view get(std::string_view name) const noexcept;
    bool has(std::string_view name) const noexcept;
};

bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept;

}  // namespace tracking
