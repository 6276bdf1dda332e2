// Catalogues for tests of prices: a small one with made-up prices, whose sums can be worked out by hand, and the one
// that is shipped. For tests that include it once.
#pragma once

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "tracking/pricing.hpp"

namespace tracking {
using catalogue_pointer = std::shared_ptr<const price_catalogue>;

inline const std::string source_dir = AIMETER_SOURCE_DIR;
inline constexpr auto most = std::numeric_limits<std::int64_t>::max();

inline catalogue_pointer load(const conf::pricing_settings& settings) {
    auto loaded = price_catalogue::load(settings);
    if (auto* wrong = std::get_if<std::string>(&loaded)) {
        ADD_FAILURE() << *wrong;
        return nullptr;
    }
    return std::get<catalogue_pointer>(loaded);
}

inline conf::pricing_settings small_settings() {
    conf::pricing_settings settings;
    settings.catalogue = source_dir + "/tests/fixtures/prices/small.json";
    settings.search_fees = true;
    return settings;
}

inline conf::pricing_settings real_settings() {
    conf::pricing_settings settings;
    settings.catalogue = source_dir + "/conf/model-prices.json";
    settings.search_fees = true;
    return settings;
}

class small_prices : public testing::Test {
protected:
    catalogue_pointer prices = load(small_settings());

    // The cost in nano-USD, as an application's request (bare ids first).
    std::optional<std::int64_t> cost(const std::string& model, const token_counts& counts,
                                     const std::string& service = "") const {
        return cost_of(model, {.tokens = counts, .service_tier = service});
    }
    std::optional<std::int64_t> cost_of(const std::string& model, const billed_usage& usage) const {
        const auto quote = prices->price("acme", model, usage, false);
        return quote ? std::optional(quote->nano) : std::nullopt;
    }

    std::string id(const std::string& provider, const std::string& model, bool direct) const {
        const auto quote = prices->price(provider, model, {.tokens = {.input = 1, .output = 1}}, direct);
        return std::string(quote ? quote->price_id : "unknown");
    }
};

}  // namespace tracking
