// What the coroutines of one worker share: sockets, buffers, the upstream, the journal, the rules in force. Owned by
// the worker, used on its thread only; `open_connections` and `labels` alone are shared between workers, because what
// they bound is the process's.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "admin-api/api.hpp"
#include "proxy/buffer.hpp"
#include "proxy/meter.hpp"
#include "proxy/stream.hpp"
#include "proxy/upstream_pool.hpp"

namespace proxy {

// Meters are large (scanners, decoders), so that only requests under way hold one.
class meter_pool {
public:
    std::unique_ptr<meter> take() {
        if (free_.empty()) return std::make_unique<meter>();
        auto one = std::move(free_.back());
        free_.pop_back();
        return one;
    }
    void give(std::unique_ptr<meter> one) {
        if (free_.size() < max_free) free_.push_back(std::move(one));
    }

private:
    static constexpr std::size_t max_free = 64;
    std::vector<std::unique_ptr<meter>> free_;
};

struct worker_parts {
    stream_list& streams;
    buffer_pool& buffers;
    upstream_pool& upstream;
    meter_pool& meters;
    route_memory& routes;
    tracking::journal::writer& journal;
    const tracking::time_source& clock;
    std::atomic<std::uint32_t>& open_connections;
    label_bounds& labels;
    // Hands an admin request to the control thread; `done` is called on this worker's thread.
    std::function<void(admin::request, std::function<void(admin::response)> done)> ask_control;
    std::shared_ptr<const rules> in_force;
    std::unique_ptr<tracking::identity_rules::memory, void (*)(tracking::identity_rules::memory*)> seen_tokens;
    bool draining = false;
};

}  // namespace proxy
