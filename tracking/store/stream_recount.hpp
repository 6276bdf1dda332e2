// Adds up what both streams say, entry by entry, in bounded memory: cost to the nano-dollar, entries that differ
// between the two, ids that occur twice. No I/O. Used by verify.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tracking/record.hpp"
#include "tracking/store/redis_client.hpp"

namespace tracking::store {

// A plain decimal USD figure of at most 9 places, in nano-USD; 0 for what is none.
std::int64_t nano_of(std::string_view usd);

// The value of a field of an entry as XRANGE answers it; "" = it has none.
std::string_view field_of_entry(const reply& entry, std::string_view name);
std::string_view id_of_entry(const reply& entry);

class stream_recount {
public:
    void begin();
    // Two XRANGE answers over the same ids; returns the last id of the page.
    std::string add(const reply& usage_page, const reply& analytics_page);
    void end();

    std::int64_t entries() const { return entries_; }
    std::int64_t usage_cost() const { return usage_cost_; }
    std::int64_t analytics_cost() const { return analytics_cost_; }
    std::int64_t mismatches() const { return mismatches_; }
    std::int64_t duplicates() const { return duplicates_; }
    // After end(): whether a record of this id was read, and whether all ids are remembered.
    bool has(const uuid& id) const;
    bool complete() const { return !forgot_; }

private:
    void count_duplicates();

    std::int64_t entries_ = 0, usage_cost_ = 0, analytics_cost_ = 0, mismatches_ = 0, duplicates_ = 0;
    std::vector<std::uint64_t> ids_;  // 64 bits of each, sorted by end()
    bool forgot_ = false;
};

}  // namespace tracking::store
