// Accepts connections for one worker: its own SO_REUSEPORT socket for TCP, a share of the one socket for unix paths.
// Pauses when descriptors run out; on drain it takes what is already queued, then stops.
#pragma once

#include <functional>
#include <string>
#include <variant>

#include "conf/config.hpp"
#include "proxy/reactor.hpp"

namespace proxy {

// A listening, non-blocking descriptor; the string says what is wrong ("127.0.0.1:8080 is already in use", ...).
// For TCP with SO_REUSEPORT, so that each worker opens its own; `port` 0 takes a free one, told through `where`.
std::variant<int, std::string> open_listener(conf::endpoint& where);
// Whether somebody listens there already: with SO_REUSEPORT, opening alone would not tell. Empty = free.
std::string taken_by_another(const conf::endpoint& where);
std::string address_text(const conf::endpoint& where);  // "127.0.0.1:8080", "[::1]:8080", "unix:/path"

class listener final : public event_source {
public:
    // `accepted` gets each connection's descriptor, address family and peer address ("" for unix sockets).
    using on_accept = std::function<void(int descriptor, int family, std::string peer)>;
    listener(reactor& in, int descriptor, on_accept accepted);
    ~listener();
    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;

    void start();
    void resume();  // after a pause; called by each tick
    void stop();    // takes what is queued, then closes

    void note_events(std::uint32_t) noexcept override {}
    void act_on_events() noexcept override;

private:
    enum class took : std::uint8_t { one, none, failed };
    took take_one();
    void stop_watching();

    reactor& reactor_;
    int descriptor_;
    on_accept accepted_;
    steady_time paused_until_{};
    bool open_ = true;
    bool paused_ = false;
};

}  // namespace proxy
