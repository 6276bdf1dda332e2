// What the configured peers of the upstream resolve to. Each address is a peer of its own (proxy/peers.hpp).
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "conf/config.hpp"

namespace proxy {

struct upstream_address {
    // "http://127.0.0.1:3000", "http://app:3000 (10.0.0.3:3000)", "unix:/path": for people, and which address this is:
    // equal texts are the same peer.
    std::string text;
    std::string configured;  // the peer of the configuration that resolved to it, as it was written
    std::string host;        // of a Host field that is meant for it
    std::string unix_path;   // when set, the rest is unused
    sockaddr_storage socket{};
    socklen_t length = 0;
    std::string tls_name;  // of an https:// peer: whom its certificate must be for. "" = plain
    std::uint16_t port = 0;
};

// Never changed once made.
struct upstream_addresses {
    std::vector<upstream_address> all;  // no two are equal
    std::string problem;                // the last name that did not resolve, and why; "" = all did
};
// Resolves all peers; blocking, for start-up and the control thread's resolver. A name that does not resolve keeps the
// addresses that it has in `before`.
upstream_addresses resolve_upstream(const std::vector<conf::endpoint>& peers, const upstream_addresses& before);
bool same_addresses(const upstream_addresses& a, const upstream_addresses& b) noexcept;

std::string host_header_of(const conf::endpoint& peer);  // "host" or "host:port", for a Host field

}  // namespace proxy
