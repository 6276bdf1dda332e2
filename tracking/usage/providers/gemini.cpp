// Gemini's generateContent, of the Gemini API and of Vertex AI: unary, as events, or as one JSON array of chunks. Every
// chunk repeats usageMetadata and may correct it, even downwards: the last one holds. candidatesTokenCount leaves
// thoughts out, promptTokenCount leaves the prompts of tool results out.
#include <array>

#include "tracking/usage/providers/providers.hpp"

namespace tracking::usage::providers {

namespace {

enum slot : std::uint8_t {
    prompt,
    tool_prompt,
    candidates,
    response,
    thoughts,
    cached,
    audio_in,
    image_in,
    audio_out,
    image_out
};

// FinishReason where enums are sent as numbers; from 6 on the two APIs number differently.
constexpr std::array<std::string_view, 6> finish_names{
    "finish_reason_unspecified", "stop", "max_tokens", "safety", "recitation", "other"};

constexpr auto keys = std::to_array<wanted>({
    {"candidates[].content", want::sign},
    {"candidates[].finishReason", want::sign},
    {"promptFeedback", want::sign},
    {"?.usageMetadata", want::sign},
    {"modelVersion", want::model},
    {"*.modelVersion", want::model_guess},
    {"candidates[].finishReason", want::finish, 0, {}, finish_names},
    {"promptFeedback.blockReason", want::finish},

    {"candidates[].content.parts[].text", want::text},
    {"candidates[].content.parts[].functionCall.name", want::signal},
    {"candidates[].content.parts[].functionCall.args", want::args},
    {"candidates[].content.parts[].executableCode.code", want::text},
    {"candidates[].content.parts[].codeExecutionResult.output", want::text},

    {"?.usageMetadata", want::scope},
    {"?.usageMetadata.promptTokenCount", want::count, prompt},
    {"?.usageMetadata.toolUsePromptTokenCount", want::count, tool_prompt},
    {"?.usageMetadata.candidatesTokenCount", want::output_count, candidates},
    {"?.usageMetadata.responseTokenCount", want::output_count, response},
    {"?.usageMetadata.thoughtsTokenCount", want::count, thoughts},
    {"?.usageMetadata.cachedContentTokenCount", want::count, cached},
    {"?.usageMetadata.promptTokensDetails[]", want::list_element},
    {"?.usageMetadata.promptTokensDetails[].modality", want::list_name},
    {"?.usageMetadata.promptTokensDetails[].tokenCount", want::list_pick, audio_in, "AUDIO"},
    {"?.usageMetadata.promptTokensDetails[].tokenCount", want::list_pick, image_in, "IMAGE"},
    {"?.usageMetadata.candidatesTokensDetails[]", want::list_element},
    {"?.usageMetadata.candidatesTokensDetails[].modality", want::list_name},
    {"?.usageMetadata.candidatesTokensDetails[].tokenCount", want::list_pick, audio_out, "AUDIO"},
    {"?.usageMetadata.candidatesTokensDetails[].tokenCount", want::list_pick, image_out, "IMAGE"},
});

bool has_usage(const found_values& found) noexcept {
    return found.count(prompt) || found.count(candidates) || found.count(response) || found.count(thoughts);
}

void usage(const found_values& found, usage_facts& facts) noexcept {
    facts.input_tokens = plus(found.count(prompt), found.count(tool_prompt));
    facts.output_tokens = plus(first_of(found.count(candidates), found.count(response)), found.count(thoughts));
    facts.cached_tokens = found.count(cached);
    facts.reasoning_tokens = found.count(thoughts);
    facts.audio_input_tokens = found.count(audio_in);
    facts.image_input_tokens = found.count(image_in);
    facts.audio_output_tokens = found.count(audio_out);
    facts.image_output_tokens = found.count(image_out);
}

}  // namespace

const shape gemini{.provider = "gemini", .keys = keys, .has_usage = has_usage, .usage = usage};

}  // namespace tracking::usage::providers
