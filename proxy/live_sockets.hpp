// The live sockets of one worker (GET /ai/live): WebSockets that get what control's feed publishes. Each socket has at
// most one message under way, shared with all others; who cannot take the next one in time takes none until it is
// through with that, and is then given a snapshot. So a slow client costs what a fast one does. One thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "admin-api/live_feed.hpp"
#include "admin-api/websocket.hpp"
#include "proxy/buffer.hpp"
#include "proxy/stream.hpp"
#include "proxy/task.hpp"

namespace proxy {

class live_socket;

class live_sockets {
public:
    // `want_snapshot` asks control for a snapshot for this worker.
    live_sockets(reactor& in, std::function<void()> want_snapshot)
        : reactor_(in), want_snapshot_(std::move(want_snapshot)) {}
    live_sockets(const live_sockets&) = delete;
    live_sockets& operator=(const live_sockets&) = delete;

    void publish(const admin::live_message& what);
    // The worker drains: every socket is told 1001 and ends, now and from now on.
    void leave();
    std::size_t size() const noexcept { return open_.size(); }

private:
    friend class live_socket;
    void add(live_socket& one);
    void remove(const live_socket& one) noexcept;
    void ask_snapshot();
    void resynchronise_all();
    void deliver_some();

    reactor& reactor_;
    std::function<void()> want_snapshot_;
    std::map<std::uint64_t, live_socket*> open_;  // by the order of their coming
    std::uint64_t last_number_ = 0;
    struct delivery {
        admin::live_message what;
        std::uint64_t upto = 0;  // the last socket that was served
    };
    std::deque<delivery> queue_;  // the first one is being delivered
    bool delivering_ = false;
    bool asked_ = false;  // for a snapshot
    bool leaving_ = false;
};

// One of them, after its handshake. A local of the session's coroutine, which awaits run().
class live_socket {
public:
    struct timing {
        std::chrono::milliseconds ping;   // silence after which the client is asked, and after which it is given up
        std::chrono::milliseconds write;  // stall of a message
    };
    live_socket(live_sockets& all, stream& client, buffer& received, timing times);
    live_socket(const live_socket&) = delete;
    live_socket& operator=(const live_socket&) = delete;

    // Serves until either side has said its last word, or is gone; then the connection is only to be closed.
    task<> run();

private:
    friend class live_sockets;
    using close_code = admin::websocket::close_code;

    bool wants(const admin::live_message& what) const;
    bool deliver(const admin::live_message& what);
    void fall_behind() noexcept { awaiting_ = behind_ = true; }
    void leave();

    std::chrono::milliseconds patience() const;
    task<bool> read_some();
    bool take_frames();
    void say(close_code why);
    void give_up() noexcept;
    const std::string* next_frames();
    void start_writing();
    detached write();

    live_sockets& all_;
    stream& client_;
    buffer& received_;
    timing times_;
    std::uint64_t number_ = 0;
    admin::websocket::reader reader_;

    std::shared_ptr<const std::string> message_;  // under way, or next
    bool awaiting_ = true;                        // a snapshot
    bool behind_ = false;                         // and it is to be asked for when the message is through
    bool heard_ = false;                          // something, at least
    std::uint64_t heard_upto_ = 0;                // admin::live_message::order
    std::string control_frame_;                   // under way
    std::string pong_;                            // what to answer to the latest ping
    bool pong_due_ = false, ping_due_ = false, close_due_ = false, close_sent_ = false;
    close_code closing_with_ = close_code::none;
    bool pinged_ = false;  // and nothing came since
    bool over_ = false;    // nothing more is read
    bool writing_ = false;
    event written_;
};

}  // namespace proxy
