#include "proxy/live_sockets.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "proxy/write_all.hpp"

namespace proxy {
namespace {

using admin::live_message;
namespace websocket = admin::websocket;

// A thousand sockets written to in a row would keep requests waiting for 10 ms: a few have their turn now, more after a
// pause, and a message is with everybody in half the time until the next one.
constexpr std::size_t sockets_a_turn = 4, turns_a_message = 125;
constexpr std::chrono::milliseconds turn_pause{4};
// Messages that wait for their turns; with more, everybody is given a snapshot in their place.
constexpr std::size_t queued_most = 8;
// What the kernel holds for a client that does not read: a few messages, and it doubles the number.
constexpr int send_buffer_bytes = 32 * 1024;
// Clients have nothing to say but control frames.
constexpr std::size_t longest_client_message = 4 * 1024;
constexpr std::chrono::milliseconds last_word{1'000};  // how long a close frame may take

}  // namespace

// ---- All of a worker --------------------------------------------------------------------------------------------

void live_sockets::add(live_socket& one) {
    one.number_ = ++last_number_;
    open_.emplace(one.number_, &one);
    if (leaving_) return one.leave();
    ask_snapshot();
}

void live_sockets::remove(const live_socket& one) noexcept { open_.erase(one.number_); }

void live_sockets::ask_snapshot() {
    if (std::exchange(asked_, true)) return;
    want_snapshot_();
}

void live_sockets::leave() {
    leaving_ = true;
    queue_.clear();
    for (std::uint64_t at = 0;;) {
        const auto next = open_.upper_bound(at);
        if (next == open_.end()) return;
        at = next->first;
        next->second->leave();  // may end it
    }
}

// More messages than turns to deliver them: those who are not writing would get them late, one by one.
void live_sockets::resynchronise_all() {
    queue_.clear();
    bool idle = false;
    for (const auto& [number, one] : open_) {
        one->awaiting_ = true;
        if (one->message_) one->behind_ = true;
        idle |= !one->message_;
    }
    if (idle) ask_snapshot();
}

void live_sockets::publish(const live_message& what) {
    using kind = live_message::kind;
    const bool is_awaited = what.is == kind::snapshot || what.is == kind::greeting;
    if (is_awaited || what.is == kind::renewal) asked_ = false;
    if (open_.empty() || leaving_) return;
    if (is_awaited) {  // whoever waits for one has no use for what is being delivered, nor for an older one
        std::erase_if(queue_, [&](const delivery& one) { return one.what.is == what.is; });
        queue_.push_front({what});
    } else {
        if (queue_.size() >= queued_most) resynchronise_all();
        queue_.push_back({what});
    }
    if (!delivering_) deliver_some();
}

// Messages for all are in order: one is delivered to everybody before the next one to anybody.
void live_sockets::deliver_some() {
    delivering_ = false;
    std::size_t left = std::max(sockets_a_turn, open_.size() / turns_a_message);
    while (left > 0 && !queue_.empty()) {
        delivery& first = queue_.front();
        const auto next = open_.upper_bound(first.upto);
        if (next == open_.end()) {
            queue_.pop_front();
            continue;
        }
        first.upto = next->first;
        const live_message what = first.what;
        if (next->second->deliver(what)) --left;  // may end it
    }
    if (queue_.empty()) return;
    delivering_ = true;
    reactor_.call_at(reactor_.turn_began() + turn_pause, [this] { deliver_some(); });
}

// ---- One socket -------------------------------------------------------------------------------------------------

live_socket::live_socket(live_sockets& all, stream& client, buffer& received, timing times)
    : all_(all), client_(client), received_(received), times_(times), reader_(longest_client_message) {
    ::setsockopt(client.descriptor(), SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes, sizeof send_buffer_bytes);
}

task<> live_socket::run() {
    all_.add(*this);
    for (;;) {
        if (over_ || !take_frames()) break;
        const bool goes_on = co_await read_some();
        if (!goes_on) break;
    }
    over_ = true;
    if (!close_due_ && !close_sent_) client_.close();  // it left without a word, or does not answer
    if (writing_) {
        written_.reset();
        co_await written_;
    }
    all_.remove(*this);
}

// Up to a fifth less than the time for a ping: sockets that came together are not all asked together.
std::chrono::milliseconds live_socket::patience() const {
    constexpr std::int64_t parts = 64;
    return times_.ping - times_.ping / 5 * static_cast<std::int64_t>(number_ % parts) / parts;
}

// False = nothing more will come.
task<bool> live_socket::read_some() {
    if (received_.empty()) received_.release();
    const io_error waited = co_await client_.readable(patience());
    if (over_) co_return false;
    if (waited == io_error::timed_out) {
        if (pinged_) co_return false;
        pinged_ = ping_due_ = true;
        start_writing();
        co_return !over_;
    }
    if (waited != io_error::none) co_return false;
    const io_result got = client_.try_read(received_.room());
    if (got.error == io_error::would_block) co_return true;
    if (!got) co_return false;
    received_.filled(got.bytes);
    pinged_ = false;
    co_return true;
}

// False = the last frame was read.
bool live_socket::take_frames() {
    using found = websocket::reader::found;
    for (std::string_view bytes = received_.view(); !over_;) {
        switch (reader_.next(bytes)) {
            case found::nothing:
                received_.consume(received_.size());
                return true;
            case found::message:
            case found::pong:
                break;
            case found::ping:  // of several that wait, the last one is answered (RFC 6455, 5.5.3)
                pong_ = reader_.payload();
                pong_due_ = true;
                start_writing();
                break;
            case found::close:
            case found::failure:
                say(reader_.code());
                return false;
        }
    }
    return false;
}

void live_socket::say(close_code why) {
    if (close_due_ || close_sent_) return;
    over_ = close_due_ = true;
    closing_with_ = why;
    start_writing();
}

// A client that is taking a message so slowly that it is still under way is not waited for.
void live_socket::leave() {
    if (writing_) return give_up();
    const auto client = client_.shared_from_this();  // run() may end within either call
    say(close_code::going_away);
    client->cancel_read();
}

void live_socket::give_up() noexcept {
    over_ = true;
    client_.close();
}

// Whether it is something for this one, which has no snapshot or all before it.
bool live_socket::wants(const live_message& what) const {
    using kind = live_message::kind;
    switch (what.is) {
        case kind::snapshot:
            return awaiting_;
        case kind::greeting:
            return !heard_;
        case kind::delta:
            return !awaiting_ && what.order > heard_upto_;
        case kind::notice:
        case kind::renewal:
            return what.order > heard_upto_;
    }
    return false;
}

// True = something was written.
bool live_socket::deliver(const live_message& what) {
    using kind = live_message::kind;
    if (over_ || !wants(what)) return false;
    if (message_) return fall_behind(), false;
    if (what.is == kind::snapshot || what.is == kind::renewal) awaiting_ = false;
    heard_ = true;
    heard_upto_ = what.order;
    message_ = what.frames;
    start_writing();  // last: a broken connection may end with it
    return true;
}

// ---- Writing ----------------------------------------------------------------------------------------------------

// What goes out next, nullptr = nothing. Behind a close frame nothing may follow.
const std::string* live_socket::next_frames() {
    if (close_sent_ || !client_.is_open()) return nullptr;
    control_frame_.clear();
    if (close_due_) {
        control_frame_ = websocket::close_frame(closing_with_);
        close_due_ = false;
        close_sent_ = true;
    } else if (std::exchange(pong_due_, false)) {
        websocket::append_frame(control_frame_, websocket::opcode::pong, pong_);
    } else if (std::exchange(ping_due_, false)) {
        websocket::append_frame(control_frame_, websocket::opcode::ping, {});
    } else {
        return message_.get();
    }
    return &control_frame_;
}

void live_socket::start_writing() {
    if (!writing_) write();
}

// Safe: run() waits until it has ended.
detached live_socket::write() {
    writing_ = true;
    for (const std::string* next = next_frames(); next != nullptr; next = next_frames()) {
        std::array<iovec, 1> pieces{piece_of(*next)};
        const io_result sent = co_await write_all(client_, pieces, close_sent_ ? last_word : times_.write);
        if (!sent) {
            give_up();
            break;
        }
        if (next != message_.get()) continue;
        message_.reset();
        if (std::exchange(behind_, false)) all_.ask_snapshot();
    }
    message_.reset();
    writing_ = false;
    written_.set();  // last: this may end with it
}

}  // namespace proxy
