#include "tracking/store/record_log.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>
#include <climits>

#include "tracking/clock.hpp"

namespace tracking::store {
namespace {

constexpr std::size_t records_a_turn = 500;
constexpr std::size_t waiting_max = 1024 * 1024;  // bytes of lines; more wait in the journal

// What stderr takes without waiting is taken off `text`: whoever reads the log slowly, or not at all, holds up no
// shipping. A pipe that is ready takes 4,096 bytes.
void write_ready(std::string& text) {
    std::size_t written = 0;
    while (written < text.size()) {
        pollfd ready{STDERR_FILENO, POLLOUT, 0};
        if (::poll(&ready, 1, 0) <= 0 || (ready.revents & POLLOUT) == 0) break;
        const std::size_t piece = std::min<std::size_t>(text.size() - written, PIPE_BUF);
        const ssize_t n = ::write(STDERR_FILENO, text.data() + written, piece);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) break;
        if (n <= 0) {  // nobody reads the log: the records are in Redis all the same
            text.clear();
            return;
        }
        written += static_cast<std::size_t>(n);
    }
    text.erase(0, written);
}

}  // namespace

// Only this process's journals: what a dead process has answered it has logged, or its records tell.
record_log::record_log(parts with) : parts_(with), tick_(with.executor) {
    if (parts_.form == conf::track_settings::log_form::off) return;
    for (const journal::journal_id& id : parts_.journals.journals())
        if (parts_.journals.is_own(id)) readers_.push_back(parts_.journals.read(id));
}

void record_log::print_new() {
    const bool json = parts_.form == conf::track_settings::log_form::json;
    for (const auto& reader : readers_) {
        while (lines_.size() < waiting_max && reader->read(records_a_turn, entries_) > 0) {
            for (const journal::entry& entry : entries_)
                lines_ += (json ? log_json(entry.what) : log_line(entry.what)) + "\n";
            entries_.clear();
        }
    }
    write_ready(lines_);
}

boost::asio::awaitable<void> record_log::run() {
    if (readers_.empty()) co_return;
    while (!stopped_) {
        print_new();
        tick_.expires_at(next_look(std::chrono::steady_clock::now()));
        co_await tick_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }
}

void record_log::stop() {
    stopped_ = true;
    tick_.cancel();
    print_new();
}

}  // namespace tracking::store
