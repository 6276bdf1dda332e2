// The listening sockets of the process: those that it was handed (by systemd, or by the aimeter that it replaces), and
// those that it opens itself. They are held here besides in the workers, to be handed on.
//
// How connections spread over workers: of a TCP address that is opened here each worker has its own SO_REUSEPORT
// socket. A unix socket is one, and what is handed in may be any number: then every worker waits at every socket of the
// address, so that no queue is without somebody who accepts.
#pragma once

#include <string>
#include <vector>

#include "conf/config.hpp"
#include "proxy/inheritance.hpp"
#include "proxy/session.hpp"
#include "tracking/descriptor.hpp"

namespace proxy {

using tracking::descriptor;

std::string address_text(const conf::endpoint& where);  // "127.0.0.1:8080", "[::1]:8080", "unix:/path"

class listening_sockets {
public:
    // Gives each socket that was handed in to its configured address, and looks whether the other addresses are free:
    // with SO_REUSEPORT, opening alone would not tell. Empty, or what is wrong ("127.0.0.1:8080 is already in use...",
    // a socket that nothing is configured for, ...).
    std::string plan(const conf::settings& settings, std::vector<handed_socket> handed);
    // Opens those that were not handed in. Empty, or what is wrong.
    std::string open(std::uint32_t workers, std::uint32_t backlog);

    struct for_worker {
        int descriptor;  // the caller's
        listener_role role;
        bool shared;  // other workers wait at it, too
    };
    std::vector<for_worker> duplicates_for(std::uint32_t worker, std::uint32_t workers) const;

    // Of these roles, with the ports that they got.
    std::vector<conf::endpoint> addresses(listener_role role) const;
    std::vector<socket_to_hand> to_hand() const;
    // Closes what is held here; the workers' duplicates go on.
    void let_go();
    // Removes the unix sockets' files that an aimeter has made, when nobody will listen there.
    void remove_files() const;

private:
    struct address {
        conf::endpoint where;
        listener_role role;
        std::vector<descriptor> sockets;
        bool made_by_aimeter = true;
    };
    std::string give_to_addresses(std::vector<handed_socket> handed);
    static std::string open_one(address& of, std::uint32_t backlog);

    std::vector<address> all_;
};

}  // namespace proxy
