// How `journal.size` is shared: bytes of all segment files against the bound. A writer may always hold its guaranteed
// part; beyond it it may take what the guaranteed parts of the others leave. Called when segments are made or removed,
// by control and (seldom) by workers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <vector>

namespace tracking::journal {

class budget {
public:
    budget(std::uint64_t size, std::uint32_t writers, std::uint64_t segment_bytes)
        : size_(size), guaranteed_(std::max(segment_bytes, size / (2 * std::uint64_t{writers}))), used_(writers) {}

    bool take(std::uint32_t writer, std::uint64_t bytes) {
        const std::lock_guard lock(mutex_);
        std::uint64_t promised = 0;
        for (std::size_t other = 0; other < used_.size(); ++other)
            if (other != writer && used_[other] < guaranteed_) promised += guaranteed_ - used_[other];
        const bool within_own_part = used_[writer] + bytes <= guaranteed_;
        if (total_ + bytes + (within_own_part ? 0 : promised + elsewhere_) > size_) return false;
        used_[writer] += bytes;
        total_ += bytes;
        return true;
    }
    void give_back(std::uint32_t writer, std::uint64_t bytes) {
        const std::lock_guard lock(mutex_);
        used_[writer] -= bytes;
        total_ -= bytes;
    }
    // Files that belong to no writer: journals of dead processes, and what was set aside.
    void add(std::uint64_t bytes) {
        const std::lock_guard lock(mutex_);
        total_ += bytes;
    }
    void remove(std::uint64_t bytes) {
        const std::lock_guard lock(mutex_);
        total_ -= bytes;
    }
    // All journals that other processes hold for now. They take nothing from the guaranteed parts: a successor records
    // from its first request on, although the one before it may have used the whole bound.
    void set_elsewhere(std::uint64_t bytes) {
        const std::lock_guard lock(mutex_);
        elsewhere_ = bytes;
    }
    // A writer's segment becomes one that is set aside: still there, no longer the writer's.
    void disown(std::uint32_t writer, std::uint64_t bytes) {
        const std::lock_guard lock(mutex_);
        used_[writer] -= bytes;
    }
    std::uint64_t total() const {
        const std::lock_guard lock(mutex_);
        return total_ + elsewhere_;
    }

private:
    mutable std::mutex mutex_;
    const std::uint64_t size_;
    const std::uint64_t guaranteed_;
    std::uint64_t total_ = 0;
    std::uint64_t elsewhere_ = 0;
    std::vector<std::uint64_t> used_;
};

}  // namespace tracking::journal
