#include "proxy/listening_sockets.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>

#include "proxy/unix_address.hpp"

namespace proxy {
namespace {

struct free_list {
    void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using address_list = std::unique_ptr<addrinfo, free_list>;

address_list resolve(const conf::endpoint& where, std::string& problem) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* list = nullptr;
    const char* host = where.host.empty() ? nullptr : where.host.c_str();
    const int failed = ::getaddrinfo(host, std::to_string(where.port).c_str(), &hints, &list);
    if (failed != 0) problem = address_text(where) + ": " + ::gai_strerror(failed);
    return address_list(list);
}

std::string failed_to_listen(const conf::endpoint& where) {
    if (errno == EADDRINUSE) return address_text(where) + " is already in use by another process";
    return "cannot listen on " + address_text(where) + ": " + std::strerror(errno);
}

// Empty = free.
std::string taken_by_another(const conf::endpoint& where) {
    if (!where.unix_path.empty()) {
        const auto address = unix_address(where.unix_path);
        if (!address) return address_text(where) + ": the path is too long";
        const descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const bool answered =
            ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0;
        return answered ? address_text(where) + " is already in use by another process" : std::string();
    }
    std::string problem;
    const address_list list = resolve(where, problem);
    if (!list) return problem;
    const descriptor probe(::socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(probe.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (where.port != 0 && ::bind(probe.get(), list->ai_addr, list->ai_addrlen) != 0) problem = failed_to_listen(where);
    return problem;
}

// Where a socket is bound, as an endpoint with a numeric host; nullopt = of a family that is not known here.
std::optional<conf::endpoint> bound_to(int socket) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) return std::nullopt;
    conf::endpoint where;
    char text[INET6_ADDRSTRLEN] = "";
    if (address.ss_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
        where.host = ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
        where.port = ntohs(v4.sin_port);
    } else if (address.ss_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
        where.host = ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        where.port = ntohs(v6.sin6_port);
    } else if (address.ss_family == AF_UNIX) {
        const std::size_t most = length - std::min<std::size_t>(length, offsetof(sockaddr_un, sun_path));
        const char* const path = reinterpret_cast<const sockaddr_un&>(address).sun_path;
        where.unix_path.assign(path, ::strnlen(path, most));
        if (where.unix_path.empty()) return std::nullopt;
    } else {
        return std::nullopt;
    }
    return where;
}

bool listens(int socket) {
    int type = 0, accepts = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) return false;
    size = sizeof accepts;
    return ::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) == 0 && accepts != 0;
}

// Whether `wanted`, a name perhaps, means the address of `bound`. The port alone is not compared here.
bool same_host(const conf::endpoint& wanted, const conf::endpoint& bound) {
    if (!wanted.unix_path.empty() || !bound.unix_path.empty()) return wanted.unix_path == bound.unix_path;
    std::string problem;
    const address_list list = resolve(wanted, problem);
    for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
        char text[INET6_ADDRSTRLEN] = "";
        if (one->ai_family == AF_INET)
            ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(one->ai_addr)->sin_addr, text, sizeof text);
        if (one->ai_family == AF_INET6)
            ::inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6*>(one->ai_addr)->sin6_addr, text, sizeof text);
        if (bound.host == text) return true;
    }
    return false;
}

descriptor bind_and_listen(int family, const sockaddr* address, socklen_t length, std::uint32_t backlog) {
    descriptor made(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int on = 1;
    if (family != AF_UNIX) {
        ::setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        ::setsockopt(made.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    }
    const bool good = ::bind(made.get(), address, length) == 0 && ::listen(made.get(), static_cast<int>(backlog)) == 0;
    return good ? std::move(made) : descriptor();
}

}  // namespace

std::string address_text(const conf::endpoint& where) {
    if (!where.unix_path.empty()) return "unix:" + where.unix_path;
    const bool v6 = where.host.find(':') != std::string::npos;
    return (v6 ? "[" + where.host + "]" : where.host) + ":" + std::to_string(where.port);
}

std::string listening_sockets::plan(const conf::settings& settings, std::vector<handed_socket> handed) {
    for (const conf::endpoint& where : settings.listen) all_.push_back({where, listener_role::proxy, {}});
    if (settings.admin.listen) all_.push_back({*settings.admin.listen, listener_role::admin, {}});
    if (std::string problem = give_to_addresses(std::move(handed)); !problem.empty()) return problem;
    for (const address& one : all_) {
        if (!one.sockets.empty()) continue;
        if (std::string problem = taken_by_another(one.where); !problem.empty()) return problem;
    }
    return {};
}

// First those whose port is configured; what is left may be of addresses with port 0, in their order.
std::string listening_sockets::give_to_addresses(std::vector<handed_socket> handed) {
    for (const bool exact : {true, false}) {
        for (handed_socket& one : handed) {
            if (!one.socket) continue;
            const auto bound = bound_to(one.socket.get());
            if (!bound || !listens(one.socket.get()))
                return "what was handed in as descriptor " + std::to_string(one.socket.get()) +
                       (bound ? " (" + address_text(*bound) + ")" : "") + " is not a listening stream socket";
            for (address& wanted : all_) {
                const bool fits =
                    wanted.where.port == bound->port || (!exact && wanted.where.port == 0 && wanted.sockets.empty());
                if (!fits || !same_host(wanted.where, *bound)) continue;
                ::fcntl(one.socket.get(), F_SETFL, ::fcntl(one.socket.get(), F_GETFL) | O_NONBLOCK);
                wanted.where.port = bound->port;
                wanted.made_by_aimeter = one.made_by_aimeter;
                wanted.sockets.push_back(std::move(one.socket));
                break;
            }
        }
    }
    for (const handed_socket& one : handed)
        if (one.socket)
            return "a listening socket on " + address_text(*bound_to(one.socket.get())) +
                   " was handed in, but neither listen nor admin.listen names this address";
    return {};
}

std::string listening_sockets::open(std::uint32_t workers, std::uint32_t backlog) {
    for (address& one : all_) {
        if (!one.sockets.empty()) continue;
        const std::uint32_t count = one.where.unix_path.empty() ? workers : 1;
        for (std::uint32_t i = 0; i < count; ++i)
            if (std::string problem = open_one(one, backlog); !problem.empty()) return problem;
    }
    return {};
}

std::string listening_sockets::open_one(address& of, std::uint32_t backlog) {
    std::string problem;
    descriptor made;
    if (!of.where.unix_path.empty()) {
        const auto address = unix_address(of.where.unix_path);
        if (!address) return address_text(of.where) + ": the path is too long";
        struct stat there{};
        if (::lstat(of.where.unix_path.c_str(), &there) == 0) {
            if (!S_ISSOCK(there.st_mode)) return address_text(of.where) + ": is not a socket";
            ::unlink(of.where.unix_path.c_str());  // plan() has seen that nobody answers there
        }
        made = bind_and_listen(AF_UNIX, reinterpret_cast<const sockaddr*>(&*address), sizeof *address, backlog);
    } else {
        const address_list list = resolve(of.where, problem);
        if (!list) return problem;
        made = bind_and_listen(list->ai_family, list->ai_addr, list->ai_addrlen, backlog);
    }
    if (!made) return failed_to_listen(of.where);
    if (const auto bound = bound_to(made.get())) of.where.port = bound->port;
    of.sockets.push_back(std::move(made));
    return {};
}

std::vector<listening_sockets::for_worker> listening_sockets::duplicates_for(std::uint32_t worker,
                                                                             std::uint32_t workers) const {
    std::vector<for_worker> made;
    const auto add = [&made](const descriptor& socket, listener_role role, bool shared) {
        made.push_back({::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0), role, shared});
    };
    for (const address& one : all_) {
        if (one.sockets.size() == workers) {
            add(one.sockets[worker], one.role, false);
            continue;
        }
        for (const descriptor& socket : one.sockets) add(socket, one.role, workers > 1);
    }
    return made;
}

std::vector<conf::endpoint> listening_sockets::addresses(listener_role role) const {
    std::vector<conf::endpoint> found;
    for (const address& one : all_)
        if (one.role == role) found.push_back(one.where);
    return found;
}

std::vector<socket_to_hand> listening_sockets::to_hand() const {
    std::vector<socket_to_hand> sockets;
    for (const address& one : all_)
        for (const descriptor& socket : one.sockets) sockets.push_back({socket.get(), one.made_by_aimeter});
    return sockets;
}

void listening_sockets::let_go() {
    for (address& one : all_) one.sockets.clear();
}

void listening_sockets::remove_files() const {
    for (const address& one : all_)
        if (!one.where.unix_path.empty() && one.made_by_aimeter) ::unlink(one.where.unix_path.c_str());
}

}  // namespace proxy
