// Accepts connections for one worker, from a socket of its own or one that it shares with the other workers (see
// listening_sockets.hpp). Pauses when descriptors run out; on drain it takes what is already queued, then stops.
#pragma once

#include <functional>
#include <string>

#include "proxy/reactor.hpp"

namespace proxy {

class listener final : public event_source {
public:
    // `accepted` gets each connection's descriptor, address family and peer address ("" for unix sockets).
    using on_accept = std::function<void(int descriptor, int family, std::string peer)>;
    // `descriptor` is taken over. `shared`: other workers wait at the same socket.
    listener(reactor& in, int descriptor, bool shared, on_accept accepted);
    ~listener();
    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;

    void start();
    void resume();  // after a pause; called by each tick
    void stop();    // takes what is queued, then closes
    void leave();   // closes: what is queued is for another process that holds the socket

    void note_events(std::uint32_t) noexcept override {}
    void act_on_events() noexcept override;

private:
    enum class took : std::uint8_t { one, none, failed };
    took take_one();
    void stop_watching();
    void queue_behind_others();

    reactor& reactor_;
    const int descriptor_;
    const bool shared_;
    on_accept accepted_;
    steady_time paused_until_{};
    bool open_ = true;
    bool paused_ = false;
};

}  // namespace proxy
