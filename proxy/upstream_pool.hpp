// A worker's connections to the upstream: idle ones are kept at their peer and reused, last used first; new ones are
// made, their TLS handshake included. Which peer a request goes to is chosen in proxy/peers.hpp. One per worker, on its
// thread; addresses, limits and trust come from control as immutable snapshots.
//
//   peer_turn turn;
//   while (pool.choose(turn)) { pool.take_idle(turn), or else co_await pool.connect(turn); ... }
//   pool.answered(turn) or pool.unanswered(turn, why);
//   pool.give_back(turn, connection, keep), or close the connection
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "conf/config.hpp"
#include "proxy/peers.hpp"
#include "proxy/stream.hpp"
#include "proxy/task.hpp"
#include "proxy/tls.hpp"
#include "proxy/upstream_addresses.hpp"

namespace proxy {

struct connect_failure {
    bool timed_out = false;
    int error = 0;        // errno; 0 = no address known
    std::string problem;  // why TLS failed; then the others are unused
    std::string text() const;
};

class upstream_pool {
public:
    struct parts {
        reactor& in;
        stream_list& streams;
        const tracking::time_source& clock;
        std::uint32_t seed;
        std::function<void(peer_change)> changed;  // on this thread
    };
    explicit upstream_pool(parts with);
    // What is idle stays, unless it is not to be used any more: its peer is gone, `tls` is another context than it was
    // made by, or limits.upstream_idle is smaller. `tls` is null when no peer is https://.
    void use(const conf::settings& settings, tls_context tls, std::shared_ptr<const upstream_addresses> addresses);

    // The turn's first peer, or the next one after a failure. False = it has tried all, or tried long enough: all tries
    // together take at most twice limits.upstream_connect_timeout.
    bool choose(peer_turn& turn);
    // A kept connection of the turn's peer that is still open and silent as of the reactor's turn (a request that is
    // not idempotent cannot be sent again); null when there is none.
    std::shared_ptr<stream> take_idle(const peer_turn& turn) noexcept;
    // A new connection to the turn's peer, its TLS handshake done.
    task<std::variant<std::shared_ptr<stream>, connect_failure>> connect(peer_turn& turn);

    // The new connection was reset before a byte of the request was written.
    void not_taken(peer_turn& turn) { peers_.connect_failed(turn, "connections are reset at once"); }
    void answered(peer_turn& turn) { peers_.answered(turn); }
    void unanswered(peer_turn& turn, const std::string& problem) { peers_.unanswered(turn, problem); }
    // The exchange on `used` ended cleanly, with nothing left to read. `stated`: how long the peer says it keeps it.
    void give_back(const peer_turn& turn, std::shared_ptr<stream> used, std::optional<std::chrono::seconds> stated);

    // What became of the peers so far, for metrics.
    struct peer_figures {
        std::string address;
        std::uint64_t requests = 0, failures = 0;
        std::uint32_t under_way = 0;
        std::size_t idle = 0;  // connections
    };
    std::vector<peer_figures> figures() const;

    void drop_overdue(steady_time now) noexcept;
    void drop_all() noexcept;

private:
    task<std::optional<connect_failure>> establish(stream& connection, const upstream_address& to,
                                                   std::chrono::milliseconds timeout);
    task<std::optional<connect_failure>> greet(stream& connection, const upstream_address& to, steady_time deadline);
    bool is_trusted(const stream& connection) const noexcept;
    template <class Unfit>
    void drop_if(Unfit unfit) noexcept;
    static void on_idle_event(void* pool) noexcept;

    reactor& reactor_;
    stream_list& streams_;
    peer_list peers_;
    conf::limits_settings limits_;
    std::shared_ptr<const upstream_addresses> addresses_;
    tls_context tls_;
    std::map<std::pair<std::string, std::uint16_t>, std::shared_ptr<tls_session>> sessions_;  // by name and port
    std::size_t idle_ = 0;  // connections, at all peers
};

}  // namespace proxy
