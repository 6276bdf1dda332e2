// Meters of requests that have ended, until the loop's turn ends or a few are together: then their records are closed,
// one after the other. What that takes of the processor's instruction cache, a third of all that a request takes, comes
// in once for them all, not once a request. One worker's.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "proxy/meter.hpp"
#include "proxy/object_pool.hpp"

namespace proxy {

class ended_meters {
public:
    ended_meters(tracking::journal::writer& journal, label_bounds& labels) noexcept
        : journal_(journal), labels_(labels) {}

    // `by` are the rules that the meter began with.
    void add(object_pool<meter>::lent one, std::shared_ptr<const rules> by, exchange_end how, steady_time at) {
        waiting_.push_back({std::move(by), std::move(one), std::move(how), at});
        if (waiting_.size() == most_together) close_all();
    }
    void close_all() {
        for (const auto& [by, one, how, at] : waiting_) one->end(how, at, journal_, labels_);
        waiting_.clear();
    }

private:
    static constexpr std::size_t most_together = 8;  // more would push each other's data out of the cache

    struct ended {
        std::shared_ptr<const rules> by;
        object_pool<meter>::lent one;
        exchange_end how;
        steady_time at;
    };
    tracking::journal::writer& journal_;
    label_bounds& labels_;
    std::vector<ended> waiting_;
};

}  // namespace proxy
