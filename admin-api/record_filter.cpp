#include "admin-api/record_filter.hpp"

#include <algorithm>
#include <array>

#include "tracking/record.hpp"

namespace admin {

std::variant<std::vector<record_filter>, bad_parameter> filters_of(const query& asked) {
    using tracking::outcome;
    constexpr std::array<std::pair<std::string_view, std::string_view>, 6> fields{{{"user", "userId"},
                                                                                   {"feature", "feature"},
                                                                                   {"model", "aiModel"},
                                                                                   {"outcome", "outcome"},
                                                                                   {"plan", "plan"},
                                                                                   {"provider", "provider"}}};
    std::vector<record_filter> filters;
    for (const auto& [name, field] : fields) {
        if (const auto value = asked.get(name)) filters.push_back({field, std::string(*value)});
    }
    constexpr std::array outcomes{outcome::ok,           outcome::error,          outcome::blocked,
                                  outcome::client_abort, outcome::upstream_abort, outcome::interrupted};
    const auto wanted = asked.get("outcome");
    const auto known = [&](outcome one) { return tracking::to_string(one) == *wanted; };
    if (wanted && std::none_of(outcomes.begin(), outcomes.end(), known)) {
        return bad_parameter{"outcome", "must be ok, error, blocked, client_abort, upstream_abort or interrupted"};
    }
    return filters;
}

bool passes(const entry_fields& record, const std::vector<record_filter>& filters) {
    return std::all_of(filters.begin(), filters.end(), [&](const record_filter& one) {
        return std::any_of(record.begin(), record.end(),
                           [&](const auto& field) { return field.first == one.field && field.second == one.value; });
    });
}

}  // namespace admin
