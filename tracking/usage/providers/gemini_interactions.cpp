// Gemini's Interactions API: unary, and as events whose closing one holds the whole interaction but for its steps. The
// output leaves thoughts out, the input what tools gave the model to read. Before `steps` its answers had `outputs`.
#include <array>

#include "tracking/usage/providers/providers.hpp"

namespace tracking::usage::providers {

namespace {

enum slot : std::uint8_t { input, tool_input, output, thoughts, cached, audio_in, image_in, audio_out, image_out };

constexpr auto keys = std::to_array<wanted>({
    {"object", want::sign, 0, "interaction"},
    {"interaction.object", want::sign, 0, "interaction"},
    {"?.usage.total_thought_tokens", want::sign},
    {"status", want::status},
    {"interaction.status", want::status},
    {"interaction.service_tier", want::tier},

    {"delta.text", want::text},
    {"delta.content.text", want::text},  // of a thought's summary
    {"delta.arguments", want::args},
    {"delta.name", want::signal},
    {"step.name", want::signal},
    {"steps[].content[].text", want::text},
    {"steps[].summary[].text", want::text},
    {"steps[].name", want::signal},
    {"steps[].arguments", want::args},
    {"outputs[].text", want::text},
    {"outputs[].summary[].text", want::text},
    {"outputs[].name", want::signal},
    {"outputs[].arguments", want::args},

    {"?.usage", want::scope},
    {"?.usage.total_input_tokens", want::count, input},
    {"?.usage.total_tool_use_tokens", want::count, tool_input},
    {"?.usage.total_output_tokens", want::output_count, output},
    {"?.usage.total_thought_tokens", want::count, thoughts},
    {"?.usage.total_cached_tokens", want::count, cached},
    {"?.usage.input_tokens_by_modality[]", want::list_element},
    {"?.usage.input_tokens_by_modality[].modality", want::list_name},
    {"?.usage.input_tokens_by_modality[].tokens", want::list_pick, audio_in, "audio"},
    {"?.usage.input_tokens_by_modality[].tokens", want::list_pick, image_in, "image"},
    {"?.usage.output_tokens_by_modality[]", want::list_element},
    {"?.usage.output_tokens_by_modality[].modality", want::list_name},
    {"?.usage.output_tokens_by_modality[].tokens", want::list_pick, audio_out, "audio"},
    {"?.usage.output_tokens_by_modality[].tokens", want::list_pick, image_out, "image"},
});

bool has_usage(const found_values& found) noexcept {
    return found.count(input) || found.count(output) || found.count(thoughts);
}

void usage(const found_values& found, usage_facts& facts) noexcept {
    facts.input_tokens = plus(found.count(input), found.count(tool_input));
    facts.output_tokens = plus(found.count(output), found.count(thoughts));
    facts.cached_tokens = found.count(cached);
    facts.reasoning_tokens = found.count(thoughts);
    facts.audio_input_tokens = found.count(audio_in);
    facts.image_input_tokens = found.count(image_in);
    facts.audio_output_tokens = found.count(audio_out);
    facts.image_output_tokens = found.count(image_out);
}

void complete(const found_values& found, usage_facts& facts) noexcept {
    const std::string_view state = found.status();
    if (state == "failed") facts.error_event = true;
    if (state != "in_progress") facts.finish_reason.assign(state);
}

}  // namespace

const shape gemini_interactions{
    .provider = "gemini", .keys = keys, .has_usage = has_usage, .usage = usage, .complete = complete};

}  // namespace tracking::usage::providers
