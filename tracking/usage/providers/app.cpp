// Usage in camelCase: what an application passes on from the Vercel AI SDK (4: promptTokens; 5 and later: inputTokens),
// and the Bedrock Converse API, which leaves cached tokens out of inputTokens and names them in its own way.
#include <array>

#include "tracking/usage/providers/providers.hpp"

namespace tracking::usage::providers {

namespace {

enum slot : std::uint8_t {
    input,
    output,
    total,
    prompt,
    completion,
    cached,
    cached_detail,
    written_detail,
    reasoning,
    reasoning_detail,
    bedrock_read,
    bedrock_write,
    bedrock_write_1h
};

constexpr auto keys = std::to_array<wanted>({
    {"stopReason", want::finish},
    {"output.message.content[].text", want::text},
    {"output.message.content[].toolUse.name", want::signal},
    {"output.message.content[].toolUse.input", want::args},

    {"?.usage", want::scope},
    {"?.usage.inputTokens", want::count, input},
    {"?.usage.outputTokens", want::output_count, output},
    {"?.usage.totalTokens", want::count, total},
    {"?.usage.promptTokens", want::count, prompt},
    {"?.usage.completionTokens", want::output_count, completion},
    {"?.usage.cachedInputTokens", want::count, cached},
    {"?.usage.inputTokenDetails.cacheReadTokens", want::count, cached_detail},
    {"?.usage.inputTokenDetails.cacheWriteTokens", want::count, written_detail},
    {"?.usage.reasoningTokens", want::count, reasoning},
    {"?.usage.outputTokenDetails.reasoningTokens", want::count, reasoning_detail},
    {"?.usage.cacheReadInputTokens", want::count, bedrock_read},
    {"?.usage.cacheWriteInputTokens", want::count, bedrock_write},
    {"?.usage.cacheDetails[]", want::list_element},
    {"?.usage.cacheDetails[].ttl", want::list_name},
    {"?.usage.cacheDetails[].inputTokens", want::list_pick, bedrock_write_1h, "1h"},
});

bool has_usage(const found_values& found) noexcept {
    return found.count(input) || found.count(output) || found.count(prompt) || found.count(completion) ||
           found.count(total);
}

void usage(const found_values& found, usage_facts& facts) noexcept {
    const maybe_count read = found.count(bedrock_read);
    const maybe_count written = found.count(bedrock_write);
    facts.input_tokens = first_of(found.count(input), found.count(prompt));
    facts.output_tokens = first_of(found.count(output), found.count(completion));
    facts.cached_tokens = first_of(read, first_of(found.count(cached), found.count(cached_detail)));
    facts.cache_write_tokens = first_of(written, found.count(written_detail));
    facts.cache_write_1h_tokens = found.count(bedrock_write_1h);
    facts.reasoning_tokens = first_of(found.count(reasoning), found.count(reasoning_detail));
    if (facts.input_tokens) facts.input_tokens = plus(facts.input_tokens, plus(read, written));
    if (!facts.input_tokens && !facts.output_tokens) {
        facts.input_tokens = found.count(total);
    } else {
        // AI SDK 5 hands on what the provider said: Gemini's outputTokens without thoughts, Anthropic's inputTokens
        // without what its cache served.
        add_reasoning_apart(facts, found.count(total));
        if (!read && !written) add_cached_apart(facts);
    }
    if (!facts.output_tokens && found.count(total) && found.count(total) == facts.input_tokens) facts.output_tokens = 0;
}

}  // namespace

const shape app{.provider = "", .keys = keys, .has_usage = has_usage, .usage = usage};

}  // namespace tracking::usage::providers
