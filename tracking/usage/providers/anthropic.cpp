// Anthropic messages, unary and as events. input_tokens leaves cached and written tokens out, so they are added. The
// usage of message_delta is cumulative and may correct what message_start said: the last value of each field holds.
#include <array>

#include "tracking/usage/providers/providers.hpp"

namespace tracking::usage::providers {

namespace {

enum slot : std::uint8_t {
    input,
    output,
    cache_read,
    cache_write,
    write_5m,
    write_1h,
    compactions,
    pass_input,
    pass_output,
    pass_read,
    pass_write,
    pass_write_1h,
    prompt
};

constexpr auto keys = std::to_array<wanted>({
    {"type", want::sign, 0, "message_start"},
    {"message.type", want::sign, 0, "message"},
    {"stop_reason", want::sign},
    {"delta.stop_reason", want::sign},
    {"message.model", want::model},
    {"stop_reason", want::finish},
    {"delta.stop_reason", want::finish},

    {"content[].text", want::text},
    {"content[].thinking", want::text},
    {"content[].name", want::signal},
    {"content[].input", want::args},
    {"content_block.text", want::text},
    {"content_block.thinking", want::text},
    {"content_block.name", want::signal},
    {"delta.text", want::text},
    {"delta.thinking", want::text},
    {"delta.partial_json", want::args},

    {"?.usage", want::scope},
    {"?.usage.input_tokens", want::count, input},
    {"?.usage.output_tokens", want::output_count, output},
    {"?.usage.cache_read_input_tokens", want::count, cache_read},
    {"?.usage.cache_creation_input_tokens", want::count, cache_write},
    {"?.usage.cache_creation.ephemeral_5m_input_tokens", want::count, write_5m},
    {"?.usage.cache_creation.ephemeral_1h_input_tokens", want::count, write_1h},
    {"?.usage.iterations[].type", want::list_match, compactions, "compaction"},
    {"?.usage.iterations[].input_tokens", want::list_sum, pass_input},
    {"?.usage.iterations[].output_tokens", want::list_sum, pass_output},
    {"?.usage.iterations[].cache_read_input_tokens", want::list_sum, pass_read},
    {"?.usage.iterations[].cache_creation_input_tokens", want::list_sum, pass_write},
    {"?.usage.iterations[].cache_creation.ephemeral_1h_input_tokens", want::list_sum, pass_write_1h},
    {"?.usage.prompt_tokens", want::count, prompt},
});

bool has_usage(const found_values& found) noexcept {
    if (found.count(prompt) || !(found.count(input) || found.count(output))) return false;
    return found.signed_shape() || found.count(cache_read) || found.count(cache_write);
}

void usage(const found_values& found, usage_facts& facts) noexcept {
    const maybe_count written = first_of(found.count(cache_write), plus(found.count(write_5m), found.count(write_1h)));
    facts.input_tokens = found.count(input);
    facts.output_tokens = found.count(output);
    facts.cached_tokens = found.count(cache_read);
    facts.cache_write_tokens = written;
    facts.cache_write_1h_tokens = found.count(write_1h);
    // A context compaction is a billed pass of its own, which the figures at the top leave out.
    if (found.count(compactions).value_or(0) > 0) {
        facts.input_tokens = found.count(pass_input);
        facts.output_tokens = found.count(pass_output);
        facts.cached_tokens = found.count(pass_read);
        facts.cache_write_tokens = found.count(pass_write);
        facts.cache_write_1h_tokens = found.count(pass_write_1h);
    }
    if (facts.input_tokens) {
        facts.input_tokens = plus(facts.input_tokens, plus(facts.cached_tokens, facts.cache_write_tokens));
    }
}

}  // namespace

const shape anthropic{.provider = "anthropic", .keys = keys, .has_usage = has_usage, .usage = usage};

}  // namespace tracking::usage::providers
