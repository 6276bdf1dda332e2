#include "proxy/reactor.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace proxy {

reactor::reactor() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    epoll_event posted{};
    posted.events = EPOLLIN | EPOLLET;  // edge-triggered: nobody needs to read the counter
    posted.data.ptr = nullptr;
    if (epoll_ < 0 || wake_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &posted) != 0)
        throw std::system_error(errno, std::generic_category(), "epoll");
}

reactor::~reactor() {
    ::close(wake_);
    ::close(epoll_);
}

bool reactor::add(int descriptor, event_source& source, std::uint32_t events) noexcept {
    epoll_event wanted{};
    wanted.events = events;
    wanted.data.ptr = &source;
    return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &wanted) == 0;
}

void reactor::remove(int descriptor) noexcept { ::epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr); }

void reactor::forget(const event_source& source) noexcept {
    for (std::size_t i = 0; i < turn_size_; ++i)
        if (events_[i].data.ptr == &source) events_[i].data.ptr = nullptr;
    for (auto* list : {&again_, &acting_})
        std::replace(list->begin(), list->end(), const_cast<event_source*>(&source),
                     static_cast<event_source*>(nullptr));
}

void reactor::post(std::function<void()> what) {
    {
        const std::lock_guard held(posted_lock_);
        posted_.push_back(std::move(what));
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
}

void reactor::stop() {
    post([this] { running_ = false; });
}

void reactor::run_posted() {
    std::vector<std::function<void()>> now;
    {
        const std::lock_guard held(posted_lock_);
        now.swap(posted_);
    }
    for (const auto& what : now) what();
}

// Fills events_; waits no longer than until `until`.
void reactor::wait(steady_time until) noexcept {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - turn_began_).count();
    const int timeout = again_.empty() ? static_cast<int>(std::max<std::int64_t>(left, 0)) : 0;
    const int count = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), timeout);
    turn_size_ = static_cast<std::size_t>(std::max(count, 0));
    if (count >= 0) turn_began_ = std::chrono::steady_clock::now();  // else nothing was asked
}

// True = something was posted.
bool reactor::dispatch() noexcept {
    bool posted = false;
    acting_.swap(again_);
    for (std::size_t i = 0; i < turn_size_; ++i) {
        auto* source = static_cast<event_source*>(events_[i].data.ptr);
        if (source != nullptr) source->note_events(events_[i].events);
        posted = posted || source == nullptr;
    }
    // Taken out of the turn first, since acting may end the source.
    for (std::size_t i = 0; i < turn_size_; ++i) {
        auto* source = static_cast<event_source*>(events_[i].data.ptr);
        events_[i].data.ptr = nullptr;
        if (source != nullptr) source->act_on_events();
    }
    turn_size_ = 0;
    for (std::size_t i = 0; i < acting_.size(); ++i)
        if (auto* source = std::exchange(acting_[i], nullptr); source != nullptr) source->act_on_events();
    acting_.clear();
    return posted;
}

steady_time reactor::first_due(steady_time tick) const noexcept {
    for (const auto& one : timed_) tick = std::min(tick, one.when);
    return tick;
}

void reactor::run_due() {
    std::vector<timed_call> due;
    std::erase_if(timed_, [&](timed_call& one) {
        if (one.when > turn_began_) return false;
        due.push_back(std::move(one));
        return true;
    });
    std::sort(due.begin(), due.end(), [](const auto& a, const auto& b) { return a.when < b.when; });
    for (const auto& one : due) one.what();
}

void reactor::run(std::chrono::milliseconds interval, const std::function<void(steady_time)>& tick,
                  const std::function<void()>& turn_ended) {
    running_ = true;
    turn_began_ = std::chrono::steady_clock::now();
    auto next_tick = turn_began_ + interval;
    while (running_) {
        wait(first_due(next_tick));
        if (dispatch()) run_posted();
        if (!timed_.empty()) run_due();
        if (turn_began_ >= next_tick) {
            next_tick = turn_began_ + interval;
            tick(turn_began_);
        }
        turn_ended();
    }
}

}  // namespace proxy
