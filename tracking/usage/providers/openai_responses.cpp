// OpenAI's Responses API, unary and as events; its usage naming also serves image and transcription answers. The events
// that end in `.done` and the completed response repeat what the deltas said, so only deltas count as text there.
#include <array>

#include "tracking/usage/providers/providers.hpp"

namespace tracking::usage::providers {

namespace {

enum slot : std::uint8_t {
    input,
    output,
    cached,
    written,
    reasoning,
    audio_in,
    image_in,
    audio_in_detail,
    image_in_detail,
    audio_out,
    image_out
};

constexpr auto keys = std::to_array<wanted>({
    {"object", want::sign, 0, "response"},
    {"response.object", want::sign, 0, "response"},
    {"response.model", want::model},
    {"status", want::status},
    {"response.status", want::status},
    {"response.error", want::error},
    {"response.error.message", want::error_text},
    {"response.error.code", want::error_word},

    {"delta", want::text},
    {"item.name", want::signal},
    {"output[].content[].text", want::text},
    {"output[].content[].refusal", want::text},
    {"output[].summary[].text", want::text},
    {"output[].name", want::signal},
    {"output[].arguments", want::args},

    {"?.usage", want::scope},
    {"?.usage.input_tokens", want::count, input},
    {"?.usage.output_tokens", want::output_count, output},
    {"?.usage.input_tokens_details.cached_tokens", want::count, cached},
    {"?.usage.input_tokens_details.cache_write_tokens", want::count, written},
    {"?.usage.output_tokens_details.reasoning_tokens", want::count, reasoning},
    {"?.usage.input_tokens_details.audio_tokens", want::count, audio_in},
    {"?.usage.input_tokens_details.image_tokens", want::count, image_in},
    {"?.usage.input_token_details.audio_tokens", want::count, audio_in_detail},  // transcriptions
    {"?.usage.input_token_details.image_tokens", want::count, image_in_detail},
    {"?.usage.output_tokens_details.audio_tokens", want::count, audio_out},
    {"?.usage.output_tokens_details.image_tokens", want::count, image_out},
});

bool has_usage(const found_values& found) noexcept { return found.count(input) || found.count(output); }

void usage(const found_values& found, usage_facts& facts) noexcept {
    facts.input_tokens = found.count(input);
    facts.output_tokens = found.count(output);
    facts.cached_tokens = found.count(cached);
    facts.cache_write_tokens = found.count(written);
    facts.reasoning_tokens = found.count(reasoning);
    facts.audio_input_tokens = first_of(found.count(audio_in), found.count(audio_in_detail));
    facts.image_input_tokens = first_of(found.count(image_in), found.count(image_in_detail));
    facts.audio_output_tokens = found.count(audio_out);
    facts.image_output_tokens = found.count(image_out);
}

void complete(const found_values& found, usage_facts& facts) noexcept {
    const std::string_view state = found.status();
    if (state == "failed") facts.error_event = true;
    if (state != "in_progress" && state != "queued") facts.finish_reason.assign(state);
}

}  // namespace

const shape openai_responses{
    .provider = "openai", .keys = keys, .has_usage = has_usage, .usage = usage, .complete = complete};

}  // namespace tracking::usage::providers
