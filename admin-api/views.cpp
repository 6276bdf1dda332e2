// Field names and their order, one function for each object of the contract.
#include "admin-api/views.hpp"

#include <algorithm>

#include "admin-api/json_writer.hpp"
#include "tracking/store/counting.hpp"
#include "tracking/store/reply_numbers.hpp"

namespace admin {

namespace {

namespace store = tracking::store;
using store::counter;
using store::counters;
using store::histogram;

std::int64_t get(const counters& of, counter which) { return of[static_cast<std::size_t>(which)]; }

std::optional<double> rate(std::int64_t part, std::int64_t whole) {
    if (whole <= 0) return std::nullopt;
    return static_cast<double>(part) / static_cast<double>(whole);
}

std::optional<millis> average(std::int64_t sum_us, std::int64_t count) {
    if (count <= 0) return std::nullopt;
    return millis{store::rounded(static_cast<double>(sum_us) / static_cast<double>(count))};
}

std::optional<millis> average_duration(const counters& of) {
    return average(get(of, counter::duration_us), get(of, counter::duration_count));
}

std::optional<millis> percentile(const histogram& of, double rank) {
    const auto us = store::percentile_us(of, rank);
    return us ? std::optional(millis{*us}) : std::nullopt;
}

std::optional<double> success_rate(const counters& of) {
    const auto success = get(of, counter::success);
    return rate(success, store::saturating_sum(success, get(of, counter::errors)));
}

std::optional<double> error_rate(const counters& of) {
    const auto errors = get(of, counter::errors);
    return rate(errors, store::saturating_sum(get(of, counter::success), errors));
}

std::optional<double> cache_hit_rate(const counters& of) {
    return rate(get(of, counter::cached), get(of, counter::success));
}

void write_coverage(json_writer& json, const counters& of) {
    const auto requests = get(of, counter::requests);
    json.key("coverage");
    json.open('{');
    const auto unpriced = std::clamp<std::int64_t>(get(of, counter::unpriced), 0, std::max<std::int64_t>(requests, 0));
    json.field("priced", rate(requests - unpriced, requests));
    json.field("usageKnown", rate(get(of, counter::usage_known), requests));
    json.field("identified", rate(get(of, counter::identified), requests));
    json.close('}');
}

// today{}, month{}, totals{}
void write_totals(json_writer& json, const period_figures& of) {
    const auto& values = of.values;
    json.open('{');
    json.field("requests", get(values, counter::requests));
    json.field("success", get(values, counter::success));
    json.field("errors", get(values, counter::errors));
    json.field("blocked", get(values, counter::blocked));
    json.field("aborted", get(values, counter::aborted));
    json.field("cached", get(values, counter::cached));
    json.field("cacheHitRate", cache_hit_rate(values));
    json.field("successRate", success_rate(values));
    json.field("cost", usd{get(values, counter::cost_nano)});
    json.field("saved", usd{get(values, counter::saved_nano)});
    json.field("wasted", usd{get(values, counter::wasted_nano)});
    write_coverage(json, values);
    json.field("inputTokens", get(values, counter::input_tokens));
    json.field("outputTokens", get(values, counter::output_tokens));
    json.field("tokensUsed", get(values, counter::tokens_used));
    json.field("avgDurationMs", average_duration(values));
    json.field("p50DurationMs", percentile(of.latency, 0.50));
    json.field("p95DurationMs", percentile(of.latency, 0.95));
    json.field("p99DurationMs", percentile(of.latency, 0.99));
    json.field("activeUsers", of.active_users);
    json.close('}');
}

// The fields of an overTime row, and of the rows by label.
void write_row_fields(json_writer& json, const counters& of) {
    json.field("requests", get(of, counter::requests));
    json.field("success", get(of, counter::success));
    json.field("errors", get(of, counter::errors));
    json.field("blocked", get(of, counter::blocked));
    json.field("aborted", get(of, counter::aborted));
    json.field("cached", get(of, counter::cached));
    json.field("cost", usd{get(of, counter::cost_nano)});
    json.field("saved", usd{get(of, counter::saved_nano)});
    json.field("wasted", usd{get(of, counter::wasted_nano)});
    json.field("tokensUsed", get(of, counter::tokens_used));
    json.field("avgDurationMs", average_duration(of));
}

// One metric of trends{}: unknown figures (an average over nothing) are null. Percentages are those of the figures
// shown, not of what they were rounded from.
template <class Shown>
struct trend {
    std::optional<std::int64_t> today, yesterday, month, last_month;

    static std::optional<double> change(std::optional<std::int64_t> now, std::optional<std::int64_t> before) {
        if (!now || !before || *before == 0) return std::nullopt;
        const auto base = static_cast<double>(*before);
        return (static_cast<double>(*now) - base) / base * 100.0;
    }
    static std::optional<Shown> shown(std::optional<std::int64_t> value) {
        return value ? std::optional(Shown{*value}) : std::nullopt;
    }
    void write(json_writer& json, std::string_view name) const {
        json.key(name);
        json.open('{');
        json.field("today", shown(today));
        json.field("yesterday", shown(yesterday));
        json.field("changePct", change(today, yesterday));
        json.field("thisMonth", shown(month));
        json.field("lastMonth", shown(last_month));
        json.field("monthChangePct", change(month, last_month));
        json.close('}');
    }
};

std::optional<std::int64_t> average_us(const trend_sums& of) {
    if (of.duration_count <= 0) return std::nullopt;
    return store::rounded(of.duration_us / of.duration_count);
}

std::optional<std::int64_t> average_us(const counters& of) {
    const auto average = average_duration(of);
    return average ? std::optional(average->us) : std::nullopt;
}

void write_trends(json_writer& json, const overview_figures& of) {
    const auto& today = of.today.values;
    const auto& month = of.month.values;
    const auto sums = [&]<class Shown>(trend<Shown>, counter which, double trend_sums::* sum) {
        return trend<Shown>{get(today, which), store::rounded(of.yesterday.*sum), get(month, which),
                            store::rounded(of.last_month.*sum)};
    };
    json.key("trends");
    json.open('{');
    sums(trend<std::int64_t>{}, counter::requests, &trend_sums::requests).write(json, "requests");
    sums(trend<usd>{}, counter::cost_nano, &trend_sums::cost_nano).write(json, "cost");
    sums(trend<std::int64_t>{}, counter::errors, &trend_sums::errors).write(json, "errors");
    const trend<millis> durations{average_us(today), average_us(of.yesterday), average_us(month),
                                  average_us(of.last_month)};
    durations.write(json, "avgDurationMs");
    json.close('}');
}

void write_statuses(json_writer& json, const std::map<int, std::int64_t>& statuses) {
    json.key("byStatus");
    json.open('{');
    for (const auto& [status, count] : statuses) json.field(std::to_string(status), count);
    json.close('}');
}

void write_errors(json_writer& json, const std::vector<store::reports::message_count>& errors) {
    json.key("topErrors");
    json.open('[');
    for (const auto& error : errors) {
        json.open('{');
        json.field("message", error.message);
        json.field("count", error.count);
        json.close('}');
    }
    json.close(']');
}

void write_quality(json_writer& json, const overview_figures& of) {
    const auto& values = of.today.values;
    json.key("quality");
    json.open('{');
    json.field("successRate", success_rate(values));
    json.field("errorRate", error_rate(values));
    json.field("cacheHitRate", cache_hit_rate(values));
    json.field("estimatedRate", rate(get(values, counter::estimated), get(values, counter::requests)));
    json.field("p50DurationMs", percentile(of.today.latency, 0.50));
    json.field("p95DurationMs", percentile(of.today.latency, 0.95));
    json.field("p99DurationMs", percentile(of.today.latency, 0.99));
    json.field("avgTtftMs", average(get(values, counter::ttft_us), get(values, counter::ttft_count)));
    write_statuses(json, of.statuses);
    write_errors(json, of.errors);
    json.close('}');
}

void write_over_time(json_writer& json, const usage_figures& of) {
    json.key("overTime");
    json.open('[');
    const auto dates = of.range.dates();
    for (std::size_t i = 0; i < std::min(dates.size(), of.days.size()); ++i) {
        json.open('{');
        json.field("date", date_text(dates[i]));
        write_row_fields(json, of.days[i]);
        json.close('}');
    }
    json.close(']');
}

void write_labels(json_writer& json, std::string_view name, std::vector<store::bucket_of> rows,
                  const std::map<std::string, histogram>* latency = nullptr) {
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
        const auto left = get(a.values, counter::requests), right = get(b.values, counter::requests);
        return left != right ? left > right : a.name < b.name;
    });
    json.key(name);
    json.open('[');
    for (const auto& row : rows) {
        json.open('{');
        json.field("name", row.name);
        write_row_fields(json, row.values);
        if (latency != nullptr) {
            const auto found = latency->find(row.name);
            json.field("p95DurationMs", found == latency->end() ? std::nullopt : percentile(found->second, 0.95));
        }
        json.close('}');
    }
    json.close(']');
}

void write_hours(json_writer& json, const usage_figures& of) {
    json.key("byHour");
    json.open('[');
    for (std::size_t hour = 0; hour < of.hours.size(); ++hour) {
        json.open('{');
        json.field("hour", hour);
        json.field("requests", of.hours[hour].requests);
        json.field("cost", usd{of.hours[hour].cost_nano});
        json.field("errors", of.hours[hour].errors);
        json.close('}');
    }
    json.close(']');
    json.key("heatmap");
    json.open('[');
    for (const auto& weekday : of.heatmap) {
        json.open('[');
        for (const std::int64_t requests : weekday) json.value(requests);
        json.close(']');
    }
    json.close(']');
}

void write_users(json_writer& json, const usage_figures& of) {
    json.key("topUsers");
    json.open('[');
    for (const auto& user : of.users) {
        json.open('{');
        json.field("userId", user.user_id);
        json.field("plan", user.plan.empty() ? std::nullopt : std::optional(user.plan));
        json.field("requests", user.requests);
        json.field("cost", usd{user.cost_nano});
        json.field("tokensUsed", user.tokens_used);
        json.close('}');
    }
    json.close(']');
}

void write_filter(json_writer& json, const std::optional<usage_filter>& filter) {
    if (!filter) return json.value(std::nullopt);
    json.open('{');
    json.field(filter->kind, filter->label);
    json.close('}');
}

void write_nulls(json_writer& json, std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) json.field(name, std::nullopt);
}

// Of a filtered report only the row of its label; what is not counted by label is unknown, not empty.
void write_breakdowns(json_writer& json, const usage_figures& of) {
    const auto labels = [&](std::string_view name, std::string_view kind, const std::vector<store::bucket_of>& rows) {
        if (of.filter && of.filter->kind != kind) return json.field(name, std::nullopt);
        write_labels(json, name, rows, kind == "feature" ? &of.feature_latency : nullptr);
    };
    labels("byFeature", "feature", of.features);
    labels("byModel", "model", of.models);
    labels("byProvider", "provider", of.providers);
    labels("byPlan", "plan", of.plans);
    if (of.filter) return write_nulls(json, {"byHour", "heatmap", "topUsers", "byStatus", "topErrors"});
    write_hours(json, of);
    write_users(json, of);
    write_statuses(json, of.statuses);
    write_errors(json, of.errors);
}

}  // namespace

void trend_sums::add(const counters& bucket, double part) {
    requests += part * static_cast<double>(get(bucket, counter::requests));
    cost_nano += part * static_cast<double>(get(bucket, counter::cost_nano));
    errors += part * static_cast<double>(get(bucket, counter::errors));
    duration_us += part * static_cast<double>(get(bucket, counter::duration_us));
    duration_count += part * static_cast<double>(get(bucket, counter::duration_count));
}

std::string totals_json(const period_figures& of) {
    json_writer json;
    write_totals(json, of);
    return json.take();
}

std::string overview_json(const overview_figures& from, const store::calendar& when) {
    json_writer json;
    json.open('{');
    json.field("generatedAt", when.rfc3339(from.now_ms));
    json.field("timezone", when.zone());
    json.key("today");
    write_totals(json, from.today);
    json.key("month");
    write_totals(json, from.month);
    write_trends(json, from);
    write_quality(json, from);
    json.close('}');
    return json.take();
}

std::string usage_json(const usage_figures& from, const store::calendar& when) {
    json_writer json;
    json.open('{');
    json.field("generatedAt", when.rfc3339(from.now_ms));
    json.field("timezone", when.zone());
    json.key("range");
    json.open('{');
    json.field("from", date_text(from.range.from));
    json.field("to", date_text(from.range.to));
    json.field("days", from.range.days());
    json.close('}');
    json.key("filter");
    write_filter(json, from.filter);
    json.key("totals");
    write_totals(json, from.totals);
    write_over_time(json, from);
    write_breakdowns(json, from);
    json.key("successRate");
    json.open('{');
    json.field("success", get(from.totals.values, counter::success));
    json.field("error", get(from.totals.values, counter::errors));
    json.field("blocked", get(from.totals.values, counter::blocked));
    json.field("aborted", get(from.totals.values, counter::aborted));
    json.close('}');
    json.close('}');
    return json.take();
}

}  // namespace admin
