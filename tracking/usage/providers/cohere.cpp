// Cohere chat v2 (usage) and v1 (meta), unary and as events. It bills billed_units; `tokens` counts its own prompt
// template too.
#include <array>

#include "tracking/usage/providers/providers.hpp"

namespace tracking::usage::providers {

namespace {

enum slot : std::uint8_t { billed_input, billed_output, input, output, meta_input, meta_output };

constexpr auto keys = std::to_array<wanted>({
    {"?.usage.billed_units", want::sign},
    {"?.meta.billed_units", want::sign},
    {"delta.finish_reason", want::finish},

    {"message.content[].text", want::text},
    {"message.tool_calls[].function.name", want::signal},
    {"message.tool_calls[].function.arguments", want::args},
    {"delta.message.content.text", want::text},
    {"delta.message.content.thinking", want::text},
    {"delta.message.tool_plan", want::text},
    {"delta.message.tool_calls.function.name", want::signal},
    {"delta.message.tool_calls.function.arguments", want::args},

    {"delta.error", want::error},
    {"delta.error", want::error_text},

    {"?.usage", want::scope},
    {"?.usage.billed_units.input_tokens", want::count, billed_input},
    {"?.usage.billed_units.output_tokens", want::output_count, billed_output},
    {"?.usage.tokens.input_tokens", want::count, input},
    {"?.usage.tokens.output_tokens", want::output_count, output},
    {"?.meta.billed_units", want::scope},
    {"?.meta.billed_units.input_tokens", want::count, meta_input},
    {"?.meta.billed_units.output_tokens", want::output_count, meta_output},
});

maybe_count first_of_three(maybe_count a, maybe_count b, maybe_count c) noexcept { return first_of(first_of(a, b), c); }

bool has_usage(const found_values& found) noexcept {
    return first_of_three(found.count(billed_input), found.count(input), found.count(meta_input)) ||
           first_of_three(found.count(billed_output), found.count(output), found.count(meta_output));
}

void usage(const found_values& found, usage_facts& facts) noexcept {
    facts.input_tokens = first_of_three(found.count(billed_input), found.count(meta_input), found.count(input));
    facts.output_tokens = first_of_three(found.count(billed_output), found.count(meta_output), found.count(output));
}

}  // namespace

const shape cohere{.provider = "cohere", .keys = keys, .has_usage = has_usage, .usage = usage};

}  // namespace tracking::usage::providers
