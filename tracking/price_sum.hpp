// What a request's tokens and units cost at given rates: the line of each class, their sum, and its one rounding.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tracking/price_table.hpp"
#include "tracking/pricing.hpp"

namespace tracking {

__extension__ using wide = __int128;

struct price_line {
    std::string_view name;  // "input", "cached input", "audio seconds", ...
    std::string_view unit;  // "tokens", "ms", "pages", ...
    std::int64_t count = 0;
    std::int64_t pico = 0;  // per token or unit; of ms per second
    wide total = 0;
};

struct price_sum {
    static constexpr std::size_t most_lines = rate_count + unit_rate_count;
    std::array<price_line, most_lines> lines;
    std::size_t used = 0;
    wide pico = 0;
    std::int64_t nano = 0;   // (pico + 500) / 1000
    bool saturated = false;  // the sum is beyond int64 and was cut there
};

// nullopt = something of what was used has no price. Negative counts are taken for 0, and what is left of a whole
// after its parts is never below 0.
std::optional<price_sum> sum_up(const chosen_rates& by, const billed_usage& usage);

// The nano-USD of what nearly every request is: plain, cached, generated and reasoning tokens, at an entry with one set
// of rates. The same as sum_up() says, in a tenth of its code, which would otherwise be a thirtieth of all the code
// that a request brings into the instruction cache. nullopt = ask sum_up().
std::optional<std::int64_t> plain_sum(const price_entry& entry, const billed_usage& usage);

}  // namespace tracking
