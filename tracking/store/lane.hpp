// One journal on its way to Redis: how far it was read into batches, and how far Redis has it. No I/O to Redis here.
// Used by the shipper.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "tracking/journal/journal.hpp"
#include "tracking/store/backlog_age.hpp"
#include "tracking/store/batch.hpp"
#include "tracking/store/record_metrics.hpp"

namespace tracking::store {

class lane {
public:
    // `counted`: gets each record once, when it is first seen; null = nobody counts this journal's.
    lane(journal::directory& journals, const journal::journal_id& id, record_metrics* counted = nullptr);

    const journal::journal_id& id() const { return id_; }
    bool own() const { return own_; }
    std::uint64_t position() const { return position_; }

    // Redis holds everything up to `position`: what was read and is not there is read again.
    void go_on_from(std::uint64_t position);
    // Reads on into `to`, up to `most` records; returns how many.
    std::size_t read(std::size_t most, batch& to);
    void applied(std::uint64_t last);      // Redis has what was read up to here
    bool ended() const { return ended_; }  // the journal of a dead process, in Redis to its end
    bool at_end() const { return ended_ || !reader_ || reader_->at_end(); }  // the last read() left nothing

    // How many records lie behind the position, as far as reading ahead (bounded, for the lag shown) has seen.
    std::uint64_t lag() const { return seen_ > position_ ? seen_ - position_ : 0; }
    void look_ahead(std::size_t most);
    // Since when the oldest of them has been waiting; nullopt = there is none.
    std::optional<backlog_age::time_point> waiting_since() const;

    // After a refusal (not a lost connection) this journal waits, and then goes alone until it has passed what was
    // refused: in batches of half the size each time, so that all goes through that stands before the record which
    // Redis refuses, and only what stands behind it waits.
    void refuse(std::uint64_t last, std::size_t records, std::chrono::milliseconds pause);
    bool refused() const { return retry_pause_.count() > 0; }
    std::chrono::steady_clock::time_point retry_at() const { return retry_at_; }
    std::chrono::milliseconds retry_pause() const { return retry_pause_; }
    std::size_t alone_most() const { return alone_most_; }
    void forgive();

private:
    void note_gap(std::uint64_t found);
    void note_seen(const journal::entry& one);

    journal::directory& journals_;
    journal::journal_id id_;
    bool own_;
    record_metrics* counted_;
    backlog_age age_;
    std::unique_ptr<journal::reader> reader_, ahead_;
    std::uint64_t position_ = 0, read_ = 0, seen_ = 0;  // sequences: in Redis, in batches, known to be there
    bool ended_ = false, gap_noted_ = false;
    std::uint64_t refused_upto_ = 0;
    std::size_t alone_most_ = 0;
    std::chrono::steady_clock::time_point retry_at_{};
    std::chrono::milliseconds retry_pause_{0};
};

}  // namespace tracking::store
