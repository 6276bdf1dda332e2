#include "tracking/price_table.hpp"

#include <algorithm>
#include <utility>

namespace tracking {
namespace {

constexpr std::array<std::string_view, rate_count> rate_names{
    "in",       "out",       "cache_read",   "cache_write",   "cache_write_1h",   "reasoning",
    "audio_in", "audio_out", "image_tok_in", "image_tok_out", "audio_cache_read", "audio_cache_write"};
constexpr std::array<std::string_view, unit_rate_count> unit_names{"audio_second", "image",     "page",   "search_unit",
                                                                   "web_search",   "character", "request"};

template <class Rate, std::size_t size>
std::optional<Rate> named(const std::array<std::string_view, size>& names, std::string_view name) {
    const auto* found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) return std::nullopt;
    return static_cast<Rate>(found - names.begin());
}

}  // namespace

std::optional<rate> rate_of(std::string_view name) { return named<rate>(rate_names, name); }
std::optional<unit_rate> unit_rate_of(std::string_view name) { return named<unit_rate>(unit_names, name); }

service_tier service_tier_of(std::string_view name) {
    if (name == "batch") return service_tier::batch;
    if (name == "priority") return service_tier::priority;
    if (name == "flex") return service_tier::flex;
    return service_tier::standard;
}

price_table price_table::of_overrides(const std::map<std::string, conf::price_override>& overrides) {
    price_table made;
    for (const auto& [model, prices] : overrides) {
        price_entry& entry = made.add(model);
        unit_card units;
        for (const auto& [name, given] : prices.pico) {
            const auto pico = std::clamp<std::int64_t>(given, 0, most_pico);
            if (const auto which = rate_of(name)) entry.rates.set(*which, pico);
            if (const auto which = unit_rate_of(name)) units.set(*which, pico);
        }
        made.settle(entry, units, !units.all_zero());
    }
    made.index("override:", {});
    return made;
}

price_entry& price_table::add(std::string_view id) {
    price_entry& entry = entries_.emplace_back();
    entry.id_begin = static_cast<std::uint32_t>(ids_.size());
    entry.id_size = static_cast<std::uint32_t>(id.size());
    ids_.insert(ids_.end(), id.begin(), id.end());
    return entry;
}

void price_table::settle(price_entry& entry, const unit_card& units, bool by_unit) {
    if (!units.empty()) {
        entry.units = static_cast<std::uint32_t>(units_.size());
        units_.push_back(units);
    }
    // Token prices of 0 beside a price by unit mean that the unit is what is paid for.
    entry.by_token = (entry.rates.has(rate::in) || entry.rates.has(rate::out)) && !(by_unit && entry.rates.all_zero());
}

void price_table::index(std::string_view before_id, std::string_view behind_id) {
    std::vector<char> ids;
    ids.reserve(ids_.size() + entries_.size() * (before_id.size() + behind_id.size()));
    for (price_entry& entry : entries_) {
        const std::string_view id = id_of(entry);
        ids.insert(ids.end(), before_id.begin(), before_id.end());
        entry.id_begin = static_cast<std::uint32_t>(ids.size());
        ids.insert(ids.end(), id.begin(), id.end());
        ids.insert(ids.end(), behind_id.begin(), behind_id.end());
    }
    ids_ = std::move(ids);
    before_id_ = before_id.size();
    behind_id_ = behind_id.size();
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

std::string_view price_table::price_id_of(const price_entry& entry) const {
    return {ids_.data() + entry.id_begin - before_id_, before_id_ + entry.id_size + behind_id_};
}

chosen_rates price_table::rates_for(const price_entry& entry, service_tier service, std::int64_t input_tokens) const {
    chosen_rates made{entry.rates, units_[entry.units], entry.by_token, 0, false};
    index_range tiers = entry.tiers;
    for (const service_prices& prices : std::span(services_).subspan(entry.services.first, entry.services.count)) {
        if (prices.which != service) continue;
        made.of_service = true;
        made.rates.overlay(prices.rates);
        if (prices.tiers.count != 0) tiers = prices.tiers;
    }
    const price_tier* last = nullptr;
    for (const price_tier& tier : std::span(tiers_).subspan(tiers.first, tiers.count))
        if (tier.above < input_tokens && (!last || tier.above > last->above)) last = &tier;
    if (last) {
        made.rates.overlay(last->rates);
        made.above = last->above;
    }
    return made;
}

}  // namespace tracking
