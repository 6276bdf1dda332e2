// The bytes between aimeter and a Redis: TCP, a unix socket, or TLS over TCP (OpenSSL, through Asio). No protocol and
// no deadline: redis_connection has both. Control thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "conf/config.hpp"

namespace tracking::store {

class redis_socket {
public:
    using error_code = boost::system::error_code;

    redis_socket(const boost::asio::any_io_executor& executor, conf::redis_tls trust)
        : socket_(executor), trust_(std::move(trust)) {}

    boost::asio::awaitable<error_code> connect(std::string unix_path);
    // To the first address of the host that takes a connection.
    boost::asio::awaitable<error_code> connect(std::string host, std::uint16_t port);
    // TLS 1.2 or newer over the connection; the server's certificate must be valid for `host` unless redis.verify is
    // off. Returns what is wrong, or "".
    boost::asio::awaitable<std::string> secure(std::string host);

    boost::asio::awaitable<error_code> write(const std::string& bytes);
    // The end of the connection is net::error::eof, with TLS too.
    boost::asio::awaitable<std::pair<error_code, std::size_t>> read_some(boost::asio::mutable_buffer into);
    // Ends whatever is under way.
    void close();
    bool has_certificate() const { return !trust_.cert.empty(); }

private:
    using plain_socket = boost::asio::generic::stream_protocol::socket;

    std::string make_context();
    bool demand_host(const std::string& host);

    plain_socket socket_;
    conf::redis_tls trust_;
    std::uint64_t closed_ = 0;  // times: what began before is over, also while no socket is open
    std::optional<boost::asio::ssl::context> context_;
    // Outlives close(): an operation under way still refers to it. The next connection makes a new one.
    std::optional<boost::asio::ssl::stream<plain_socket&>> secured_;
};

}  // namespace tracking::store
