// How one aimeter takes the place of another without a gap (SIGUSR2). The old one starts the program that now is at its
// path, with the same arguments, and hands it the listening sockets, the lock on data_dir and one end of a channel. The
// new one says on the channel when it serves, or why it cannot. Until it has said that it serves, the old one serves
// as if nothing had happened; from then on it accepts nothing more, finishes what it has begun, and ends.
//
//   channel, new to old:   "ready\n"   or   "failed: why\n"   or its end (the process died)
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/inheritance.hpp"

namespace proxy {

// How this process was started, to start its successor in the same way.
struct start_command {
    std::string program;  // the path as it was found at the start: what stands there later is run, links are followed
    std::vector<std::string> arguments;

    static start_command of(int argc, char** argv);
};

// The new one's end of the channel; without a predecessor it says nothing to nobody.
class predecessor {
public:
    predecessor() = default;
    explicit predecessor(descriptor channel) : channel_(std::move(channel)) {}
    bool exists() const noexcept { return static_cast<bool>(channel_); }
    void tell_ready() noexcept;
    void tell_failed(std::string_view why) noexcept;

private:
    void tell(std::string text) noexcept;

    descriptor channel_;
};

// The old one's end. Control thread.
class successor {
public:
    struct handed {
        std::vector<socket_to_hand> sockets;  // stay open here, too
        int data_lock = -1;
    };
    // `done` is called once: with "" when the successor serves, else with the reason why it does not, and then it is
    // gone.
    using on_done = std::function<void(std::string problem)>;
    successor(const boost::asio::any_io_executor& executor, on_done done);
    ~successor();  // ends it when it has not come up
    successor(const successor&) = delete;
    successor& operator=(const successor&) = delete;

    // "" = started; else why not, and `done` is not called.
    std::string start(const start_command& command, const handed& what);
    pid_t pid() const noexcept { return pid_; }

private:
    void listen();
    void heard(std::string_view text);
    void fail(std::string problem);
    std::string how_it_ended();

    boost::asio::posix::stream_descriptor channel_;
    boost::asio::steady_timer deadline_;
    on_done done_;
    std::string said_;
    std::shared_ptr<std::vector<char>> room_;  // gone with this object, as handlers that come later see
    pid_t pid_ = 0;
    bool waiting_ = false;
};

}  // namespace proxy
