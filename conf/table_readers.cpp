// The readers of keys whose values are tables of names (features, price overrides, cache rules) or lists of tables
// (certificates).
#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "conf/nearest.hpp"
#include "conf/readers.hpp"

namespace conf {
namespace {

// The text of an override has no lines of its own that a reader could look up.
void forget_places(value& at) {
    at.at = {};
    for (value& item : at.items) forget_places(item);
    for (member& child : at.members) {
        child.at = {};
        forget_places(child.what);
    }
}

// An override's text as TOML writes such a value inline; nullopt when it is none of this kind.
std::optional<value> inline_value(const std::string& text, value::kind wanted) {
    auto parsed = parse_toml("it = " + text, "");
    auto* const root = std::get_if<value>(&parsed);
    if (root == nullptr || root->members.size() != 1 || root->members[0].what.is != wanted) return std::nullopt;
    forget_places(*root);
    return std::move(root->members[0].what);
}

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t") == std::string_view::npos; }

// A table or a list, which an override gives as TOML does inline. Empty when that is blank, or told to be wrong:
// `type` is what else it is not, `form` what its text is not.
value container(const value& from, value::kind wanted, const char* type, const char* form, const context& at) {
    if (from.is == wanted) return from;
    if (from.is != value::kind::loose) {
        at.fail_type(from, type);
        return {};
    }
    if (is_blank(from.text)) return {};
    if (auto made = inline_value(from.text, wanted)) return std::move(*made);
    at.fail(from.at, form);
    return {};
}

// The members of a table; inline: { "job-match" = "job-matcher" }.
std::vector<member> members_of(const value& from, const context& at) {
    constexpr auto form = R"(expected an inline table: { "name" = ... })";
    return container(from, value::kind::table, "a table", form, at).members;
}

// The items of a list of tables; inline: [{ a = "1" }, { a = "2" }].
std::vector<value> tables_of(const value& from, const context& at) {
    constexpr auto form = "expected a list of inline tables: [{ ... }, { ... }]";
    return container(from, value::kind::list, "a list of tables", form, at).items;
}

// A price of an override by its name in the file, and what the prices of tracking/price_table.hpp call it. Tokens are
// priced by the million, which makes 1 USD 10^6 pico-USD a token; all else by the piece: 10^12.
struct price_name {
    std::string_view key, rate;
    int pico_places = 6;
};
constexpr int per_unit = 12;
constexpr std::array price_names{price_name{"input", "in"},
                                 price_name{"output", "out"},
                                 price_name{"cached", "cache_read"},
                                 price_name{"cache_read", "cache_read"},
                                 price_name{"cache_write", "cache_write"},
                                 price_name{"cache_write_1h", "cache_write_1h"},
                                 price_name{"reasoning", "reasoning"},
                                 price_name{"audio_input", "audio_in"},
                                 price_name{"audio_output", "audio_out"},
                                 price_name{"audio_cached", "audio_cache_read"},
                                 price_name{"audio_cache_write", "audio_cache_write"},
                                 price_name{"image_input", "image_tok_in"},
                                 price_name{"image_output", "image_tok_out"},
                                 price_name{"per_audio_second", "audio_second", per_unit},
                                 price_name{"per_image", "image", per_unit},
                                 price_name{"per_page", "page", per_unit},
                                 price_name{"per_search_unit", "search_unit", per_unit},
                                 price_name{"per_web_search", "web_search", per_unit},
                                 price_name{"per_character", "character", per_unit},
                                 price_name{"per_request", "request", per_unit}};

// A thousand dollars a token or unit is beyond any price list.
constexpr std::int64_t most_pico = 1'000'000'000'000'000;

const price_name* find_price(const member& price, const context& at) {
    const auto* known = std::find_if(price_names.begin(), price_names.end(),
                                     [&](const price_name& name) { return name.key == price.key; });
    if (known != price_names.end()) return known;
    std::vector<std::string_view> names;
    names.reserve(price_names.size());
    for (const price_name& name : price_names) names.push_back(name.key);
    at.below(price.key).fail(price.at,
                             "unknown price; did you mean " + std::string(nearest_key(price.key, names)) + "?");
    return nullptr;
}

price_override read_price_override(const value& from, const context& at) {
    price_override made;
    bool by_unit = false;
    for (const member& price : members_of(from, at)) {
        const price_name* known = find_price(price, at);
        if (!known) continue;
        std::int64_t pico = 0;
        read_decimal(price.what, pico, at.below(price.key), known->pico_places, most_pico);
        if (!made.pico.emplace(known->rate, pico).second)
            at.below(price.key).fail(price.at, "cached and cache_read are the same price; write it once");
        by_unit = by_unit || known->pico_places == per_unit;
    }
    if (!made.pico.contains("in") && !by_unit)
        at.fail(from.at, "an override needs at least input = USD per 1M tokens, or a price per unit");
    return made;
}

bool is_label(std::string_view text) {
    return !text.empty() && text.size() <= 128 &&
           std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

}  // namespace

void read_features(const value& from, std::map<std::string, std::string>& into, const context& at) {
    for (const member& entry : members_of(from, at)) {
        if (!entry.what.is_text())
            at.below(entry.key).fail_type(entry.what, "a feature's name in quotes");
        else if (!is_label(entry.key) || !is_label(entry.what.text))
            at.below(entry.key).fail(entry.at, "names have 1 to 128 bytes and no control characters");
        else
            into.insert_or_assign(to_lower(entry.key), entry.what.text);  // content types are lower case
    }
}

void read_price_overrides(const value& from, std::map<std::string, price_override>& into, const context& at) {
    std::map<std::string, price_override> overrides;
    for (const member& model : members_of(from, at)) {
        if (model.key.empty()) at.fail(model.at, "a model's name must not be empty");
        overrides.emplace(model.key, read_price_override(model.what, at.below(model.key)));
    }
    into = std::move(overrides);
}

void read_cache_rules(const value& from, std::vector<cache_rule>& into, const context& at) {
    std::vector<cache_rule> rules;
    for (const member& entry : members_of(from, at)) {
        const context here = at.below(entry.key);
        if (entry.key.empty() || !field_name_or_empty(entry.key).empty())
            here.fail(entry.at, "expected the name of an HTTP field, such as x-my-cache");
        cache_rule rule{to_lower(entry.key), {}, {}, {}};
        for (const member& word : members_of(entry.what, here)) {
            std::vector<std::string>* words = nullptr;
            if (word.key == "hit") words = &rule.hit;
            if (word.key == "miss") words = &rule.miss;
            if (word.key == "bypass") words = &rule.bypass;
            if (words)
                read_texts(word.what, *words, here.below(word.key), not_empty);
            else
                here.below(word.key).fail(
                    word.at,
                    "unknown key; did you mean " + std::string(nearest_key(word.key, {"hit", "miss", "bypass"})) + "?");
        }
        if (rule.hit.empty() && rule.miss.empty() && rule.bypass.empty())
            here.fail(entry.at, "says nothing: name at least one word of hit, miss or bypass");
        rules.push_back(std::move(rule));
    }
    into = std::move(rules);
}

void read_certificates(const value& from, std::vector<certificate_files>& into, const context& at) {
    std::vector<certificate_files> certificates;
    for (const value& item : tables_of(from, at)) {
        certificate_files files;
        for (const member& file : members_of(item, at)) {
            if (file.key == "cert" || file.key == "key")
                read_text(file.what, file.key == "cert" ? files.cert : files.key, at.below(file.key),
                          readable_file_or_empty);
            else
                at.below(file.key).fail(
                    file.at, "unknown key; did you mean " + std::string(nearest_key(file.key, {"cert", "key"})) + "?");
        }
        if (files.cert.empty() || files.key.empty()) at.fail(item.at, "each certificate needs cert and key");
        certificates.push_back(std::move(files));
    }
    into = std::move(certificates);
}

}  // namespace conf
