// The only place that asks the operating system for the time, so that tests can be the ones who say what time it is.
#pragma once

#include <chrono>
#include <cstdint>

namespace tracking {

class time_source {
public:
    virtual ~time_source() = default;
    virtual std::chrono::steady_clock::time_point steady() const = 0;
    virtual std::int64_t wall_ms() const = 0;  // ms since the epoch, UTC
};

class system_time final : public time_source {
public:
    std::chrono::steady_clock::time_point steady() const override { return std::chrono::steady_clock::now(); }
    std::int64_t wall_ms() const override {
        using namespace std::chrono;
        return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
    }
};

// A clock that stands still until it is told to move.
class manual_time final : public time_source {
public:
    explicit manual_time(std::int64_t wall_ms) : wall_ms_(wall_ms) {}
    std::chrono::steady_clock::time_point steady() const override { return steady_; }
    std::int64_t wall_ms() const override { return wall_ms_; }
    void advance(std::chrono::microseconds by) {
        steady_ += by;
        wall_us_rest_ += by.count();
        wall_ms_ += wall_us_rest_ / 1000;
        wall_us_rest_ %= 1000;
    }

private:
    std::chrono::steady_clock::time_point steady_{};
    std::int64_t wall_ms_;
    std::int64_t wall_us_rest_ = 0;
};

}  // namespace tracking
