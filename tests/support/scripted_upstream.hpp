// An upstream that plays a script on each connection: raw bytes in, raw bytes out, so that bad framing can be written
// literally, and everything that was asked is kept. One thread accepts, one thread plays each connection.
//
//   upstream.next({wait_head(), send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"), pause(gate), send("ok")});
//   upstream.otherwise({serve(answer_with(ok_response("hello")))});
//
// At the end of a script the connection stays open, and is read, until its peer ends it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/http_reader.hpp"
#include "tests/support/sockets.hpp"
#include "tests/support/tls_link.hpp"

namespace tests {

// What one connection has brought so far.
struct seen_connection {
    std::string received;
    std::vector<http_message> requests;  // the ones that `serve` and `wait_request` read whole
    ending ended = ending::none;         // by the peer
    bool closed_here = false;
    std::string malformed;  // what a strict reader found wrong with a request
    struct handshake {
        bool done = false, resumed = false;
        std::string server_name, alpn, failure;
    } tls;
};

class scripted_upstream;

// What a step works with. Used by the steps only, on the connection's own thread.
class upstream_connection {
public:
    upstream_connection(scripted_upstream& owner, std::size_t index, descriptor socket);
    bool greet();  // the TLS handshake, when there is one to be made

    bool read_more();                         // false: the peer ended, or the test is over
    bool read_until_open(const event& gate);  // reads along until the gate opens
    bool send(std::string_view bytes);
    bool read_request(http_message& request);
    bool over() const;
    void wait_until_over() const;
    std::string_view unread() const;  // received and not yet taken by a step
    void take(std::size_t bytes) { taken_ += bytes; }
    void close(ending how);
    void half_close();
    tls_link& tls() const { return *tls_; }

private:
    scripted_upstream& owner_;
    seen_connection& seen_;
    descriptor socket_;
    std::unique_ptr<tls_link> tls_;  // null = plain
    std::size_t taken_ = 0;
};

// One step; false ends the script.
using step = std::function<bool(upstream_connection&)>;
using script = std::vector<step>;
using answer = std::function<std::string(const http_message&)>;  // bytes to send for a request

step wait_head();                         // a whole request head
step wait_request();                      // a whole request, kept in seen_connection::requests
step wait_bytes(std::size_t count);       // so many more bytes
step wait_for(std::string text);          // this text, and all before it
step send(std::string bytes);             // verbatim
step pause(std::shared_ptr<event> gate);  // until the test opens it; reads meanwhile
step echo(std::size_t bytes);             // sends back so many bytes as they come
step stall();                             // reads nothing any more
step half_close();
step close_now();    // over TLS with close_notify
step cut_now();      // over TLS without
step late_ticket();  // TLS 1.3: a session ticket, at once
step new_key();      // TLS 1.3: with the next bytes, and asks for one in return
step reset_now();
step serve(answer to);  // request after request, until the peer ends
std::shared_ptr<event> make_gate();

std::string ok_response(std::string_view body, std::string_view extra_fields = "");
answer answer_with(std::string bytes);

class scripted_upstream {
public:
    // Over TLS when tls_everywhere says so. `host` may be the path of a unix socket.
    explicit scripted_upstream(const std::string& host = "127.0.0.1");
    explicit scripted_upstream(tls_side side, const std::string& host = "127.0.0.1");
    ~scripted_upstream();
    scripted_upstream(const scripted_upstream&) = delete;
    scripted_upstream& operator=(const scripted_upstream&) = delete;

    std::uint16_t port() const { return port_; }
    std::string url() const;
    std::string url(const std::string& name) const;  // with this name in the place of the address

    void next(script steps);       // for the next connection that has none yet
    void otherwise(script steps);  // for all others

    std::size_t connections() const;
    seen_connection connection(std::size_t index) const;  // a copy
    std::vector<http_message> requests() const;           // of all connections
    std::string everything() const;                       // all bytes received

    bool wait_connections(std::size_t count, milliseconds within = patience) const;
    bool wait_received(std::size_t index, std::string_view text, milliseconds within = patience) const;
    bool wait_ended(std::size_t index, milliseconds within = patience) const;
    // True when `condition(connection)` holds in time; looked at whenever something happens.
    bool wait(std::size_t index, const std::function<bool(const seen_connection&)>& condition,
              milliseconds within = patience) const;

private:
    friend class upstream_connection;
    void accept_all();
    void play(std::size_t index, descriptor socket, const script& steps);

    std::string host_;
    std::optional<tls_side> side_;
    std::uint16_t port_ = 0;
    descriptor listener_;
    event over_;
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    std::deque<seen_connection> seen_;  // stable addresses
    std::deque<script> scripts_;
    script otherwise_;
    std::vector<std::thread> threads_;
    std::thread acceptor_;
};

}  // namespace tests
