#include "proxy/upstream_addresses.hpp"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

namespace proxy {
namespace {

using address_list = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

// Null, and why, when the name does not resolve.
address_list look_up(const conf::endpoint& peer, std::string& problem) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
    addrinfo* list = nullptr;
    const std::string port = std::to_string(peer.port);
    int failed = ::getaddrinfo(peer.host.c_str(), port.c_str(), &hints, &list);
    if (failed == EAI_NONAME || failed == EAI_ADDRFAMILY) {  // ::1 on a machine that has no other IPv6 address
        hints.ai_flags = AI_NUMERICSERV;
        failed = ::getaddrinfo(peer.host.c_str(), port.c_str(), &hints, &list);
    }
    if (failed != 0) problem = peer.host + ": " + ::gai_strerror(failed);
    return {failed == 0 ? list : nullptr, &::freeaddrinfo};
}

std::string text_of(const conf::endpoint& peer, const addrinfo& found) {
    std::array<char, NI_MAXHOST> host{};
    const int failed =
        ::getnameinfo(found.ai_addr, found.ai_addrlen, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST);
    if (failed != 0 || peer.host == host.data()) return peer.text;
    const std::string numeric(host.data());
    const std::string bracketed = found.ai_family == AF_INET6 ? "[" + numeric + "]" : numeric;
    return peer.text + " (" + bracketed + ":" + std::to_string(peer.port) + ")";
}

void add(upstream_addresses& to, upstream_address address) {
    const auto known = std::any_of(to.all.begin(), to.all.end(), [&](const auto& a) { return a.text == address.text; });
    if (!known) to.all.push_back(std::move(address));
}

}  // namespace

upstream_addresses resolve_upstream(const std::vector<conf::endpoint>& peers, const upstream_addresses& before) {
    upstream_addresses found;
    for (const conf::endpoint& peer : peers) {
        upstream_address address;
        address.configured = peer.text;
        address.host = host_header_of(peer);
        address.port = peer.port;
        if (peer.tls) address.tls_name = peer.host;
        if (!peer.unix_path.empty()) {
            address.text = "unix:" + peer.unix_path;
            address.unix_path = peer.unix_path;
            add(found, std::move(address));
            continue;
        }
        const address_list list = look_up(peer, found.problem);
        for (const addrinfo* entry = list.get(); entry != nullptr; entry = entry->ai_next) {
            std::memcpy(&address.socket, entry->ai_addr, entry->ai_addrlen);
            address.length = entry->ai_addrlen;
            address.text = text_of(peer, *entry);
            add(found, address);
        }
        if (list) continue;
        for (const upstream_address& known : before.all)
            if (known.configured == peer.text) add(found, known);
    }
    return found;
}

bool same_addresses(const upstream_addresses& a, const upstream_addresses& b) noexcept {
    return std::is_permutation(a.all.begin(), a.all.end(), b.all.begin(), b.all.end(),
                               [](const auto& x, const auto& y) { return x.text == y.text; });
}

std::string host_header_of(const conf::endpoint& peer) {
    if (!peer.unix_path.empty()) return "localhost";
    const std::string host = peer.host.find(':') != std::string::npos ? "[" + peer.host + "]" : peer.host;
    return peer.port == (peer.tls ? 443 : 80) ? host : host + ":" + std::to_string(peer.port);
}

}  // namespace proxy
