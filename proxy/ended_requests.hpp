// Requests that have ended, until the loop's turn ends or a few are together: then what was still to be read of their
// answers is read and their records are closed, one after the other. What that takes of the processor's instruction
// cache, half of all that a request takes, comes in once for them all, not once a request. One worker's.
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/buffer.hpp"
#include "proxy/meter.hpp"
#include "proxy/object_pool.hpp"

namespace proxy {

struct ended_request {
    std::shared_ptr<const rules> by;  // that the meter began with
    object_pool<proxy::meter>::lent meter;
    exchange_end how;
    steady_time at;
    buffer held;  // whose bytes last_piece is of
    std::string_view last_piece;
    steady_time answer_ended;  // when the last piece arrived; none = the answer is not whole
};

class ended_requests {
public:
    ended_requests(tracking::journal::writer& journal, label_bounds& labels) noexcept
        : journal_(journal), labels_(labels) {}

    void add(ended_request one) {
        waiting_.push_back(std::move(one));
        if (waiting_.size() == most_together) close_all();
    }
    void close_all() {
        closing_.clear();  // what an exception has left: each is closed once
        closing_.swap(waiting_);
        for (const auto& each : closing_) {
            if (each.answer_ended == steady_time{}) continue;
            each.meter->answer_body(each.last_piece, each.answer_ended);
            each.meter->upstream_ended(each.answer_ended);
        }
        for (const auto& each : closing_) each.meter->end(each.how, each.at, journal_, labels_);
        closing_.clear();
    }

private:
    static constexpr std::size_t most_together = 8;  // more would push each other's data out of the cache

    tracking::journal::writer& journal_;
    label_bounds& labels_;
    std::vector<ended_request> waiting_, closing_;
};

}  // namespace proxy
