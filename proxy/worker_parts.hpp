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
#include "proxy/ended_requests.hpp"
#include "proxy/live_sockets.hpp"
#include "proxy/meter.hpp"
#include "proxy/object_pool.hpp"
#include "proxy/stream.hpp"
#include "proxy/upstream_pool.hpp"

namespace proxy {

// The heads of an exchange, whose memory serves the next one.
struct exchange_heads {
    std::string out;  // on its way to either side
    response_head answer;
};

struct worker_parts {
    stream_list& streams;
    buffer_pool& buffers;
    upstream_pool& upstream;
    object_pool<meter>& meters;
    scanner_pools& scanners;  // large (decoders)
    ended_requests& ended;
    object_pool<exchange_heads>& heads;
    route_memory& routes;
    tracking::journal::writer& journal;
    const tracking::time_source& clock;
    std::atomic<std::uint32_t>& open_connections;
    label_bounds& labels;
    // Hands an admin request to the control thread; `done` is called on this worker's thread.
    std::function<void(admin::request, std::function<void(admin::response)> done)> ask_control;
    // Asks it for the next piece of an answer's body; `done` as above. One at a time.
    std::function<void(std::shared_ptr<admin::body_source>, std::function<void(admin::body_source::piece)> done)>
        next_piece;
    live_sockets& live;
    std::shared_ptr<const rules> in_force;
    std::unique_ptr<tracking::identity_rules::memory, void (*)(tracking::identity_rules::memory*)> seen_tokens;
    bool draining = false;      // each answer is the last of its connection
    bool idle_may_ask = false;  // draining, but connections between two requests stay until the next
};

}  // namespace proxy
