// `aimeter price`: what the catalogue says a request costs, line by line, and why. Called by main with its arguments
// parsed.
#pragma once

#include <iosfwd>
#include <string>

#include "conf/config.hpp"
#include "tracking/pricing.hpp"

namespace tracking {

struct price_question {
    std::string model;
    std::string provider;  // given: looked up under that provider's ids first, as for a request to its own API
    token_counts counts{};
    unit_counts units{};
    std::string service_tier{};
};

// The exit code: 0, or 1 when the model or a price it needs is not in the catalogue, or that cannot be read.
int run_price(const conf::pricing_settings& settings, const price_question& question, std::ostream& out,
              std::ostream& err);

}  // namespace tracking
