// What answers say in the same words whoever sends them, and what an application's own JSON calls its text.
#include <array>

#include "tracking/usage/providers/providers.hpp"

namespace tracking::usage::providers {

namespace {

enum slot : std::uint8_t { cost, total_cost, cost_ticks, own_key };

constexpr auto keys = std::to_array<wanted>({
    {"", want::document},
    {"", want::text},
    {"type", want::type},
    {"object", want::type},
    {"model", want::model},
    {"modelId", want::model},
    {"*.model", want::model_guess},
    {"*.modelId", want::model_guess},
    {"finish_reason", want::finish},
    {"finishReason", want::finish},

    {"text", want::text},
    {"*.text", want::text},
    {"content", want::text},
    {"*.content", want::text},
    {"completion", want::text},
    {"output", want::text},
    {"result", want::text},
    {"answer", want::text},
    {"reply", want::text},
    {"delta", want::text},
    {"inputTextDelta", want::args},
    {"argsTextDelta", want::args},
    {"toolName", want::signal},

    {"error", want::error},
    {"error", want::error_text},
    {"error.message", want::error_text},
    {"error.type", want::error_word},
    {"error.code", want::error_word},
    {"error.status", want::error_word},
    {"errorText", want::maybe_error},  // AI SDK: of the stream, or of one tool call
    {"message", want::maybe_error},
    {"Message", want::maybe_error},
    {"detail", want::maybe_error},
    {"detail[].msg", want::maybe_error},
    {"detail.message", want::maybe_error},
    {"errors[].message", want::maybe_error},
    {"error_description", want::maybe_error},

    {"cached", want::cached_flag},
    {"fromCache", want::cached_flag},
    {"from_cache", want::cached_flag},
    {"cache_hit", want::cached_flag},
    {"cacheHit", want::cached_flag},
    {"meta.cached", want::cached_flag},

    {"?.usage", want::scope},
    {"?.usage.cost", want::pico_usd, cost},
    {"?.usage.cost.total_cost", want::pico_usd, total_cost},  // Perplexity
    {"?.usage.cost_in_usd_ticks", want::count, cost_ticks},   // xAI: 10^10 ticks are a dollar
    {"?.usage.is_byok", want::truth, own_key},                // OpenRouter: paid elsewhere, with the user's own key
});

void complete(const found_values& found, usage_facts& facts) noexcept {
    constexpr std::int64_t pico_per_tick = 100;
    facts.reported_cost_pico = first_of(found.count(cost), found.count(total_cost));
    const maybe_count ticks = found.count(cost_ticks);
    if (!facts.reported_cost_pico && ticks && *ticks <= INT64_MAX / pico_per_tick) {
        facts.reported_cost_pico = *ticks * pico_per_tick;
    }
    if (found.count(own_key) == 1) facts.reported_cost_pico.reset();
}

}  // namespace

const shape common{.provider = "", .keys = keys, .complete = complete};

}  // namespace tracking::usage::providers
