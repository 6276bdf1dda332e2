// Small helpers over names in heads and paths. Pure functions; ASCII only, as in HTTP.
#pragma once

#include <string_view>

namespace tracking::usage {

inline char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

inline bool same_word(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (lower(a[i]) != lower(b[i])) return false;
    }
    return true;
}

inline bool ends_with_word(std::string_view text, std::string_view end) noexcept {
    return text.size() >= end.size() && same_word(text.substr(text.size() - end.size()), end);
}

inline bool starts_with_word(std::string_view text, std::string_view start) noexcept {
    return text.size() >= start.size() && same_word(text.substr(0, start.size()), start);
}

inline std::string_view trim(std::string_view text) noexcept {
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    return text;
}

}  // namespace tracking::usage
