// "Did you mean ...?": the known names closest to one that is unknown. Called while errors are worded, never per
// request.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace conf {

// Insertions, deletions, replacements and swaps of neighbours, each 1 (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b);

// The known key nearest to `unknown`; dotted keys also match by their last part ("stream_maxlen" ->
// redis.stream_maxlen).
std::string_view nearest_key(std::string_view unknown, const std::vector<std::string_view>& known);

}  // namespace conf
