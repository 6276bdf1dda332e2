// OpenAI chat completions, completions and embeddings, and those that speak the same: Azure, Groq, Mistral, DeepSeek,
// OpenRouter, xAI, Together, Perplexity, vLLM, ... All prompt tokens are in prompt_tokens, cached ones included.
#include <array>

#include "tracking/usage/providers/providers.hpp"

namespace tracking::usage::providers {

namespace {

enum slot : std::uint8_t {
    prompt,
    completion,
    total,
    cached,
    cached_deepseek,
    cached_moonshot,
    cached_other,
    written,
    written_other,
    reasoning,
    reasoning_plain,
    audio_seconds,
    input,
    output,
    audio_in,
    image_in,
    audio_out,
    image_out
};

constexpr auto keys = std::to_array<wanted>({
    {"choices[].delta", want::sign},
    {"choices[].message", want::sign},
    {"choices[].finish_reason", want::sign},
    {"object", want::sign, 0, "chat.completion"},
    {"object", want::sign, 0, "chat.completion.chunk"},
    {"object", want::sign, 0, "text_completion"},
    {"choices[].finish_reason", want::finish},

    {"choices[].text", want::text},
    {"choices[].delta.content", want::text},
    {"choices[].delta.content[].text", want::text},
    {"choices[].delta.content[].thinking[].text", want::text},  // Mistral
    {"choices[].delta.reasoning", want::text},                  // Groq, OpenRouter
    {"choices[].delta.reasoning_content", want::text},          // DeepSeek, xAI
    {"choices[].delta.refusal", want::text},
    {"choices[].delta.audio.transcript", want::text},
    {"choices[].delta.function_call.name", want::signal},
    {"choices[].delta.function_call.arguments", want::args},
    {"choices[].delta.tool_calls[].function.name", want::signal},
    {"choices[].delta.tool_calls[].function.arguments", want::args},
    {"choices[].message.content", want::text},
    {"choices[].message.content[].text", want::text},
    {"choices[].message.content[].thinking[].text", want::text},
    {"choices[].message.reasoning", want::text},
    {"choices[].message.reasoning_content", want::text},
    {"choices[].message.refusal", want::text},
    {"choices[].message.audio.transcript", want::text},
    {"choices[].message.function_call.name", want::signal},
    {"choices[].message.function_call.arguments", want::args},
    {"choices[].message.tool_calls[].function.name", want::signal},
    {"choices[].message.tool_calls[].function.arguments", want::args},

    {"x_groq.error", want::error},  // Groq: why a stream was stopped early
    {"x_groq.error", want::error_text},
    {"choices[].error", want::error},  // OpenRouter
    {"choices[].error.message", want::error_text},
    {"choices[].error.code", want::error_word},

    {"?.usage", want::scope},
    {"?.usage.prompt_tokens", want::count, prompt},
    {"?.usage.completion_tokens", want::output_count, completion},
    {"?.usage.total_tokens", want::count, total},
    {"?.usage.prompt_tokens_details.cached_tokens", want::count, cached},
    {"?.usage.prompt_cache_hit_tokens", want::count, cached_deepseek},
    {"?.usage.cached_tokens", want::count, cached_moonshot},
    {"?.usage.cache_read_input_tokens", want::count, cached_other},
    {"?.usage.prompt_tokens_details.cache_write_tokens", want::count, written},
    {"?.usage.cache_creation_input_tokens", want::count, written_other},
    {"?.usage.completion_tokens_details.reasoning_tokens", want::count, reasoning},
    {"?.usage.reasoning_tokens", want::count, reasoning_plain},
    {"?.usage.prompt_tokens_details.audio_tokens", want::count, audio_in},
    {"?.usage.prompt_tokens_details.image_tokens", want::count, image_in},
    {"?.usage.completion_tokens_details.audio_tokens", want::count, audio_out},
    {"?.usage.completion_tokens_details.image_tokens", want::count, image_out},
    {"?.usage.prompt_audio_seconds", want::count, audio_seconds},
    {"?.usage.input_tokens", want::count, input},
    {"?.usage.output_tokens", want::output_count, output},
});

bool has_usage(const found_values& found) noexcept {
    if (found.count(prompt) || found.count(completion)) return true;
    return found.count(total) && !found.count(input) && !found.count(output);
}

// Google's own answers. Their total has nothing but prompt, completion and thoughts; what others count in is not known.
bool is_of_gemini(const usage_facts& facts) noexcept {
    return facts.provider == "gemini" || facts.provider == "vertex" || facts.model.starts_with("gemini");
}

// Gemini's compatible endpoint bills thoughts as output, and says of them nothing but a total that is larger by them.
void add_thoughts_of_total(usage_facts& facts, maybe_count total) noexcept {
    if (facts.reasoning_tokens || !facts.input_tokens || !facts.output_tokens) return;
    const maybe_count stated = plus(facts.input_tokens, facts.output_tokens);
    if (!is_of_gemini(facts) || !(stated < total)) return;
    facts.reasoning_tokens = *total - *stated;
    facts.output_tokens = *total - *facts.input_tokens;
}

void usage(const found_values& found, usage_facts& facts) noexcept {
    const maybe_count sum = found.count(total);
    facts.input_tokens = found.count(prompt);
    facts.output_tokens = found.count(completion);
    facts.cached_tokens = first_of(first_of(found.count(cached), found.count(cached_deepseek)),
                                   first_of(found.count(cached_moonshot), found.count(cached_other)));
    facts.cache_write_tokens = first_of(found.count(written), found.count(written_other));
    facts.reasoning_tokens = first_of(found.count(reasoning), found.count(reasoning_plain));
    facts.audio_input_tokens = found.count(audio_in);
    facts.image_input_tokens = found.count(image_in);
    facts.audio_output_tokens = found.count(audio_out);
    facts.image_output_tokens = found.count(image_out);
    if (!facts.input_tokens && !facts.output_tokens) {
        facts.input_tokens = sum;  // embeddings, rerank: all of it is input
    } else {
        add_reasoning_apart(facts, sum);  // xAI; Perplexity's deep research, which leaves it out of the total too
        if (!found.count(audio_seconds)) add_thoughts_of_total(facts, sum);
    }
    if (!facts.output_tokens && sum && sum == facts.input_tokens) facts.output_tokens = 0;
    // Mistral states audio input in seconds and leaves its tokens out of prompt_tokens, but not out of the total.
    const maybe_count parts = plus(facts.input_tokens, facts.output_tokens);
    if (found.count(audio_seconds) && sum && facts.output_tokens && parts < sum) {
        facts.audio_input_tokens = *sum - *parts;
        facts.input_tokens = *sum - *facts.output_tokens;
    }
    add_cached_apart(facts);
}

}  // namespace

const shape openai_chat{.provider = "openai", .keys = keys, .has_usage = has_usage, .usage = usage};

}  // namespace tracking::usage::providers
