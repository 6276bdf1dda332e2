#include "admin-api/user_view.hpp"

#include <algorithm>
#include <optional>

#include "admin-api/json_writer.hpp"

namespace admin {

namespace {

template <class Row>
void write_usage(json_writer& json, const Row& of) {
    json.field("requests", of.requests);
    json.field("errors", of.errors);
    json.field("tokensUsed", of.tokens_used);
    json.field("cost", usd{of.cost_nano});
}

void write_days(json_writer& json, const user_figures& of) {
    json.key("overTime");
    json.open('[');
    const auto dates = of.range.dates();
    for (std::size_t i = 0; i < std::min(dates.size(), of.days.size()); ++i) {
        json.open('{');
        json.field("date", date_text(dates[i]));
        json.field("requests", of.days[i].requests);
        json.field("cost", usd{of.days[i].cost_nano});
        json.close('}');
    }
    json.close(']');
}

void write_months(json_writer& json, const user_figures& of) {
    json.key("byMonth");
    json.open('[');
    for (const auto& month : of.months) {
        json.open('{');
        json.field("month", month.month);
        write_usage(json, month);
        json.close('}');
    }
    json.close(']');
}

// Most requests first.
void write_features(json_writer& json, const user_figures& of) {
    std::vector<std::pair<std::string, user_figures::feature>> rows(of.features.begin(), of.features.end());
    std::stable_sort(rows.begin(), rows.end(),
                     [](const auto& a, const auto& b) { return a.second.requests > b.second.requests; });
    json.key("features");
    json.open('[');
    for (const auto& [name, row] : rows) {
        json.open('{');
        json.field("name", name);
        write_usage(json, row);
        json.close('}');
    }
    json.close(']');
    json.field("featuresComplete", of.features_complete);
}

std::optional<std::string> latest_plan(const user_figures& of) {
    for (auto month = of.months.rbegin(); month != of.months.rend(); ++month)
        if (!month->plan.empty()) return month->plan;
    return std::nullopt;
}

}  // namespace

std::string user_json(const user_figures& from, const tracking::store::calendar& when) {
    json_writer json;
    json.open('{');
    json.field("generatedAt", when.rfc3339(from.now_ms));
    json.field("timezone", when.zone());
    json.field("userId", from.user_id);
    json.field("plan", latest_plan(from));
    json.key("range");
    json.open('{');
    json.field("from", date_text(from.range.from));
    json.field("to", date_text(from.range.to));
    json.field("days", from.range.days());
    json.close('}');
    json.key("totals");
    json.open('{');
    write_usage(json, from);
    json.field("inProportion", from.in_proportion);
    json.close('}');
    write_days(json, from);
    write_months(json, from);
    write_features(json, from);
    json.key("budgets");
    json.open('[');
    json.close(']');
    json.close('}');
    return json.take();
}

}  // namespace admin
