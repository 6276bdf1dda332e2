#include "tracking/folder_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

namespace tracking {
namespace {

descriptor open_folder(const std::string& folder) noexcept {
    return descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

int lock(const descriptor& what, int how) noexcept {
    int done = 0;
    do done = ::flock(what.get(), how);
    while (done != 0 && errno == EINTR);
    return done == 0 ? 0 : errno;
}

}  // namespace

int folder_lock::take(const std::string& folder) noexcept {
    release();
    descriptor opened = open_folder(folder);
    if (!opened) return errno;
    const int failed = lock(opened, LOCK_EX | LOCK_NB);
    if (failed == 0) folder_ = std::move(opened);
    return failed;
}

// A shared lock: whoever takes it wants it alone, and whoever asks is content with sharing it.
void folder_lock::only_keep() noexcept {
    if (held()) lock(folder_, LOCK_SH | LOCK_NB);
}

bool folder_lock::is_taken(const std::string& folder) noexcept {
    const descriptor opened = open_folder(folder);
    return opened && lock(opened, LOCK_SH | LOCK_NB) == EWOULDBLOCK;
}

}  // namespace tracking
