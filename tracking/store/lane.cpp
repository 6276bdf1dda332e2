#include "tracking/store/lane.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace tracking::store {

lane::lane(journal::directory& journals, const journal::journal_id& id, record_metrics* counted)
    : journals_(journals), id_(id), own_(journals.is_own(id)), counted_(counted) {}

void lane::go_on_from(std::uint64_t position) {
    position_ = read_ = position;
    if (!reader_) reader_ = journals_.read(id_);
    if (reader_) reader_->seek(position);
    if (seen_ <= position_) ahead_.reset();  // else it has been further already
    ended_ = false;
}

std::size_t lane::read(std::size_t most, batch& to) {
    if (ended_ || !reader_ || most == 0) return 0;  // asked for nothing, a journal is not at its end
    const std::uint64_t behind = read_, seen_before = seen_;
    std::size_t fresh = 0;
    const std::size_t count = reader_->each(most, [&](const journal::entry& one) {
        // Segments that went before their time leave no gap to fill: what Redis has already is not read again.
        if (one.sequence <= read_) return;
        note_gap(one.sequence);
        note_seen(one);
        to.add(id_, behind, one);
        read_ = one.sequence;
        ++fresh;
    });
    if (count == 0 && !own_ && read_ == position_ && reader_->at_end()) {  // its files may go
        ended_ = true;
        reader_.reset();
        ahead_.reset();
    }
    if (seen_ > seen_before) age_.seen(seen_before + 1, std::chrono::steady_clock::now());
    return fresh;
}

// A record may come again, after a refusal or from a Redis that came back from an older state.
void lane::note_seen(const journal::entry& one) {
    if (one.sequence <= seen_) return;
    seen_ = one.sequence;
    if (counted_ != nullptr) counted_->count(one.what);
}

void lane::note_gap(std::uint64_t found) {
    if (found == read_ + 1 || gap_noted_ || !reader_->dense()) return;
    gap_noted_ = true;
    spdlog::warn("journal {}: records {} to {} are not there (damaged, or removed before they were shipped); going on",
                 journal::to_text(id_), read_ + 1, found - 1);
}

void lane::applied(std::uint64_t last) {
    position_ = last;
    age_.applied(last);
    if (seen_ <= position_) ahead_.reset();
    if (position_ >= refused_upto_) return forgive();
    retry_at_ = {};
    alone_most_ *= 2;
}

void lane::refuse(std::uint64_t last, std::size_t records, std::chrono::milliseconds pause) {
    refused_upto_ = std::max(refused_upto_, last);
    alone_most_ = std::max<std::size_t>(records / 2, 1);
    retry_pause_ = pause;
    retry_at_ = std::chrono::steady_clock::now() + pause;
}

void lane::forgive() {
    refused_upto_ = 0;
    retry_at_ = {};
    retry_pause_ = std::chrono::milliseconds{0};
}

void lane::look_ahead(std::size_t most) {
    if (ended_) return;
    if (!ahead_) {
        ahead_ = reader_ ? reader_->copy() : journals_.read(id_);  // the latter before the first connect
        if (ahead_ && ahead_->dense() && seen_ > read_) ahead_->seek(seen_);
    }
    if (!ahead_ || !ahead_->dense()) return;  // whoever divided the journal looks ahead (shard_journals)
    const std::uint64_t seen_before = seen_;
    if (counted_ != nullptr)
        ahead_->each(most, [this](const journal::entry& one) { note_seen(one); });
    else
        seen_ = std::max(seen_, ahead_->pass(most));
    if (seen_ > seen_before) age_.seen(seen_before + 1, std::chrono::steady_clock::now());
}

std::optional<backlog_age::time_point> lane::waiting_since() const {
    return lag() > 0 ? age_.since(position_) : std::nullopt;
}

}  // namespace tracking::store
