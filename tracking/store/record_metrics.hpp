// What GET /metrics says of the records of this process: the counters of Redis (tracking/store/counting.hpp, so that
// both always agree) and histograms, for each feature, provider, model and way of ending. Filled by the shipper's lanes
// with each record once, as it is first seen, whatever Redis does; read by a scrape. Control thread only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tracking/record.hpp"
#include "tracking/store/keys.hpp"

namespace tracking::store {

// How many values were at most as large as each of some bounds: `counts` has one for each bound, of those that no
// smaller one holds, then one for the rest.
struct bounded_histogram {
    static constexpr std::size_t bounds_most = 16;

    void add(std::span<const std::int64_t> bounds, std::int64_t value) noexcept;
    void add(const bounded_histogram& other) noexcept;  // of the same bounds
    std::uint64_t count() const noexcept;

    std::array<std::uint64_t, bounds_most + 1> counts{};
    std::int64_t sum = 0;
};

// The bounds that OpenTelemetry's conventions for generative AI recommend.
inline constexpr std::array<std::int64_t, 14> duration_bounds_us{
    10'000,    20'000,    40'000,    80'000,     160'000,    320'000,    640'000,
    1'280'000, 2'560'000, 5'120'000, 10'240'000, 20'480'000, 40'960'000, 81'920'000};
inline constexpr std::array<std::int64_t, 16> first_token_bounds_us{
    1'000,   5'000,   10'000,  20'000,    40'000,    60'000,    80'000,    100'000,
    250'000, 500'000, 750'000, 1'000'000, 2'500'000, 5'000'000, 7'500'000, 10'000'000};
inline constexpr std::array<std::int64_t, 14> token_bounds{
    1, 4, 16, 64, 256, 1'024, 4'096, 16'384, 65'536, 262'144, 1'048'576, 4'194'304, 16'777'216, 67'108'864};

// What tells one series from another. `operation` and `error` are of a few words, as OpenTelemetry has them
// (gen_ai.operation.name; error.type, "" = success); the others are the record's.
struct series_labels {
    std::string_view feature, provider, model, requested_model, operation, error;

    bool operator==(const series_labels&) const = default;
};

struct record_series {
    record_series(const series_labels& of);
    record_series(const record_series&) = delete;
    record_series& operator=(const record_series&) = delete;

    const std::string feature, provider, model, requested_model;
    const series_labels labels;  // views of these
    counters sums{};
    bounded_histogram duration_us;  // of what reached the upstream
    bounded_histogram
        first_token_us;  // of generations that succeeded: to the first token of a stream, else to the first body byte
    bounded_histogram input, output;  // tokens of generations, where the answer told them
};

class record_metrics {
public:
    // `series_most`: the distinct names that are kept apart, the first ones that come; later ones are counted as
    // "other".
    explicit record_metrics(std::size_t series_most) : most_(series_most) {}

    void count(const record& what);

    const std::vector<std::unique_ptr<record_series>>& series() const { return all_; }
    std::size_t series_most() const { return most_; }
    std::uint64_t folded() const { return folded_; }  // records that were counted as "other" for want of room

private:
    struct hash {
        std::size_t operator()(const series_labels& of) const noexcept;
    };
    record_series& series_of(const series_labels& labels);
    record_series& add(const series_labels& labels);

    const std::size_t most_;
    std::uint64_t folded_ = 0;
    std::vector<std::unique_ptr<record_series>> all_;  // in the order in which they came
    std::unordered_map<series_labels, record_series*, hash> by_labels_;
    record_series* latest_ = nullptr;  // the next record is often of the same series
};

// gen_ai.operation.name of a record: what the path of a provider's own API says, "chat" otherwise.
std::string_view operation_of(const record& what);
// error.type: "" of a success; a status that providers use, or how the request ended; "_OTHER".
std::string_view error_type_of(const record& what);

}  // namespace tracking::store
