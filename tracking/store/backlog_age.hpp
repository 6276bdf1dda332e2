// How long the oldest record of a journal that is not in Redis has been waiting, to a second: remembers which sequence
// was first seen when, a few dozen marks however long Redis is away. Pure; used by lane.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace tracking::store {

class backlog_age {
public:
    using time_point = std::chrono::steady_clock::time_point;

    // Records from `first` on were seen for the first time.
    void seen(std::uint64_t first, time_point now);
    // Redis has everything up to `last`.
    void applied(std::uint64_t last);
    // Since when the record behind `position`, which was seen, has been waiting; at most `resolution` too early.
    std::optional<time_point> since(std::uint64_t position) const;

private:
    static constexpr std::size_t marks_most = 64;
    struct mark {
        std::uint64_t sequence;
        time_point at;
    };
    void thin_out();

    std::chrono::steady_clock::duration resolution_ = std::chrono::seconds(1);
    std::vector<mark> marks_;  // ascending; the first may be in Redis already
};

}  // namespace tracking::store
