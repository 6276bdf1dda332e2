// UTF-8 as RFC 3629 defines it: shortest form, no surrogates, up to U+10FFFF. Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace admin {

inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";  // U+FFFD

struct utf8_sequence {
    std::size_t length;  // bytes to go on by
    bool valid;
};

// The sequence at `at`. Of an invalid one, the part that could still have become a character counts as one error, as
// the Unicode standard recommends.
utf8_sequence next_utf8(std::string_view text, std::size_t at);

bool is_utf8(std::string_view text);

}  // namespace admin
