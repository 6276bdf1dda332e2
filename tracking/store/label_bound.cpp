#include "tracking/store/label_bound.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <new>

namespace tracking::store {

namespace {

constexpr std::uint64_t low_half = 0xFFFF'FFFF;
constexpr std::uint64_t hash_bits = (std::uint64_t{1} << 48) - 1;

std::size_t slots_for(std::uint32_t most) { return std::bit_ceil(std::max<std::size_t>(64, std::size_t{most} * 4)); }

// Days count from 1, so that the tag of a day is never that of an unused slot in the first 179 years.
std::uint64_t tag_of(std::uint64_t day) { return (day & 0xFFFF) << 48; }

}  // namespace

label_bound::label_bound(std::uint32_t most)
    : most_(most),
      mask_(slots_for(most) - 1),
      slots_(static_cast<std::uint64_t*>(std::calloc(slots_for(most), sizeof(std::uint64_t)))) {
    static_assert(std::atomic_ref<std::uint64_t>::is_always_lock_free);
    if (slots_ == nullptr) throw std::bad_alloc();
}

// A late record of yesterday is bounded as one of today. Further back lies a clock that was ahead and has been put
// right.
std::uint64_t label_bound::latest(std::uint64_t day) noexcept {
    std::uint64_t seen = count_.load(std::memory_order_acquire);
    while (seen >> 32 < day || seen >> 32 > day + 1) {
        if (count_.compare_exchange_weak(seen, day << 32, std::memory_order_acq_rel)) return day;
    }
    return seen >> 32;
}

bool label_bound::take_place(std::uint64_t day) noexcept {
    std::uint64_t seen = count_.load(std::memory_order_acquire);
    while (seen >> 32 == day && (seen & low_half) < most_) {
        if (count_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel)) return true;
    }
    return false;
}

void label_bound::give_place_back(std::uint64_t day) noexcept {
    std::uint64_t seen = count_.load(std::memory_order_acquire);
    while (seen >> 32 == day && (seen & low_half) > 0) {
        if (count_.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel)) return;
    }
}

bool label_bound::admit(std::int64_t day, std::string_view label) noexcept { return find(day, label, true); }

bool label_bound::find(std::int64_t day, std::string_view label, bool take) noexcept {
    if (label.empty()) return true;
    const std::uint64_t today = latest(day < 1 ? 1 : static_cast<std::uint64_t>(day) & low_half);
    const std::uint64_t hash = std::hash<std::string_view>{}(label);
    const std::uint64_t wanted = tag_of(today) | (hash >> 16 & hash_bits);
    for (std::size_t i = 0, at = hash & mask_; i <= mask_; ++i, at = (at + 1) & mask_) {
        std::uint64_t held = slot(at).load(std::memory_order_acquire);
        if (held == wanted) return true;
        if ((held & ~hash_bits) == tag_of(today)) continue;  // another label of today
        if (!take) {
            const std::uint64_t seen = count_.load(std::memory_order_acquire);
            return seen >> 32 == today && (seen & low_half) < most_;
        }
        if (!take_place(today)) return false;
        if (slot(at).compare_exchange_strong(held, wanted, std::memory_order_acq_rel)) return true;
        give_place_back(today);
        if (held == wanted) return true;  // another worker was quicker with the same label
    }
    return false;
}

}  // namespace tracking::store
