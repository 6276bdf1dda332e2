// The journal: where exactly-once comes from. A worker appends two frames a request (begin when it is forwarded, end
// with the record) to memory-mapped, preallocated segments: a memcpy, no system call. The page cache outlives the
// process, so kill -9 loses nothing. The control thread reads behind the writers.
//
// Threads: one writer (its worker), one or more readers (control) per journal; everything else is control's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "tracking/record.hpp"

namespace tracking::journal {

// 128 random bits for each process start and worker; never written again by another process.
using journal_id = std::array<std::uint8_t, 16>;
std::string to_text(const journal_id& id);  // 32 hex digits

// One worker's journal, for writing. Both calls are noexcept, lock-free and take no system call in the steady state.
class writer {
public:
    // The request is about to be forwarded. Returns a ticket for end(); 0 = the journal is full: what a kill would
    // take now is counted as `unprotected`.
    virtual std::uint64_t begin(const record& so_far) noexcept = 0;
    // The request ended. Every end gets the journal's next dense sequence. false = full, and the loss is counted.
    // ticket 0 = the request was never forwarded (or its begin was lost).
    virtual bool end(std::uint64_t ticket, const record& whole) noexcept = 0;

protected:
    ~writer() = default;
};

struct entry {
    std::uint64_t sequence = 0;  // dense, from 1
    record what;
};

// A cursor over one journal. Used by the control thread only.
class reader {
public:
    virtual ~reader() = default;
    virtual const journal_id& id() const = 0;
    // Calls `take` with up to `most` records behind the cursor, one after the other, and moves on; returns how many.
    // The torn tail of a journal of a dead process reads as its end, followed by its begun but never ended requests
    // (outcome=interrupted), in the same order and with the same sequences however often it is read.
    using visitor = std::function<void(const entry&)>;  // the entry is there during the call only
    virtual std::size_t each(std::size_t most, const visitor& take) = 0;
    // The same, appended to `into`.
    std::size_t read(std::size_t most, std::vector<entry>& into) {
        return each(most, [&into](const entry& one) { into.push_back(one); });
    }
    // The same without making records of them: moves on past up to `most` and returns the sequence of the last one
    // that was passed; 0 = there was none.
    virtual std::uint64_t pass(std::size_t most) = 0;
    // Back to just behind `sequence` (0 = the beginning), as far as segments are still kept.
    virtual void seek(std::uint64_t sequence) = 0;
    // Another one that stands at the same place. (A seek has to look through the segment that it leads to.)
    virtual std::unique_ptr<reader> copy() const = 0;
    // After each() found nothing: there is nothing more. False = what follows cannot be read for now.
    virtual bool at_end() const { return true; }
    // Each() leaves none of the journal's sequences out. Readers of a part of a journal (a shard's) do, and have no
    // copy.
    virtual bool dense() const { return true; }
};

struct state {
    std::uint64_t bytes = 0;        // in all segments
    std::uint64_t lost = 0;         // records that found no room, since the start: end() returned false
    std::uint64_t unprotected = 0;  // begins that found none: their requests are lost only if the process is killed now
    bool writable = true;
    std::string problem;             // why it is not
    std::uint64_t damaged = 0;       // frames whose checksum failed
    std::vector<std::string> notes;  // what was set aside and why, for the log; oldest first, bounded
};

// All journals under data_dir/journal, and the lock on data_dir.
class directory {
public:
    struct options {
        std::string data_dir;
        std::uint64_t size;  // bytes, bound of all segments
        std::uint64_t segment_bytes = 16ULL * 1024 * 1024;
        std::int64_t keep_ms;
        std::uint32_t writers;
        int data_lock = -1;  // the lock on data_dir that a predecessor handed over; -1 = it is taken here
    };
    // Locks data_dir (flock on data_dir/lock), creates what is missing, one new journal per writer, and finds those
    // of dead processes. The string says what is wrong (locked by another instance, not writable, ...). A journal is
    // locked, too (flock on its folder), so that those of a predecessor that still lives are left to it.
    static std::variant<std::unique_ptr<directory>, std::string> open(const options& how);
    // Without the lock, for `aimeter verify`: reads only.
    static std::variant<std::unique_ptr<directory>, std::string> open_read_only(const std::string& data_dir);
    virtual ~directory() = default;

    virtual writer& writer_of(std::uint32_t worker) = 0;
    // The journals that exist: own ones first, then those of dead processes, oldest first.
    virtual std::vector<journal_id> journals() const = 0;
    virtual bool is_own(const journal_id& id) const = 0;
    virtual std::unique_ptr<reader> read(const journal_id& id) = 0;

    // Control calls this every 50 ms: prepares the next segment of a writer that is about to need one, and removes
    // segments that have been shipped for `keep`. A segment with a begun, not yet ended request stays. `now_ms`: of a
    // clock that nobody sets (steady_ms), or a step of the time of day would be the end of `keep`.
    virtual void maintain(std::int64_t now_ms) = 0;
    // Nobody knows what Redis holds now, and it may come back from an older state: while this is so, nothing that is
    // shipped is removed for its age (but when there is no room).
    virtual void keep_shipped(bool /*all*/) {}
    // ---- several processes at one data_dir; nothing to be done where there is but one
    // Takes on what processes have left that ended since: a predecessor, or a successor that did not come up. True =
    // there are journals that were not there before. Looks only while there is, or may be, such a process.
    virtual bool adopt_ended() { return false; }
    virtual void expect_ended() {}  // there may be one
    // The lock on data_dir, to hand over; and whom its file is to name from then on. Who lets go of it leaves it to the
    // one that it was handed to, for as long as that lives: its own journals stay locked, each by its folder.
    virtual int lock_descriptor() const { return -1; }
    virtual void name_holder(int /*process*/) {}
    virtual void let_go_of_lock() {}

    // Everything up to `sequence` is in Redis.
    virtual void shipped(const journal_id& id, std::uint64_t sequence) = 0;
    // fdatasync of what was written since the last call (journal.sync); control thread.
    virtual void sync() = 0;
    virtual state current() const = 0;
};

}  // namespace tracking::journal
