#include "proxy/inheritance.hpp"

#include <fcntl.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace proxy {
namespace {

constexpr int most_handed = 65'536;  // beyond it the variable is no count of descriptors

int number_of(const char* variable) {
    const char* const text = std::getenv(variable);
    int number = 0;
    if (text != nullptr) std::from_chars(text, text + std::string_view(text).size(), number);
    return number;
}

// The name at the front of a colon-separated list, which is shortened by it.
std::string_view next_name(std::string_view& list) {
    const std::string_view name = list.substr(0, list.find(':'));
    list.remove_prefix(name.size() < list.size() ? name.size() + 1 : name.size());
    return name;
}

}  // namespace

inheritance inheritance::take() {
    inheritance got;
    const bool ours = number_of("LISTEN_PID") == ::getpid();
    const int count = ours ? number_of("LISTEN_FDS") : 0;
    const char* const names = std::getenv("LISTEN_FDNAMES");
    std::string_view rest = names != nullptr ? names : "";
    for (int i = 0; i < count && i < most_handed; ++i) {
        const int fd = first_handed_descriptor + i;
        const std::string_view name = next_name(rest);
        if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) continue;  // not there
        descriptor one(fd);
        if (name == data_lock_name)
            got.data_lock = std::move(one);
        else if (name == predecessor_name)
            got.predecessor = std::move(one);
        else
            got.sockets.push_back({std::move(one), name == own_socket_name});
    }
    for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"}) ::unsetenv(variable);
    return got;
}

}  // namespace proxy
