#include "tracking/usage/head_counts.hpp"

#include "tracking/usage/ascii.hpp"
#include "tracking/usage/json_number.hpp"

namespace tracking::usage {

void head_counts::take(std::string_view name, std::string_view value) noexcept {
    constexpr std::string_view family = "x-amzn-bedrock-";
    if (!starts_with_word(name, family)) return;
    const auto is = [rest = name.substr(family.size())](std::string_view count) { return same_word(rest, count); };
    if (is("input-token-count")) input_tokens = parse_count(value);
    if (is("output-token-count")) output_tokens = parse_count(value);
    if (is("cache-read-input-token-count")) cached_tokens = parse_count(value);
    if (is("cache-write-input-token-count")) cache_write_tokens = parse_count(value);
}

}  // namespace tracking::usage
