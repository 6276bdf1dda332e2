// One non-blocking stream socket of a worker (TCP or unix): try to move bytes at once, wait for readiness when that
// does not work, with a deadline on every wait. At most one coroutine waits to read and one to write.
// A stream belongs to its worker's thread; it is held by shared_ptr because the reactor may still know it when the
// connection's coroutine is gone.
#pragma once

#include <sys/uio.h>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace proxy {

enum class io_error : std::uint8_t { none, would_block, end, reset, timed_out, closed };

struct io_result {
    std::size_t bytes = 0;
    io_error error = io_error::none;
    explicit operator bool() const noexcept { return error == io_error::none; }
};

using steady_time = std::chrono::steady_clock::time_point;

class stream_list;

class stream : public std::enable_shared_from_this<stream> {
public:
    using socket_type =
        boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol, boost::asio::io_context::executor_type>;

    // Takes over a connected (or connecting) non-blocking descriptor.
    stream(boost::asio::io_context& context, stream_list& list, int descriptor, int family);
    ~stream();
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;

    io_result try_read(std::span<char> into) noexcept;  // end = orderly end of stream
    io_result try_write(std::span<const iovec> pieces) noexcept;
    // Whether the peer has closed or sent something; asks the kernel, takes nothing (MSG_PEEK).
    enum class peeked : std::uint8_t { quiet, data, gone };
    peeked peek() noexcept;

    // co_await s.readable(30s): none, timed_out or closed.
    class wait;
    wait readable(std::chrono::milliseconds timeout) noexcept;
    wait writable(std::chrono::milliseconds timeout) noexcept;

    // Calls `notify(context)` once when the socket becomes readable while nobody awaits readable(). A later readable()
    // takes the same readiness over; unwatch() forgets the call.
    void watch(void (*notify)(void*), void* context) noexcept;
    void unwatch() noexcept;

    // Ends a wait from outside; it returns `closed`. The socket stays open.
    void cancel_read() noexcept;
    void cancel_write() noexcept;
    void close() noexcept;  // both waits end with `closed`
    void reset() noexcept;  // close with RST, so that the peer cannot take what it got for complete
    void shutdown_send() noexcept;
    bool is_open() const noexcept { return open_; }
    int descriptor() noexcept { return socket_.native_handle(); }

private:
    friend class stream_list;
    enum class side : std::uint8_t { read, write };
    struct waiter {
        std::coroutine_handle<> coroutine;
        steady_time deadline = steady_time::max();
        io_error result = io_error::none;
        bool armed = false;  // the reactor has an operation for this side
        bool ready = false;  // it became ready while nobody waited
    };
    void arm(side which);
    void on_ready(side which, bool aborted);
    void finish(waiter& which, io_error result) noexcept;
    void expire(steady_time now) noexcept;
    waiter& of(side which) noexcept { return which == side::read ? read_ : write_; }

    socket_type socket_;
    stream_list& list_;
    stream* previous_ = nullptr;
    stream* next_ = nullptr;
    waiter read_;
    waiter write_;
    void (*notify_)(void*) = nullptr;
    void* notify_context_ = nullptr;
    bool open_ = true;
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
