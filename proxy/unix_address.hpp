// The address of a unix socket.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <optional>
#include <string_view>

namespace proxy {

// nullopt = the path is too long for the kernel (107 bytes).
inline std::optional<sockaddr_un> unix_address(std::string_view path) noexcept {
    sockaddr_un made{};
    if (path.size() >= sizeof made.sun_path) return std::nullopt;
    made.sun_family = AF_UNIX;
    path.copy(made.sun_path, path.size());
    return made;
}

}  // namespace proxy
