// A journal that this process writes: its writer, and the segments prepared for it. Control calls tidy() and prepare()
// every 50 ms; when a worker is faster than that, it makes the next segment itself (a few system calls, once per
// segment) rather than lose records while journal.size leaves room.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>

#include "tracking/folder_lock.hpp"
#include "tracking/journal/budget.hpp"
#include "tracking/journal/chain.hpp"
#include "tracking/journal/segment_writer.hpp"

namespace tracking::journal {

class own_journal final : public segment_source {
public:
    own_journal(std::shared_ptr<chain> segments, std::uint32_t worker, std::uint32_t segment_bytes, budget& room);

    segment_writer& writing() { return writer_; }
    chain& segments() { return *chain_; }
    std::uint32_t worker() const { return worker_; }
    const std::shared_ptr<chain>& shared_segments() const { return chain_; }

    // ---- the worker's
    segment* more() noexcept override;
    segment* by_slot(std::uint32_t slot) noexcept override;

    // ---- control's
    // Unmaps what is written, and makes the pages that come next present.
    void tidy();
    enum class need : std::uint8_t { nothing, room, disk };
    // Makes the next segment if the writer is about to need it. `room`: journal.size is used up. `disk`: the file could
    // not be made; `error` says why.
    need prepare(std::int64_t now_ms, int& error);
    // False: a record found no room, and there is none yet.
    bool writable() const { return !writer_.full() || spare_.load(std::memory_order_relaxed) != nullptr; }
    void room_was_made() { failed_at_ms_.reset(); }  // no need to wait before the next try
    void forget(const segment& removed);             // its slot is free again

    static constexpr std::uint32_t segment_bytes_min = 64 * 1024;

private:
    std::shared_ptr<segment> make(need& why, int& error);
    std::shared_ptr<mapping> make_file(const std::string& path, std::uint32_t& bytes, need& why, int& error);
    int make_folder(const std::string& path);
    bool wants_more() const;

    static constexpr std::uint32_t slots = 1U << segment_writer::slot_bits;

    const std::shared_ptr<chain> chain_;
    const std::uint32_t worker_;
    const std::uint32_t segment_bytes_;
    budget& room_;
    folder_lock lock_;  // taken before the first segment is made: nobody takes it for a dead process's journal

    std::mutex making_;  // held while a segment is made: a worker that needs one waits for the one being made
    std::uint32_t last_number_ = 0;
    std::uint32_t last_slot_ = 0;
    std::array<std::atomic<segment*>, slots> by_slot_{};

    std::atomic<segment*> spare_{nullptr};
    std::atomic<bool> may_make_{true};  // false: it failed; control says when to try again
    std::atomic<bool> hungry_{true};
    std::optional<std::int64_t> failed_at_ms_;
    segment_writer writer_;
};

}  // namespace tracking::journal
