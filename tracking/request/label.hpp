// Makes a text from the outside fit to be a label: a content type, a feature, a user id.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tracking {

inline constexpr std::size_t label_bytes_max = 128;
inline constexpr std::size_t user_bytes_max = 256;

// At most `max_bytes`, cut between two characters; each control character and each byte that is no UTF-8 becomes "_".
std::string clean_label(std::string_view raw, std::size_t max_bytes = label_bytes_max);

// An id is taken as it is or not at all, since a changed one would be another user: not empty, at most
// user_bytes_max, valid UTF-8, no control characters.
bool is_fit_id(std::string_view id) noexcept;

}  // namespace tracking
