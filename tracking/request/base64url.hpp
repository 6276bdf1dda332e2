// base64url without padding (RFC 7515, section 2), strictly: one text for each sequence of bytes. Used for tokens and
// keys.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tracking {

// nullopt for padding, white space, a character outside the alphabet, an impossible length or unused bits that are set.
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace tracking
