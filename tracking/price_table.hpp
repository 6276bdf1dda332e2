// Prices by model id, as the catalogue file or the configuration lists them. Built once, then only read.
// All prices are pico-USD (1e-12 USD) per token, or per unit of what is billed beside tokens.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "conf/config.hpp"

namespace tracking {

// What a token can be charged as. All but in and out are parts of one of these, and fall back to it.
enum class rate : std::uint8_t {
    in,
    out,
    cache_read,
    cache_write,
    cache_write_1h,
    reasoning,
    audio_in,
    audio_out,
    image_tok_in,
    image_tok_out,
    audio_cache_read,
    audio_cache_write,
    count_
};
inline constexpr std::size_t rate_count = static_cast<std::size_t>(rate::count_);
std::optional<rate> rate_of(std::string_view name);  // "cache_read", as the catalogue spells it

// What else is charged for; tracking/units.hpp counts it. A request is charged once, whatever it holds.
enum class unit_rate : std::uint8_t { audio_second, image, page, search_unit, web_search, character, request, count_ };
inline constexpr std::size_t unit_rate_count = static_cast<std::size_t>(unit_rate::count_);
std::optional<unit_rate> unit_rate_of(std::string_view name);  // "audio_second", as conf names it

// A price above this (1000 USD per token or unit) is a mistake; it also keeps every sum within 128 bits.
inline constexpr std::int64_t most_pico = 1'000'000'000'000'000;

// A price for each of `Rate`, -1 = absent, which is not 0.
template <class Rate>
class price_card {
public:
    price_card() { pico_.fill(-1); }
    bool has(Rate which) const { return pico(which) >= 0; }
    std::int64_t pico(Rate which) const { return pico_[static_cast<std::size_t>(which)]; }
    void set(Rate which, std::int64_t pico) { pico_[static_cast<std::size_t>(which)] = pico; }
    void remove(Rate which) { set(which, -1); }
    // What `with` has replaces the same rates.
    void overlay(const price_card& with) {
        for (std::size_t i = 0; i < pico_.size(); ++i)
            if (with.pico_[i] >= 0) pico_[i] = with.pico_[i];
    }
    bool empty() const {
        for (const std::int64_t pico : pico_)
            if (pico >= 0) return false;
        return true;
    }
    // No rate costs anything.
    bool all_zero() const {
        for (const std::int64_t pico : pico_)
            if (pico > 0) return false;
        return true;
    }

private:
    std::array<std::int64_t, static_cast<std::size_t>(Rate::count_)> pico_;
};
using rate_card = price_card<rate>;
using unit_card = price_card<unit_rate>;

// A request with more input tokens than `above` is priced by these rates as a whole.
struct price_tier {
    std::int64_t above = 0;
    rate_card rates;
};

struct index_range {
    std::uint32_t first = 0, count = 0;
};

enum class service_tier : std::uint8_t { standard, batch, priority, flex };
service_tier service_tier_of(std::string_view name);  // what is none of ours is standard

struct service_prices {
    service_tier which = service_tier::standard;
    rate_card rates;
    index_range tiers;
};

struct price_entry {
    std::uint32_t id_begin = 0, id_size = 0;
    rate_card rates;
    index_range tiers;
    index_range services;
    std::uint32_t units = 0;  // its card of units; the first one is empty
    bool by_token = true;     // false: priced by image, second or query, so that its tokens say nothing of its cost
    bool retired = false;     // gone from the list that the catalogue was made of; its prices are the last known
};

// What a request is charged by, and how that was chosen.
struct chosen_rates {
    rate_card rates;
    unit_card units;
    bool by_token = true;
    std::int64_t above = 0;   // the tier's bound; 0 = none applies
    bool of_service = false;  // the service tier has prices of its own
};

class price_table {
public:
    // The catalogue file's text; the string says what is wrong with it.
    static std::variant<price_table, std::string> parse(std::string_view json);
    static price_table of_overrides(const std::map<std::string, conf::price_override>& overrides);
    price_table(price_table&&) = default;
    price_table& operator=(price_table&&) = default;

    const price_entry* find(std::string_view id) const;
    std::string_view id_of(const price_entry& entry) const;
    // As records name it: "gemini-2.0-flash@2026-08-01", "override:my-model". It lives as long as the table.
    std::string_view price_id_of(const price_entry& entry) const;
    std::span<const price_entry> entries() const { return entries_; }
    const std::string& as_of() const { return as_of_; }

    // The rates for a request of so many input tokens.
    chosen_rates rates_for(const price_entry& entry, service_tier service, std::int64_t input_tokens) const;

private:
    friend class price_file_reader;
    price_table() = default;
    price_entry& add(std::string_view id);
    // Once its rates are known. by_unit = some unit has a price, be it one that we do not count.
    void settle(price_entry& entry, const unit_card& units, bool by_unit);
    void index(std::string_view before_id, std::string_view behind_id);  // after the last add()

    std::string as_of_;
    // All ids, one behind the other, each within its price id; a move of the table leaves them where they are.
    std::vector<char> ids_;
    std::size_t before_id_ = 0, behind_id_ = 0;  // bytes of a price id around the id
    std::vector<price_entry> entries_;
    std::vector<price_tier> tiers_;
    std::vector<service_prices> services_;
    std::vector<unit_card> units_{unit_card{}};                  // the first is that of models without
    std::unordered_map<std::string_view, std::uint32_t> by_id_;  // views into ids_
};

}  // namespace tracking
