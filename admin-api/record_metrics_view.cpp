// The metrics of records: OpenTelemetry's conventions for generative AI where they have a name for it, in the spelling
// of its exporters for Prometheus (dots are underscores, the unit is a suffix), aimeter_* for the rest.
#include <array>
#include <map>

#include "admin-api/metrics.hpp"
#include "tracking/store/counting.hpp"

namespace admin {

namespace {

namespace store = tracking::store;
using store::bounded_histogram;
using store::counter;
using store::counters;
using store::record_series;

constexpr int micro = 6, nano = 9;  // decimal places

// OpenTelemetry's well-known values of gen_ai.provider.name, where they are others than ours.
std::string_view otel_provider(std::string_view provider) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 7> names{{{"gemini", "gcp.gemini"},
                                                                                  {"vertex", "gcp.vertex_ai"},
                                                                                  {"bedrock", "aws.bedrock"},
                                                                                  {"azure", "azure.ai.openai"},
                                                                                  {"mistral", "mistral_ai"},
                                                                                  {"moonshot", "moonshot_ai"},
                                                                                  {"xai", "x_ai"}}};
    for (const auto& [ours, theirs] : names)
        if (provider == ours) return theirs;
    return provider;
}

metric_labels otel_labels(const store::series_labels& of) {
    return {{"gen_ai_operation_name", of.operation},
            {"gen_ai_provider_name", otel_provider(of.provider)},
            {"gen_ai_request_model", of.requested_model},
            {"gen_ai_response_model", of.model},
            {"feature", of.feature}};
}

void write_durations(exposition& to, const store::record_metrics& from) {
    to.family("gen_ai_client_operation_duration_seconds", metric_type::histogram,
              "Time from a request's first byte to its answer's last, of requests that reached the upstream.");
    for (const auto& one : from.series()) {
        if (one->duration_us.count() == 0) continue;
        auto labels = otel_labels(one->labels);
        labels.push_back({"error_type", one->labels.error});
        to.histogram(labels, one->duration_us, store::duration_bounds_us, micro);
    }
    to.family(
        "gen_ai_server_time_to_first_token_seconds", metric_type::histogram,
        "Time to the first event with text, reasoning or a tool call; to the first body byte of an answer that is "
        "no stream. Generations that succeeded only.");
    for (const auto& one : from.series()) {
        if (one->first_token_us.count() == 0) continue;
        to.histogram(otel_labels(one->labels), one->first_token_us, store::first_token_bounds_us, micro);
    }
}

// Failures use tokens, too, but the convention has no error.type there.
void write_token_usage(exposition& to, const store::record_metrics& from) {
    struct by_direction {
        bounded_histogram input, output;
    };
    using key = std::array<std::string_view, 5>;
    std::map<key, by_direction> merged;
    const auto add = [](bounded_histogram& sum, const bounded_histogram& one) {
        for (std::size_t i = 0; i < sum.counts.size(); ++i) sum.counts[i] += one.counts[i];
        sum.sum = store::saturating_sum(sum.sum, one.sum);
    };
    for (const auto& one : from.series()) {
        const auto& of = one->labels;
        auto& sum = merged[{of.operation, of.provider, of.requested_model, of.model, of.feature}];
        add(sum.input, one->input);
        add(sum.output, one->output);
    }
    to.family("gen_ai_client_token_usage", metric_type::histogram,
              "Tokens of a request, as the answer told them; input includes what the provider's prompt cache served.");
    for (const auto& [of, sum] : merged) {
        for (const auto& [direction, values] : {std::pair("input", &sum.input), std::pair("output", &sum.output)}) {
            if (values->count() == 0) continue;
            auto labels = otel_labels({of[4], of[1], of[3], of[2], of[0], {}});
            labels.push_back({"gen_ai_token_type", direction});
            to.histogram(labels, *values, store::token_bounds, 0);
        }
    }
}

struct counter_metric {
    counter which;
    std::string_view name, help;
    int places = 0;
};
constexpr std::array<counter_metric, 15> counter_metrics{{
    {counter::cached, "aimeter_cached_requests_total", "Requests that a response cache answered."},
    {counter::estimated, "aimeter_estimated_requests_total",
     "Generations whose usage was not told and is an estimate."},
    {counter::unpriced, "aimeter_unpriced_requests_total",
     "Requests whose cost is unknown: no catalogue has the model."},
    {counter::usage_known, "aimeter_usage_known_requests_total", "Requests whose usage the answer told."},
    {counter::identified, "aimeter_identified_requests_total", "Requests of a known user."},
    {counter::tokens_used, "aimeter_tokens_used_total", "Input and output tokens, estimates included."},
    {counter::input_tokens, "aimeter_input_tokens_total", "Prompt tokens, cached ones included."},
    {counter::output_tokens, "aimeter_output_tokens_total", "Generated tokens, reasoning included."},
    {counter::cached_tokens, "aimeter_cached_tokens_total", "Input tokens that the provider's prompt cache served."},
    {counter::cache_write_tokens, "aimeter_cache_write_tokens_total", "Input tokens that the prompt cache stored."},
    {counter::reasoning_tokens, "aimeter_reasoning_tokens_total", "Output tokens that were reasoning."},
    {counter::saved_tokens, "aimeter_saved_tokens_total", "Tokens that answers of a response cache did not use."},
    {counter::cost_nano, "aimeter_cost_usd_total", "Cost in USD.", nano},
    {counter::saved_nano, "aimeter_saved_usd_total", "What answers of a response cache would have cost, in USD.", nano},
    {counter::wasted_nano, "aimeter_wasted_usd_total", "Cost of failed and aborted requests, in USD.", nano},
}};

using label_key = std::array<std::string_view, 3>;  // feature, provider, model

metric_labels labels_of(const label_key& of) { return {{"feature", of[0]}, {"provider", of[1]}, {"model", of[2]}}; }

void write_counters(exposition& to, const store::record_metrics& from) {
    std::map<label_key, counters> sums;
    for (const auto& one : from.series()) store::add(sums[{one->feature, one->provider, one->model}], one->sums);
    constexpr std::array<std::pair<std::string_view, counter>, 4> outcomes{{{"success", counter::success},
                                                                            {"error", counter::errors},
                                                                            {"blocked", counter::blocked},
                                                                            {"aborted", counter::aborted}}};
    to.family("aimeter_requests_total", metric_type::counter, "Tracked requests that have ended.");
    for (const auto& [of, values] : sums) {
        for (const auto& [name, which] : outcomes) {
            auto labels = labels_of(of);
            labels.push_back({"outcome", name});
            to.sample(labels, values[static_cast<std::size_t>(which)]);
        }
    }
    for (const counter_metric& metric : counter_metrics) {
        to.family(metric.name, metric_type::counter, metric.help);
        for (const auto& [of, values] : sums)
            to.sample(labels_of(of), values[static_cast<std::size_t>(metric.which)], metric.places);
    }
}

}  // namespace

void write_record_metrics(exposition& to, const store::record_metrics& from) {
    write_durations(to, from);
    write_token_usage(to, from);
    write_counters(to, from);
    to.one("aimeter_metrics_series", metric_type::gauge, "Names that metrics of requests are kept apart by.",
           static_cast<std::int64_t>(from.series().size()));
    to.one("aimeter_metrics_series_limit", metric_type::gauge, "How many there may be (admin.metrics_series).",
           static_cast<std::int64_t>(from.series_most()));
    to.one("aimeter_metrics_folded_requests_total", metric_type::counter,
           "Requests counted under the name \"other\", because there was no room for one more.",
           static_cast<std::int64_t>(from.folded()));
}

}  // namespace admin
