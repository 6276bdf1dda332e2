// Token counts that a provider states in the head of its answer: Bedrock does, for models whose bodies say nothing.
// Called by the meter for the fields of an answer's head; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tracking::usage {

struct head_counts {
    std::optional<std::int64_t> input_tokens;  // without cached and written ones
    std::optional<std::int64_t> output_tokens;
    std::optional<std::int64_t> cached_tokens;
    std::optional<std::int64_t> cache_write_tokens;

    // Takes the field if it is such a count (X-Amzn-Bedrock-Input-Token-Count, ...); what is no number is left out.
    void take(std::string_view name, std::string_view value) noexcept;
};

}  // namespace tracking::usage
