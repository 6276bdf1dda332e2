// Writes all pieces to a stream, waiting where the socket is full. Used by session and exchange.
#pragma once

#include <optional>
#include <span>

#include "proxy/body.hpp"
#include "proxy/stream.hpp"
#include "proxy/task.hpp"

namespace proxy {

// co_await write_all(to, pieces, 60s): bytes = how many were written in any case; the pieces are used up. The timeout
// is for a peer that takes nothing. What the socket takes at once costs no coroutine.
class [[nodiscard]] write_all {
public:
    write_all(stream& to, std::span<iovec> pieces, std::chrono::milliseconds timeout) noexcept
        : to_(to), pieces_(pieces), timeout_(timeout) {}

    bool await_ready() noexcept;
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> writer) noexcept;
    io_result await_resume();

private:
    bool write_some() noexcept;
    task<> write_rest();
    task<io_error> room();

    stream& to_;
    std::span<iovec> pieces_;
    std::chrono::milliseconds timeout_;
    io_result total_;
    std::optional<task<>> rest_;
};

}  // namespace proxy
