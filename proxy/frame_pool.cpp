#include "proxy/frame_pool.hpp"

namespace proxy {
namespace {

// With a sanitizer each frame is memory of its own, so that the use of a freed one is found.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool recycle = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool recycle = false;
#else
constexpr bool recycle = true;
#endif
#else
constexpr bool recycle = true;
#endif

}  // namespace

frame_pool& frame_pool::of_this_thread() noexcept {
    static thread_local frame_pool pool;
    return pool;
}

frame_pool::~frame_pool() {
    for (shelf& each : shelves_)
        while (each.first != nullptr) {
            freed* const next = each.first->next;
            ::operator delete(each.first);
            each.first = next;
        }
}

void* frame_pool::take(std::size_t bytes) {
    const std::size_t at = (bytes + step - 1) / step;
    if (!recycle || at >= classes) return ::operator new(bytes);
    shelf& from = of_this_thread().shelves_[at];
    if (from.first == nullptr) return ::operator new(at * step);
    freed* const frame = from.first;
    from.first = frame->next;
    --from.count;
    return frame;
}

void frame_pool::give(void* frame, std::size_t bytes) noexcept {
    const std::size_t at = (bytes + step - 1) / step;
    if (!recycle || at >= classes) return ::operator delete(frame);
    shelf& to = of_this_thread().shelves_[at];
    if (to.count >= kept_most) return ::operator delete(frame);
    to.first = new (frame) freed{to.first};
    ++to.count;
}

}  // namespace proxy
