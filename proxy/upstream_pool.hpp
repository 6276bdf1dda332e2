// A worker's connections to the upstream: idle ones are kept and reused, last used first; a new one tries the peers'
// addresses in turn. One per worker, on its thread; addresses come from control as an immutable snapshot.
#pragma once

#include <sys/socket.h>

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "conf/config.hpp"
#include "proxy/stream.hpp"
#include "proxy/task.hpp"

namespace proxy {

struct upstream_address {
    std::string unix_path;  // when set, the rest is unused
    sockaddr_storage socket{};
    socklen_t length = 0;
};

// What the configured peers resolve to; never changed once made.
struct upstream_addresses {
    std::vector<upstream_address> all;
    std::string problem;  // why `all` is empty
};
// Resolves all peers; blocking, for start-up and the control thread's resolver.
upstream_addresses resolve_upstream(const std::vector<conf::endpoint>& peers);
std::string host_header_of(const conf::endpoint& peer);  // "host" or "host:port", for a Host field

struct connect_failure {
    bool timed_out = false;
    int error = 0;  // errno of the last address tried; 0 = no address known
    std::string text() const;
};

class upstream_pool {
public:
    upstream_pool(reactor& in, stream_list& streams, const conf::limits_settings& limits);
    void use(std::shared_ptr<const upstream_addresses> addresses) { addresses_ = std::move(addresses); }
    void use(const conf::limits_settings& limits) { limits_ = limits; }

    // A kept connection that is still open and silent (asked of the kernel at this moment, since a request that is not
    // idempotent cannot be sent again); null when there is none.
    std::shared_ptr<stream> take_idle() noexcept;
    // A new connection. Each address is tried once, until one takes; the timeout is for each.
    task<std::variant<std::shared_ptr<stream>, connect_failure>> connect();
    // The exchange on `used` ended cleanly, with nothing left to read.
    void give_back(std::shared_ptr<stream> used);

    void drop_overdue(steady_time now) noexcept;
    void drop_all() noexcept;

private:
    struct idle_connection {
        std::shared_ptr<stream> connection;
        steady_time since;
    };
    static void on_idle_event(void* pool) noexcept;

    reactor& reactor_;
    stream_list& streams_;
    conf::limits_settings limits_;
    std::shared_ptr<const upstream_addresses> addresses_ = std::make_shared<upstream_addresses>();
    std::vector<idle_connection> idle_;
    std::size_t turn_ = 0;
};

}  // namespace proxy
