// One non-blocking stream socket of a worker (TCP or unix, plain or with TLS): try to move bytes at once, wait for
// readiness when that does not work, with a deadline on every wait. At most one coroutine waits to read and one to
// write. A stream belongs to its worker's thread; it is held by shared_ptr because what its readiness resumes may be
// the last to hold it.
#pragma once

#include <sys/uio.h>

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "proxy/reactor.hpp"
#include "proxy/tls_channel.hpp"

namespace proxy {

// truncated: over TLS, the socket ended although the peer had not said that nothing follows. Whoever takes the end of
// the stream for the end of a message must not take this one.
enum class io_error : std::uint8_t { none, would_block, end, truncated, reset, timed_out, closed };

struct io_result {
    std::size_t bytes = 0;
    io_error error = io_error::none;
    explicit operator bool() const noexcept { return error == io_error::none; }
};

class stream_list;

class stream final : public event_source, public std::enable_shared_from_this<stream> {
public:
    // Takes over a connected (or connecting) non-blocking descriptor.
    stream(reactor& in, stream_list& list, int descriptor, int family);
    ~stream();
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;

    io_result try_read(std::span<char> into) noexcept;  // end = orderly end of stream
    io_result try_write(std::span<const iovec> pieces) noexcept;
    // From now on over TLS; before the first byte. Then try_handshake() until it no longer says would_block, for which
    // readable() is to be awaited, whatever the handshake waits for. See shake_hands() in tls.hpp.
    void secure(std::unique_ptr<tls_channel> by) noexcept { tls_ = std::move(by); }
    io_error try_handshake() noexcept;
    const tls_channel* tls() const noexcept { return tls_.get(); }  // null = plain
    void give_up_tls() noexcept { tls_.reset(); }  // after a failed handshake: to say why in plain words

    // Whether the peer has neither closed nor sent anything, as far as the reactor has heard.
    bool quiet() const noexcept { return open_ && !read_.ready; }
    // The same, asked of the kernel at this moment; takes nothing (MSG_PEEK), over TLS nothing but session tickets.
    bool quiet_now() noexcept;

    // Bytes that were written and that the peer's side has not yet taken.
    std::size_t unsent() const noexcept;

    // co_await s.readable(30s): none, timed_out or closed. Does not suspend when the socket is known to be ready,
    // except now and then, so that one busy connection does not keep the others from their turn.
    class wait;
    wait readable(std::chrono::milliseconds timeout) noexcept;
    wait writable(std::chrono::milliseconds timeout) noexcept;

    // Calls `notify(context)` once when the socket becomes readable while nobody awaits readable(). A later readable()
    // takes the same readiness over; unwatch() forgets the call.
    void watch(void (*notify)(void*), void* context) noexcept;
    // The same when the end of the stream has been read: `notify` hears whether more becomes of it, a reset.
    void watch_behind_end(void (*notify)(void*), void* context) noexcept;
    // The same when the peer has ended its side, or has reset the connection, however much that it sent is still
    // unread: nothing is read for that. Never calls from within.
    enum class departure : std::uint8_t { end, reset };
    void watch_departure(departure how, void (*notify)(void*), void* context) noexcept;
    void unwatch() noexcept;
    bool was_reset() noexcept;  // asked of the kernel, once: it tells each reset to one who asks

    // Ends a wait from outside; it returns `closed`. The socket stays open.
    void cancel_read() noexcept;
    void cancel_write() noexcept;
    void
    close() noexcept;  // both waits end with `closed`; over TLS without close_notify: nothing is said to be complete
    void reset() noexcept;          // close with RST, so that the peer cannot take what it got for complete
    void shutdown_send() noexcept;  // over TLS with close_notify before
    void leave() noexcept;          // close() between two messages: over TLS it says so
    bool is_open() const noexcept { return open_; }
    int descriptor() const noexcept { return descriptor_; }

    void note_events(std::uint32_t events) noexcept override;
    void act_on_events() noexcept override;

private:
    friend class stream_list;
    enum class side : std::uint8_t { read, write };
    struct waiter {
        std::coroutine_handle<> coroutine;
        steady_time deadline = steady_time::max();
        io_error result = io_error::none;
        bool ready = false;        // the system call is worth trying
        std::uint8_t at_once = 0;  // waits in a row that did not have to wait
    };
    enum class watched_for : std::uint8_t { bytes, end, reset };
    bool watch_is_due() const noexcept;
    void finish(waiter& which, io_error result) noexcept;
    void expire(steady_time now) noexcept;
    io_error note(tls_channel::state now, waiter& of) noexcept;
    bool worth_reading() const noexcept;
    bool quiet_now_over_tls() noexcept;
    void note_crossed() noexcept;
    void end_sending() noexcept;
    waiter& of(side which) noexcept { return which == side::read ? read_ : write_; }

    reactor& reactor_;
    stream_list& list_;
    int descriptor_;
    stream* previous_ = nullptr;
    stream* next_ = nullptr;
    waiter read_;
    waiter write_;
    void (*notify_)(void*) = nullptr;
    void* notify_context_ = nullptr;
    watched_for watched_for_ = watched_for::bytes;
    std::unique_ptr<tls_channel> tls_;
    // OpenSSL may have to write before it can read, and the other way round (a new key is asked for and told).
    bool reading_awaits_writable_ = false;
    bool writing_awaits_readable_ = false;
    bool end_awaits_writable_ = false;  // close_notify did not fit
    bool open_ = true;
    bool end_is_read_ = false;  // and set aside while its reset is watched for
    bool peer_ended_ = false;   // its end has been reported, which happens once: reading must go on until it is found
    bool peer_reset_ = false;   // the connection is over in both directions
};

class stream::wait {
public:
    wait(stream& of, side which, std::chrono::milliseconds timeout) noexcept
        : stream_(of), side_(which), timeout_(timeout) {}
    bool await_ready() noexcept;
    void await_suspend(std::coroutine_handle<> waiter) noexcept;
    io_error await_resume() noexcept;

private:
    stream& stream_;
    side side_;
    std::chrono::milliseconds timeout_;
};

inline stream::wait stream::readable(std::chrono::milliseconds timeout) noexcept {
    return {*this, side::read, timeout};
}
inline stream::wait stream::writable(std::chrono::milliseconds timeout) noexcept {
    return {*this, side::write, timeout};
}

// All streams of a worker, so that one tick can end the waits that are overdue. Declared before any stream, it must
// outlive them.
class stream_list {
public:
    void expire_overdue(steady_time now) noexcept;
    void close_all() noexcept;

private:
    friend class stream;
    void add(stream& s) noexcept;
    void remove(stream& s) noexcept;
    template <class Visit>
    void for_each(Visit visit);

    stream* first_ = nullptr;
};

// Descriptor helpers for what Asio leaves to the caller.
int connect_start(const std::string& unix_path, const void* address, std::uint32_t length,
                  int family) noexcept;       // < 0: -errno
int connect_result(int descriptor) noexcept;  // SO_ERROR

}  // namespace proxy
