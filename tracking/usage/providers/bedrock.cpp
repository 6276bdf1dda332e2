// Amazon Bedrock: what InvokeModel answers in the formats of the model families (Titan, Llama, Mistral, Cohere, AI21,
// Nova; Anthropic's is in anthropic.cpp), Bedrock's own counts at the end of their streams, and the events of
// ConverseStream, whose usage app.cpp reads. Bedrock counts cached and written tokens apart from the input.
#include <array>

#include "tracking/usage/providers/providers.hpp"

namespace tracking::usage::providers {

namespace {

enum slot : std::uint8_t {
    metrics_input,
    metrics_output,
    metrics_read,
    metrics_write,
    titan_input,
    titan_output,
    titan_result,
    llama_input,
    llama_output,
    nova_input,
    nova_output,
    nova_read,
    nova_write,
    messages_input,
    messages_output,
    chat_input
};

constexpr auto keys = std::to_array<wanted>({
    {"amazon-bedrock-invocationMetrics", want::sign},
    {"inputTextTokenCount", want::sign},
    {"generation_token_count", want::sign},

    {"results[].completionReason", want::finish},
    {"completionReason", want::finish},
    {"outputs[].stop_reason", want::finish},
    {"generations[].finish_reason", want::finish},
    {"completions[].finishReason.reason", want::finish},
    {"messageStop.stopReason", want::finish},

    {"results[].outputText", want::text},          // Titan
    {"outputText", want::text},                    // Titan, streamed
    {"generation", want::text},                    // Llama
    {"outputs[].text", want::text},                // Mistral
    {"generations[].text", want::text},            // Cohere
    {"completions[].data.text", want::text},       // AI21
    {"contentBlockDelta.delta.text", want::text},  // Nova, streamed
    {"contentBlockDelta.delta.reasoningContent.text", want::text},
    {"contentBlockDelta.delta.toolUse.input", want::args},
    {"contentBlockStart.start.toolUse.name", want::signal},
    {"output.message.content[].reasoningContent.reasoningText.text", want::text},
    {"delta.reasoningContent.text", want::text},  // ConverseStream
    {"delta.toolUse.input", want::args},
    {"start.toolUse.name", want::signal},

    {"amazon-bedrock-invocationMetrics", want::scope},
    {"amazon-bedrock-invocationMetrics.inputTokenCount", want::count, metrics_input},
    {"amazon-bedrock-invocationMetrics.outputTokenCount", want::output_count, metrics_output},
    {"amazon-bedrock-invocationMetrics.cacheReadInputTokenCount", want::count, metrics_read},
    {"amazon-bedrock-invocationMetrics.cacheWriteInputTokenCount", want::count, metrics_write},
    {"inputTextTokenCount", want::count, titan_input},
    {"totalOutputTextTokenCount", want::output_count, titan_output},
    {"results[].tokenCount", want::output_count, titan_result},
    {"prompt_token_count", want::count, llama_input},
    {"generation_token_count", want::output_count, llama_output},
    {"?.usage", want::scope},
    {"?.usage.inputTokens", want::count, nova_input},
    {"?.usage.outputTokens", want::output_count, nova_output},
    {"?.usage.cacheReadInputTokenCount", want::count, nova_read},
    {"?.usage.cacheWriteInputTokenCount", want::count, nova_write},
    {"?.usage.input_tokens", want::count, messages_input},
    {"?.usage.output_tokens", want::output_count, messages_output},
    {"?.usage.prompt_tokens", want::count, chat_input},
});

maybe_count first_of_four(maybe_count a, maybe_count b, maybe_count c, maybe_count d) noexcept {
    return first_of(first_of(a, b), first_of(c, d));
}

// A model's own usage tells more than Bedrock's counts (reasoning, how long a cache is kept): it goes before them.
bool has_usage(const found_values& found) noexcept {
    if (found.count(messages_input) || found.count(messages_output) || found.count(chat_input)) return false;
    return found.signed_shape() || found.count(llama_input) || found.count(nova_read) || found.count(nova_write);
}

void usage(const found_values& found, usage_facts& facts) noexcept {
    facts.input_tokens = first_of_four(found.count(metrics_input), found.count(nova_input), found.count(titan_input),
                                       found.count(llama_input));
    facts.output_tokens =
        first_of(found.count(metrics_output), first_of_four(found.count(nova_output), found.count(titan_output),
                                                            found.count(titan_result), found.count(llama_output)));
    facts.cached_tokens = first_of(found.count(metrics_read), found.count(nova_read));
    facts.cache_write_tokens = first_of(found.count(metrics_write), found.count(nova_write));
    if (facts.input_tokens) {
        facts.input_tokens = plus(facts.input_tokens, plus(facts.cached_tokens, facts.cache_write_tokens));
    }
}

}  // namespace

const shape bedrock{.provider = "bedrock", .keys = keys, .has_usage = has_usage, .usage = usage};

}  // namespace tracking::usage::providers
