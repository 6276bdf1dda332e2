// UTF-8 for captured texts, which come from anybody: encoding a code point, and making bytes valid. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tracking::usage {

inline constexpr char32_t replacement_character = 0xFFFD;

// Writes the code point (a surrogate or a value out of range becomes U+FFFD); returns the 1 to 4 bytes used.
std::size_t encode_utf8(char32_t code_point, std::span<char, 4> to) noexcept;

// `from` without the bytes of a character that was cut at its end.
std::string_view without_cut_character(std::string_view from) noexcept;

// Replaces `to` by at most `limit` bytes of `from`, whole characters only, each ill-formed sequence as U+FFFD.
// Does not allocate when `to` has the capacity.
void assign_valid_utf8(std::string& to, std::string_view from, std::size_t limit);

}  // namespace tracking::usage
