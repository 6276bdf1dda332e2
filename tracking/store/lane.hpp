// One journal on its way to Redis: what was read, the batch under way, and the position that Redis holds. No I/O to
// Redis here. Used by the shipper.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "tracking/journal/journal.hpp"
#include "tracking/store/batch.hpp"

namespace tracking::store {

class lane {
public:
    using instant = std::chrono::steady_clock::time_point;
    static constexpr std::size_t batch_bytes_max = 4 * 1024 * 1024;

    lane(journal::directory& journals, const journal::journal_id& id, const key_names& keys, const calendar& when);

    const journal::journal_id& id() const { return id_; }
    bool own() const { return own_; }
    std::uint64_t position() const { return position_; }

    // Redis holds everything up to `position`: forget what was read and go on behind it.
    void go_on_from(std::uint64_t position);
    // Reads on, up to `most` records waiting.
    void read(std::size_t most, instant now);
    // Records that were read and are not applied.
    std::size_t waiting() const { return waiting_.size(); }
    instant waiting_since() const { return since_; }
    bool ended() const { return ended_; }  // the journal of a dead process, read to its end

    // The batch of the first records that wait; the same one again until applied() or go_on_from().
    const batch& next_batch(std::size_t most);
    void applied();  // next_batch's records are in Redis

    // How many records lie behind the position, as far as reading ahead (bounded, for the lag shown) has seen.
    std::uint64_t lag() const { return seen_ > position_ ? seen_ - position_ : 0; }
    void look_ahead(std::size_t most);

    // After a refusal (not a lost connection) this journal alone waits.
    instant retry_at{};
    std::chrono::milliseconds retry_pause{0};

private:
    void note_gap();

    journal::directory& journals_;
    journal::journal_id id_;
    bool own_;
    std::unique_ptr<journal::reader> reader_, ahead_;
    std::uint64_t position_ = 0, seen_ = 0;
    std::vector<journal::entry> waiting_;
    batch batch_;
    instant since_{};
    bool ended_ = false, gap_noted_ = false;
};

}  // namespace tracking::store
