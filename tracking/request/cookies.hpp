// Reads the Cookie field of a request (RFC 6265, section 5.4, leniently, as browsers and servers do). Allocates
// nothing.
#pragma once

#include <string_view>

namespace tracking {

struct cookie {
    std::string_view name;
    std::string_view value;  // without surrounding white space and quotes
};

// Walks over "a=1; b=2": each call takes the next pair off `rest`; false when there is none left. Pieces without "="
// are passed over.
bool next_cookie(std::string_view& rest, cookie& into) noexcept;

// "__session" itself, or with a suffix of 8 characters as newer SDKs of the identity provider set it
// ("__session_AbC-12_x": the first 8 of a base64url digest).
bool is_session_cookie(std::string_view name, std::string_view wanted) noexcept;

}  // namespace tracking
