// A lock on a folder (flock on its descriptor): says which of several processes a folder belongs to. The kernel lets go
// of it when its holder ends, however that happens, and nothing of it is left on the disk.
#pragma once

#include <string>
#include <utility>

namespace tracking {

class folder_lock {
public:
    folder_lock() = default;
    folder_lock(folder_lock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    folder_lock& operator=(folder_lock&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    folder_lock(const folder_lock&) = delete;
    folder_lock& operator=(const folder_lock&) = delete;
    ~folder_lock() { release(); }

    // Without waiting: 0 = held, EWOULDBLOCK = another process holds it, else the errno.
    int take(const std::string& folder) noexcept;
    // From now on it keeps others from taking it, but no longer looks like one that is being written.
    void only_keep() noexcept;
    void release() noexcept;
    bool held() const noexcept { return fd_ >= 0; }

    // Whether a process took it and has not gone over to only_keep(). Asks without keeping it.
    static bool is_taken(const std::string& folder) noexcept;

private:
    int fd_ = -1;
};

}  // namespace tracking
