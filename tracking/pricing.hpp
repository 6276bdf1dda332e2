// The price catalogue and what a request costs by it. Immutable once loaded: workers share one snapshot.
// Prices are pico-USD (1e-12 USD) per unit; a cost is summed in pico-USD and rounded once, half up, to nano-USD.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "conf/config.hpp"
#include "tracking/units.hpp"

namespace tracking {

struct token_counts {
    std::int64_t input = 0;           // cached and written tokens included
    std::int64_t cached = 0;          // part of input
    std::int64_t cache_write = 0;     // part of input, both retentions
    std::int64_t cache_write_1h = 0;  // part of cache_write
    std::int64_t output = 0;          // reasoning included
    std::int64_t reasoning = 0;       // part of output
    std::int64_t audio_input = 0;     // part of input
    std::int64_t audio_output = 0;    // part of output
    std::int64_t image_input = 0;     // part of input
    std::int64_t image_output = 0;    // part of output
};

// All that a request is billed for.
struct billed_usage {
    token_counts tokens{};
    unit_counts units{};
    std::string_view service_tier{};  // "", "batch", "priority", "flex"; anything else is the standard tier
};

struct price_quote {
    std::int64_t nano = 0;
    std::string_view price_id;  // "gemini-2.0-flash-exp@2026-08-01", "override:my-model"; of the catalogue
    bool saturated = false;     // the sum left the range of int64 and was cut there
    std::string explanation;    // how it was found, one line per class, the sum; only filled by explain()
};

class price_catalogue {
public:
    // Reads the catalogue file and lays the overrides over it; the string is the error, with the file's name.
    static std::variant<std::shared_ptr<const price_catalogue>, std::string> load(
        const conf::pricing_settings& settings);
    ~price_catalogue();

    // nullopt = the model is in no catalogue, or something that it was used for has no price: unknown, never a zero.
    // direct = the request went to the provider's own API, so the provider-prefixed id is looked up first.
    std::optional<price_quote> price(std::string_view provider, std::string_view model, const billed_usage& usage,
                                     bool direct) const;
    std::optional<price_quote> explain(std::string_view provider, std::string_view model, const billed_usage& usage,
                                       bool direct) const;
    // The price of a request that was priced before, under `price_id` ("" = it was not): an override of today, then
    // the entry that the id names, then by look-up.
    std::optional<price_quote> price_again(std::string_view price_id, std::string_view provider, std::string_view model,
                                           const billed_usage& usage) const;
    std::string_view as_of() const;  // the catalogue's date, YYYY-MM-DD
    // The ids most like an unknown model, nearest first. Looks at every id: not for the way of a request.
    std::vector<std::string> nearest(std::string_view model, std::size_t most) const;

private:
    price_catalogue();
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace tracking
