// The Cache-Status field (RFC 9211), read as the structured field (RFC 8941) that it is: a quoted name or a detail
// may hold the word hit and mean nothing.
#pragma once

#include <string_view>

#include "tracking/request/cache_rules.hpp"

namespace tracking {

// The best answer among the caches of the list (a hit at any of them is a hit); none when it is no such list.
cache_answer cache_status_answer(std::string_view value) noexcept;

}  // namespace tracking
