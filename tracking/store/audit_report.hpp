// What an audit found: printed by `aimeter verify`, shown by the admin API. Plain data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tracking::store {

struct audit_difference {
    std::string key, field;  // field "" = the key as a whole
    std::string expected, found;
};

struct audit_check {
    std::string name, text;  // text: what was found, and what was expected when that differs
    bool agrees = true;
};

// What was trimmed off the streams, as the checkpoint that it left says.
struct trimmed_part {
    std::int64_t entries = 0, cost_nano = 0;
    std::string from, to;                // ids of the first and the last entry; "" = not known
    std::int64_t latest_ts = 0;          // latest arrival among them, ms; 0 = not known
    std::vector<std::int64_t> counters;  // all counters of the total up to there; empty = not known
    bool operator==(const trimmed_part&) const = default;
};

struct audit_report {
    std::int64_t started_ms = 0, ended_ms = 0;
    bool agrees = true;
    struct sums {
        std::int64_t requests = 0, cost_nano = 0;
    } streams, hashes;  // streams: what was read and what was trimmed
    struct {
        std::int64_t applied = 0;  // records that Redis says it has of all journals, by their positions
        std::int64_t kept = 0;     // of these, still in the journal
        std::int64_t missing = 0;  // of these, not in the stream
        std::int64_t waiting = 0;  // to be shipped
    } journal;
    trimmed_part trimmed;
    std::vector<audit_check> checks;
    std::vector<audit_difference> differences;  // the first ones
    std::int64_t difference_count = 0;          // all of them
    std::vector<audit_difference> repaired;     // of a repair: what was changed, or (dry run) would be; the first ones
    std::int64_t repaired_count = 0;
    std::vector<std::string> notes;  // what could not be compared, or not be rebuilt, and why
    int passes = 0;                  // over the streams
    std::uint32_t shards = 0;        // of a cluster, that were added up; 0 = one Redis
};

}  // namespace tracking::store
