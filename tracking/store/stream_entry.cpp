#include "tracking/store/stream_entry.hpp"

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

namespace tracking::store {

namespace {

// A decimal as the usage view writes it, in units of 10^-places; what is no number is 0.
std::int64_t fixed_point(std::string_view text, int places) {
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    std::int64_t value = 0;
    int behind = -1;  // digits behind the point so far
    const auto push = [&value](int digit) {
        return __builtin_mul_overflow(value, std::int64_t{10}, &value) ||
               __builtin_add_overflow(value, std::int64_t{digit}, &value);
    };
    bool overflows = false;
    for (const char c : text) {
        if (c == '.' && behind < 0) {
            behind = 0;
        } else if (c < '0' || c > '9' || behind == places) {
            return 0;
        } else {
            overflows |= push(c - '0');
            if (behind >= 0) ++behind;
        }
    }
    for (int i = behind < 0 ? 0 : behind; i < places; ++i) overflows |= push(0);
    if (overflows) value = INT64_MAX;
    return negative ? -value : value;
}

std::int64_t integer_of(std::string_view text) {
    std::int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

template <class Enum, std::size_t Count>
Enum named(std::string_view text, const std::array<Enum, Count>& all) {
    for (const Enum one : all) {
        if (to_string(one) == text) return one;
    }
    return all.front();
}

constexpr std::array outcomes{outcome::ok,           outcome::error,          outcome::blocked,
                              outcome::client_abort, outcome::upstream_abort, outcome::interrupted};
constexpr std::array usage_sources{usage_source::none, usage_source::body, usage_source::headers,
                                   usage_source::estimated};
constexpr std::array cost_sources{cost_source::none,      cost_source::cache,     cost_source::reported,
                                  cost_source::catalogue, cost_source::estimated, cost_source::unknown};
constexpr std::array user_sources{user_source::anonymous, user_source::app, user_source::jwt, user_source::header,
                                  user_source::key};

using setter = void (*)(record&, std::string_view);
template <auto member>
void integer(record& to, std::string_view text) {
    to.*member = integer_of(text);
}
template <auto member>
void text(record& to, std::string_view value) {
    to.*member = value;
}
template <auto member>
void flag(record& to, std::string_view value) {
    to.*member = value == "1";
}
template <auto member>
void nano(record& to, std::string_view value) {
    to.*member = nano_of(value);
}
template <auto member>
void micros(record& to, std::string_view value) {
    to.*member = fixed_point(value, 3);
}

// What count(), the labels, the users, the histograms and the messages are made of.
constexpr std::pair<std::string_view, setter> counted[] = {
    {"ts", integer<&record::ts_ms>},
    {"userId", text<&record::user_id>},
    {"plan", text<&record::plan>},
    {"userSource", [](record& to, std::string_view value) { to.user_from = named(value, user_sources); }},
    {"provider", text<&record::provider>},
    {"aiModel", text<&record::ai_model>},
    {"feature", text<&record::feature>},
    {"inputTokens", integer<&record::input_tokens>},
    {"cachedTokens", integer<&record::cached_tokens>},
    {"cacheWriteTokens", integer<&record::cache_write_tokens>},
    {"outputTokens", integer<&record::output_tokens>},
    {"reasoningTokens", integer<&record::reasoning_tokens>},
    {"tokensUsed", integer<&record::tokens_used>},
    {"usageSource", [](record& to, std::string_view value) { to.usage_from = named(value, usage_sources); }},
    {"cost", nano<&record::cost_nano>},
    {"costSource", [](record& to, std::string_view value) { to.cost_from = named(value, cost_sources); }},
    {"saved", nano<&record::saved_nano>},
    {"savedTokens", integer<&record::saved_tokens>},
    {"cached", flag<&record::cached>},
    {"success", flag<&record::success>},
    {"status", [](record& to, std::string_view value) { to.status = static_cast<int>(integer_of(value)); }},
    {"errorMessage", text<&record::error_message>},
    {"requestDuration", micros<&record::duration_us>},
    {"upstreamDuration", micros<&record::upstream_us>},
    {"ttft", micros<&record::ttft_us>},
    {"estimated", flag<&record::estimated>},
    {"outcome", [](record& to, std::string_view value) { to.result = named(value, outcomes); }},
    {"variant", text<&record::variant>},
};

}  // namespace

std::string_view field_of_entry(const reply& entry, std::string_view name) {
    if (entry.elements.size() != 2) return {};
    const auto& fields = entry.elements[1].elements;
    for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
        if (fields[i].text == name) return fields[i + 1].text;
    }
    return {};
}

std::string_view id_of_entry(const reply& entry) {
    return entry.elements.empty() ? std::string_view{} : std::string_view(entry.elements[0].text);
}

std::int64_t nano_of(std::string_view usd) { return fixed_point(usd, 9); }

// The fields come in the order of the table, some of them left out: each is looked for behind the last one found.
void read_counted(const reply& entry, record& to) {
    to.clear();
    if (entry.elements.size() != 2) return;
    const auto& fields = entry.elements[1].elements;
    std::size_t next = 0;
    for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
        for (std::size_t tried = 0; tried < std::size(counted); ++tried) {
            const std::size_t at = (next + tried) % std::size(counted);
            if (counted[at].first != fields[i].text) continue;
            counted[at].second(to, fields[i + 1].text);
            next = at + 1;
            break;
        }
    }
}

bool same_record(const reply& usage, const reply& analytics) {
    if (id_of_entry(usage) != id_of_entry(analytics)) return false;
    constexpr std::pair<std::string_view, std::string_view> shown[] = {
        {"id", "id"},           {"userId", "userId"}, {"clerkUserId", "clerkUserId"}, {"contentType", "contentType"},
        {"model", "aiModel"},   {"cached", "cached"}, {"feature", "feature"},         {"cost", "cost"},
        {"success", "success"}, {"ts", "ts"}};
    for (const auto& [general, detailed] : shown) {
        if (field_of_entry(analytics, general) != field_of_entry(usage, detailed)) return false;
    }
    return true;
}

entry_id entry_id::parse(std::string_view text) {
    entry_id id;
    const std::size_t dash = text.find('-');
    const char* const end = text.data() + text.size();
    std::from_chars(text.data(), end, id.ms);
    if (dash != std::string_view::npos) std::from_chars(text.data() + dash + 1, end, id.sequence);
    return id;
}

std::string entry_id::text() const { return std::to_string(ms) + "-" + std::to_string(sequence); }

}  // namespace tracking::store
