// What a process was handed when it was started, as sd_listen_fds(3) has it: descriptors from 3 on, counted by
// LISTEN_FDS, named by LISTEN_FDNAMES, meant for the process LISTEN_PID. systemd hands in listening sockets; an aimeter
// that is replaced hands its successor the same and, under names of their own, the lock on data_dir and a channel.
#pragma once

#include <string>
#include <vector>

#include "tracking/descriptor.hpp"

namespace proxy {

using tracking::descriptor;

inline constexpr int first_handed_descriptor = 3;
inline constexpr const char* data_lock_name = "aimeter.data-lock";
inline constexpr const char* predecessor_name = "aimeter.predecessor";
inline constexpr const char* own_socket_name = "aimeter.listen";  // made by an aimeter, not by a service manager
inline constexpr const char* given_socket_name = "listen";

struct handed_socket {
    descriptor socket;
    bool made_by_aimeter = false;
};
struct socket_to_hand {
    int socket = -1;
    bool made_by_aimeter = false;
};

struct inheritance {
    std::vector<handed_socket> sockets;  // in the order in which they were handed in
    descriptor data_lock;
    descriptor predecessor;  // see succession.hpp

    // Reads the variables and removes them, so that children of ours do not take them for theirs. Called once, first.
    static inheritance take();
};

}  // namespace proxy
