// The names of all keys (contract, section 5) and the counters of a bucket. The only place that spells them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace tracking::store {

// Bytes outside A-Za-z0-9._/@- as %XX, upper case.
std::string escape_label(std::string_view label);
std::string unescape_label(std::string_view escaped);

class key_names {
public:
    explicit key_names(std::string prefix) : prefix_(std::move(prefix)) {}

    std::string usage_stream() const;      // aimeter:usage
    std::string analytics_stream() const;  // aimeter:analytics
    std::string meta() const;              // aimeter:meta
    std::string journals() const;          // aimeter:journals
    std::string total() const;             // aimeter:usage:total
    // period: "month:2026-11", "day:2026-11-22", "hour:2026-11-22T05", "minute:2026-11-22T05:41"
    std::string usage(std::string_view period) const;
    // kind: feature, model, provider, plan, variant; or user (month only)
    std::string usage_by(std::string_view period, std::string_view kind, std::string_view label) const;
    std::string analytics(std::string_view period) const;  // "total", "day:...", "month:..."
    std::string users_requests(std::string_view day_period) const;
    std::string users_cost(std::string_view day_period) const;
    std::string latency(std::string_view day_period) const;
    std::string feature_latency(std::string_view day_period, std::string_view feature) const;
    std::string status(std::string_view day_period) const;
    std::string errors(std::string_view day_period) const;
    std::string active(std::string_view day_period) const;
    // Set of the labels (not escaped) of a kind that a day or month has: readers find the keys without SCAN.
    std::string labels(std::string_view period, std::string_view kind) const;
    std::string months() const;       // set of the months (2026-11) that have a bucket
    std::string checkpoints() const;  // list of "stream-id entries costNanoUsd", oldest first: where streams may be cut
    // What `aimeter reprice` found: a hash of sums and a stream of corrections for each day (2026-11-22), the set of
    // the days that have them, and what one run of the command gathers before it is applied.
    std::string corrections(std::string_view day) const;
    std::string corrected_records(std::string_view day) const;
    std::string corrected_days() const;
    std::string staged_corrections(std::string_view day, std::string_view run) const;

private:
    std::string prefix_;
};

// The integer counters of a usage bucket, in one order for all.
enum class counter : std::uint8_t {
    requests,
    success,
    errors,
    blocked,
    aborted,
    cached,
    estimated,
    unpriced,
    identified,
    usage_known,
    input_tokens,
    output_tokens,
    cached_tokens,
    cache_write_tokens,
    reasoning_tokens,
    tokens_used,
    saved_tokens,
    cost_nano,
    saved_nano,
    wasted_nano,
    duration_us,
    duration_count,
    ttft_us,
    ttft_count,
    count_
};
inline constexpr std::size_t counter_count = static_cast<std::size_t>(counter::count_);
std::string_view field_of(counter which);  // "requests", ..., "costNanoUsd", "durationUs", ...
using counters = std::array<std::int64_t, counter_count>;

// Log-scaled histogram of microseconds: 64 buckets per power of two, so that a bucket's middle is within 1 % of each
// of its values. The bucket's number is the field's name in Redis.
int histogram_bucket(std::int64_t us);
std::int64_t histogram_middle(int bucket);

}  // namespace tracking::store
