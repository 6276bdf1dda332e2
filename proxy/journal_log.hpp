// What the log says of the journal: a line when it begins to lose records and one when that is over, and what was set
// aside. One line per change, never one per record. Control's thread only.
#pragma once

#include <cstdint>

#include "tracking/journal/journal.hpp"

namespace proxy {

class journal_log {
public:
    // `now` as it is; called every half second or so.
    void look(const tracking::journal::state& now);

private:
    std::size_t notes_told_ = 0;
    std::uint64_t lost_ = 0;         // when it was last looked
    std::uint64_t lost_before_ = 0;  // when the loss that lasts began
    bool losing_ = false;
};

}  // namespace proxy
