// The readers of keys whose values are tables of names: features, price overrides, cache rules.
#include <algorithm>
#include <array>
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

// The members of a table. An override gives it as TOML does inline: { "job-match" = "job-matcher" }.
std::vector<member> members_of(const value& from, const context& at) {
    if (from.is == value::kind::table) return from.members;
    if (from.is != value::kind::loose) {
        at.fail_type(from, "a table");
        return {};
    }
    if (from.text.find_first_not_of(" \t") == std::string::npos) return {};
    auto inline_table = parse_toml("table = " + from.text, "");
    if (auto* root = std::get_if<value>(&inline_table))
        if (root->members.size() == 1 && root->members[0].what.is == value::kind::table) {
            forget_places(*root);
            return root->members[0].what.members;
        }
    at.fail(from.at, R"(expected an inline table: { "name" = ... })");
    return {};
}

// The prices of an override by their names in the file, and what the catalogue calls them.
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> price_names{
    {{"input", "in"},
     {"output", "out"},
     {"cached", "cache_read"},
     {"cache_read", "cache_read"},
     {"cache_write", "cache_write"},
     {"cache_write_1h", "cache_write_1h"},
     {"reasoning", "reasoning"},
     {"audio_input", "audio_in"},
     {"audio_output", "audio_out"}}};

// 1 USD per 1M tokens is 10^6 pico-USD per token; a thousand dollars a token is beyond any price list.
constexpr int pico_places = 6;
constexpr std::int64_t most_pico = 1'000'000'000'000'000;

price_override read_price_override(const value& from, const context& at) {
    price_override made;
    for (const member& price : members_of(from, at)) {
        const auto* known = std::find_if(price_names.begin(), price_names.end(),
                                         [&](const auto& name) { return name.first == price.key; });
        if (known == price_names.end()) {
            std::vector<std::string_view> names;
            names.reserve(price_names.size());
            for (const auto& name : price_names) names.push_back(name.first);
            at.below(price.key).fail(price.at,
                                     "unknown price; did you mean " + std::string(nearest_key(price.key, names)) + "?");
            continue;
        }
        std::int64_t pico = 0;
        read_decimal(price.what, pico, at.below(price.key), pico_places, most_pico);
        if (!made.pico.emplace(known->second, pico).second)
            at.below(price.key).fail(price.at, "cached and cache_read are the same price; write it once");
    }
    if (!made.pico.contains("in")) at.fail(from.at, "an override needs at least input = USD per 1M tokens");
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

}  // namespace conf
