#include "tracking/store/redis_client.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <deque>

#include "tracking/store/redis_codec.hpp"

namespace tracking::store {

namespace net = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;

namespace {

constexpr auto as_result = net::as_tuple(net::use_awaitable);
constexpr std::size_t read_piece = 64 * 1024;
constexpr std::size_t replies_bytes_max = 256 * 1024 * 1024;  // of one pipeline

using nothing_or_error = std::variant<std::monostate, redis_error>;
using replies_or_error = std::variant<std::vector<reply>, redis_error>;

}  // namespace

struct redis_client::impl : std::enable_shared_from_this<redis_client::impl> {
    // shared_ptr: coroutines that still run keep it when the client is destroyed before them.
    impl(net::any_io_executor executor, redis_url to) : socket(executor), alarm(executor), url(std::move(to)) {}

    net::generic::stream_protocol::socket socket;
    net::steady_timer alarm;
    redis_url url;
    std::unique_ptr<reply_reader> reader;
    std::string outgoing;
    std::vector<char> incoming;
    bool ready = false;
    bool expired = false;
    std::uint64_t armed = 0;  // tells a late alarm from the current one

    // Whose turn it is: a pipeline is one write and its replies, never mixed with another's.
    struct waiter {
        explicit waiter(const net::any_io_executor& executor) : wake(executor, net::steady_timer::time_point::max()) {}
        net::steady_timer wake;
        bool granted = false;
    };
    bool busy = false;
    std::deque<std::shared_ptr<waiter>> queue;

    net::awaitable<bool> take_turn();
    void pass_turn();
    void arm(milliseconds deadline);
    void disarm();
    void close();

    net::awaitable<nothing_or_error> open(milliseconds deadline);
    net::awaitable<error_code> reach();
    net::awaitable<error_code> reach_tcp();
    net::awaitable<nothing_or_error> introduce();
    net::awaitable<replies_or_error> exchange(const std::vector<command>& commands, milliseconds deadline);
    net::awaitable<error_code> read_replies(std::size_t count, std::vector<reply>& into);
    redis_error failure(std::string_view doing, error_code error, milliseconds deadline) const;
};

namespace {

// Gives the turn back when the coroutine ends, whichever way.
template <class Impl>
struct turn_holder {
    std::shared_ptr<Impl> of;
    ~turn_holder() { of->pass_turn(); }
};

}  // namespace

net::awaitable<bool> redis_client::impl::take_turn() {
    if (!busy) {
        busy = true;
        co_return true;
    }
    auto place = std::make_shared<waiter>(socket.get_executor());
    queue.push_back(place);
    co_await place->wake.async_wait(as_result);
    if (!place->granted) std::erase(queue, place);
    co_return place->granted;
}

void redis_client::impl::pass_turn() {
    if (queue.empty()) {
        busy = false;
        return;
    }
    auto next = queue.front();
    queue.pop_front();
    next->granted = true;
    next->wake.cancel();
}

void redis_client::impl::arm(milliseconds deadline) {
    expired = false;
    alarm.expires_after(deadline);
    alarm.async_wait([self = weak_from_this(), mine = ++armed](error_code error) {
        const auto alive = self.lock();
        if (error || !alive || alive->armed != mine) return;
        alive->expired = true;
        alive->close();
    });
}

void redis_client::impl::disarm() {
    ++armed;
    alarm.cancel();
}

void redis_client::impl::close() {
    ready = false;
    error_code ignored;
    socket.close(ignored);
    reader.reset();
}

redis_error redis_client::impl::failure(std::string_view doing, error_code error, milliseconds deadline) const {
    std::string what = url.text + ": " + std::string(doing) + ": ";
    if (expired) {
        what += "no answer within " + std::to_string(deadline.count()) + " ms";
    } else if (reader && reader->failed()) {
        what += reader->error();
    } else if (error == net::error::eof) {
        what += "connection closed by Redis";
    } else if (error == net::error::operation_aborted || error == net::error::bad_descriptor) {
        what += "closed";
    } else {
        what += error.message();
    }
    return {what};
}

net::awaitable<error_code> redis_client::impl::reach_tcp() {
    using net::ip::tcp;
    error_code error;
    std::vector<tcp::endpoint> places;
    const auto address = net::ip::make_address(url.host, error);
    if (!error) {
        places.emplace_back(address, url.port);
    } else {
        tcp::resolver resolver(socket.get_executor());
        auto [failed, found] = co_await resolver.async_resolve(url.host, std::to_string(url.port), as_result);
        if (failed) co_return failed;
        for (const auto& one : found) places.push_back(one.endpoint());
    }
    error = net::error::host_not_found;
    for (const auto& place : places) {
        if (expired) break;
        error_code ignored;
        socket.close(ignored);
        auto [failed] = co_await socket.async_connect(place, as_result);
        error = failed;
        if (!error) break;
    }
    if (!error) socket.set_option(tcp::no_delay(true), error);
    co_return error;
}

net::awaitable<error_code> redis_client::impl::reach() {
    if (url.unix_path.empty()) co_return co_await reach_tcp();
    if (url.unix_path.size() >= sizeof(sockaddr_un::sun_path)) co_return net::error::name_too_long;
    const net::local::stream_protocol::endpoint place(url.unix_path);
    auto [error] = co_await socket.async_connect(place, as_result);
    co_return error;
}

net::awaitable<nothing_or_error> redis_client::impl::open(milliseconds deadline) {
    close();
    arm(deadline);
    const error_code error = co_await reach();
    if (error || expired) {
        disarm();
        close();
        co_return failure("connecting", error, deadline);
    }
    reader = std::make_unique<reply_reader>();
    auto welcome = co_await introduce();
    disarm();
    if (std::holds_alternative<redis_error>(welcome)) {
        close();
        if (expired) co_return failure("connecting", {}, deadline);
        co_return welcome;
    }
    ready = true;
    co_return std::monostate{};
}

// AUTH, SELECT and a name for CLIENT LIST, in one write. A Redis that knows no SETNAME is no reason to fail.
net::awaitable<nothing_or_error> redis_client::impl::introduce() {
    std::vector<command> commands;
    std::vector<std::string_view> doing;
    if (!url.password.empty()) {
        commands.push_back(url.user.empty() ? command{"AUTH", url.password} : command{"AUTH", url.user, url.password});
        doing.emplace_back("logging in");
    }
    if (url.db != 0) {
        commands.push_back({"SELECT", std::to_string(url.db)});
        doing.emplace_back("selecting the database");
    }
    commands.push_back({"PING"});
    doing.emplace_back("PING");
    commands.push_back({"CLIENT", "SETNAME", "aimeter"});
    outgoing.clear();
    for (const auto& one : commands) append_command(one, outgoing);
    auto [error, written] = co_await net::async_write(socket, net::buffer(outgoing), as_result);
    outgoing.clear();
    std::vector<reply> replies;
    const error_code unread = co_await read_replies(commands.size(), replies);
    if (!error) error = unread;
    // A Redis that closes at once has said why: it takes no more clients, for example.
    if (error && !replies.empty() && replies.back().is_error())
        co_return redis_error{url.text + ": " + replies.back().text};
    if (error) co_return failure("connecting", error, milliseconds{0});
    for (std::size_t i = 0; i < doing.size(); ++i) {
        // A Redis that is loading its data answers so to PING: connected all the same, and each command says so again.
        if (!replies[i].is_error() || replies[i].text.starts_with("LOADING")) continue;
        co_return redis_error{url.text + ": " + std::string(doing[i]) + ": " + replies[i].text};
    }
    co_return std::monostate{};
}

net::awaitable<error_code> redis_client::impl::read_replies(std::size_t count, std::vector<reply>& into) {
    incoming.resize(read_piece);
    std::size_t bytes = 0;
    while (true) {
        if (!reader) co_return net::error::operation_aborted;
        while (into.size() < count) {
            auto next = reader->next();
            if (!next) break;
            into.push_back(std::move(*next));
        }
        if (into.size() == count) co_return error_code{};
        if (reader->failed() || bytes > replies_bytes_max) co_return net::error::message_size;
        auto [error, size] = co_await socket.async_read_some(net::buffer(incoming), as_result);
        if (error) co_return error;
        if (!reader) co_return net::error::operation_aborted;
        bytes += size;
        reader->feed({incoming.data(), size});
    }
}

net::awaitable<replies_or_error> redis_client::impl::exchange(const std::vector<command>& commands,
                                                              milliseconds deadline) {
    if (!ready) co_return redis_error{url.text + ": not connected"};
    if (commands.empty()) co_return std::vector<reply>{};
    outgoing.clear();
    for (const auto& one : commands) append_command(one, outgoing);
    arm(deadline);
    auto [error, written] = co_await net::async_write(socket, net::buffer(outgoing), as_result);
    if (outgoing.capacity() > 4 * 1024 * 1024) std::string().swap(outgoing);
    std::vector<reply> replies;
    replies.reserve(commands.size());
    if (!error) error = co_await read_replies(commands.size(), replies);
    disarm();
    if (error) {
        auto why = failure(commands.front().empty() ? "?" : commands.front().front(), error, deadline);
        close();
        co_return why;
    }
    co_return replies;
}

redis_client::redis_client(net::any_io_executor executor, redis_url url)
    : impl_(std::make_shared<impl>(std::move(executor), std::move(url))) {}

redis_client::~redis_client() { close(); }

net::awaitable<nothing_or_error> redis_client::connect(milliseconds deadline) {
    const auto self = impl_;
    if (!co_await self->take_turn()) co_return redis_error{self->url.text + ": cancelled"};
    const turn_holder<impl> turn{self};
    if (self->ready) co_return std::monostate{};
    co_return co_await self->open(deadline);
}

bool redis_client::connected() const { return impl_->ready; }

void redis_client::close() { impl_->close(); }

net::awaitable<replies_or_error> redis_client::pipeline(const std::vector<command>& commands, milliseconds deadline) {
    const auto self = impl_;
    if (!co_await self->take_turn()) co_return redis_error{self->url.text + ": cancelled"};
    const turn_holder<impl> turn{self};
    co_return co_await self->exchange(commands, deadline);
}

}  // namespace tracking::store
