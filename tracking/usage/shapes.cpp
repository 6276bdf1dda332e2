#include "tracking/usage/shapes.hpp"

#include <algorithm>
#include <exception>
#include <limits>

#include "tracking/usage/providers/providers.hpp"

namespace tracking::usage {

namespace {

// A provider is one file in providers/ and one line here.
constexpr std::array<const shape*, 11> shapes{
    &providers::common,      &providers::bedrock,   &providers::gemini_interactions,
    &providers::openai_chat, &providers::anthropic, &providers::openai_responses,
    &providers::gemini,      &providers::cohere,    &providers::ollama,
    &providers::app,         &providers::units,
};
static_assert(shapes.size() <= max_shapes);

bool has_slot(want kind) noexcept {
    return kind == want::count || kind == want::output_count || kind == want::pico_usd || kind == want::truth ||
           kind == want::list_sum || kind == want::list_match || kind == want::list_count || kind == want::list_pick ||
           kind == want::event_count || kind == want::millis;
}

std::uint8_t interests_of(const wanted& wish) noexcept {
    switch (wish.kind) {
        case want::count:
        case want::output_count:
        case want::pico_usd:
        case want::list_sum:
        case want::list_pick:
        case want::millis:
            return interest::scalar | interest::word;  // a number sent as a string is nonsense: noticed
        case want::truth:
        case want::cached_flag:
            return interest::scalar;
        case want::scope:
        case want::list_scope:
        case want::list_element:
            return interest::open;
        case want::text:
            return interest::text;
        case want::args:
            return interest::text | interest::raw;
        case want::finish:
            return interest::word | (wish.names.empty() ? 0 : interest::scalar);
        case want::error:
            return interest::word | interest::scalar | interest::open;
        case want::sign:
            return wish.equals.empty() ? interest::word | interest::scalar | interest::open : interest::word;
        case want::document:
            return interest::open | interest::word;
        default:
            return interest::word;
    }
}

}  // namespace

std::span<const shape* const> all_shapes() noexcept { return shapes; }

maybe_count plus(maybe_count a, maybe_count b) noexcept {
    if (!a || !b) return a ? a : b;
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    return *a > most - *b ? most : *a + *b;
}

void add_reasoning_apart(usage_facts& facts, maybe_count total) noexcept {
    const maybe_count reasoned = facts.reasoning_tokens;
    const maybe_count sum = plus(plus(facts.input_tokens, facts.output_tokens), reasoned);
    const bool total_says = facts.input_tokens && facts.output_tokens && sum == total;
    if (reasoned.value_or(0) > 0 && (total_says || *reasoned > facts.output_tokens.value_or(0))) {
        facts.output_tokens = plus(facts.output_tokens, reasoned);
    }
}

void add_cached_apart(usage_facts& facts) noexcept {
    const maybe_count parts = plus(facts.cached_tokens, facts.cache_write_tokens);
    if (parts.value_or(0) > facts.input_tokens.value_or(0)) facts.input_tokens = plus(facts.input_tokens, parts);
}

const shape_table& shape_table::get() {
    static const shape_table table;
    return table;
}

shape_table::shape_table() {
    for (auto& slots : values_) slots.fill(no_value);
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        for (const wanted& wish : shapes[i]->keys) add(static_cast<std::uint8_t>(i), wish);
    }
    tree_.seal();
}

void shape_table::add(std::uint8_t shape, const wanted& wish) {
    row made{wish.kind, shape, no_value, &wish};
    if (has_slot(wish.kind)) {
        made.value = value_of(wish);
        values_[shape][wish.slot] = made.value;
        wanted_by_[made.value].set(shape);
        if (wish.kind == want::output_count) output_.set(made.value);
    }
    // Two shapes may want the same; it is kept and counted once.
    const bool known = std::ranges::any_of(rows_, [&](const row& r) {
        return r.kind == wish.kind && r.wish->path == wish.path && r.wish->equals == wish.equals &&
               (wish.kind != want::sign || r.shape == shape);
    });
    if (known) return;
    tree_.add(wish.path, interests_of(wish), static_cast<std::uint16_t>(rows_.size()));
    rows_.push_back(made);
}

// Wishes for the same are kept in one place; those of one event's different names too, since they share a slot.
std::uint8_t shape_table::value_of(const wanted& wish) {
    const bool picks = wish.kind == want::list_match || wish.kind == want::list_pick;
    const std::pair key(wish.path, picks ? wish.equals : std::string_view{});
    const auto found = std::ranges::find(value_paths_, key);
    if (found != value_paths_.end()) return static_cast<std::uint8_t>(found - value_paths_.begin());
    if (value_paths_.size() == max_values) std::terminate();  // the tables in providers/ outgrew max_values
    value_paths_.push_back(key);
    return static_cast<std::uint8_t>(value_paths_.size() - 1);
}

}  // namespace tracking::usage
