// The two streams, read page by page from where they were trimmed up to a given entry, and counted again. An audit
// reads on whenever it has looked at keys in a later state, so that both sides of a comparison are of one moment while
// others ship. Blocking; problems are thrown as command_problem.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tracking/store/audit_report.hpp"
#include "tracking/store/command_redis.hpp"
#include "tracking/store/recount.hpp"
#include "tracking/store/stream_entry.hpp"

namespace tracking::store {

// aimeter trimmed the streams further than they had been read: begin anew.
struct overtaken_by_trimming {};

class audit_stream {
public:
    audit_stream(command_redis& redis, const key_names& keys) : redis_(redis), keys_(keys) {}

    // From the first entry that is left; with `both` also the analytics stream, to be compared.
    void begin(recount& into, bool both, const std::function<void()>& step);
    // Counts on up to `last`; throws overtaken_by_trimming. `shrinkable`: the recount may give keys up.
    void read_up_to(entry_id last, bool shrinkable);

    const trimmed_part& trimmed() const { return trimmed_; }
    entry_id at() const { return at_; }
    std::int64_t entries() const { return entries_; }
    std::int64_t usage_cost() const { return usage_cost_; }
    std::int64_t analytics_cost() const { return analytics_cost_; }
    std::int64_t mismatches() const { return mismatches_; }

    // Of the record ids of the recount's share (of their hashes): those that occur twice, and whether one was read.
    std::int64_t duplicates();
    bool in_share(std::string_view record_id) const { return recount_->share().has(record_id); }
    bool has(std::string_view record_id);

private:
    void ask_page(entry_id behind, entry_id last);
    void add_page(const reply& usage, const reply& analytics, entry_id end, bool shrinkable);
    void add_entry(const reply& usage);
    void sort_ids();

    command_redis& redis_;
    const key_names& keys_;
    recount* recount_ = nullptr;
    bool both_ = true;
    std::function<void()> step_;
    trimmed_part trimmed_;
    entry_id at_;
    record scratch_;
    std::int64_t entries_ = 0, usage_cost_ = 0, analytics_cost_ = 0, mismatches_ = 0;
    std::vector<std::uint64_t> ids_;  // hashes of record ids
    std::size_t sorted_ = 0;
    unsigned share_bits_ = 0;  // of the share that ids_ are of
};

// The entry at which a stream stands, from XINFO STREAM; 0-0 for a stream that is not there.
struct stream_info {
    std::int64_t added = 0, length = 0;
    entry_id last;
    static stream_info of(const reply& xinfo);
};

}  // namespace tracking::store
