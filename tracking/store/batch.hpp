// Records on their way to Redis, of one journal or of several: aggregated per key and field, so that the work of Redis
// grows with what a batch touches and not with its records. Filled and sent by the shipper; reused from batch to batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

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
    batch& operator=(batch&&) noexcept;

    // One journal's share: applied only if Redis holds the journal up to `behind`, which is then `last`.
    struct share {
        journal::journal_id of;
        std::uint64_t behind, last;
        std::uint64_t records = 0;
    };

    void clear();
    // The records of a journal in the order of their sequences; `behind` is its position before the first of them.
    void add(const journal::journal_id& of, std::uint64_t behind, const journal::entry& one);

    std::size_t records() const;
    std::size_t bytes() const;  // of the entries
    const std::vector<share>& shares() const;

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
