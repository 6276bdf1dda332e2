// Records of one journal on their way to Redis: aggregated per key and field, so that the work of Redis grows with
// what a batch touches and not with its records. Filled and sent by the shipper; reused from batch to batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "tracking/journal/journal.hpp"
#include "tracking/store/calendar.hpp"
#include "tracking/store/keys.hpp"
#include "tracking/store/redis_client.hpp"

namespace tracking::store {

class batch {
public:
    batch(const key_names& keys, const calendar& when);
    ~batch();
    batch(batch&&) noexcept;

    void begin(const journal::journal_id& of, std::uint64_t position);  // empties it
    void add(const journal::entry& one);                                // in the order of their sequences

    std::size_t records() const;
    std::size_t bytes() const;    // of the entries
    std::uint64_t first() const;  // sequence of the first record
    std::uint64_t last() const;   // sequence of the last; the position that it began with when empty

    struct target {
        std::string script;  // the sha of apply.lua with EVALSHA, its text with EVAL
        bool by_sha = true;
        std::string dataset;
        std::uint64_t stream_maxlen = 0;
    };
    command apply(const target& to) const;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace tracking::store
