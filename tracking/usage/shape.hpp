// What the format of a provider's answers is described with: which keys matter, and what its counts mean. One file in
// providers/ describes one format; shapes.cpp lists them. To add a provider: write such a file, add its line there.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "tracking/usage/answer.hpp"

namespace tracking::usage {

enum class want : std::uint8_t {
    // Numbers, kept in a slot of the shape. A later value replaces an earlier one.
    count,         // an integer
    output_count,  // an integer that counts what was generated until then
    pico_usd,      // a decimal figure in USD
    truth,         // a boolean as 0 or 1
    list_sum,      // an integer of each element of a list inside a scope: their sum
    list_match,    // how many elements of such a list have the text `equals`
    list_count,    // how many elements of such a list have a text there, whatever it is
    list_element,  // an element of such a list that pairs a name with a number:
    list_name,     // its name,
    list_pick,     // its number: the sum of those whose name is `equals`
    event_count,   // how often in all documents the text `equals` is found there, or any when that is empty
    millis,        // a decimal figure in seconds, kept in ms
    scope,         // an object whose numbers count only once it is complete: half of a usage object is no usage
    list_scope,    // the same, when it is an array
    // What generation produced.
    text,    // a string
    args,    // a tool call's arguments: a string, or an object or array as written
    signal,  // a string whose presence shows a tool call; its bytes are not counted
    // Names.
    model,        // the model that answered
    model_guess,  // the same, believed when nothing better is found
    finish,       // why generation ended; a number is an index into `names`
    status,       // the state of a run, for shapes that report one
    tier,         // the service tier under which it was served
    type,         // what kind of event the document is
    // Errors.
    error,        // a non-empty string, a non-empty object or array, or true says that the run failed
    error_text,   // the message of it
    error_word,   // a short name of it, used when there is no message
    maybe_error,  // a message if the rest says that the document is an error
    // Others.
    cached_flag,  // true says that a response cache answered
    sign,         // any value (or just the text `equals`) tells that the body has this shape
    document      // the document itself; for the scanner's own use
};

struct wanted {
    std::string_view path;  // as key_tree describes it
    want kind;
    std::uint8_t slot = 0;
    std::string_view equals = {};
    std::span<const std::string_view> names = {};
};

inline constexpr std::size_t slots_per_shape = 32;

// A shape's view of what was found; slots are those of its own table.
class found_values {
public:
    virtual ~found_values() = default;
    virtual std::optional<std::int64_t> count(std::uint8_t slot) const noexcept = 0;
    virtual std::string_view status() const noexcept = 0;
    virtual bool signed_shape() const noexcept = 0;  // one of the shape's signs was seen
};

struct shape {
    std::string_view provider;  // whose format it is, told when neither host nor path name a provider; "" = nobody's
    std::span<const wanted> keys;
    // Whether the counts found are this shape's; nullptr = it has none.
    bool (*has_usage)(const found_values&) noexcept = nullptr;
    // Fills the token counts from its own; called for the one shape whose usage it is.
    void (*usage)(const found_values&, usage_facts&) noexcept = nullptr;
    // Called when one of its signs was seen; for a shape without provider, when one of its numbers was found.
    void (*complete)(const found_values&, usage_facts&) noexcept = nullptr;
};

// All shapes, those first whose usage is taken first when several would fit.
std::span<const shape* const> all_shapes() noexcept;

// ---- Helpers for the files in providers/ ------------------------------------------------------------------------

using maybe_count = std::optional<std::int64_t>;

// a + b without leaving int64; a missing part adds nothing, and nothing plus nothing is nothing.
maybe_count plus(maybe_count a, maybe_count b) noexcept;
inline maybe_count first_of(maybe_count a, maybe_count b) noexcept { return a ? a : b; }

// The facts hold all that was generated, and all of the input: some state reasoning, or cached and written tokens,
// beside them. A part that is larger than its whole was left out of it; of reasoning the total may say so too.
void add_reasoning_apart(usage_facts& facts, maybe_count total) noexcept;
void add_cached_apart(usage_facts& facts) noexcept;

}  // namespace tracking::usage
