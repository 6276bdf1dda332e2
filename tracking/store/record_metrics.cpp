#include "tracking/store/record_metrics.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "tracking/store/counting.hpp"

namespace tracking::store {

namespace {

constexpr std::string_view other = "other";

using status_name = std::pair<int, std::string_view>;
constexpr std::array<status_name, 20> error_statuses{{
    {400, "400"}, {401, "401"}, {402, "402"}, {403, "403"}, {404, "404"}, {405, "405"}, {408, "408"},
    {409, "409"}, {413, "413"}, {415, "415"}, {422, "422"}, {424, "424"}, {429, "429"}, {499, "499"},
    {500, "500"}, {501, "501"}, {502, "502"}, {503, "503"}, {504, "504"}, {529, "529"},
}};

std::string_view or_other(const std::string& label) { return label.empty() ? other : std::string_view(label); }

// The model's name as it was asked for is the client's own word, and as many as it likes: with a model that became
// "other" (track.max_labels) it is not kept either.
std::string_view requested_model_of(const record& what) {
    return what.raw_model.empty() ? std::string_view(what.requested_model) : other;
}

std::optional<std::int64_t> first_token_of(const record& what) {
    return what.first_token_us ? what.first_token_us : what.ttft_us;
}

}  // namespace

void bounded_histogram::add(std::span<const std::int64_t> bounds, std::int64_t value) noexcept {
    std::size_t at = 0;
    for (const std::int64_t bound : bounds) at += value > bound;  // no branch: values are spread over all buckets
    ++counts[at];
    sum = saturating_sum(sum, value);
}

void bounded_histogram::add(const bounded_histogram& other) noexcept {
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
    sum = saturating_sum(sum, other.sum);
}

std::uint64_t bounded_histogram::count() const noexcept {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

record_series::record_series(const series_labels& of)
    : feature(of.feature),
      provider(of.provider),
      model(of.model),
      requested_model(of.requested_model),
      labels{feature, provider, model, requested_model, of.operation, of.error} {}

std::size_t record_metrics::hash::operator()(const series_labels& of) const noexcept {
    constexpr std::size_t factor = 0x9E37'79B9'7F4A'7C15;  // of Fibonacci hashing: spreads over all bits
    std::size_t sum = 0;
    for (const std::string_view part : {of.feature, of.provider, of.model, of.requested_model, of.operation, of.error})
        sum = (sum ^ std::hash<std::string_view>{}(part)) * factor;
    return sum;
}

record_series& record_metrics::add(const series_labels& labels) {
    all_.push_back(std::make_unique<record_series>(labels));
    record_series& made = *all_.back();
    by_labels_.emplace(made.labels, &made);
    return made;
}

// Operations and errors are few, so that those of "other" need no bound.
record_series& record_metrics::series_of(const series_labels& labels) {
    if (latest_ != nullptr && latest_->labels == labels) return *latest_;
    if (const auto known = by_labels_.find(labels); known != by_labels_.end()) return *known->second;
    if (all_.size() < most_) return add(labels);
    ++folded_;
    const series_labels rest{other, other, other, other, labels.operation, labels.error};
    const auto known = by_labels_.find(rest);
    return known != by_labels_.end() ? *known->second : add(rest);
}

void record_metrics::count(const record& what) {
    record_series& to = series_of({or_other(what.feature), or_other(what.provider), or_other(what.ai_model),
                                   requested_model_of(what), operation_of(what), error_type_of(what)});
    latest_ = &to;
    store::add(to.sums, store::count(what));
    if (what.upstream_us && what.duration_us) to.duration_us.add(duration_bounds_us, *what.duration_us);
    if (what.cached) return;  // nothing was generated
    if (const auto first = first_token_of(what); first && what.success)
        to.first_token_us.add(first_token_bounds_us, *first);
    const bool told = what.usage_from == usage_source::body || what.usage_from == usage_source::headers;
    if (told && what.input_tokens) to.input.add(token_bounds, *what.input_tokens);
    if (told && what.output_tokens) to.output.add(token_bounds, *what.output_tokens);
}

std::string_view operation_of(const record& what) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 8> operations{{
        {"generateContent", "generate_content"},
        {"streamGenerateContent", "generate_content"},
        {"embedContent", "embeddings"},
        {"batchEmbedContents", "embeddings"},
        {"embeddings", "embeddings"},
        {"completions", "text_completion"},
        {"complete", "text_completion"},
        {"fim/completions", "text_completion"},
    }};
    for (const auto& [path, name] : operations)
        if (what.content_type == path) return name;
    return "chat";
}

std::string_view error_type_of(const record& what) {
    switch (ending_of(what)) {
        case ending::success:
            return {};
        case ending::blocked:
            return "blocked";
        case ending::aborted:
            return "client_abort";
        case ending::error:
            break;
    }
    if (what.result == outcome::upstream_abort || what.result == outcome::interrupted) return to_string(what.result);
    if (what.status >= 200 && what.status < 400) return "in_answer";
    const auto* known = std::find_if(error_statuses.begin(), error_statuses.end(),
                                     [&](const status_name& one) { return one.first == what.status; });
    return known == error_statuses.end() ? "_OTHER" : known->second;
}

}  // namespace tracking::store
