#include "tracking/pricing.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "conf/nearest.hpp"
#include "tracking/model_names.hpp"
#include "tracking/price_builtin.hpp"
#include "tracking/price_sum.hpp"
#include "tracking/price_table.hpp"

namespace tracking {
namespace {

// The text of the catalogue, or an error. The default file has a copy in the program.
std::variant<std::string, std::string_view, std::monostate> read_catalogue(const std::string& path) {
    std::error_code error;
    const bool file = std::filesystem::is_regular_file(path, error);
    if (!file && path == conf::pricing_settings{}.catalogue) return builtin_price_file();
    std::ifstream in(path, std::ios::binary);
    if (!file || !in) return std::monostate{};
    std::string text(std::istreambuf_iterator<char>(in), {});
    if (in.bad()) return std::monostate{};
    return text;
}

// How an entry was come by, in the order of the look-up.
struct found_price {
    const price_entry* entry = nullptr;
    const price_table* table = nullptr;
    bool under_provider = false;
    bool under_maker = false;
    explicit operator bool() const { return entry != nullptr; }
};

const price_entry* find_prefixed(const price_table& table, std::string_view prefix, std::string_view name) {
    std::array<char, 256> id;
    if (prefix.empty() || prefix.size() + 1 + name.size() > id.size()) return nullptr;
    char* end = std::copy(prefix.begin(), prefix.end(), id.begin());
    *end++ = '/';
    end = std::copy(name.begin(), name.end(), end);
    return table.find({id.data(), static_cast<std::size_t>(end - id.data())});
}

// One name, under the provider's prefix and bare. A retired price gives way to one that is still listed.
found_price find_name(const price_table& table, std::string_view prefix, std::string_view name, bool direct) {
    const auto* own = direct ? find_prefixed(table, prefix, name) : nullptr;
    if (own && !own->retired) return {own, &table, true, false};
    const auto* bare = table.find(name);
    if (own && (!bare || bare->retired)) return {own, &table, true, false};
    if (bare) return {bare, &table, false, false};
    return {};
}

// Of an application's request, too, the whole name under the provider's prefix comes before a part of the name, but not
// when that price is retired.
found_price find_names(const price_table& table, std::string_view prefix, const model_names& names, bool direct) {
    for (const std::string_view name : names) {
        if (const auto found = find_name(table, prefix, name, direct)) return found;
        if (direct || name != *names.begin()) continue;
        const auto* whole = find_prefixed(table, prefix, name);
        if (whole && !whole->retired) return {whole, &table, true, false};
    }
    for (const std::string_view name : names)
        if (const auto* entry = find_prefixed(table, prefix, name)) return {entry, &table, true, false};
    return {};
}

found_price find_maker(const price_table& table, const model_names& names) {
    for (const std::string_view name : names)
        for (const std::string_view maker : maker_prefixes())
            if (const auto* entry = find_prefixed(table, maker, name)) return {entry, &table, false, true};
    return {};
}

std::string decimal(wide number) {
    std::string text;
    do {
        text.insert(text.begin(), static_cast<char>('0' + static_cast<int>(number % 10)));
        number /= 10;
    } while (number != 0);
    return text;
}

std::string padded(std::string text, std::size_t width) {
    text.resize(std::max(width, text.size()), ' ');
    return text;
}

// "12.500 s", "3 images", "1000 tokens"
std::string amount(const price_line& line) {
    if (line.unit != "ms") return std::to_string(line.count) + " " + std::string(line.unit);
    std::string thousandths = std::to_string(line.count % 1000);
    thousandths.insert(0, 3 - thousandths.size(), '0');
    return std::to_string(line.count / 1000) + "." + thousandths + " s";
}

std::string explain_sum(const price_sum& sum) {
    std::string text;
    for (std::size_t i = 0; i < sum.used; ++i) {
        const price_line& line = sum.lines[i];
        text += padded(std::string(line.name), 15) + amount(line) + " x " + std::to_string(line.pico) +
                " pico-USD = " + decimal(line.total) + " pico-USD\n";
    }
    text +=
        padded("sum", 15) + decimal(sum.pico) + " pico-USD, rounded half up: " + std::to_string(sum.nano) + " nano-USD";
    if (sum.saturated) text += " (the largest that is kept)";
    return text + "\n";
}

// Which of the entry's prices apply, where it has more than one set.
std::string explain_choice(const chosen_rates& by, std::string_view service) {
    std::string text;
    if (!service.empty())
        text += padded("service tier", 15) + std::string(service) +
                (by.of_service ? "\n" : ": no prices of its own, so those of the standard tier\n");
    if (by.above > 0)
        text +=
            padded("size tier", 15) + "more than " + std::to_string(by.above) + " input tokens: of the whole request\n";
    return text;
}

// "gemini-2.0-flash@2026-08-01" -> "gemini-2.0-flash": the id without the date of its catalogue.
std::string_view without_date(std::string_view price_id) {
    const auto at = price_id.rfind('@');
    const std::string_view date = at == std::string_view::npos ? std::string_view{} : price_id.substr(at + 1);
    return date.size() == 10 && date[4] == '-' && date[7] == '-' ? price_id.substr(0, at) : price_id;
}

}  // namespace

struct price_catalogue::impl {
    price_table catalogue;
    price_table overrides;
    bool search_fees = false;

    found_price find_override(std::string_view prefix, std::string_view model, bool direct) const {
        return overrides.entries().empty() ? found_price{} : find_names(overrides, prefix, model_names(model), direct);
    }

    found_price find(std::string_view provider, std::string_view model, bool direct) const {
        const std::string_view prefix = id_prefix(provider);
        const bool overridden = !overrides.entries().empty();
        // Nearly every request ends here, without a look at affixes.
        if (!overridden)
            if (const auto found = find_name(catalogue, prefix, model, direct)) return found;
        const model_names names(model);
        if (overridden)
            if (const auto found = find_names(overrides, prefix, names, direct)) return found;
        if (const auto found = find_names(catalogue, prefix, names, direct)) return found;
        return find_maker(catalogue, names);
    }

    std::string how(const found_price& found, std::string_view model) const {
        const std::string_view id = found.table->id_of(*found.entry);
        std::string text = found.table == &overrides ? "pricing.overrides" : "the catalogue";
        if (found.under_provider) text += ", under the provider's id";
        if (found.under_maker) text += ", under its maker's id";
        if (!id.ends_with(model)) text += ", without path, date, version or region";
        if (found.entry->retired) text += ", retired (its last known price)";
        return text + ": " + std::string(id);
    }

    std::optional<price_quote> quote(const found_price& found, const billed_usage& usage,
                                     std::string_view explained_model) const {
        if (!found) return std::nullopt;
        const std::string_view price_id = found.table->price_id_of(*found.entry);
        if (explained_model.empty())
            if (const auto nano = plain_sum(*found.entry, usage)) return price_quote{*nano, price_id, false, {}};
        const auto by = found.table->rates_for(*found.entry, service_tier_of(usage.service_tier), usage.tokens.input);
        billed_usage charged = usage;
        if (found.table == &catalogue && !search_fees) charged.units.web_searches.reset();
        const auto sum = sum_up(by, charged);
        if (!sum) return std::nullopt;
        price_quote made{sum->nano, price_id, sum->saturated, {}};
        if (!explained_model.empty())
            made.explanation = padded("found in", 15) + how(found, explained_model) + "\n" +
                               explain_choice(by, usage.service_tier) + explain_sum(*sum);
        return made;
    }
};

price_catalogue::price_catalogue() = default;
price_catalogue::~price_catalogue() = default;

std::variant<std::shared_ptr<const price_catalogue>, std::string> price_catalogue::load(
    const conf::pricing_settings& settings) {
    const auto text = read_catalogue(settings.catalogue);
    if (std::holds_alternative<std::monostate>(text))
        return settings.catalogue + ": the price catalogue cannot be read";
    const auto* file = std::get_if<std::string>(&text);
    auto table = price_table::parse(file ? std::string_view(*file) : std::get<std::string_view>(text));
    if (auto* wrong = std::get_if<std::string>(&table))
        return settings.catalogue + ": not a price catalogue: " + *wrong;
    const std::shared_ptr<price_catalogue> made(new price_catalogue);
    made->impl_ = std::make_unique<impl>(impl{std::move(std::get<price_table>(table)),
                                              price_table::of_overrides(settings.overrides), settings.search_fees});
    return std::shared_ptr<const price_catalogue>(made);
}

std::optional<price_quote> price_catalogue::price(std::string_view provider, std::string_view model,
                                                  const billed_usage& usage, bool direct) const {
    return impl_->quote(impl_->find(provider, model, direct), usage, {});
}

std::optional<price_quote> price_catalogue::explain(std::string_view provider, std::string_view model,
                                                    const billed_usage& usage, bool direct) const {
    return impl_->quote(impl_->find(provider, model, direct), usage, model);
}

std::optional<price_quote> price_catalogue::price_again(std::string_view price_id, std::string_view provider,
                                                        std::string_view model, const billed_usage& usage) const {
    constexpr std::string_view override_mark = "override:";
    const bool was_override = price_id.starts_with(override_mark);
    const std::string_view id = was_override ? price_id.substr(override_mark.size()) : without_date(price_id);
    const std::string_view prefix = id_prefix(provider);
    // The record does not say whether the request went to the provider's own API; the id that priced it does.
    const bool direct = !prefix.empty() && id.starts_with(prefix) && id.substr(prefix.size()).starts_with('/');
    if (was_override)
        if (const auto* entry = impl_->overrides.find(id))
            if (auto found = impl_->quote({entry, &impl_->overrides, false, false}, usage, {})) return found;
    if (const auto overridden = impl_->find_override(prefix, model, direct)) return impl_->quote(overridden, usage, {});
    if (const auto* entry = id.empty() ? nullptr : impl_->catalogue.find(id))
        if (auto found = impl_->quote({entry, &impl_->catalogue, false, false}, usage, {})) return found;
    return price(provider, model, usage, direct);
}

std::string_view price_catalogue::as_of() const { return impl_->catalogue.as_of(); }

std::vector<std::string> price_catalogue::nearest(std::string_view model, std::size_t most) const {
    std::vector<std::pair<std::size_t, std::string_view>> ranked;
    for (const price_table* table : {&impl_->overrides, &impl_->catalogue}) {
        for (const price_entry& entry : table->entries()) {
            const std::string_view id = table->id_of(entry);
            const std::string_view behind_prefix = id.substr(id.rfind('/') + 1);
            const auto distance =
                std::min(conf::edit_distance(model, id), conf::edit_distance(model, behind_prefix) + 1);
            ranked.emplace_back(distance, id);
        }
    }
    const auto kept = std::min(most, ranked.size());
    std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(kept), ranked.end());
    std::vector<std::string> names;
    names.reserve(kept);
    for (std::size_t i = 0; i < kept; ++i) names.emplace_back(ranked[i].second);
    return names;
}

}  // namespace tracking
