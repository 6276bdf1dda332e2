// One worker's end of its journal: a memcpy and a checksum per frame, no system call, no lock, while control keeps a
// prepared segment ready. Every method runs on the worker's thread.
//
// Room: each begin reserves the room of one tight end frame in segments that exist already, so that a request that was
// begun always gets its end written: at full size while there is plenty, with its texts cut short (encode_tight) when
// only the reserved room is left. What finds no room is counted, exactly.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "tracking/journal/chain.hpp"

namespace tracking::journal {

// Where the next segment comes from: usually one that control has prepared.
class segment_source {
public:
    virtual segment* more() noexcept = 0;  // nullptr = none to be had now
    virtual segment* by_slot(std::uint32_t slot) noexcept = 0;

protected:
    ~segment_source() = default;
};

class segment_writer final : public writer {
public:
    static constexpr std::uint32_t slot_bits = 12;  // the low bits of a ticket name the segment of its begin

    segment_writer(const journal_id& id, segment_source& source) : id_(id), source_(source) {}

    std::uint64_t begin(const record& so_far) noexcept override;
    bool end(std::uint64_t ticket, const record& whole) noexcept override;

    // For control.
    std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }
    std::uint64_t unprotected() const { return unprotected_.load(std::memory_order_relaxed); }
    bool full() const { return full_.load(std::memory_order_relaxed); }

private:
    bool append(frame_kind kind, std::uint64_t ticket, const record& from, std::uint64_t promised, bool squeeze);
    bool fits(std::uint32_t size, std::uint64_t promised) const;
    bool fetch();
    void next_segment();
    void commit(frame_kind kind, std::uint64_t ticket, std::size_t payload);
    std::uint32_t rest() const { return size_ - position_; }

    const journal_id id_;
    segment_source& source_;

    segment* current_ = nullptr;
    char* data_ = nullptr;  // of current_, whose mapping stays until it is sealed
    std::uint32_t position_ = 0;
    std::uint32_t size_ = 0;  // 0 = no segment yet
    segment* queue_ = nullptr;
    segment* queue_end_ = nullptr;
    std::uint64_t queued_ = 0;  // tight frames that fit into the queued segments

    std::uint64_t begins_ = 0;
    std::uint64_t open_ = 0;  // begun, not ended
    std::uint64_t sequence_ = 0;
    std::uint64_t last_ended_ = 0;  // ticket of the last end frame
    std::uint64_t last_ticket_ = 0;
    std::array<char, record_bytes_max> scratch_;

    std::atomic<std::uint64_t> lost_{0};
    std::atomic<std::uint64_t> unprotected_{0};
    std::atomic<bool> full_{false};
};

}  // namespace tracking::journal
