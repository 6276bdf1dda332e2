// A number of places, each taken by one holder at a time: what is bounded beside time and memory. One thread.
#pragma once

#include <cstddef>
#include <memory>

namespace admin {

class places {
public:
    explicit places(std::size_t most) : most_(most) {}

    // Null = all are taken. Given back when the last copy of it ends, which may be after `this`.
    std::shared_ptr<void> take() {
        if (*taken_ >= most_) return nullptr;
        ++*taken_;
        return {taken_.get(), [taken = taken_](std::size_t*) { --*taken; }};
    }
    std::size_t taken() const { return *taken_; }
    std::size_t most() const { return most_; }

private:
    std::shared_ptr<std::size_t> taken_ = std::make_shared<std::size_t>(0);
    std::size_t most_;
};

}  // namespace admin
