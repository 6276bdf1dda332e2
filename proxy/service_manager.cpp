#include "proxy/service_manager.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "proxy/unix_address.hpp"
#include "tracking/descriptor.hpp"

namespace proxy {

using tracking::descriptor;

void tell_service_manager(std::string_view state) noexcept {
    const char* const where = std::getenv("NOTIFY_SOCKET");
    if (where == nullptr || (where[0] != '/' && where[0] != '@')) return;
    auto address = unix_address(where);
    if (!address) return;
    if (where[0] == '@') address->sun_path[0] = '\0';  // an abstract socket
    const descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const timeval patience{1, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(where));
    ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&*address),
             size);
}

}  // namespace proxy
