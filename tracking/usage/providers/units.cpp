// What is billed by something other than text tokens, as providers state it beside (or in place of) their tokens:
// images, seconds of audio, pages, rerank units, web searches; and the service tier that an answer was served under.
#include <algorithm>
#include <array>

#include "tracking/usage/providers/providers.hpp"

namespace tracking::usage::providers {

namespace {

enum slot : std::uint8_t {
    images_coded,
    images_linked,
    images_predicted,
    images_inline,
    image_event,
    image_call,
    pages,
    rerank_meta,
    rerank_usage,
    rerank_billed,
    searches_anthropic,
    searches_openai,
    searches_perplexity,
    searches_xai,
    search_call,
    search_queries,
    seconds,
    seconds_prompt,
    seconds_whole
};

constexpr auto keys = std::to_array<wanted>({
    // OpenAI's images API and those that speak it: one element for each image. Streamed: one closing event each.
    {"data", want::list_scope},
    {"data[].b64_json", want::list_count, images_coded},
    {"data[].url", want::list_count, images_linked},
    {"type", want::event_count, image_event, "image_generation.completed"},
    {"type", want::event_count, image_event, "image_edit.completed"},
    // Imagen, and images in Gemini's parts.
    {"predictions", want::list_scope},
    {"predictions[].mimeType", want::list_count, images_predicted},
    {"candidates[].content.parts[].inlineData.data", want::event_count, images_inline},
    // Calls of built-in tools in OpenAI's Responses, in the closing copy of the whole answer.
    {"output", want::list_scope},
    {"output[].type", want::list_match, search_call, "web_search_call"},
    {"output[].type", want::list_match, image_call, "image_generation_call"},
    {"response.output", want::list_scope},
    {"response.output[].type", want::list_match, search_call, "web_search_call"},
    {"response.output[].type", want::list_match, image_call, "image_generation_call"},

    {"usage_info.pages_processed", want::count, pages},  // Mistral OCR
    {"?.meta.billed_units.search_units", want::count, rerank_meta},
    {"?.usage.billed_units.search_units", want::count, rerank_billed},
    {"?.usage.search_units", want::count, rerank_usage},

    {"?.usage.server_tool_use.web_search_requests", want::count, searches_anthropic},
    {"?.tool_usage.web_search.num_requests", want::count, searches_openai},
    {"?.usage.num_search_queries", want::count, searches_perplexity},
    {"?.usage.server_side_tool_usage_details.web_search_calls", want::count, searches_xai},
    {"candidates[].groundingMetadata.webSearchQueries", want::list_scope},
    {"candidates[].groundingMetadata.webSearchQueries[]", want::list_count, search_queries},

    {"?.usage.seconds", want::millis, seconds},                      // Whisper: usage.type = "duration"
    {"?.usage.prompt_audio_seconds", want::millis, seconds_prompt},  // Mistral
    {"duration", want::millis, seconds_whole},                       // verbose_json
    {"task", want::sign, 0, "transcribe"},
    {"task", want::sign, 0, "translate"},

    {"service_tier", want::tier},
    {"response.service_tier", want::tier},
    {"?.usage.service_tier", want::tier},
    {"serviceTier.type", want::tier},
    {"?.usageMetadata.trafficType", want::tier},
});

// The larger of two ways in which the same images or searches may be told.
maybe_count most(maybe_count a, maybe_count b) noexcept {
    if (!a || !b) return a ? a : b;
    return std::max(*a, *b);
}

// Up to Gemini 2.x a grounded prompt is billed once, however many queries it took.
bool bills_prompts(std::string_view model) noexcept {
    return model.starts_with("gemini-1") || model.starts_with("gemini-2");
}

void complete(const found_values& found, usage_facts& facts) noexcept {
    unit_counts& units = facts.units;
    const maybe_count listed = most(found.count(images_coded), found.count(images_linked));
    units.images = most(most(listed, found.count(image_event)),
                        most(found.count(images_predicted), most(found.count(images_inline), found.count(image_call))));
    units.pages = found.count(pages);
    units.search_units =
        first_of(found.count(rerank_meta), first_of(found.count(rerank_billed), found.count(rerank_usage)));
    units.web_searches = most(most(found.count(searches_anthropic), found.count(searches_openai)),
                              most(found.count(searches_perplexity), found.count(searches_xai)));
    units.web_searches = most(units.web_searches, found.count(search_call));
    if (const maybe_count queries = found.count(search_queries);
        queries && !units.web_searches && !facts.model.empty()) {
        units.web_searches = bills_prompts(facts.model) ? std::min<std::int64_t>(*queries, 1) : *queries;
    }
    units.audio_ms = first_of(found.count(seconds), found.count(seconds_prompt));
    if (!units.audio_ms && found.signed_shape()) units.audio_ms = found.count(seconds_whole);
}

}  // namespace

const shape units{.provider = "", .keys = keys, .complete = complete};

}  // namespace tracking::usage::providers
