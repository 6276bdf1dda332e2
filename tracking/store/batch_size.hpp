// How many records a batch may have, from what the ones before took. Redis does nothing else while it applies a batch:
// each is to take about 5 ms of its time, whether its users are few (15 us a record) or each another one (60 us), so
// that whoever asks for a report meanwhile hardly notices. A batch has its price, too: while there is more to ship than
// that allows, each may take 10 ms.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace tracking::store {

class batch_size {
public:
    static constexpr std::size_t least = 50, greatest = 2'000;
    static constexpr double wanted_us = 5'000, wanted_behind_us = 10'000;
    static constexpr int full_when_behind = 20;  // batches, one after the other
    static constexpr std::int64_t implausible_us = 5'000'000;

    std::size_t most() const { return most_; }

    // `us`: the time that Redis took to apply that many records. A few tell nothing of many, and no batch takes
    // seconds: then begin and end were told by two clocks, or Redis was stopped.
    void took(std::size_t records, std::int64_t us) {
        full_ = records >= most_ ? full_ + 1 : 0;
        if (records < least / 2 || us <= 0 || us > implausible_us) return;
        const double now = static_cast<double>(us) / static_cast<double>(records);
        record_us_ += (now - record_us_) / 4;
        const double wanted = full_ >= full_when_behind ? wanted_behind_us : wanted_us;
        most_ = static_cast<std::size_t>(
            std::clamp(wanted / record_us_, static_cast<double>(least), static_cast<double>(greatest)));
    }

private:
    double record_us_ = 20;
    std::size_t most_ = 250;
    int full_ = 0;  // batches in a row that were as large as they may be
};

}  // namespace tracking::store
