// The demo service's sockets: HTTP/1.1 on one thread. Used by `aimeter demo`, by ./run and by tests.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <string>

#include "demo/application.hpp"

namespace demo {

class service {
public:
    // Listens at once; throws boost::system::system_error when it cannot. Port 0 takes any.
    service(boost::asio::io_context& context, const std::string& host, std::uint16_t port);

    std::uint16_t port() const noexcept { return port_; }

private:
    boost::asio::awaitable<void> accept_all();
    boost::asio::awaitable<void> serve(boost::asio::ip::tcp::socket socket);

    boost::asio::io_context& context_;
    boost::asio::ip::tcp::acceptor acceptor_;
    std::uint16_t port_ = 0;
    application application_;
};

// `aimeter demo --listen H:P`: prints "demo ready: listening on H:P" and serves until SIGTERM or SIGINT.
// The exit code: 0, or 1 when it cannot listen.
int run(const std::string& host, std::uint16_t port);

}  // namespace demo
