// A real redis-server as a child process on data_dir (AOF on, noeviction, a unix socket, no TCP port): started,
// supervised (restarted when it dies), stopped with aimeter, found again after a crash of aimeter, and never in the
// way of a Redis that the machine already runs. Control thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace tracking::store {

class embedded_redis {
public:
    // `data_dir`/redis holds socket, AOF and pid file. The error says what is missing (redis-server not installed,
    // ...).
    static std::variant<std::unique_ptr<embedded_redis>, std::string> create(boost::asio::any_io_executor executor,
                                                                             std::string data_dir);
    virtual ~embedded_redis() = default;
    // Starts or adopts the server and waits until it answers PING (loading an AOF may take long: logged).
    virtual boost::asio::awaitable<std::variant<std::monostate, std::string>> start() = 0;
    virtual boost::asio::awaitable<void> supervise() = 0;  // until stop()
    virtual boost::asio::awaitable<void> stop() = 0;       // SIGTERM, waits; the AOF is flushed
    // For a process that ends at once: SIGTERM, on which Redis writes its AOF and ends by itself.
    virtual void end_now() = 0;
    // The server is left to the successor, which has found it running: from now on it is neither restarted nor stopped
    // here. Of the processes at one data_dir one supervises at a time (a lock on the folder says which).
    virtual void leave() = 0;
    virtual std::string url() const = 0;  // unix:/...
    virtual std::string socket_path() const = 0;
};

// The settings of the embedded server, as words of its command line. A bench measures with the same.
std::vector<std::string> embedded_redis_settings();

// Where the embedded server of this data_dir listens, when it ever did; "" = never. For `aimeter verify`.
std::string embedded_socket_of(const std::string& data_dir);

}  // namespace tracking::store
