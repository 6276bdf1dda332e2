#include "tracking/journal/cursor.hpp"

namespace tracking::journal {

// false = the payload is no record.
bool cursor::decode_next(std::uint64_t sequence, std::span<const char> payload) {
    next_.sequence = sequence;
    return decode(payload, next_.what);
}

std::size_t cursor::go_on(std::size_t most, const visitor* take) {
    std::size_t count = 0;
    while (count < most) {
        if (!look_again()) return count;
        if (at_) count += read_segment(most - count, take);
        if (count < most && !enter_next()) break;
    }
    return count + read_interrupted(most - count, take);
}

// A segment that could not be read for now is not passed over: false = it still cannot.
bool cursor::look_again() {
    if (view_.for_now) view_ = chain_->view(*at_);
    return !view_.for_now;
}

// false: what there is has been read. (`sealed` is asked before `published`: nothing is published after sealing.)
bool cursor::enter_next() {
    if (at_) {
        const bool sealed = at_->sealed.load(std::memory_order_acquire);
        if (view_.data && offset_ < at_->published.load(std::memory_order_acquire)) return true;
        if (!sealed) return false;
    }
    const std::shared_ptr<segment> next = chain_->after(at_ ? at_->number : 0);
    if (!next || next->published.load(std::memory_order_acquire) == 0) {
        // A finished segment's bytes are not held while there is nothing to go on to.
        if (at_ && at_->sealed.load(std::memory_order_acquire)) view_ = {};
        return false;
    }
    at_ = next;
    view_ = chain_->view(*at_);
    offset_ = sizeof(segment_header);
    return true;
}

std::size_t cursor::read_segment(std::size_t most, const visitor* take) {
    if (!view_.data) return 0;
    const image bytes = view_.what(*at_);
    std::size_t count = 0;
    while (count < most && offset_ < bytes.limit) {
        const look seen = look_at(bytes, offset_);
        const std::uint32_t here = offset_;
        offset_ = seen.next;
        if (seen.kind == sight::frame && seen.what.kind == frame_kind::begin) continue;
        if (seen.kind == sight::frame && seen.what.sequence <= behind_) continue;
        if (seen.kind == sight::frame && (take == nullptr || decode_next(seen.what.sequence, seen.what.payload))) {
            behind_ = seen.what.sequence;
            if (take != nullptr) (*take)(next_);
            ++count;
            continue;
        }
        chain_->note_damage(*at_, here);
        if (seen.kind == sight::cut || seen.kind == sight::nothing || seen.kind == sight::end) offset_ = bytes.limit;
    }
    return count;
}

std::size_t cursor::read_interrupted(std::size_t most, const visitor* take) {
    const chain::tail& tail = chain_->dead_tail();
    std::size_t count = 0;
    while (count < most && interrupted_ < tail.interrupted.size()) {
        const std::string& payload = tail.interrupted[interrupted_++];
        const std::uint64_t sequence = tail.last_sequence + interrupted_;
        if (sequence <= behind_) continue;
        if (take != nullptr) {
            if (!decode_next(sequence, payload)) continue;
            record& cut_off = next_.what;
            cut_off.result = outcome::interrupted;
            cut_off.success = false;
            cut_off.status = 0;
            cut_off.duration_us.reset();
            (*take)(next_);
        }
        behind_ = sequence;
        ++count;
    }
    return count;
}

void cursor::seek(std::uint64_t sequence) {
    behind_ = sequence;
    interrupted_ = 0;
    at_ = chain_->holding(sequence);
    view_ = at_ ? chain_->view(*at_) : segment_view{};
    offset_ = sizeof(segment_header);
}

}  // namespace tracking::journal
