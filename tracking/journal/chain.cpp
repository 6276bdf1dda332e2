#include "tracking/journal/chain.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <unordered_set>

namespace tracking::journal {
namespace {

// Whether the outcome of reading says anything of the file: it was read, or is not there. Any other error is of the
// moment (no descriptors, no memory, a disk that is away), and the next look may find all in order.
bool can_be_told(const file_bytes& read, int error) { return read.data || error == ENOENT; }

// False = it could not be read for now.
template <class Visit>
bool each_frame(const segment& in, const Visit& visit) {
    int error = 0;
    const std::uint32_t limit = in.published.load(std::memory_order_acquire);
    const file_bytes read = read_file(in.path, limit, error);
    const image bytes{read.data.get(), std::min(read.size, limit), in.seed};
    for (std::uint32_t at = sizeof(segment_header); at < bytes.limit;) {
        const look seen = look_at(bytes, at);
        if (seen.kind == sight::frame || seen.kind == sight::bad_payload) visit(at, seen.what);
        at = seen.next;
    }
    return can_be_told(read, error);
}

// Marks the begins of these requests. False = the file could not be read or written for now.
bool mark_ended(const segment& in, const std::unordered_set<std::uint64_t>& ended, bool durable) {
    const std::string_view mark(reinterpret_cast<const char*>(&settled_mark), sizeof(settled_mark));
    bool any = false, all = true;
    const bool read = each_frame(in, [&](std::uint32_t at, const frame& what) {
        if (what.kind != frame_kind::begin || what.settled || !ended.contains(what.ticket)) return;
        const bool written = write_at(in.path, at + settled_offset, mark);
        any |= written;
        all &= written;
    });
    if (any && durable) flush_file(in.path);
    return read && all;
}

}  // namespace

void chain::add(std::shared_ptr<segment> next) {
    const std::lock_guard lock(mutex_);
    segments_.push_back(std::move(next));
}

std::vector<std::shared_ptr<segment>> chain::segments() const {
    const std::lock_guard lock(mutex_);
    return segments_;
}

std::shared_ptr<segment> chain::after(std::uint32_t number) const {
    const std::lock_guard lock(mutex_);
    for (const auto& each : segments_)
        if (each->number > number) return each;
    return nullptr;
}

std::shared_ptr<segment> chain::holding(std::uint64_t behind) const {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<segment> last;
    for (const auto& each : segments_) {
        if (each->published.load(std::memory_order_acquire) == 0) break;
        last = each;
        if (each->last_sequence.load(std::memory_order_relaxed) > behind) break;
    }
    return last;
}

segment_view chain::view(segment& of) {
    if (of.map) return {std::shared_ptr<const char>(of.map, of.map->data())};
    const bool whole = of.sealed.load(std::memory_order_acquire);
    if (auto held = of.read.lock(); held && whole) return {std::move(held)};
    int error = 0;
    const std::uint32_t wanted = of.published.load(std::memory_order_acquire);
    const file_bytes read = read_file(of.path, wanted, error);
    if (!can_be_told(read, error)) {
        if (!std::exchange(of.unread, true))
            problem_ = "journal segment " + of.path + " cannot be read (" + std::generic_category().message(error) +
                       "); it is tried again";
        return {.data = {}, .for_now = true};
    }
    of.unread = false;
    if (read.data && read.size >= wanted) {
        if (whole) of.read = read.data;
        return {.data = read.data};
    }
    note_damage(of, 0);
    return {};
}

void chain::note_damage(segment& in, std::uint32_t offset) {
    if (in.damaged.insert(offset).second) ++damaged_;
}

bool chain::gone() const { return !own_ && segments().empty(); }

bool chain::finished() const { return !own_ && shipped_ >= tail_.end(); }

// Mutex held. The last segment of a dead process's journal stays until all of it may go: it holds the last sequence.
bool chain::removable(std::size_t index) const {
    const segment& each = *segments_[index];
    return each.sealed.load(std::memory_order_acquire) && each.open.load(std::memory_order_acquire) == 0 &&
           each.last_sequence.load(std::memory_order_relaxed) <= shipped_ && (own_ || index + 1 < segments_.size());
}

std::vector<std::shared_ptr<segment>> chain::expire(std::int64_t now_ms, std::int64_t keep_ms, bool durable) {
    const std::lock_guard lock(mutex_);
    const bool all_shipped = finished();
    bool all_old = all_shipped;
    std::vector<std::size_t> old;
    for (std::size_t i = 0; i < segments_.size(); ++i) {
        auto& since = segments_[i]->shipped_at_ms;
        if (!all_shipped && !removable(i)) {
            since.reset();  // also when Redis came back from an older state
            continue;
        }
        if (!since) since = now_ms;
        if (now_ms - *since < keep_ms)
            all_old = false;
        else if (removable(i))
            old.push_back(i);
    }
    std::vector<std::shared_ptr<segment>> taken;
    if (all_old) {
        taken.swap(segments_);
        return taken;
    }
    for (const std::size_t index : old) {
        if (auto one = take(index - taken.size(), durable)) taken.push_back(std::move(one));
    }
    return taken;
}

std::optional<std::int64_t> chain::shipped_longest() const {
    const std::lock_guard lock(mutex_);
    std::optional<std::int64_t> longest;
    for (const auto& each : segments_)
        if (each->shipped_at_ms && (!longest || *each->shipped_at_ms < *longest)) longest = each->shipped_at_ms;
    return longest;
}

std::vector<std::shared_ptr<segment>> chain::evict(bool durable) {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<segment>> taken;
    if (finished()) {
        taken.swap(segments_);
        return taken;
    }
    for (std::size_t i = 0; i < segments_.size() && taken.empty(); ++i) {
        if (!segments_[i]->shipped_at_ms || !removable(i)) continue;
        if (auto one = take(i, durable)) taken.push_back(std::move(one));
    }
    return taken;
}

// Mutex held. nullptr = not now.
std::shared_ptr<segment> chain::take(std::size_t index, bool durable) {
    const std::shared_ptr<segment> going = segments_[index];
    if (index > 0 && !settle(*going, index, durable)) return nullptr;
    segments_.erase(segments_.begin() + static_cast<std::ptrdiff_t>(index));
    return going;
}

// An older segment stays because of a request that is still open (a long stream). Requests that began in it and ended
// in the one that goes now are marked as ended in their begin frames, or they would look interrupted after a crash.
// False = a file could not be read or written for now.
bool chain::settle(const segment& going, std::size_t index, bool durable) {
    std::unordered_set<std::uint64_t> ended;
    bool done = each_frame(going, [&](std::uint32_t, const frame& what) {
        ended.insert(what.kind == frame_kind::end ? what.ticket : 0);
        ended.insert(what.ended_before);
    });
    ended.erase(0);
    for (std::size_t i = 0; i < index && done; ++i) done = mark_ended(*segments_[i], ended, durable);
    return done;
}

bool chain::discard(const segment& gone) noexcept {
    if (gone.damaged.empty()) {
        ::unlink(gone.path.c_str());
        return false;
    }
    return ::rename(gone.path.c_str(), (gone.path + ".damaged").c_str()) == 0;
}

}  // namespace tracking::journal
