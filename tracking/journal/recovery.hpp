// Reads what a dead process left: where each segment really ends, which frames are damaged, and which requests had
// begun and never ended. Runs once per journal, when the directory is opened. It writes nothing into a segment; its
// caller gives back preallocated room that was never used.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tracking/journal/chain.hpp"

namespace tracking::journal {

// One segment after the other, in order.
class recovery {
public:
    struct extent {
        std::uint32_t end = 0;   // of the last frame; 0 = never begun
        std::uint32_t used = 0;  // behind the last byte that is not zero
        std::uint64_t last_sequence = 0;
        std::vector<std::uint32_t> damaged;
    };
    // `live`: its process is still writing, so whatever is behind the last frame is no damage.
    extent add(std::uint32_t number, const image& bytes, const segment_header* header, bool live);

    struct begun {
        std::uint32_t number = 0;  // of the segment that holds it
        std::string payload;
    };
    // In the order in which they began.
    std::vector<begun> unfinished() const;
    std::uint64_t last_sequence() const { return last_sequence_; }
    // The last one whose record can be read: what comes behind it, up to last_sequence(), is damaged.
    std::uint64_t last_whole() const { return last_whole_; }

private:
    void note(std::uint32_t number, const look& seen);

    struct place {
        std::uint32_t number = 0;
        std::string_view in_segment;  // while its segment is being read
        std::string payload;          // afterwards
    };
    std::map<std::uint64_t, place> open_;  // by ticket
    std::uint64_t last_sequence_ = 0;
    std::uint64_t last_whole_ = 0;
};

struct recovered {
    std::shared_ptr<chain> segments;  // nullptr: nothing to be read
    std::uint64_t bytes = 0;          // of all its files, those set aside included
    std::string note;                 // set aside, and why
    // A file could not be read, which is of the moment (no descriptor, no memory, a disk that is away) and says nothing
    // of the journal: the next look may find all in order.
    bool unread = false;
};
// The journal in `folder`. Unless `read_only`, empty segments are removed and unused room is given back.
recovered recover(const journal_id& id, const std::string& folder, bool read_only, bool live);

}  // namespace tracking::journal
