// Path and query of a request target, as an application may read them: for matching and labelling only, never for
// forwarding.
#pragma once

#include <string>
#include <string_view>

namespace tracking {

// The path as sent: without scheme and authority ("http://host/a" -> "/a"), query and fragment.
std::string_view path_of(std::string_view target) noexcept;

// True when decoding and resolving leave the path as it is, which is nearly always.
bool is_plain_path(std::string_view path) noexcept;

// %XX decoded once, "\" read as "/".
std::string decoded_path(std::string_view path);

// Of a decoded path: ";parameters" cut from each segment, "." and ".." resolved, repeated slashes made one; begins
// with "/".
std::string resolved_path(std::string_view decoded);

// The value of the query's first member of that name, %XX decoded once; empty when there is none.
std::string query_member(std::string_view target, std::string_view name);

}  // namespace tracking
