// JSON number tokens as exact integers: token counts, and money in pico-USD. Pure; never floating point.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tracking::usage {

// The value as a count: 12, 12.0, 1.2e1. nullopt when it is negative, fractional, beyond int64, or no JSON number.
std::optional<std::int64_t> parse_count(std::string_view token) noexcept;

// The value times 10^12, rounded half up: 0.00006 USD -> 60'000'000 pico-USD. nullopt when negative, beyond int64, or
// no JSON number.
std::optional<std::int64_t> parse_pico(std::string_view token) noexcept;

}  // namespace tracking::usage
