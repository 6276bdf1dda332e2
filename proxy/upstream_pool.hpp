// A worker's connections to the upstream: idle ones are kept and reused, last used first; a new one tries the peers'
// addresses in turn. One per worker, on its thread; addresses come from control as an immutable snapshot.
#pragma once

#include <sys/socket.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "conf/config.hpp"
#include "proxy/stream.hpp"
#include "proxy/task.hpp"
#include "proxy/tls.hpp"

namespace proxy {

struct upstream_address {
    std::string unix_path;  // when set, the rest is unused
    sockaddr_storage socket{};
    socklen_t length = 0;
    std::string tls_name;  // of an https:// peer: whom its certificate must be for. "" = plain
    std::uint16_t port = 0;
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
    int error = 0;        // errno of the last address tried; 0 = no address known
    std::string problem;  // why TLS failed; then the others are unused
    std::string text() const;
};

class upstream_pool {
public:
    upstream_pool(reactor& in, stream_list& streams) : reactor_(in), streams_(streams) {}
    void use(std::shared_ptr<const upstream_addresses> addresses) { addresses_ = std::move(addresses); }
    // Connections and TLS sessions made under other rules are no longer used. `tls` is null when no peer is https://.
    void use(const conf::limits_settings& limits, tls_context tls);

    // A kept connection that is still open and silent (asked of the kernel at this moment, since a request that is not
    // idempotent cannot be sent again); null when there is none.
    std::shared_ptr<stream> take_idle() noexcept;
    // A new connection, its TLS handshake done. Each address is tried once, until one takes; the timeout is for each.
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
    task<std::optional<connect_failure>> establish(stream& connection, const upstream_address& to);
    task<std::optional<connect_failure>> greet(stream& connection, const upstream_address& to, steady_time deadline);
    void warn(const std::string& problem);
    static void on_idle_event(void* pool) noexcept;

    reactor& reactor_;
    stream_list& streams_;
    conf::limits_settings limits_;
    std::shared_ptr<const upstream_addresses> addresses_ = std::make_shared<upstream_addresses>();
    tls_context tls_;
    std::map<std::pair<std::string, std::uint16_t>, std::shared_ptr<tls_session>> sessions_;  // by name and port
    std::vector<idle_connection> idle_;
    std::size_t turn_ = 0;
    steady_time next_warning_{};
};

}  // namespace proxy
