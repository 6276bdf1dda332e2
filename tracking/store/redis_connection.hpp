// One connection to one server: connect, TLS, authenticate, select, exchange commands and replies; deadlines. Knows
// nothing of Sentinel or clusters: redis_client does, and sees to it that there is one call at a time. hiredis reads
// replies (redisReader), Asio moves the bytes. After any error the connection is closed: what was sent without a reply
// is in an unknown state.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tracking/store/redis_client.hpp"
#include "tracking/store/redis_codec.hpp"
#include "tracking/store/redis_socket.hpp"

namespace tracking::store {

using nothing_or_error = std::variant<std::monostate, redis_error>;
using replies_or_error = std::variant<std::vector<reply>, redis_error>;

struct redis_server {
    std::string host;
    std::uint16_t port = 0;
    std::string unix_path;  // when set, host and port are unused
    bool tls = false;
    std::string user, password;
    int db = 0;
    bool must_be_master = false;  // asked with ROLE
    std::string text;             // without credentials, for messages
};

// Made by make_shared: what is under way keeps it.
class redis_connection : public std::enable_shared_from_this<redis_connection> {
public:
    redis_connection(const boost::asio::any_io_executor& executor, conf::redis_tls trust)
        : socket_(executor, std::move(trust)), alarm_(executor) {}

    boost::asio::awaitable<nothing_or_error> open(redis_server to, std::chrono::milliseconds deadline);
    // All commands in one write, all replies in order; error replies are replies.
    boost::asio::awaitable<replies_or_error> exchange(const std::vector<command>& commands,
                                                      std::chrono::milliseconds deadline);
    bool ready() const { return ready_; }
    const redis_server& server() const { return server_; }
    void close();

private:
    void arm(std::chrono::milliseconds deadline);
    void disarm();
    boost::asio::awaitable<nothing_or_error> reach();
    boost::asio::awaitable<nothing_or_error> introduce();
    boost::asio::awaitable<boost::system::error_code> read_replies(std::size_t count, std::vector<reply>& into);
    redis_error failure(std::string_view doing, boost::system::error_code error) const;

    redis_socket socket_;
    boost::asio::steady_timer alarm_;
    redis_server server_;
    std::unique_ptr<reply_reader> reader_;
    std::string outgoing_;
    std::vector<char> incoming_;
    std::chrono::milliseconds deadline_{0};
    bool ready_ = false;
    bool expired_ = false;
    std::uint64_t armed_ = 0;  // tells a late alarm from the current one
};

}  // namespace tracking::store
