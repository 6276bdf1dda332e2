// What a request's tokens cost at given rates: the line of each class of token, their sum, and its one rounding.
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
    std::string_view name;  // "input", "cached input", ...
    std::int64_t tokens = 0;
    std::int64_t pico = 0;  // per token
    wide total() const { return static_cast<wide>(tokens) * pico; }
};

struct price_sum {
    std::array<price_line, rate_count> lines;
    std::size_t used = 0;
    wide pico = 0;
    std::int64_t nano = 0;   // (pico + 500) / 1000
    bool saturated = false;  // the sum is beyond int64 and was cut there
};

// nullopt = some of the tokens have no price. Negative counts are taken for 0, and what is left of a whole after its
// parts is never below 0.
std::optional<price_sum> sum_up(const rate_card& rates, const token_counts& counts);

}  // namespace tracking
