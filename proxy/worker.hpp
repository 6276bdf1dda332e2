// What one core owns: a reactor, a thread, listeners, connections to clients and upstream, a journal writer and
// the tick that closes what is overdue. Nothing mutable is shared with other workers; control talks to it by posting.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <unordered_set>
#include <vector>

#include "proxy/listener.hpp"
#include "proxy/listening_sockets.hpp"
#include "proxy/session.hpp"
#include "proxy/worker_parts.hpp"

namespace proxy {

class worker {
public:
    struct options {
        tracking::journal::writer& journal;
        const tracking::time_source& clock;
        std::atomic<std::uint32_t>& open_connections;
        label_bounds& labels;
        // Called on the worker's thread; must answer through `done` on any thread, once.
        std::function<void(admin::request, std::function<void(admin::response)> done)> ask_control;
        // The same for the next piece of an answer's body.
        std::function<void(std::shared_ptr<admin::body_source>, std::function<void(admin::body_source::piece)> done)>
            next_piece;
        std::function<void()> want_snapshot;            // for live sockets; called on the worker's thread
        std::function<void(peer_change)> peer_changed;  // called on the worker's thread
        std::shared_ptr<const rules> by;
        std::shared_ptr<const upstream_addresses> upstream;
        std::vector<listening_sockets::for_worker> listeners;  // taken over
    };
    explicit worker(options with);
    ~worker();  // after join()

    void start();
    // From any thread:
    void use(std::shared_ptr<const rules> by, std::shared_ptr<const upstream_addresses> upstream);
    void publish(admin::live_message what);
    // Stops accepting, finishes what is in flight; the thread ends when nothing is left.
    void drain();
    // The same when a successor serves at the same sockets: what is queued there is left to it, and a connection that
    // is between two requests gets the next one answered, with the word that it was the last. So no client finds its
    // connection closed at the moment in which it asks.
    void hand_over();
    // Closes every connection at once; the thread ends.
    void stop();
    // Calls `done` on the worker's thread, soon; never when the worker has ended.
    struct figures {
        std::size_t client_connections = 0;
        std::vector<upstream_pool::peer_figures> peers;
    };
    void ask(std::function<void(figures)> done);
    bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }
    void join();

private:
    void run();
    void accept(int descriptor, int family, accepted_from from);
    detached turn_away(std::shared_ptr<stream> client);
    void tick(steady_time now);
    void end_when_idle();
    static void session_ended(void* self);

    reactor reactor_;
    stream_list streams_;
    buffer_pool buffers_;
    scanner_pools scanners_;
    object_pool<meter> meters_;
    ended_requests ended_requests_;
    object_pool<exchange_heads> heads_;
    route_memory routes_;
    upstream_pool upstream_;
    live_sockets live_;
    worker_parts parts_;
    std::vector<std::unique_ptr<listener>> listeners_;
    std::unordered_set<session*> sessions_;
    std::size_t turned_away_ = 0;  // over limits.connections, and still being told
    std::atomic<bool> ended_ = false;
    std::thread thread_;
};

}  // namespace proxy
