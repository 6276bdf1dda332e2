// Objects that are costly to make and large to keep, for those who need one now: the parts of a request under way.
// One thread.
#pragma once

#include <memory>
#include <vector>

namespace proxy {

template <class T>
class object_pool {
public:
    struct give_back {
        object_pool* pool = nullptr;
        void operator()(T* one) const noexcept { pool->give(std::unique_ptr<T>(one)); }
    };
    using lent = std::unique_ptr<T, give_back>;  // goes back by itself; must not outlive the pool

    // As the last user left it.
    lent take() {
        if (free_.empty()) return {new T, {this}};
        T* const one = free_.back().release();
        free_.pop_back();
        return {one, {this}};
    }

private:
    void give(std::unique_ptr<T> one) noexcept {
        if (free_.size() < free_.capacity()) free_.push_back(std::move(one));
    }

    static constexpr std::size_t most_kept = 64;
    std::vector<std::unique_ptr<T>> free_ = reserved();
    static std::vector<std::unique_ptr<T>> reserved() {
        std::vector<std::unique_ptr<T>> places;
        places.reserve(most_kept);
        return places;
    }
};

}  // namespace proxy
