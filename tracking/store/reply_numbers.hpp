// Numbers out of replies. Somebody may have edited a hash by hand: a text that is no number counts as 0.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

namespace tracking::store {

inline std::optional<std::int64_t> integer_in(const std::string& text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

inline std::int64_t number_in(const std::string& text) { return integer_in(text).value_or(0); }

inline std::int64_t rounded(double value) {
    constexpr double most = 9.2e18;
    return std::isnan(value) ? 0 : std::llround(std::clamp(value, -most, most));
}

// A zset's score: a double as text.
inline std::int64_t score_in(const std::string& text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? rounded(value) : 0;
}

// value * part / whole, rounded; 0 when there is no whole.
inline std::int64_t share_of(std::int64_t value, std::int64_t part, std::int64_t whole) {
    if (whole <= 0) return 0;
    return rounded(static_cast<double>(value) * (static_cast<double>(part) / static_cast<double>(whole)));
}

}  // namespace tracking::store
