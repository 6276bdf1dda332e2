#include "tracking/price_table.hpp"

#include <algorithm>

namespace tracking {
namespace {

constexpr std::array<std::string_view, rate_count> rate_names{
    "in", "out", "cache_read", "cache_write", "cache_write_1h", "reasoning", "audio_in", "audio_out"};

}  // namespace

std::optional<rate> rate_of(std::string_view name) {
    const auto* found = std::find(rate_names.begin(), rate_names.end(), name);
    if (found == rate_names.end()) return std::nullopt;
    return static_cast<rate>(found - rate_names.begin());
}

service_tier service_tier_of(std::string_view name) {
    if (name == "batch") return service_tier::batch;
    if (name == "priority") return service_tier::priority;
    if (name == "flex") return service_tier::flex;
    return service_tier::standard;
}

void rate_card::overlay(const rate_card& with) {
    for (std::size_t i = 0; i < rate_count; ++i)
        if (with.pico_[i] >= 0) pico_[i] = with.pico_[i];
}

bool rate_card::all_zero() const {
    return std::all_of(pico_.begin(), pico_.end(), [](std::int64_t pico) { return pico <= 0; });
}

price_table price_table::of_overrides(const std::map<std::string, conf::price_override>& overrides) {
    price_table made;
    for (const auto& [model, prices] : overrides) {
        price_entry& entry = made.add(model);
        for (const auto& [name, pico] : prices.pico)
            if (const auto which = rate_of(name)) entry.rates.set(*which, std::clamp<std::int64_t>(pico, 0, most_pico));
    }
    made.index();
    return made;
}

price_entry& price_table::add(std::string_view id) {
    price_entry& entry = entries_.emplace_back();
    entry.id_begin = static_cast<std::uint32_t>(ids_.size());
    entry.id_size = static_cast<std::uint32_t>(id.size());
    ids_.insert(ids_.end(), id.begin(), id.end());
    return entry;
}

void price_table::index() {
    ids_.shrink_to_fit();
    entries_.shrink_to_fit();
    by_id_.reserve(entries_.size());
    for (std::uint32_t i = 0; i < entries_.size(); ++i) by_id_.emplace(id_of(entries_[i]), i);
}

const price_entry* price_table::find(std::string_view id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : &entries_[found->second];
}

std::string_view price_table::id_of(const price_entry& entry) const {
    return {ids_.data() + entry.id_begin, entry.id_size};
}

rate_card price_table::rates_for(const price_entry& entry, service_tier service, std::int64_t input_tokens) const {
    rate_card rates = entry.rates;
    index_range tiers = entry.tiers;
    for (const service_prices& prices : std::span(services_).subspan(entry.services.first, entry.services.count)) {
        if (prices.which != service) continue;
        rates.overlay(prices.rates);
        if (prices.tiers.count != 0) tiers = prices.tiers;
    }
    const price_tier* last = nullptr;
    for (const price_tier& tier : std::span(tiers_).subspan(tiers.first, tiers.count))
        if (tier.above < input_tokens && (!last || tier.above > last->above)) last = &tier;
    if (last) rates.overlay(last->rates);
    return rates;
}

}  // namespace tracking
