#include "tracking/journal/segment_writer.hpp"

#include <cstring>
#include <span>

#include "tracking/clock.hpp"

namespace tracking::journal {
namespace {

constexpr std::uint64_t tight_frames(std::uint32_t bytes) { return bytes / frame_bytes_tight; }
std::uint64_t tight_frames_of(const segment& whole) {
    return tight_frames(whole.bytes - static_cast<std::uint32_t>(sizeof(segment_header)));
}

}  // namespace

std::uint64_t segment_writer::begin(const record& so_far) noexcept {
    if (!append(frame_kind::begin, 0, so_far, open_ + 1, false)) {
        unprotected_.fetch_add(1, std::memory_order_relaxed);
        return 0;
    }
    ++open_;
    current_->open.fetch_add(1, std::memory_order_relaxed);  // before it is sealed, so control cannot miss it
    return last_ticket_;
}

bool segment_writer::end(std::uint64_t ticket, const record& whole) noexcept {
    segment* begun = ticket ? source_.by_slot(ticket & ((1U << slot_bits) - 1)) : nullptr;
    if (begun && (open_ == 0 || begun->open.load(std::memory_order_relaxed) == 0)) begun = nullptr;  // ended twice
    if (begun) --open_;
    const bool written = append(frame_kind::end, begun ? ticket : 0, whole, open_, begun != nullptr);
    // Behind the end frame: control removes the begin's segment only after the end is there.
    if (begun) begun->open.fetch_sub(1, std::memory_order_release);
    if (!written) lost_.fetch_add(1, std::memory_order_relaxed);
    return written;
}

// `promised`: tight frames that must still find room afterwards. `squeeze`: this frame's own room is reserved.
bool segment_writer::append(frame_kind kind, std::uint64_t ticket, const record& from, std::uint64_t promised,
                            bool squeeze) {
    if (rest() >= frame_bytes_max && tight_frames(rest() - frame_bytes_max) + queued_ >= promised) {
        commit(kind, ticket, encode(from, {data_ + position_ + sizeof(frame_header), record_bytes_max}));
        return true;
    }
    // Near the end of a segment. What lies behind the last frame must stay zero, so it is encoded apart first.
    std::size_t payload = encode(from, scratch_);
    while (!fits(frame_bytes(payload), promised)) {
        if (fetch()) continue;
        full_.store(true, std::memory_order_relaxed);
        if (!squeeze) return false;
        payload = encode_tight(from, scratch_);
        if (!fits(frame_bytes(payload), promised)) return false;
        break;
    }
    if (frame_bytes(payload) > rest()) next_segment();
    std::memcpy(data_ + position_ + sizeof(frame_header), scratch_.data(), payload);
    commit(kind, ticket, payload);
    return true;
}

bool segment_writer::fits(std::uint32_t size, std::uint64_t promised) const {
    if (size <= rest()) return tight_frames(rest() - size) + queued_ >= promised;
    if (!queue_) return false;
    const std::uint64_t behind_next = queued_ - tight_frames_of(*queue_);
    const auto room = queue_->bytes - static_cast<std::uint32_t>(sizeof(segment_header));
    return tight_frames(room - size) + behind_next >= promised;
}

bool segment_writer::fetch() {
    segment* more = source_.more();
    if (!more) return false;
    if (queue_)
        queue_end_->next_in_queue = more;
    else
        queue_ = more;
    queue_end_ = more;
    queued_ += tight_frames_of(*more);
    return true;
}

void segment_writer::next_segment() {
    segment* next = queue_;
    queue_ = next->next_in_queue;
    queued_ -= tight_frames_of(*next);
    next->last_sequence.store(sequence_, std::memory_order_relaxed);

    data_ = next->map->data();
    size_ = next->bytes;
    position_ = sizeof(segment_header);
    const segment_header header = make_segment_header(id_, next->number, sequence_ + 1, system_time{}.wall_ms());
    std::memcpy(data_, &header, sizeof(header));
    next->published.store(position_, std::memory_order_release);
    // Only now: control may unmap what is sealed, and a reader goes on to the next segment when it sees it.
    if (current_) current_->sealed.store(true, std::memory_order_release);
    current_ = next;
}

void segment_writer::commit(frame_kind kind, std::uint64_t ticket, std::size_t payload) {
    if (kind == frame_kind::begin)
        last_ticket_ = ticket = ++begins_ << slot_bits | current_->slot;
    else
        ++sequence_;
    frame_header header;
    header.sequence = sequence_;
    header.ticket = ticket;
    header.ended_before = last_ended_;
    position_ += seal_frame(data_ + position_, kind, payload, header, current_->seed);
    if (kind == frame_kind::end) {
        if (ticket) last_ended_ = ticket;
        current_->last_sequence.store(sequence_, std::memory_order_relaxed);
    }
    current_->published.store(position_, std::memory_order_release);
    if (full_.load(std::memory_order_relaxed)) full_.store(false, std::memory_order_relaxed);
}

}  // namespace tracking::journal
