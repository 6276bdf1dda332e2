// What a path says of a generation: the parts of read_target() in answer.hpp, which others use. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace tracking::usage {

// The target without scheme, host, query and fragment.
std::string_view path_only(std::string_view target) noexcept;

// The model that the path names, percent-decoded: Gemini `/models/X:generateContent`, Vertex, Bedrock
// `/model/X/converse`, Azure `/deployments/X/`. At most 256 bytes; empty when the path names none.
std::string model_of_path(std::string_view target);

// Whether the path asks for a streamed answer.
bool is_streaming_path(std::string_view target) noexcept;

// "" = the path is no provider's.
std::string_view provider_of_path(std::string_view target) noexcept;

// False for operations that a provider does not bill.
bool billable_operation(std::string_view target) noexcept;

// Files, batches, caches and the like: nothing is generated while the request lasts. `provider_of_host`: "" = the host
// is no provider's; then only what begins with a version is taken for one.
bool only_manages(std::string_view target, std::string_view provider_of_host) noexcept;

}  // namespace tracking::usage
