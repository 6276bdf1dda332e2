#include "tracking/store/lane.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace tracking::store {

lane::lane(journal::directory& journals, const journal::journal_id& id, const key_names& keys, const calendar& when)
    : journals_(journals), id_(id), own_(journals.is_own(id)), batch_(keys, when) {}

void lane::go_on_from(std::uint64_t position) {
    position_ = position;
    waiting_.clear();
    batch_.begin(id_, position);
    if (!reader_) reader_ = journals_.read(id_);
    if (reader_) reader_->seek(position);
    ahead_.reset();
    ended_ = false;
    retry_at = {};
    retry_pause = std::chrono::milliseconds{0};
}

void lane::read(std::size_t most, instant now) {
    if (ended_ || !reader_ || waiting_.size() >= most) return;
    const std::size_t before = waiting_.size();
    const std::size_t count = reader_->read(most - before, waiting_);
    if (count == 0) {
        if (!own_ && waiting_.empty()) {  // its files may go
            ended_ = true;
            reader_.reset();
            ahead_.reset();
        }
        return;
    }
    // Segments that went before their time leave no gap to fill: what Redis has already is not read again.
    const auto fresh = waiting_.begin() + static_cast<std::ptrdiff_t>(before);
    waiting_.erase(std::remove_if(fresh, waiting_.end(), [&](const auto& one) { return one.sequence <= position_; }),
                   waiting_.end());
    if (waiting_.empty()) return;
    if (before == 0) {
        since_ = now;
        note_gap();
    }
    seen_ = std::max(seen_, waiting_.back().sequence);
}

void lane::note_gap() {
    if (waiting_.front().sequence == position_ + 1 || gap_noted_) return;
    gap_noted_ = true;
    spdlog::warn("journal {}: records {} to {} are not there (damaged, or removed before they were shipped); going on",
                 journal::to_text(id_), position_ + 1, waiting_.front().sequence - 1);
}

const batch& lane::next_batch(std::size_t most) {
    if (batch_.records() > 0) return batch_;
    batch_.begin(id_, position_);
    for (const auto& one : waiting_) {
        if (batch_.records() >= most || batch_.bytes() >= batch_bytes_max) break;
        batch_.add(one);
    }
    return batch_;
}

void lane::applied() {
    position_ = batch_.last();
    const auto count = static_cast<std::ptrdiff_t>(batch_.records());
    waiting_.erase(waiting_.begin(), waiting_.begin() + count);
    if (!waiting_.empty()) note_gap();
    batch_.begin(id_, position_);
    if (seen_ <= position_) ahead_.reset();
    retry_at = {};
    retry_pause = std::chrono::milliseconds{0};
}

void lane::look_ahead(std::size_t most) {
    if (ended_) return;
    if (!ahead_) {
        ahead_ = journals_.read(id_);
        if (!ahead_) return;
        ahead_->seek(std::max(seen_, position_));
    }
    seen_ = std::max(seen_, ahead_->pass(most));
}

}  // namespace tracking::store
