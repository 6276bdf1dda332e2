// The only place that asks the operating system for the time, so that tests can be the ones who say what time it is.
#pragma once

#include <chrono>
#include <cstdint>

namespace tracking {

// Nobody wakes control: what is to be done now and then looks by itself, and every wake-up costs 50 us. So all of it
// looks at the same instants: one wake-up serves all.
constexpr std::chrono::milliseconds look_pause{50};
inline std::chrono::steady_clock::time_point next_look(std::chrono::steady_clock::time_point after) {
    return after + look_pause - after.time_since_epoch() % look_pause;
}
// The one that is nearest to `pause` from now, for what is done less often.
inline std::chrono::steady_clock::time_point next_look(std::chrono::steady_clock::time_point now,
                                                       std::chrono::milliseconds pause) {
    return next_look(now + pause - look_pause / 2);
}

// For what lasts: the time of day may be set while it does.
inline std::int64_t steady_ms(std::chrono::steady_clock::time_point at) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
}

class time_source {
public:
    virtual ~time_source() = default;
    virtual std::chrono::steady_clock::time_point steady() const = 0;
    virtual std::int64_t wall_us() const = 0;  // since the epoch, UTC
    std::int64_t wall_ms() const { return wall_us() / 1000; }
};

class system_time final : public time_source {
public:
    std::chrono::steady_clock::time_point steady() const override { return std::chrono::steady_clock::now(); }
    std::int64_t wall_us() const override {
        using namespace std::chrono;
        return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
    }
};

// A clock that stands still until it is told to move.
class manual_time final : public time_source {
public:
    explicit manual_time(std::int64_t wall_ms) : wall_us_(wall_ms * 1000) {}
    std::chrono::steady_clock::time_point steady() const override { return steady_; }
    std::int64_t wall_us() const override { return wall_us_; }
    void advance(std::chrono::microseconds by) {
        steady_ += by;
        wall_us_ += by.count();
    }

private:
    std::chrono::steady_clock::time_point steady_{};
    std::int64_t wall_us_;
};

}  // namespace tracking
