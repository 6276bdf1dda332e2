#include "tracking/store/stream_recount.hpp"

#include <algorithm>
#include <functional>

namespace tracking::store {

namespace {

constexpr std::size_t ids_max = 16'000'000;  // 128 MB; past it duplicates are sought within windows of this size

// The shown fields of the analytics view must say what the usage view says.
bool same(const reply& usage, const reply& analytics) {
    return id_of_entry(usage) == id_of_entry(analytics) &&
           field_of_entry(usage, "id") == field_of_entry(analytics, "id") &&
           field_of_entry(usage, "cost") == field_of_entry(analytics, "cost") &&
           field_of_entry(usage, "success") == field_of_entry(analytics, "success") &&
           field_of_entry(usage, "feature") == field_of_entry(analytics, "feature");
}

std::uint64_t fingerprint(std::string_view id) { return std::hash<std::string_view>{}(id); }

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

std::int64_t nano_of(std::string_view usd) {
    const bool negative = usd.starts_with('-');
    if (negative) usd.remove_prefix(1);
    std::int64_t whole = 0, part = 0;
    int places = -1;  // behind the point
    for (const char c : usd) {
        if (c == '.' && places < 0) {
            places = 0;
        } else if (c < '0' || c > '9' || places == 9) {
            return 0;
        } else if (places < 0) {
            if (__builtin_mul_overflow(whole, std::int64_t{10}, &whole)) return 0;
            whole += c - '0';
        } else {
            part = part * 10 + (c - '0');
            ++places;
        }
    }
    for (int i = places < 0 ? 0 : places; i < 9; ++i) part *= 10;
    std::int64_t nano = 0;
    if (__builtin_mul_overflow(whole, std::int64_t{1'000'000'000}, &nano) ||
        __builtin_add_overflow(nano, part, &nano)) {
        nano = INT64_MAX;
    }
    return negative ? -nano : nano;
}

void stream_recount::begin() { *this = {}; }

std::string stream_recount::add(const reply& usage_page, const reply& analytics_page) {
    const auto& usage = usage_page.elements;
    const auto& analytics = analytics_page.elements;
    const std::size_t both = std::min(usage.size(), analytics.size());
    for (std::size_t i = 0; i < both; ++i) mismatches_ += !same(usage[i], analytics[i]);
    mismatches_ += static_cast<std::int64_t>(std::max(usage.size(), analytics.size()) - both);
    for (const auto& entry : usage) {
        usage_cost_ += nano_of(field_of_entry(entry, "cost"));
        ids_.push_back(fingerprint(field_of_entry(entry, "id")));
    }
    for (const auto& entry : analytics) analytics_cost_ += nano_of(field_of_entry(entry, "cost"));
    entries_ += static_cast<std::int64_t>(usage.size());
    if (ids_.size() >= ids_max) {
        count_duplicates();
        ids_.clear();
        forgot_ = true;
    }
    const std::string_view last_usage = usage.empty() ? std::string_view{} : id_of_entry(usage.back());
    const std::string_view last_analytics = analytics.empty() ? std::string_view{} : id_of_entry(analytics.back());
    return std::string(last_usage.empty() ? last_analytics : last_usage);
}

void stream_recount::count_duplicates() {
    std::sort(ids_.begin(), ids_.end());
    for (std::size_t i = 1; i < ids_.size(); ++i) duplicates_ += ids_[i] == ids_[i - 1];
}

void stream_recount::end() { count_duplicates(); }

bool stream_recount::has(const uuid& id) const {
    return std::binary_search(ids_.begin(), ids_.end(), fingerprint(to_text(id)));
}

}  // namespace tracking::store
