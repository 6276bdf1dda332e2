// Records to ship, and a journal in memory that holds them: what the store's tests feed to the code under test.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tracking/journal/journal.hpp"
#include "tracking/record.hpp"

namespace tests {

// A plausible record of any outcome, with arrival in [from_ms, to_ms).
tracking::record random_record(std::mt19937_64& random, std::int64_t from_ms, std::int64_t to_ms, int users = 20);

// An ordinary success: Gemini, 1,523 tokens, 453,000 nano-USD, 3,194 ms.
tracking::record plain_record(std::int64_t ts_ms);

// Keeps everything; `append` writes, readers read, and what the shipper told is kept for the test to see.
class memory_journal final : public tracking::journal::directory {
public:
    using id_type = tracking::journal::journal_id;

    id_type add_journal(bool own = true);
    std::uint64_t append(const id_type& to, const tracking::record& what);  // its sequence
    std::uint64_t skip(const id_type& in, std::uint64_t sequences);         // damage: sequences that nobody can read
    void lose(std::uint64_t records) { lost_ += records; }                  // as when the journal is full
    std::uint64_t shipped_of(const id_type& id) const;
    int syncs() const { return syncs_; }
    int maintains() const { return maintains_; }

    tracking::journal::writer& writer_of(std::uint32_t) override;
    std::vector<id_type> journals() const override;
    bool is_own(const id_type& id) const override;
    std::unique_ptr<tracking::journal::reader> read(const id_type& id) override;
    void maintain(std::int64_t) override { ++maintains_; }
    void shipped(const id_type& id, std::uint64_t sequence) override;
    void sync() override { ++syncs_; }
    tracking::journal::state current() const override { return {.lost = lost_, .problem = {}, .notes = {}}; }

private:
    struct one {
        bool own = true;
        std::uint64_t last = 0, shipped = 0;
        std::vector<tracking::journal::entry> entries;
    };
    class cursor;

    std::map<id_type, std::shared_ptr<one>> journals_;
    std::mt19937_64 random_{std::random_device{}()};
    std::uint64_t lost_ = 0;
    int syncs_ = 0, maintains_ = 0;
};

}  // namespace tests
