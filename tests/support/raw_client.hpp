// A client made of raw bytes: connects, sends what it is given, and reads with deadlines.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/http_reader.hpp"
#include "tests/support/sockets.hpp"
#include "tests/support/tls_link.hpp"

namespace tests {

class raw_client {
public:
    raw_client() = default;
    // Over TLS when tls_everywhere says so.
    raw_client(const std::string& host, std::uint16_t port, milliseconds within = patience);
    // Over TLS; connected() is false when the handshake failed.
    raw_client(const std::string& host, std::uint16_t port, const tls_side& side, milliseconds within = patience);
    static raw_client plain(const std::string& host, std::uint16_t port);

    bool connected() const { return socket_ && socket_->valid() && shaken_; }
    tls_link& tls() const { return *tls_; }

    // All of it was taken by the kernel.
    bool send(std::string_view bytes, milliseconds within = patience);
    std::size_t send_some(std::string_view bytes, milliseconds within);  // bytes taken until the other side stalls
    void half_close();                                                   // over TLS with close_notify
    void reset() { tests::reset(*socket_); }
    void close() { socket_->close(); }  // over TLS without close_notify

    // The next response, 1xx ones too. `complete` is false when the connection ended or time passed before its end;
    // start_line is empty when not even a head came.
    http_message read(http_reader::kind of = http_reader::kind::response, milliseconds within = patience);
    // Only the head of the next message; its body stays unread.
    http_message read_head(milliseconds within = patience);
    // Bytes up to and with `text`, or nullopt when it did not come.
    std::optional<std::string> read_until(std::string_view text, milliseconds within = patience);
    // Exactly so many bytes, or nullopt when they did not come.
    std::optional<std::string> read_exactly(std::size_t size, milliseconds within = patience);
    // All bytes until the connection ends; `ended()` then says how.
    std::string read_to_end(milliseconds within = patience);
    // The connection ends in time, with no further byte.
    bool ends(milliseconds within = patience);
    // No byte and no end comes within this time. For what must not happen: keep it short.
    bool silent(milliseconds during);

    ending ended() const { return ended_; }
    std::string take_unread() { return std::exchange(buffer_, {}); }  // read, but not yet asked for

private:
    bool fill(clock::time_point until);

    std::size_t write(std::string_view bytes, clock::time_point until);

    std::unique_ptr<descriptor> socket_;  // at an address that stays
    std::unique_ptr<tls_link> tls_;       // null = plain
    bool shaken_ = true;
    std::string buffer_;
    ending ended_ = ending::none;
};

}  // namespace tests
