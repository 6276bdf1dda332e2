#include "tracking/folder_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

namespace tracking {
namespace {

int open_folder(const std::string& folder) noexcept {
    return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int lock(int fd, int how) noexcept {
    int done = 0;
    do done = ::flock(fd, how);
    while (done != 0 && errno == EINTR);
    return done == 0 ? 0 : errno;
}

}  // namespace

int folder_lock::take(const std::string& folder) noexcept {
    release();
    const int fd = open_folder(folder);
    if (fd < 0) return errno;
    const int failed = lock(fd, LOCK_EX | LOCK_NB);
    if (failed == 0)
        fd_ = fd;
    else
        ::close(fd);
    return failed;
}

// A shared lock: whoever takes it wants it alone, and whoever asks is content with sharing it.
void folder_lock::only_keep() noexcept {
    if (held()) lock(fd_, LOCK_SH | LOCK_NB);
}

void folder_lock::release() noexcept {
    if (held()) ::close(std::exchange(fd_, -1));
}

bool folder_lock::is_taken(const std::string& folder) noexcept {
    const int fd = open_folder(folder);
    if (fd < 0) return false;
    const bool taken = lock(fd, LOCK_SH | LOCK_NB) == EWOULDBLOCK;
    ::close(fd);
    return taken;
}

}  // namespace tracking
