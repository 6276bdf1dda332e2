#include "admin-api/utf8.hpp"

namespace admin {

namespace {

bool continues(std::string_view text, std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
}

}  // namespace

utf8_sequence next_utf8(std::string_view text, std::size_t at) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 0x80) return {1, true};
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || !continues(text, at + 1)) return {1, false};
    const auto second = static_cast<unsigned char>(text[at + 1]);
    const bool out_of_range = (lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
                              (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F);
    if (out_of_range) return {1, false};
    for (std::size_t i = 2; i < length; ++i) {
        if (!continues(text, at + i)) return {i, false};
    }
    return {length, true};
}

bool is_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto [length, valid] = next_utf8(text, at);
        if (!valid) return false;
        at += length;
    }
    return true;
}

}  // namespace admin
