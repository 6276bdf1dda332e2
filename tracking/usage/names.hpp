// What a host or a path says of a generation. Pure functions for the scanners of this folder; what others may use is
// in answer.hpp.
#pragma once

#include <string>
#include <string_view>

namespace tracking::usage {

// The target without scheme, host, query and fragment.
std::string_view path_only(std::string_view target) noexcept;

// Replaces `to` by the model that the path names, percent-decoded: Gemini `/models/X:generateContent`, Vertex, Bedrock
// `/model/X/converse`, Azure `/deployments/X/`. At most `limit` bytes; empty when the path names none.
void assign_model_of_path(std::string& to, std::string_view target, std::size_t limit) noexcept;

// Whether the path asks for a streamed answer.
bool is_streaming_path(std::string_view target) noexcept;

}  // namespace tracking::usage
