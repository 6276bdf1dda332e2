#include "tracking/ready_stderr.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <mutex>
#include <string_view>

namespace tracking {
namespace {

// A pipe that is ready takes PIPE_BUF bytes, all of them at once: as many whole lines as that are, or a part of a line
// that is longer.
std::size_t next_piece(std::string_view text) noexcept {
    if (text.size() <= PIPE_BUF) return text.size();
    const std::size_t line_end = text.substr(0, PIPE_BUF).rfind('\n');
    return line_end == std::string_view::npos ? PIPE_BUF : line_end + 1;
}

// What was written of the piece; 0 = not now; -1 = never again.
ssize_t write_piece(std::string_view piece) noexcept {
    static std::mutex one_at_a_time;  // or another thread takes the room that poll has seen
    const std::lock_guard lock(one_at_a_time);
    pollfd ready{STDERR_FILENO, POLLOUT, 0};
    if (::poll(&ready, 1, 0) <= 0 || (ready.revents & POLLOUT) == 0) return 0;
    const ssize_t n = ::write(STDERR_FILENO, piece.data(), piece.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return 0;
    return n > 0 ? n : -1;
}

}  // namespace

bool write_ready(std::string& text) {
    std::size_t written = 0;
    while (written < text.size()) {
        const std::string_view rest = std::string_view(text).substr(written);
        const ssize_t n = write_piece(rest.substr(0, next_piece(rest)));
        if (n < 0) {
            text.clear();
            return false;
        }
        if (n == 0) break;
        written += static_cast<std::size_t>(n);
    }
    text.erase(0, written);
    return true;
}

}  // namespace tracking
