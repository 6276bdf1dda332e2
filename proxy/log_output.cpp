#include "proxy/log_output.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

namespace proxy {

std::string log_output::open(const std::string& path) {
    opened_ = descriptor();
    if (path.empty()) {
        opened_ = descriptor(::fcntl(at_start_ ? at_start_.get() : STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    } else {
        opened_ = descriptor(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640));
    }
    if (!opened_) return "log_file " + path + " cannot be opened: " + std::strerror(errno);
    path_ = path;
    return {};
}

void log_output::use() noexcept {
    if (!at_start_ && !path_.empty()) at_start_ = descriptor(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    ::dup2(opened_.get(), STDERR_FILENO);
    opened_ = descriptor();
}

std::string log_output::reopen() {
    if (path_.empty()) return {};
    if (std::string problem = open(std::string(path_)); !problem.empty()) return problem;
    use();
    return {};
}

}  // namespace proxy
