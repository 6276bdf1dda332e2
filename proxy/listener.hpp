// Accepts connections for one worker: its own SO_REUSEPORT socket for TCP, a share of the one socket for unix paths.
// Pauses when descriptors run out; on drain it takes what is already queued, then stops.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <string>
#include <variant>

#include "conf/config.hpp"

namespace proxy {

// A listening, non-blocking descriptor; the string says what is wrong ("127.0.0.1:8080 is already in use", ...).
// For TCP with SO_REUSEPORT, so that each worker opens its own; `port` 0 takes a free one, told through `where`.
std::variant<int, std::string> open_listener(conf::endpoint& where);
// Whether somebody listens there already: with SO_REUSEPORT, opening alone would not tell. Empty = free.
std::string taken_by_another(const conf::endpoint& where);
std::string address_text(const conf::endpoint& where);  // "127.0.0.1:8080", "[::1]:8080", "unix:/path"

class listener {
public:
    // `accepted` gets each connection's descriptor, address family and peer address ("" for unix sockets).
    using on_accept = std::function<void(int descriptor, int family, std::string peer)>;
    listener(boost::asio::io_context& context, int descriptor, on_accept accepted);

    void start() { wait(); }
    void stop();  // takes what is queued, then closes

private:
    void wait();
    bool take_queued(int most);

    boost::asio::posix::stream_descriptor descriptor_;
    boost::asio::steady_timer pause_;
    on_accept accepted_;
    bool open_ = true;
};

}  // namespace proxy
