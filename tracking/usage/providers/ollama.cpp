// Ollama's own API: one JSON object, or one per line (NDJSON), the last of which carries the counts.
#include <array>

#include "tracking/usage/providers/providers.hpp"

namespace tracking::usage::providers {

namespace {

enum slot : std::uint8_t { prompt, generated };

constexpr auto keys = std::to_array<wanted>({
    {"prompt_eval_count", want::sign},
    {"eval_count", want::sign},
    {"done_reason", want::finish},

    {"response", want::text},
    {"thinking", want::text},
    {"message.thinking", want::text},
    {"message.tool_calls[].function.name", want::signal},
    {"message.tool_calls[].function.arguments", want::args},

    {"prompt_eval_count", want::count, prompt},
    {"eval_count", want::output_count, generated},
});

bool has_usage(const found_values& found) noexcept { return found.count(prompt) || found.count(generated); }

void usage(const found_values& found, usage_facts& facts) noexcept {
    facts.input_tokens = found.count(prompt);
    facts.output_tokens = found.count(generated);
}

}  // namespace

const shape ollama{.provider = "ollama", .keys = keys, .has_usage = has_usage, .usage = usage};

}  // namespace tracking::usage::providers
