#include "tracking/usage/utf8.hpp"

#include <algorithm>

#include "tracking/usage/byte_scan.hpp"

namespace tracking::usage {

namespace {

bool is_continuation(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

struct lead {
    std::size_t length = 0;  // 0 = no character begins with this byte
    unsigned char low = 0x80;
    unsigned char high = 0xBF;  // bounds of the second byte (Unicode, table 3-7)
};

lead classify(unsigned char c) noexcept {
    if (c < 0x80) return {1};
    if (c >= 0xC2 && c <= 0xDF) return {2};
    if (c == 0xE0) return {3, 0xA0};
    if (c == 0xED) return {3, 0x80, 0x9F};
    if (c >= 0xE1 && c <= 0xEF) return {3};
    if (c == 0xF0) return {4, 0x90};
    if (c >= 0xF1 && c <= 0xF3) return {4};
    if (c == 0xF4) return {4, 0x80, 0x8F};
    return {};
}

// Length of the character at the front, or minus the length of the ill-formed sequence there.
std::ptrdiff_t front_length(std::string_view from) noexcept {
    const lead first = classify(static_cast<unsigned char>(from[0]));
    if (first.length == 0) return -1;
    for (std::size_t i = 1; i < first.length; ++i) {
        if (i >= from.size()) return -static_cast<std::ptrdiff_t>(i);
        const auto c = static_cast<unsigned char>(from[i]);
        const bool fits = i == 1 ? c >= first.low && c <= first.high : is_continuation(from[i]);
        if (!fits) return -static_cast<std::ptrdiff_t>(i);
    }
    return static_cast<std::ptrdiff_t>(first.length);
}

}  // namespace

std::size_t encode_utf8(char32_t c, std::span<char, 4> to) noexcept {
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) c = replacement_character;
    if (c < 0x80) {
        to[0] = static_cast<char>(c);
        return 1;
    }
    if (c < 0x800) {
        to[0] = static_cast<char>(0xC0U | (c >> 6U));
        to[1] = static_cast<char>(0x80U | (c & 0x3FU));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = static_cast<char>(0xE0U | (c >> 12U));
        to[1] = static_cast<char>(0x80U | ((c >> 6U) & 0x3FU));
        to[2] = static_cast<char>(0x80U | (c & 0x3FU));
        return 3;
    }
    to[0] = static_cast<char>(0xF0U | (c >> 18U));
    to[1] = static_cast<char>(0x80U | ((c >> 12U) & 0x3FU));
    to[2] = static_cast<char>(0x80U | ((c >> 6U) & 0x3FU));
    to[3] = static_cast<char>(0x80U | (c & 0x3FU));
    return 4;
}

std::string_view without_cut_character(std::string_view from) noexcept {
    for (std::size_t back = 1; back <= 3 && back <= from.size(); ++back) {
        const char c = from[from.size() - back];
        if (is_continuation(c)) continue;
        return classify(static_cast<unsigned char>(c)).length > back ? from.substr(0, from.size() - back) : from;
    }
    return from;
}

void assign_valid_utf8(std::string& to, std::string_view from, std::size_t limit) {
    if (is_ascii(from.data(), from.data() + from.size())) {
        to.assign(from.substr(0, limit));
        return;
    }
    to.clear();
    while (!from.empty()) {
        const std::ptrdiff_t length = front_length(from);
        const auto used = static_cast<std::size_t>(length < 0 ? -length : length);
        const std::string_view piece = length < 0 ? std::string_view("\xEF\xBF\xBD") : from.substr(0, used);
        if (to.size() + piece.size() > limit) return;
        to.append(piece);
        from.remove_prefix(used);
    }
}

}  // namespace tracking::usage
