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
        total_.error = co_await to_.writable(timeout_);
    } while (total_ && !write_some());
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
