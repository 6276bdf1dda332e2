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

task<io_result> write_all(stream& to, std::span<iovec> pieces, std::chrono::milliseconds timeout) {
    io_result total;
    pieces = behind(pieces, 0);
    while (!pieces.empty()) {
        const io_result written = to.try_write(pieces);
        if (written) {
            total.bytes += written.bytes;
            pieces = behind(pieces, written.bytes);
            continue;
        }
        total.error = written.error;
        if (written.error == io_error::would_block) total.error = co_await to.writable(timeout);
        if (total.error != io_error::none) co_return total;
    }
    co_return total;
}

}  // namespace proxy
