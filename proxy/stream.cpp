#include "proxy/stream.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "proxy/unix_address.hpp"

namespace proxy {
namespace {

constexpr std::uint8_t max_at_once = 16;  // then the worker's other connections have their turn

ssize_t send_pieces(int descriptor, std::span<const iovec> pieces) noexcept {
    constexpr int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    if (pieces.size() == 1) return ::send(descriptor, pieces[0].iov_base, pieces[0].iov_len, flags);
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data());
    message.msg_iovlen = pieces.size();
    return ::sendmsg(descriptor, &message, flags);
}

}  // namespace

stream::stream(reactor& in, stream_list& list, int descriptor, int family)
    : reactor_(in), list_(list), descriptor_(descriptor) {
    if (family != AF_UNIX) {
        const int on = 1;
        ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (!reactor_.add(descriptor, *this, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)) {
        ::close(descriptor);
        open_ = false;
    }
    list_.add(*this);
}

stream::~stream() {
    if (open_) {
        reactor_.remove(descriptor_);
        ::close(descriptor_);
    }
    reactor_.forget(*this);
    list_.remove(*this);
}

io_result stream::try_read(std::span<char> into) noexcept {
    if (!open_) return {0, io_error::closed};
    if (!read_.ready) return {0, io_error::would_block};
    if (tls_) [[unlikely]] {
        const auto got = tls_->read(into);
        const io_error error = note(got.now, read_);
        if (error == io_error::none) read_.ready = worth_reading();
        return {got.bytes, error};
    }
    for (;;) {
        const ssize_t n = ::recv(descriptor_, into.data(), into.size(), MSG_DONTWAIT);
        if (n > 0) {
            // Less than asked for: the socket is empty, and what comes next is an event of its own.
            if (static_cast<std::size_t>(n) < into.size() && !peer_ended_) read_.ready = false;
            return {static_cast<std::size_t>(n), io_error::none};
        }
        if (n == 0) return {0, io_error::end};
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) return {0, io_error::reset};
        read_.ready = false;
        return {0, io_error::would_block};
    }
}

io_result stream::try_write(std::span<const iovec> pieces) noexcept {
    if (!open_) return {0, io_error::closed};
    if (tls_) [[unlikely]] {
        const auto wrote = tls_->write(pieces);
        return {wrote.bytes, note(wrote.now, write_)};
    }
    for (;;) {
        const ssize_t n = send_pieces(descriptor_, pieces);
        if (n >= 0) return {static_cast<std::size_t>(n), io_error::none};
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) return {0, io_error::reset};
        write_.ready = false;
        return {0, io_error::would_block};
    }
}

io_error stream::try_handshake() noexcept {
    if (!open_) return io_error::closed;
    const io_error did = note(tls_->shake_hands(), read_);
    if (did == io_error::none) read_.ready = worth_reading();
    return did;
}

// Whether OpenSSL or the socket may have more: what has left the socket is no event any more.
bool stream::worth_reading() const noexcept { return !tls_->drained() || peer_ended_; }

// What was found has left the socket, so that no event will tell of it any more.
bool stream::quiet_now_over_tls() noexcept {
    if (note(tls_->look(), read_) == io_error::would_block) return !reading_awaits_writable_;
    read_.ready = true;
    if (read_.coroutine) reactor_.act_again(*this);
    return false;
}

// What TLS said of an operation on this side. What it waits for was just refused by the kernel, so that an event of its
// own will tell when it is there.
io_error stream::note(tls_channel::state now, waiter& of) noexcept {
    switch (now) {
        case tls_channel::state::done:
            return io_error::none;
        case tls_channel::state::end:
            return io_error::end;
        case tls_channel::state::truncated:
            return io_error::truncated;
        case tls_channel::state::failed:
            return io_error::reset;
        case tls_channel::state::wants_read:
            read_.ready = false;
            if (&of == &write_) writing_awaits_readable_ = true;
            break;
        case tls_channel::state::wants_write:
            write_.ready = false;
            if (&of == &read_) reading_awaits_writable_ = true;
            break;
    }
    of.ready = false;
    return io_error::would_block;
}

bool stream::quiet_now() noexcept {
    if (!open_) return false;
    if (tls_) [[unlikely]]
        return quiet_now_over_tls();
    char byte;
    const ssize_t n = ::recv(descriptor_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    const bool nothing = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    if (nothing) read_.ready = false;
    return nothing;
}

std::size_t stream::unsent() const noexcept {
    int bytes = 0;
    return open_ && ::ioctl(descriptor_, SIOCOUTQ, &bytes) == 0 ? static_cast<std::size_t>(bytes) : 0;
}

void stream::note_events(std::uint32_t events) noexcept {
    constexpr std::uint32_t ended = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
    if ((events & ended) != 0) peer_ended_ = true;
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) peer_reset_ = true;
    if ((events & (EPOLLIN | ended)) != 0) read_.ready = true;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) write_.ready = true;
    if (tls_) [[unlikely]]
        note_crossed();
}

// Whoever waits for the other side's readiness goes on with it.
void stream::note_crossed() noexcept {
    if (write_.ready && std::exchange(reading_awaits_writable_, false)) read_.ready = true;
    if (read_.ready && std::exchange(writing_awaits_readable_, false)) write_.ready = true;
}

void stream::act_on_events() noexcept {
    const auto keep = shared_from_this();
    if (write_.ready && end_awaits_writable_) end_sending();
    if (read_.ready && read_.coroutine) {
        finish(read_, io_error::none);
    } else if (notify_ != nullptr && watch_is_due()) {
        std::exchange(notify_, nullptr)(notify_context_);
    }
    if (write_.ready && write_.coroutine) finish(write_, io_error::none);
}

void stream::finish(waiter& which, io_error result) noexcept {
    if (!which.coroutine) return;
    which.result = result;
    which.deadline = steady_time::max();
    std::exchange(which.coroutine, nullptr).resume();
}

bool stream::watch_is_due() const noexcept {
    switch (watched_for_) {
        case watched_for::end:
            return peer_ended_;
        case watched_for::reset:
            return peer_reset_;
        case watched_for::bytes:
            break;
    }
    return read_.ready && !read_.coroutine;
}

void stream::watch(void (*notify)(void*), void* context) noexcept {
    watched_for_ = watched_for::bytes;
    notify_ = notify;
    notify_context_ = context;
    if (open_ && read_.ready) std::exchange(notify_, nullptr)(notify_context_);
}

void stream::watch_behind_end(void (*notify)(void*), void* context) noexcept {
    read_.ready = false;
    end_is_read_ = true;
    watch(notify, context);
}

void stream::watch_departure(departure how, void (*notify)(void*), void* context) noexcept {
    watched_for_ = how == departure::end ? watched_for::end : watched_for::reset;
    notify_ = notify;
    notify_context_ = context;
    if (open_ && watch_is_due()) reactor_.act_again(*this);
}

void stream::unwatch() noexcept {
    notify_ = nullptr;
    if (std::exchange(end_is_read_, false)) read_.ready = true;  // whoever reads next finds the end again
}

// Reading does not tell: behind an orderly end it goes on saying that this was the end.
bool stream::was_reset() noexcept { return connect_result(descriptor_) != 0; }

void stream::cancel_read() noexcept { finish(read_, io_error::closed); }
void stream::cancel_write() noexcept { finish(write_, io_error::closed); }

void stream::close() noexcept {
    if (!open_) return;
    open_ = false;
    reactor_.remove(descriptor_);
    ::close(descriptor_);
    reactor_.forget(*this);
    const auto keep = shared_from_this();
    finish(read_, io_error::closed);
    finish(write_, io_error::closed);
}

void stream::reset() noexcept {
    if (!open_) return;
    const linger abort{1, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    close();
}

void stream::shutdown_send() noexcept {
    if (open_) end_sending();
}

void stream::leave() noexcept {
    if (open_ && tls_) tls_->say_end();
    close();
}

void stream::end_sending() noexcept {
    if (tls_ && tls_->say_end() == tls_channel::state::wants_write) {
        end_awaits_writable_ = true;
        return;
    }
    end_awaits_writable_ = false;
    ::shutdown(descriptor_, SHUT_WR);
}

void stream::expire(steady_time now) noexcept {
    if (read_.deadline <= now) finish(read_, io_error::timed_out);
    if (write_.deadline <= now) finish(write_, io_error::timed_out);
}

bool stream::wait::await_ready() noexcept {
    waiter& w = stream_.of(side_);
    w.result = stream_.open_ ? io_error::none : io_error::closed;
    return !stream_.open_ || (w.ready && ++w.at_once < max_at_once);
}

void stream::wait::await_suspend(std::coroutine_handle<> coroutine) noexcept {
    waiter& w = stream_.of(side_);
    w.coroutine = coroutine;
    w.deadline = stream_.reactor_.turn_began() + timeout_;
    w.at_once = 0;
    if (w.ready) stream_.reactor_.act_again(stream_);
}

io_error stream::wait::await_resume() noexcept { return stream_.of(side_).result; }

void stream_list::add(stream& s) noexcept {
    s.next_ = first_;
    if (first_ != nullptr) first_->previous_ = &s;
    first_ = &s;
}

void stream_list::remove(stream& s) noexcept {
    if (s.previous_ != nullptr) s.previous_->next_ = s.next_;
    if (s.next_ != nullptr) s.next_->previous_ = s.previous_;
    if (first_ == &s) first_ = s.next_;
}

// What a visit resumes may destroy any stream, so the walk holds them all by shared_ptr.
template <class Visit>
void stream_list::for_each(Visit visit) {
    std::vector<std::shared_ptr<stream>> held;
    for (stream* s = first_; s != nullptr; s = s->next_)
        if (auto kept = s->weak_from_this().lock()) held.push_back(std::move(kept));
    for (const auto& s : held) visit(*s);
}

void stream_list::expire_overdue(steady_time now) noexcept {
    bool overdue = false;
    for (const stream* s = first_; s != nullptr && !overdue; s = s->next_)
        overdue = s->read_.deadline <= now || s->write_.deadline <= now;
    if (overdue) for_each([now](stream& s) { s.expire(now); });
}

void stream_list::close_all() noexcept {
    for_each([](stream& s) { s.close(); });
}

int connect_start(const std::string& unix_path, const void* address, std::uint32_t length, int family) noexcept {
    const auto local = unix_address(unix_path);
    if (!unix_path.empty()) {
        if (!local) return -ENAMETOOLONG;
        address = &*local;
        length = sizeof *local;
        family = AF_UNIX;
    }
    const int descriptor = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    if (::connect(descriptor, static_cast<const sockaddr*>(address), length) == 0 || errno == EINPROGRESS)
        return descriptor;
    const int error = errno;
    ::close(descriptor);
    return -error;
}

int connect_result(int descriptor) noexcept {
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
    return error;
}

}  // namespace proxy
