// Prices by model id, as the catalogue file or the configuration lists them. Built once, then only read.
// All prices are pico-USD (1e-12 USD) per token.
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
enum class rate : std::uint8_t { in, out, cache_read, cache_write, cache_write_1h, reasoning, audio_in, audio_out };
inline constexpr std::size_t rate_count = 8;
std::optional<rate> rate_of(std::string_view name);  // "cache_read", as the catalogue spells it

// A price above this (1000 USD per token) is a mistake; it also keeps every sum within 128 bits.
inline constexpr std::int64_t most_pico = 1'000'000'000'000'000;

class rate_card {
public:
    bool has(rate which) const { return pico_[index(which)] >= 0; }
    std::int64_t pico(rate which) const { return pico_[index(which)]; }  // -1 = absent, which is not 0
    void set(rate which, std::int64_t pico) { pico_[index(which)] = pico; }
    void remove(rate which) { pico_[index(which)] = -1; }
    void overlay(const rate_card& with);  // what `with` has replaces the same rates
    bool all_zero() const;                // no rate costs anything

private:
    static std::size_t index(rate which) { return static_cast<std::size_t>(which); }
    std::array<std::int64_t, rate_count> pico_{-1, -1, -1, -1, -1, -1, -1, -1};
};

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
    bool by_token = true;  // false: priced by image, second or query, so that its tokens say nothing of its cost
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
    std::span<const price_entry> entries() const { return entries_; }
    const std::string& as_of() const { return as_of_; }

    // The rates for a request of so many input tokens.
    rate_card rates_for(const price_entry& entry, service_tier service, std::int64_t input_tokens) const;

private:
    friend class price_file_reader;
    price_table() = default;
    price_entry& add(std::string_view id);
    void index();  // after the last add()

    std::string as_of_;
    std::vector<char> ids_;  // all ids, one behind the other; a move of the table leaves them where they are
    std::vector<price_entry> entries_;
    std::vector<price_tier> tiers_;
    std::vector<service_prices> services_;
    std::unordered_map<std::string_view, std::uint32_t> by_id_;  // views into ids_
};

}  // namespace tracking
