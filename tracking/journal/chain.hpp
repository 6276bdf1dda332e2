// The segments of one journal, in order: what readers walk along, and what maintain() shortens from the old end.
// The same for a journal that is being written and for one of a dead process. Control thread, but for add(), which a
// worker calls when it had to make a segment itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tracking/journal/segment_file.hpp"

namespace tracking::journal {

struct segment {
    std::string path;
    std::uint32_t number = 0;
    std::uint32_t bytes = 0;  // of the file
    std::uint32_t seed = 0;

    // Written by the writer, read by control. `sealed`: the writer has gone on to the next segment.
    std::atomic<std::uint32_t> published{0};  // whole frames up to here; 0 = not begun
    std::atomic<bool> sealed{false};
    std::atomic<std::uint64_t> last_sequence{0};  // the highest given until here
    std::atomic<std::uint32_t> open{0};           // begun here, not ended yet; only falls once sealed

    // The writer's own.
    std::uint32_t slot = 0;  // where tickets find this segment
    segment* next_in_queue = nullptr;

    // Control's own, set before the writer may see the segment.
    std::shared_ptr<mapping> map;  // until it is sealed
    std::uint32_t populated = 0;
    std::uint32_t released = 0;
    std::uint32_t synced = 0;
    std::optional<std::int64_t> shipped_at_ms;  // steady: when it was first seen to be in Redis as a whole
    std::set<std::uint32_t> damaged;            // offsets
    bool unread = false;                        // its file could not be read, for now
    std::weak_ptr<const char> read;             // as somebody holds it: the shards of a cluster look at the same one
};

// The bytes of a segment, for as long as a reader looks at them.
struct segment_view {
    std::shared_ptr<const char> data;
    bool for_now = false;  // there is no data, which says nothing of the file: no descriptor was left, no memory, ...
    image what(const segment& of) const { return {data.get(), of.published.load(std::memory_order_acquire), of.seed}; }
};

class chain {
public:
    chain(const journal_id& id, std::string folder, bool own) : id_(id), folder_(std::move(folder)), own_(own) {}

    const journal_id& id() const { return id_; }
    const std::string& folder() const { return folder_; }
    bool own() const { return own_; }

    void add(std::shared_ptr<segment> next);
    std::vector<std::shared_ptr<segment>> segments() const;
    // The first segment with a higher number / with a sequence behind this one; nullptr = none yet.
    std::shared_ptr<segment> after(std::uint32_t number) const;
    std::shared_ptr<segment> holding(std::uint64_t behind) const;
    // No data in it: the file is gone or too short (counted as damage), or could not be read for now.
    segment_view view(segment& of);
    // What could not be read for now, and why, until it is taken: once each time that begins. "" = nothing.
    const std::string& problem() const { return problem_; }
    std::string take_problem() { return std::exchange(problem_, {}); }
    void note_damage(segment& in, std::uint32_t offset);
    std::uint64_t damaged() const { return damaged_; }

    // What recovery found at the end of a dead process's journal.
    struct tail {
        std::uint64_t last_sequence = 0;       // of any end frame; interrupted ones are numbered from here
        std::uint64_t last_whole = 0;          // of an end frame that can be read
        std::vector<std::string> interrupted;  // payloads of begins without an end, in order
        std::int64_t created_ms = 0;
        // What a reader hands out last.
        std::uint64_t end() const { return interrupted.empty() ? last_whole : last_sequence + interrupted.size(); }
    };
    void set_tail(tail found) { tail_ = std::move(found); }
    const tail& dead_tail() const { return tail_; }

    void shipped(std::uint64_t sequence) { shipped_ = sequence; }
    // Takes segments out of the chain whose records are in Redis, whose requests have all ended, and for which that
    // has been so for `keep_ms`. The caller discards them.
    std::vector<std::shared_ptr<segment>> expire(std::int64_t now_ms, std::int64_t keep_ms, bool durable);
    // The same for the one that has been shipped longest, however long: when there is no room otherwise.
    std::optional<std::int64_t> shipped_longest() const;
    std::vector<std::shared_ptr<segment>> evict(bool durable);
    // Removes the file; a damaged one is kept aside under another name (true).
    static bool discard(const segment& gone) noexcept;
    // Of a dead process, and nothing is left of it.
    bool gone() const;

private:
    bool finished() const;  // of a dead process, and all of it is in Redis
    bool removable(std::size_t index) const;
    std::shared_ptr<segment> take(std::size_t index, bool durable);
    bool settle(const segment& going, std::size_t index, bool durable);

    const journal_id id_;
    const std::string folder_;
    const bool own_;
    mutable std::mutex mutex_;  // of the vector
    std::vector<std::shared_ptr<segment>> segments_;
    tail tail_;
    std::uint64_t shipped_ = 0;
    std::uint64_t damaged_ = 0;
    std::string problem_;
};

}  // namespace tracking::journal
