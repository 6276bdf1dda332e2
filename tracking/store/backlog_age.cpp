#include "tracking/store/backlog_age.hpp"

#include <algorithm>

namespace tracking::store {

void backlog_age::seen(std::uint64_t first, time_point now) {
    if (!marks_.empty() && now - marks_.back().at < resolution_) return;
    marks_.push_back({first, now});
    if (marks_.size() > marks_most) thin_out();
}

// Every second mark goes, and new ones come half as often: they are a 30th of the whole time apart at most.
void backlog_age::thin_out() {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < marks_.size(); i += 2) marks_[kept++] = marks_[i];
    marks_.resize(kept);
    resolution_ *= 2;
}

void backlog_age::applied(std::uint64_t last) {
    const auto waiting =
        std::find_if(marks_.begin(), marks_.end(), [&](const mark& one) { return one.sequence > last; });
    // The mark before may stand for records behind it that still wait.
    if (waiting - marks_.begin() > 1) marks_.erase(marks_.begin(), waiting - 1);
    if (marks_.size() <= 1) resolution_ = std::chrono::seconds(1);
}

std::optional<backlog_age::time_point> backlog_age::since(std::uint64_t position) const {
    std::optional<time_point> found;
    for (const mark& one : marks_) {
        if (found && one.sequence > position + 1) break;
        found = one.at;
    }
    return found;
}

}  // namespace tracking::store
