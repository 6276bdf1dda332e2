#include "tracking/store/redis_connection.hpp"

#include <boost/asio/buffer.hpp>

namespace tracking::store {

namespace net = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t read_piece = 64 * 1024;
constexpr std::size_t replies_bytes_max = 256 * 1024 * 1024;  // of one pipeline
constexpr std::size_t outgoing_kept = 4 * 1024 * 1024;

}  // namespace

void redis_connection::arm(milliseconds deadline) {
    expired_ = false;
    deadline_ = deadline;
    alarm_.expires_after(deadline);
    alarm_.async_wait([self = weak_from_this(), mine = ++armed_](error_code error) {
        const auto alive = self.lock();
        if (error || !alive || alive->armed_ != mine) return;
        alive->expired_ = true;
        alive->close();
    });
}

void redis_connection::disarm() {
    ++armed_;
    alarm_.cancel();
}

void redis_connection::close() {
    ready_ = false;
    socket_.close();
    reader_.reset();
}

redis_error redis_connection::failure(std::string_view doing, error_code error) const {
    std::string what = server_.text + ": " + std::string(doing) + ": ";
    if (expired_) {
        what += "no answer within " + std::to_string(deadline_.count()) + " ms";
    } else if (reader_ && reader_->failed()) {
        what += reader_->error();
    } else if (error == net::error::eof) {
        what += "connection closed by Redis";
    } else if (error == net::error::operation_aborted || error == net::error::bad_descriptor) {
        what += "closed";
    } else {
        what += error.message();
    }
    return {what};
}

net::awaitable<nothing_or_error> redis_connection::reach() {
    error_code error;
    if (server_.unix_path.empty()) {
        error = co_await socket_.connect(server_.host, server_.port);
    } else {
        error = co_await socket_.connect(server_.unix_path);
    }
    if (error || expired_) co_return failure("connecting", error);
    if (!server_.tls) co_return std::monostate{};
    const std::string problem = co_await socket_.secure(server_.host);
    if (expired_) {
        co_return redis_error{server_.text + ": no answer to the TLS handshake within " +
                              std::to_string(deadline_.count()) + " ms (a port without it? then redis://)"};
    }
    if (!problem.empty()) co_return redis_error{server_.text + ": TLS: " + problem};
    co_return std::monostate{};
}

net::awaitable<nothing_or_error> redis_connection::open(redis_server to, milliseconds deadline) {
    close();
    server_ = std::move(to);
    arm(deadline);
    auto result = co_await reach();
    if (std::holds_alternative<std::monostate>(result)) {
        reader_ = std::make_unique<reply_reader>();
        result = co_await introduce();
    }
    disarm();
    if (std::holds_alternative<redis_error>(result)) {
        close();
        co_return result;
    }
    ready_ = true;
    co_return std::monostate{};
}

// AUTH, SELECT, ROLE and a name for CLIENT LIST, in one write. A Redis that knows no SETNAME is no reason to fail.
net::awaitable<nothing_or_error> redis_connection::introduce() {
    std::vector<command> commands;
    std::vector<std::string_view> doing;
    if (!server_.password.empty()) {
        commands.push_back(server_.user.empty() ? command{"AUTH", server_.password}
                                                : command{"AUTH", server_.user, server_.password});
        doing.emplace_back("logging in");
    }
    if (server_.db != 0) {
        commands.push_back({"SELECT", std::to_string(server_.db)});
        doing.emplace_back("selecting the database");
    }
    commands.push_back({server_.must_be_master ? "ROLE" : "PING"});
    doing.emplace_back(server_.must_be_master ? "ROLE" : "PING");
    commands.push_back({"CLIENT", "SETNAME", "aimeter"});
    outgoing_.clear();
    for (const auto& one : commands) append_command(one, outgoing_);
    error_code error = co_await socket_.write(outgoing_);
    outgoing_.clear();
    std::vector<reply> replies;
    const error_code unread = co_await read_replies(commands.size(), replies);
    if (!error) error = unread;
    // A Redis that closes at once has said why: it takes no more clients, for example.
    if (error && !replies.empty() && replies.back().is_error())
        co_return redis_error{server_.text + ": " + replies.back().text};
    const bool cut = error == net::error::eof || error == net::error::connection_reset;
    if (cut && !expired_ && server_.unix_path.empty()) {  // an alert that says more may be lost with a reset
        std::string_view hint = server_.tls ? "" : " (a TLS port? then rediss://)";
        if (server_.tls && !socket_.has_certificate()) hint = " (certificate required? then redis.cert)";
        co_return redis_error{server_.text + ": connecting: connection closed by Redis" + std::string(hint)};
    }
    if (error) co_return failure("connecting", error);
    for (std::size_t i = 0; i < doing.size(); ++i) {
        // A Redis that is loading its data answers so to PING: connected all the same, and each command says so again.
        if (!replies[i].is_error() || replies[i].text.starts_with("LOADING")) continue;
        co_return redis_error{server_.text + ": " + std::string(doing[i]) + ": " + replies[i].text};
    }
    if (!server_.must_be_master) co_return std::monostate{};
    const auto& role = replies[doing.size() - 1].elements;
    if (!role.empty() && role[0].text != "master")
        co_return redis_error{server_.text + ": is no master now (its role: " + role[0].text + ")"};
    co_return std::monostate{};
}

net::awaitable<error_code> redis_connection::read_replies(std::size_t count, std::vector<reply>& into) {
    incoming_.resize(read_piece);
    std::size_t bytes = 0;
    while (true) {
        if (!reader_) co_return net::error::operation_aborted;
        while (into.size() < count) {
            auto next = reader_->next();
            if (!next) break;
            into.push_back(std::move(*next));
        }
        if (into.size() == count) co_return error_code{};
        if (reader_->failed() || bytes > replies_bytes_max) co_return net::error::message_size;
        const auto [error, size] = co_await socket_.read_some(net::buffer(incoming_));
        if (error) co_return error;
        if (!reader_) co_return net::error::operation_aborted;
        bytes += size;
        reader_->feed({incoming_.data(), size});
    }
}

net::awaitable<replies_or_error> redis_connection::exchange(const std::vector<command>& commands,
                                                            milliseconds deadline) {
    if (!ready_) co_return redis_error{server_.text + ": not connected"};
    if (commands.empty()) co_return std::vector<reply>{};
    outgoing_.clear();
    for (const auto& one : commands) append_command(one, outgoing_);
    arm(deadline);
    error_code error = co_await socket_.write(outgoing_);
    if (outgoing_.capacity() > outgoing_kept) std::string().swap(outgoing_);
    std::vector<reply> replies;
    replies.reserve(commands.size());
    if (!error) error = co_await read_replies(commands.size(), replies);
    disarm();
    if (error) {
        auto why = failure(commands.front().empty() ? "?" : commands.front().front(), error);
        close();
        co_return why;
    }
    co_return replies;
}

}  // namespace tracking::store
