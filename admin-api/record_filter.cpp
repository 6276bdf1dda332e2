#include "admin-api/record_filter.hpp"

#include <algorithm>
#include <array>

#include "tracking/record.hpp"

namespace admin {

namespace {

bool is_outcome(std::string_view text) {
    using tracking::outcome;
    constexpr std::array all{outcome::ok,           outcome::error,          outcome::blocked,
                             outcome::client_abort, outcome::upstream_abort, outcome::interrupted};
    return std::any_of(all.begin(), all.end(), [&](outcome one) { return tracking::to_string(one) == text; });
}

std::vector<std::string> split_at_commas(std::string_view text) {
    std::vector<std::string> parts;
    for (std::size_t from = 0; from <= text.size();) {
        const auto comma = std::min(text.find(',', from), text.size());
        parts.emplace_back(text.substr(from, comma - from));
        from = comma + 1;
    }
    return parts;
}

}  // namespace

std::variant<std::vector<record_filter>, bad_parameter> filters_of(const query& asked) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 5> fields{
        {{"user", "userId"}, {"feature", "feature"}, {"model", "aiModel"}, {"plan", "plan"}, {"provider", "provider"}}};
    std::vector<record_filter> filters;
    for (const auto& [name, field] : fields) {
        if (const auto value = asked.get(name)) filters.push_back({field, {std::string(*value)}});
    }
    if (const auto wanted = asked.get("outcome")) {
        auto outcomes = split_at_commas(*wanted);
        if (!std::all_of(outcomes.begin(), outcomes.end(), is_outcome)) {
            return bad_parameter{"outcome",
                                 "must be ok, error, blocked, client_abort, upstream_abort or interrupted, or several "
                                 "of them with commas between"};
        }
        filters.push_back({"outcome", std::move(outcomes)});
    }
    return filters;
}

bool passes(const entry_fields& record, const std::vector<record_filter>& filters) {
    return std::all_of(filters.begin(), filters.end(), [&](const record_filter& one) {
        return std::any_of(record.begin(), record.end(), [&](const auto& field) {
            return field.first == one.field &&
                   std::find(one.values.begin(), one.values.end(), field.second) != one.values.end();
        });
    });
}

}  // namespace admin
