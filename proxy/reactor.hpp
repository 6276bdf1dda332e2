// A worker's event loop: epoll, edge-triggered. A descriptor is registered once for its whole life, so that a request
// costs no epoll_ctl; what has become ready is kept as a flag by whoever registered it, so that no read is made only
// to hear that there is nothing. (Asio's reactor re-arms each wait with EPOLL_CTL_MOD: two system calls a request.)
// All of it belongs to the thread that calls run(), except post() and stop().
#pragma once

#include <sys/epoll.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace proxy {

using steady_time = std::chrono::steady_clock::time_point;

// Something with a descriptor in the reactor.
class event_source {
public:
    // What epoll says, first noted for all sources of a turn, then acted upon for each. So whoever acts knows
    // everything that was true when the turn began, about other descriptors too.
    virtual void note_events(std::uint32_t events) noexcept = 0;
    virtual void act_on_events() noexcept = 0;

protected:
    ~event_source() = default;
};

class reactor {
public:
    reactor();  // throws std::system_error when the kernel has no descriptors left
    ~reactor();
    reactor(const reactor&) = delete;
    reactor& operator=(const reactor&) = delete;

    // `events` as for epoll_ctl. False = the kernel refused.
    bool add(int descriptor, event_source& source, std::uint32_t events) noexcept;
    // Before a descriptor is closed. Closing alone does not end its registration while another process has a copy: a
    // child between fork and exec.
    void remove(int descriptor) noexcept;
    // Before `source` ends: nothing that is under way reaches it any more.
    void forget(const event_source& source) noexcept;
    // Calls the source's act_on_events() in the next turn, when the others have had theirs.
    void act_again(event_source& source) { again_.push_back(&source); }

    // From any thread: runs `what` on the reactor's thread, soon, in the order of the calls.
    void post(std::function<void()> what);
    void stop();  // from any thread
    // On the reactor's thread: runs `what` in the first turn that begins at `when` or later, the earliest first.
    void call_at(steady_time when, std::function<void()> what) { timed_.push_back({when, std::move(what)}); }

    // When the turn under way began: near enough for deadlines, and no call to the clock.
    steady_time turn_began() const noexcept { return turn_began_; }
    // Whether the turn under way has few events, so that what epoll said at its begin is hardly old.
    bool turn_is_short() const noexcept { return turn_size_ <= few_events; }

    // Serves until stop() (and may be called again then), calling `tick` about every `interval`, and `turn_ended` when
    // everything that a turn brought has been acted upon.
    void run(
        std::chrono::milliseconds interval, const std::function<void(steady_time)>& tick,
        const std::function<void()>& turn_ended = [] {});

private:
    void wait(steady_time until) noexcept;
    bool dispatch() noexcept;
    void run_posted();
    steady_time first_due(steady_time tick) const noexcept;
    void run_due();

    static constexpr std::size_t few_events = 32;

    int epoll_;
    int wake_;
    bool running_ = false;
    steady_time turn_began_ = std::chrono::steady_clock::now();
    std::array<epoll_event, 128> events_{};
    std::size_t turn_size_ = 0;          // of events_
    std::vector<event_source*> again_;   // for the next turn
    std::vector<event_source*> acting_;  // of this turn
    std::mutex posted_lock_;             // rarely taken: control posts, requests do not
    std::vector<std::function<void()>> posted_;
    struct timed_call {
        steady_time when;
        std::function<void()> what;
    };
    std::vector<timed_call> timed_;  // few
};

}  // namespace proxy
