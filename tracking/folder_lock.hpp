// A lock on a folder (flock on its descriptor): says which of several processes a folder belongs to. The kernel lets go
// of it when its holder ends, however that happens, and nothing of it is left on the disk.
#pragma once

#include <string>

#include "tracking/descriptor.hpp"

namespace tracking {

class folder_lock {
public:
    // Without waiting: 0 = held, EWOULDBLOCK = another process holds it, else the errno.
    int take(const std::string& folder) noexcept;
    // From now on it keeps others from taking it, but no longer looks like one that is being written.
    void only_keep() noexcept;
    void release() noexcept { folder_ = {}; }
    bool held() const noexcept { return static_cast<bool>(folder_); }

    // Whether a process took it and has not gone over to only_keep(). Asks without keeping it.
    static bool is_taken(const std::string& folder) noexcept;

private:
    descriptor folder_;
};

}  // namespace tracking
