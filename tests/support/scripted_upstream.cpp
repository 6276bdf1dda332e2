#include "tests/support/scripted_upstream.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>

namespace tests {
namespace {
// Steps wait as long as the test lives: the test's own waits have the deadlines.
clock::time_point never() { return clock::now() + std::chrono::minutes(10); }
}  // namespace

// ---- one connection -----------------------------------------------------------------------------------------------

upstream_connection::upstream_connection(scripted_upstream& owner, std::size_t index, descriptor socket)
    : owner_(owner),
      seen_([&]() -> seen_connection& {
          const std::lock_guard lock(owner.mutex_);
          return owner.seen_[index];
      }()),
      socket_(std::move(socket)) {
    if (owner.side_) tls_ = std::make_unique<tls_link>(*owner.side_, socket_);
}

bool upstream_connection::greet() {
    if (!tls_) return true;
    const bool done = tls_->shake_hands(never(), owner_.over_.fd());
    const std::lock_guard lock(owner_.mutex_);
    seen_.tls = {done, tls_->resumed(), tls_->server_name(), tls_->alpn(), tls_->failure()};
    if (!done) seen_.ended = ending::rst;
    owner_.changed_.notify_all();
    return done;
}

bool upstream_connection::over() const { return owner_.over_.is_set(); }
void upstream_connection::wait_until_over() const { owner_.over_.wait(std::chrono::minutes(10)); }

// Safe without the lock: only this thread writes to `received`.
std::string_view upstream_connection::unread() const { return std::string_view(seen_.received).substr(taken_); }

bool upstream_connection::read_more() {
    if (!socket_.valid()) return false;
    std::array<char, 65536> piece;
    const auto got = tls_ ? tls_->read_some(piece.data(), piece.size(), never(), owner_.over_.fd())
                          : read_some(socket_, piece.data(), piece.size(), never(), owner_.over_.fd());
    const std::lock_guard lock(owner_.mutex_);
    seen_.received.append(piece.data(), got.bytes);
    if (got.ended != ending::none) seen_.ended = got.ended;
    owner_.changed_.notify_all();
    return got.bytes > 0;
}

bool upstream_connection::read_until_open(const event& gate) {
    bool open = true;
    for (;;) {
        std::array<pollfd, 3> polled{
            {{gate.fd(), POLLIN, 0}, {owner_.over_.fd(), POLLIN, 0}, {open ? socket_.get() : -1, POLLIN, 0}}};
        ::poll(polled.data(), polled.size(), -1);
        if (polled[0].revents != 0) return true;
        if (polled[1].revents != 0) return false;
        if (polled[2].revents != 0 && !read_more()) open = false;
    }
}

bool upstream_connection::send(std::string_view bytes) {
    const auto sent = tls_ ? tls_->write_all(bytes, never(), owner_.over_.fd())
                           : write_all(socket_, bytes, never(), owner_.over_.fd());
    return sent == bytes.size();
}

bool upstream_connection::read_request(http_message& request) {
    http_reader reader(http_reader::kind::request);
    for (;;) {
        take(reader.feed(unread()));
        if (reader.failed()) {
            const std::lock_guard lock(owner_.mutex_);
            seen_.malformed = reader.failure();
            return false;
        }
        if (reader.done()) break;
        if (!read_more()) return false;
    }
    request = reader.message();
    const std::lock_guard lock(owner_.mutex_);
    seen_.requests.push_back(request);
    owner_.changed_.notify_all();
    return true;
}

void upstream_connection::close(ending how) {
    if (tls_ && how == ending::fin) tls_->say_end();
    how == ending::rst ? reset(socket_) : socket_.close();
    const std::lock_guard lock(owner_.mutex_);
    seen_.closed_here = true;
    owner_.changed_.notify_all();
}

void upstream_connection::half_close() {
    if (tls_) tls_->say_end();
    finish_sending(socket_);
}

// ---- steps --------------------------------------------------------------------------------------------------------

step wait_for(std::string text) {
    return [text = std::move(text)](upstream_connection& c) {
        for (;;) {
            if (const auto at = c.unread().find(text); at != std::string_view::npos) {
                c.take(at + text.size());
                return true;
            }
            if (!c.read_more()) return false;
        }
    };
}

step wait_head() { return wait_for("\r\n\r\n"); }

step wait_bytes(std::size_t count) {
    return [count](upstream_connection& c) {
        while (c.unread().size() < count) {
            if (!c.read_more()) return false;
        }
        c.take(count);
        return true;
    };
}

step wait_request() {
    return [](upstream_connection& c) {
        http_message request;
        return c.read_request(request);
    };
}

step send(std::string bytes) {
    return [bytes = std::move(bytes)](upstream_connection& c) { return c.send(bytes); };
}

step pause(std::shared_ptr<event> gate) {
    return [gate = std::move(gate)](upstream_connection& c) { return c.read_until_open(*gate); };
}

step echo(std::size_t bytes) {
    return [bytes](upstream_connection& c) {
        for (std::size_t left = bytes; left > 0;) {
            if (c.unread().empty() && !c.read_more()) return false;
            const std::string piece(c.unread().substr(0, left));
            c.take(piece.size());
            left -= piece.size();
            if (!c.send(piece)) return false;
        }
        return true;
    };
}

step stall() {
    return [](upstream_connection& c) {
        c.wait_until_over();
        return false;
    };
}

step half_close() {
    return [](upstream_connection& c) {
        c.half_close();
        return true;
    };
}

step close_now() {
    return [](upstream_connection& c) {
        c.close(ending::fin);
        return false;
    };
}

step reset_now() {
    return [](upstream_connection& c) {
        c.close(ending::rst);
        return false;
    };
}

step cut_now() {
    return [](upstream_connection& c) {
        c.close(ending::cut);
        return false;
    };
}

step late_ticket() {
    return [](upstream_connection& c) {
        c.tls().send_ticket();
        return true;
    };
}

step new_key() {
    return [](upstream_connection& c) {
        c.tls().ask_new_key();
        return true;
    };
}

step serve(answer to) {
    return [to = std::move(to)](upstream_connection& c) {
        for (http_message request; c.read_request(request);) {
            if (!c.send(to(request))) return false;
        }
        return false;
    };
}

std::shared_ptr<event> make_gate() { return std::make_shared<event>(); }

std::string ok_response(std::string_view body, std::string_view extra_fields) {
    std::string out = "HTTP/1.1 200 OK\r\n";
    out.append(extra_fields);
    out.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n\r\n").append(body);
    return out;
}

answer answer_with(std::string bytes) {
    return [bytes = std::move(bytes)](const http_message&) { return bytes; };
}

// ---- the upstream -------------------------------------------------------------------------------------------------

scripted_upstream::scripted_upstream(const std::string& host)
    : host_(host), listener_(listen_on(host, port_)), otherwise_{serve(answer_with(ok_response("ok")))} {
    if (const auto* everywhere = tls_everywhere::get(); everywhere != nullptr) side_ = everywhere->server;
    acceptor_ = std::thread([this] { accept_all(); });
}

scripted_upstream::scripted_upstream(tls_side side, const std::string& host)
    : host_(host),
      side_(std::move(side)),
      listener_(listen_on(host, port_)),
      otherwise_{serve(answer_with(ok_response("ok")))} {
    acceptor_ = std::thread([this] { accept_all(); });
}

scripted_upstream::~scripted_upstream() {
    over_.set();
    acceptor_.join();
    for (auto& thread : threads_) thread.join();
}

std::string scripted_upstream::url() const {
    if (host_.starts_with('/')) return "unix:" + host_;
    const bool v6 = host_.find(':') != std::string::npos;
    return url(v6 ? "[" + host_ + "]" : host_);
}

std::string scripted_upstream::url(const std::string& name) const {
    return (side_ ? "https://" : "http://") + name + ":" + std::to_string(port_);
}

void scripted_upstream::accept_all() {
    for (;;) {
        std::array<pollfd, 2> polled{{{listener_.get(), POLLIN, 0}, {over_.fd(), POLLIN, 0}}};
        ::poll(polled.data(), polled.size(), -1);
        if (polled[1].revents != 0) return;
        descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!socket.valid()) continue;
        const std::lock_guard lock(mutex_);
        const std::size_t index = seen_.size();
        seen_.emplace_back();
        script steps = otherwise_;
        if (!scripts_.empty()) {
            steps = std::move(scripts_.front());
            scripts_.pop_front();
        }
        threads_.emplace_back([this, index, socket = std::move(socket), steps = std::move(steps)]() mutable {
            play(index, std::move(socket), steps);
        });
        changed_.notify_all();
    }
}

void scripted_upstream::play(std::size_t index, descriptor socket, const script& steps) {
    upstream_connection connection(*this, index, std::move(socket));
    if (!connection.greet()) return;
    for (const auto& step : steps) {
        if (!step(connection)) break;
    }
    while (connection.read_more()) {
    }
}

void scripted_upstream::next(script steps) {
    const std::lock_guard lock(mutex_);
    scripts_.push_back(std::move(steps));
}

void scripted_upstream::otherwise(script steps) {
    const std::lock_guard lock(mutex_);
    otherwise_ = std::move(steps);
}

std::size_t scripted_upstream::connections() const {
    const std::lock_guard lock(mutex_);
    return seen_.size();
}

seen_connection scripted_upstream::connection(std::size_t index) const {
    const std::lock_guard lock(mutex_);
    return seen_.at(index);
}

std::vector<http_message> scripted_upstream::requests() const {
    const std::lock_guard lock(mutex_);
    std::vector<http_message> out;
    for (const auto& one : seen_) out.insert(out.end(), one.requests.begin(), one.requests.end());
    return out;
}

std::string scripted_upstream::everything() const {
    const std::lock_guard lock(mutex_);
    std::string out;
    for (const auto& one : seen_) out += one.received;
    return out;
}

bool scripted_upstream::wait_connections(std::size_t count, milliseconds within) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, within, [&] { return seen_.size() >= count; });
}

bool scripted_upstream::wait(std::size_t index, const std::function<bool(const seen_connection&)>& condition,
                             milliseconds within) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, within, [&] { return seen_.size() > index && condition(seen_[index]); });
}

bool scripted_upstream::wait_received(std::size_t index, std::string_view text, milliseconds within) const {
    return wait(index, [&](const seen_connection& c) { return c.received.find(text) != std::string::npos; }, within);
}

bool scripted_upstream::wait_ended(std::size_t index, milliseconds within) const {
    return wait(index, [](const seen_connection& c) { return c.ended != ending::none; }, within);
}

}  // namespace tests
