#include "tracking/store/keys.hpp"

#include <bit>
#include <initializer_list>

namespace tracking::store {

namespace {

constexpr char hex_digits[] = "0123456789ABCDEF";

bool plain(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '/' || c == '@' || c == '-';
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

std::string join(std::initializer_list<std::string_view> parts) {
    std::size_t size = 0;
    for (auto part : parts) size += part.size() + 1;
    std::string key;
    key.reserve(size);
    for (auto part : parts) {
        if (!key.empty()) key += ':';
        key += part;
    }
    return key;
}

constexpr std::array<std::string_view, counter_count> counter_fields{
    "requests",     "success",          "errors",          "blocked",       "aborted",     "cached",
    "estimated",    "unpriced",         "identified",      "usageKnown",    "inputTokens", "outputTokens",
    "cachedTokens", "cacheWriteTokens", "reasoningTokens", "tokensUsed",    "savedTokens", "costNanoUsd",
    "savedNanoUsd", "wastedNanoUsd",    "durationUs",      "durationCount", "ttftUs",      "ttftCount"};

constexpr int sub_bits = 6;  // 64 buckets per power of two
constexpr int sub_count = 1 << sub_bits;

}  // namespace

std::string escape_label(std::string_view label) {
    std::string escaped;
    escaped.reserve(label.size());
    for (char c : label) {
        if (plain(c)) {
            escaped += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        escaped += '%';
        escaped += hex_digits[byte >> 4];
        escaped += hex_digits[byte & 15];
    }
    return escaped;
}

std::string unescape_label(std::string_view escaped) {
    std::string label;
    label.reserve(escaped.size());
    for (std::size_t i = 0; i < escaped.size(); ++i) {
        if (escaped[i] == '%' && i + 2 < escaped.size()) {
            const int high = hex_value(escaped[i + 1]);
            const int low = hex_value(escaped[i + 2]);
            if (high >= 0 && low >= 0) {
                label += static_cast<char>(high * 16 + low);
                i += 2;
                continue;
            }
        }
        label += escaped[i];
    }
    return label;
}

std::string key_names::usage_stream() const { return join({prefix_, "usage"}); }
std::string key_names::analytics_stream() const { return join({prefix_, "analytics"}); }
std::string key_names::meta() const { return join({prefix_, "meta"}); }
std::string key_names::journals() const { return join({prefix_, "journals"}); }
std::string key_names::total() const { return join({prefix_, "usage", "total"}); }
std::string key_names::months() const { return join({prefix_, "usage", "months"}); }
std::string key_names::checkpoints() const { return join({prefix_, "usage", "checkpoints"}); }

std::string key_names::usage(std::string_view period) const { return join({prefix_, "usage", period}); }

std::string key_names::usage_by(std::string_view period, std::string_view kind, std::string_view label) const {
    return join({prefix_, "usage", period, kind, escape_label(label)});
}

std::string key_names::analytics(std::string_view period) const { return join({prefix_, "analytics", period}); }

std::string key_names::users_requests(std::string_view day_period) const {
    return join({prefix_, "usage", day_period, "users", "requests"});
}

std::string key_names::users_cost(std::string_view day_period) const {
    return join({prefix_, "usage", day_period, "users", "cost"});
}

std::string key_names::latency(std::string_view day_period) const {
    return join({prefix_, "usage", day_period, "latency"});
}

std::string key_names::feature_latency(std::string_view day_period, std::string_view feature) const {
    return join({prefix_, "usage", day_period, "feature", escape_label(feature), "latency"});
}

std::string key_names::status(std::string_view day_period) const {
    return join({prefix_, "usage", day_period, "status"});
}

std::string key_names::errors(std::string_view day_period) const {
    return join({prefix_, "usage", day_period, "errors"});
}

std::string key_names::active(std::string_view day_period) const {
    return join({prefix_, "usage", day_period, "active"});
}

std::string key_names::labels(std::string_view period, std::string_view kind) const {
    return join({prefix_, "usage", period, "labels", kind});
}

std::string key_names::corrections(std::string_view day) const { return join({prefix_, "corrections", "day", day}); }

std::string key_names::corrected_records(std::string_view day) const {
    return join({prefix_, "corrections", "day", day, "records"});
}

std::string key_names::corrected_days() const { return join({prefix_, "corrections", "days"}); }

std::string key_names::staged_corrections(std::string_view day, std::string_view run) const {
    return join({prefix_, "corrections", "staged", run, day});
}

std::string_view field_of(counter which) {
    const auto index = static_cast<std::size_t>(which);
    return index < counter_count ? counter_fields[index] : std::string_view{};
}

// Below 64 us each value has its own bucket; above, the highest bit picks 64 buckets and the next 6 bits one of them.
int histogram_bucket(std::int64_t us) {
    if (us < 0) us = 0;
    if (us < sub_count) return static_cast<int>(us);
    const auto value = static_cast<std::uint64_t>(us);
    const int shift = std::bit_width(value) - 1 - sub_bits;
    return (shift + 1) * sub_count + static_cast<int>((value >> shift) & (sub_count - 1));
}

std::int64_t histogram_middle(int bucket) {
    if (bucket < sub_count) return bucket < 0 ? 0 : bucket;
    const int shift = bucket / sub_count - 1;
    if (shift + sub_bits > 62) return INT64_MAX;
    const std::int64_t low = static_cast<std::int64_t>(sub_count + bucket % sub_count) << shift;
    return low + (std::int64_t{1} << shift) / 2;
}

}  // namespace tracking::store
