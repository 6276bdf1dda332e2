#include "tracking/request/label.hpp"

#include <algorithm>
#include <cstdint>

namespace tracking {

namespace {

// The length of the well-formed UTF-8 character at the front (RFC 3629: no overlong forms, no surrogates), 0 if none.
std::size_t character_bytes(std::string_view text) noexcept {
    const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const auto continues = [&](std::size_t i) { return i < text.size() && (at(i) & 0xC0) == 0x80; };
    const std::uint8_t first = at(0);
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
    if (first >= 0xE0 && first <= 0xEF) {
        if (!continues(1) || !continues(2)) return 0;
        if (first == 0xE0 && at(1) < 0xA0) return 0;
        if (first == 0xED && at(1) >= 0xA0) return 0;
        return 3;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        if (!continues(1) || !continues(2) || !continues(3)) return 0;
        if (first == 0xF0 && at(1) < 0x90) return 0;
        if (first == 0xF4 && at(1) >= 0x90) return 0;
        return 4;
    }
    return 0;
}

// C0, DEL, and C1 (two bytes in UTF-8).
bool is_control(std::string_view character) noexcept {
    const auto first = static_cast<std::uint8_t>(character[0]);
    if (character.size() == 1) return first < 0x20 || first == 0x7F;
    return first == 0xC2 && static_cast<std::uint8_t>(character[1]) < 0xA0;
}

}  // namespace

std::string clean_label(std::string_view raw, std::size_t max_bytes) {
    std::string label;
    label.reserve(std::min(raw.size(), max_bytes));
    while (!raw.empty()) {
        const std::size_t bytes = character_bytes(raw);
        const std::string_view character = raw.substr(0, bytes);
        const bool bad = bytes == 0 || is_control(character);
        const std::string_view piece = bad ? std::string_view("_") : character;
        if (label.size() + piece.size() > max_bytes) break;
        label.append(piece);
        raw.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
    return label;
}

bool is_fit_id(std::string_view id) noexcept {
    if (id.empty() || id.size() > user_bytes_max) return false;
    while (!id.empty()) {
        const std::size_t bytes = character_bytes(id);
        if (bytes == 0 || is_control(id.substr(0, bytes))) return false;
        id.remove_prefix(bytes);
    }
    return true;
}

}  // namespace tracking
