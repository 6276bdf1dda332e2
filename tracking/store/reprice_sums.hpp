// What re-pricing found, added up for each day and model, and its printed form. No I/O. Used by reprice.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>

namespace tracking::store {

// One record's cost under the prices of then and of now, in nano-USD; nullopt = unknown.
struct repriced {
    std::optional<std::int64_t> before, now;
    bool newly_priced() const { return !before && now; }
    bool no_longer_priced() const { return before && !now; }
    bool changed() const { return before != now; }
};

struct reprice_sums {
    std::int64_t records = 0, unchanged = 0, newly_priced = 0, no_longer_priced = 0;
    std::int64_t before = 0, now = 0;  // nano-USD; what is unknown adds nothing

    void add(const repriced& one);
    void add(const reprice_sums& other);
    std::int64_t changed() const { return records - unchanged - newly_priced - no_longer_priced; }
    std::int64_t difference() const;
};

struct repriced_day {
    std::string name;          // 2026-11-22
    std::int64_t counted = 0;  // requests of the day's counters when the reading began
    std::int64_t read = 0;     // its records in the stream; fewer than counted when the stream was trimmed
    reprice_sums all;          // of those that the catalogue priced, or could not
    std::map<std::string, reprice_sums> models;

    std::int64_t missing() const { return counted > read ? counted - read : 0; }
};

void print_header(std::ostream& out);
void print(std::ostream& out, const repriced_day& day);
void print_total(std::ostream& out, const reprice_sums& total);

}  // namespace tracking::store
