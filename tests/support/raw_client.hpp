// A client made of raw bytes: connects, sends what it is given, and reads with deadlines.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tests/support/http_reader.hpp"
#include "tests/support/sockets.hpp"

namespace tests {

class raw_client {
public:
    raw_client() = default;
    raw_client(const std::string& host, std::uint16_t port, milliseconds within = patience)
        : socket_(connect_to(host, port, within)) {}

    bool connected() const { return socket_.valid(); }

    // All of it was taken by the kernel.
    bool send(std::string_view bytes, milliseconds within = patience);
    std::size_t send_some(std::string_view bytes, milliseconds within);  // bytes taken until the other side stalls
    void half_close() { finish_sending(socket_); }
    void reset() { tests::reset(socket_); }
    void close() { socket_.close(); }

    // The next response, 1xx ones too. `complete` is false when the connection ended or time passed before its end;
    // start_line is empty when not even a head came.
    http_message read(http_reader::kind of = http_reader::kind::response, milliseconds within = patience);
    // Only the head of the next message; its body stays unread.
    http_message read_head(milliseconds within = patience);
    // Bytes up to and with `text`, or nullopt when it did not come.
    std::optional<std::string> read_until(std::string_view text, milliseconds within = patience);
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

    descriptor socket_;
    std::string buffer_;
    ending ended_ = ending::none;
};

}  // namespace tests
