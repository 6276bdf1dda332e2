// What reports have read of stretches of days, merged, for the next report: a year is read once, and then its latest
// days. A stretch counts as unchanged while its days have as many requests as when it was read and no repair has
// changed keys; after an hour it is read anew whatever they say. Bounded. Control thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "tracking/store/hyperloglog.hpp"

namespace tracking::store {

// A run of days of one month, as places in a list of day periods.
struct stretch {
    std::size_t from = 0, to = 0;
    std::string name;                         // tells it from all others
    std::int64_t requests = 0, repairs = -1;  // of its days; of the data set
};
// In the order of the days. The last day stands alone: it is the one that changes.
std::vector<stretch> stretches_of(const std::vector<std::string>& day_periods);

class report_memory {
public:
    using buckets = std::vector<std::pair<int, std::int64_t>>;
    struct leaders {
        std::vector<std::pair<std::string, std::int64_t>> requests;  // of users
        bool cut = false;                                            // some day had more users than were read
    };
    using hour_sums = std::vector<std::int64_t>;
    using scores = std::unordered_map<std::string, std::int64_t>;  // of some users, zeros included; of messages
    using value = std::variant<buckets, leaders, hour_sums, scores, hyperloglog>;

    // nullptr: not known, or not any more. Valid until the next keep().
    template <class Value>
    const Value* find(const std::string& what, const stretch& of) const {
        const auto found = kept_.find(what + of.name);
        if (found == kept_.end() || !fresh(found->second, of)) return nullptr;
        return std::get_if<Value>(&found->second.is);
    }
    void keep(const std::string& what, const stretch& of, value is);

private:
    struct entry {
        std::int64_t requests, repairs;
        std::chrono::steady_clock::time_point read;
        value is;
        std::size_t bytes;
    };
    static bool fresh(const entry& one, const stretch& of);

    std::unordered_map<std::string, entry> kept_;
    std::size_t bytes_ = 0;
};

}  // namespace tracking::store
