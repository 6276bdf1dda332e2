#include "tracking/journal/own_journal.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <thread>
#include <utility>

namespace tracking::journal {
namespace {

constexpr std::uint32_t page = 4096;
constexpr std::uint32_t window = 1024 * 1024;  // kept present ahead of the writer, and released behind it
constexpr std::int64_t retry_ms = 100;         // after a full disk

bool no_space(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG; }

}  // namespace

own_journal::own_journal(std::shared_ptr<chain> segments, std::uint32_t worker, std::uint32_t segment_bytes,
                         budget& room)
    : chain_(std::move(segments)),
      worker_(worker),
      segment_bytes_(segment_bytes),
      room_(room),
      writer_(chain_->id(), *this) {}

segment* own_journal::by_slot(std::uint32_t slot) noexcept { return by_slot_[slot].load(std::memory_order_acquire); }

segment* own_journal::more() noexcept {
    if (segment* ready = spare_.exchange(nullptr, std::memory_order_acquire)) return ready;
    hungry_.store(true, std::memory_order_relaxed);
    if (!may_make_.load(std::memory_order_acquire)) return nullptr;
    const std::lock_guard lock(making_);
    if (segment* ready = spare_.exchange(nullptr, std::memory_order_acquire)) return ready;
    need why = need::nothing;
    int error = 0;
    const auto made = make(why, error);
    if (!made) may_make_.store(false, std::memory_order_release);
    return made.get();
}

own_journal::need own_journal::prepare(std::int64_t now_ms, int& error) {
    if (!wants_more()) return need::nothing;
    if (failed_at_ms_ && now_ms - *failed_at_ms_ < retry_ms) return need::nothing;
    failed_at_ms_.reset();
    const std::lock_guard lock(making_);
    need why = need::nothing;
    if (const auto made = make(why, error)) {
        made->map->populate(0, window);
        made->populated = std::min(window, made->bytes);
        spare_.store(made.get(), std::memory_order_release);
        hungry_.store(false, std::memory_order_relaxed);
        may_make_.store(true, std::memory_order_release);
        return need::nothing;
    }
    if (why == need::disk) failed_at_ms_ = now_ms;
    return why;
}

bool own_journal::wants_more() const {
    if (spare_.load(std::memory_order_relaxed)) return false;
    if (hungry_.load(std::memory_order_relaxed)) return true;
    const segment* unsealed = nullptr;
    for (const auto& each : chain_->segments()) {
        if (each->sealed.load(std::memory_order_acquire)) continue;
        if (unsealed) return false;  // one is queued already
        unsealed = each.get();
    }
    return !unsealed || unsealed->published.load(std::memory_order_relaxed) > unsealed->bytes / 2;
}

// Mutex held.
std::shared_ptr<segment> own_journal::make(need& why, int& error) {
    std::uint32_t slot = last_slot_;
    for (std::uint32_t tried = 0; tried < slots; ++tried) {
        slot = (slot + 1) % slots;
        if (by_slot_[slot].load(std::memory_order_acquire)) continue;
        auto next = std::make_shared<segment>();
        next->number = last_number_ + 1;
        next->path = chain_->folder() + "/" + segment_name(next->number);
        next->seed = segment_seed(chain_->id(), next->number);
        next->slot = slot;
        next->bytes = segment_bytes_;
        next->map = make_file(next->path, next->bytes, why, error);
        if (!next->map) return nullptr;
        last_number_ = next->number;
        last_slot_ = slot;
        by_slot_[slot].store(next.get(), std::memory_order_release);
        chain_->add(next);
        return next;
    }
    why = need::room;
    return nullptr;
}

// The folder, locked; 0 or an errno. It is made anew when somebody has removed it. Between making and locking it
// another process may look whether it is anybody's, and even remove it: hence some tries.
int own_journal::make_folder(const std::string& path) {
    for (int tried = 0;; ++tried) {
        std::error_code ignored;
        std::filesystem::create_directories(path, ignored);
        const int error = lock_.take(path);
        if ((error != EWOULDBLOCK && error != ENOENT) || tried == 5) return error;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

// On a disk that is nearly full a smaller segment may still find room.
std::shared_ptr<mapping> own_journal::make_file(const std::string& path, std::uint32_t& bytes, need& why, int& error) {
    why = need::disk;
    for (bool folder_made = false;;) {
        if (!lock_.held()) {
            error = make_folder(chain_->folder());
            if (error != 0) return nullptr;
        }
        if (!room_.take(worker_, bytes)) {
            why = need::room;
            return nullptr;
        }
        if (auto made = create_segment_file(path, bytes, error)) return made;
        room_.give_back(worker_, bytes);
        if (error == ENOENT && !std::exchange(folder_made, true)) {
            lock_.release();
        } else if (no_space(error) && bytes / 2 >= segment_bytes_min) {
            bytes = bytes / 2 / page * page;
        } else {
            return nullptr;
        }
    }
}

void own_journal::tidy() {
    for (const auto& each : chain_->segments()) {
        if (!each->map) continue;
        if (each->sealed.load(std::memory_order_acquire)) {
            each->map.reset();
            continue;
        }
        const std::uint32_t published = each->published.load(std::memory_order_relaxed);
        if (published == 0) continue;
        if (each->populated < each->bytes && each->populated < published + window / 2) {
            const std::uint32_t from = std::max(each->populated, published / page * page);
            each->populated = std::min(each->bytes, published / page * page + window);
            each->map->populate(from, each->populated);
        }
        // The pages stay in the page cache; only this process lets go of them, so that its size does not grow.
        const std::uint32_t behind = published / page * page;
        if (behind >= each->released + window) {
            ::madvise(each->map->data() + each->released, behind - each->released, MADV_DONTNEED);
            each->released = behind;
        }
    }
}

void own_journal::forget(const segment& removed) { by_slot_[removed.slot].store(nullptr, std::memory_order_release); }

}  // namespace tracking::journal
