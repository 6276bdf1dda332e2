// An HTTP server that restarts as good servers do: it stops listening (what has connected is still served), finishes
// what is under way with `Connection: close`, and closes connections that wait for another request. One thread for each
// connection.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <thread>

#include "tests/support/sockets.hpp"

namespace tests {

class graceful_server {
public:
    // Listens on 127.0.0.1, on this port (0 = one that the system chooses), which stays the same over restarts.
    explicit graceful_server(std::uint16_t port = 0);
    ~graceful_server();
    graceful_server(const graceful_server&) = delete;
    graceful_server& operator=(const graceful_server&) = delete;

    std::uint16_t port() const { return port_; }
    void start();
    void stop();  // returns when the last connection has ended

    int served() const { return served_; }            // answers, over all its lives
    int closed_idle() const { return closed_idle_; }  // connections that had been kept, by stop()

private:
    void let_nobody_in() const;
    void accept_all();
    void serve(descriptor socket);

    std::uint16_t port_ = 0;
    descriptor listener_;
    std::unique_ptr<event> over_;
    std::thread acceptor_;
    std::list<std::thread> threads_;  // acceptor_'s; stop()'s when that has ended
    std::atomic<int> served_ = 0, closed_idle_ = 0;
};

}  // namespace tests
