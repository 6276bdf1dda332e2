#include "proxy/write_all.hpp"

namespace proxy {
namespace {

// Takes `n` written bytes off the front of the pieces.
std::span<iovec> behind(std::span<iovec> pieces, std::size_t n) noexcept {
    while (!pieces.empty() && n >= pieces.front().iov_len) {
        n -= pieces.front().iov_len;
        pieces = pieces.subspan(1);
    }
    if (n > 0) {
        pieces.front().iov_base = static_cast<char*>(pieces.front().iov_base) + n;
        pieces.front().iov_len -= n;
    }
    return pieces;
}

}  // namespace

// True = nothing is left to do: all is written, or the stream is broken.
bool write_all::write_some() noexcept {
    while (!pieces_.empty()) {
        const io_result written = to_.try_write(pieces_);
        if (written.error == io_error::would_block) return false;
        total_.error = written.error;
        if (!written) return true;
        total_.bytes += written.bytes;
        pieces_ = behind(pieces_, written.bytes);
    }
    return true;
}

task<> write_all::write_rest() {
    do {
        total_.error = co_await room();
    } while (total_ && !write_some());
}

// The kernel says that there is room again when a good part of what it holds has been taken, which a slow reader may
// need longer for: it has stalled only when it took nothing.
task<io_error> write_all::room() {
    for (std::size_t held = to_.unsent();;) {
        const io_error waited = co_await to_.writable(timeout_);
        if (waited != io_error::timed_out) co_return waited;
        const std::size_t left = to_.unsent();
        if (left >= held) co_return waited;
        held = left;
    }
}

bool write_all::await_ready() noexcept { return write_some(); }

std::coroutine_handle<> write_all::await_suspend(std::coroutine_handle<> writer) noexcept {
    rest_.emplace(write_rest());
    return rest_->await_suspend(writer);
}

io_result write_all::await_resume() {
    if (rest_) rest_->await_resume();
    return total_;
}

}  // namespace proxy
