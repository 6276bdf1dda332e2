// Memory for the coroutines of the request path: a request makes and ends a dozen of them, always of the same few
// sizes, so that each worker's thread keeps what was freed for the next one. Bounded.
#pragma once

#include <array>
#include <cstddef>
#include <new>

namespace proxy {

class frame_pool {
public:
    // From this thread's frames; must be given back on the same thread, with the same size.
    static void* take(std::size_t bytes);
    static void give(void* frame, std::size_t bytes) noexcept;

private:
    frame_pool() = default;
    ~frame_pool();
    static frame_pool& of_this_thread() noexcept;

    static constexpr std::size_t step = 128;  // bytes between two size classes
    static constexpr std::size_t classes = 32;
    static constexpr std::size_t kept_most = 64;  // of each class
    struct freed {
        freed* next;
    };
    struct shelf {
        freed* first = nullptr;
        std::size_t count = 0;
    };
    std::array<shelf, classes> shelves_{};
};

}  // namespace proxy
