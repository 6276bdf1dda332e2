// Bounds the distinct labels of one kind that a day may bring (track.max_labels, track.max_users): the first ones of a
// day keep their name, later new ones are to be called "other" before the record goes into the journal. Shared by all
// workers: lock-free, one probe of a small table for a label that is known.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace tracking::store {

class label_bound {
public:
    explicit label_bound(std::uint32_t most);

    // True when this label may keep its name. `day` is any number that grows by one at midnight; the day before
    // the latest one counts as the latest (an earlier one, as a clock that was put right). Empty labels are always
    // admitted.
    bool admit(std::int64_t day, std::string_view label) noexcept;
    // Whether it would be admitted now; takes no place.
    bool has_room_for(std::int64_t day, std::string_view label) noexcept { return find(day, label, false); }

private:
    bool find(std::int64_t day, std::string_view label, bool take) noexcept;
    std::uint64_t latest(std::uint64_t day) noexcept;
    bool take_place(std::uint64_t day) noexcept;
    std::atomic_ref<std::uint64_t> slot(std::size_t at) noexcept { return std::atomic_ref(slots_[at]); }
    void give_place_back(std::uint64_t day) noexcept;

    const std::uint32_t most_;
    const std::size_t mask_;
    // The day (high half) and how many labels it has admitted (low half).
    std::atomic<std::uint64_t> count_{0};
    // Each slot: the day's low 16 bits, then 48 bits of the label's hash. A slot of another day is free. Read and
    // written by atomic_ref. From calloc: of a large table, the pages that no label has touched take no memory.
    struct freed {
        void operator()(void* what) const noexcept { std::free(what); }
    };
    std::unique_ptr<std::uint64_t[], freed> slots_;
};

}  // namespace tracking::store
