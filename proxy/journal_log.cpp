#include "proxy/journal_log.hpp"

#include <spdlog/spdlog.h>

namespace proxy {

void journal_log::look(const tracking::journal::state& now) {
    for (; notes_told_ < now.notes.size(); ++notes_told_) spdlog::warn("{}", now.notes[notes_told_]);
    const bool losing = !now.writable || now.lost > lost_;
    if (losing && !losing_) {
        lost_before_ = lost_;
        spdlog::error("journal: no room ({}); requests are served, and their records are lost and counted",
                      now.problem.empty() ? "journal.size or the disk was used up for a moment" : now.problem);
    } else if (losing_ && !losing) {
        spdlog::warn("journal: there is room again; {} records were lost ({} since the start)", now.lost - lost_before_,
                     now.lost);
    }
    losing_ = losing;
    lost_ = now.lost;
}

}  // namespace proxy
