// The WebSocket protocol (RFC 6455) as a server speaks it: the handshake's key, a client's frames taken apart, frames
// made. No extensions. Pure; the sockets are proxy's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace admin::websocket {

// The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key (4.2.2).
std::string accept_of(std::string_view key);
// Whether it is 16 bytes in base64, as a client must send.
bool is_key(std::string_view key);

enum class opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

// Of section 7.4.1; `none`: a close frame without one.
enum class close_code : std::uint16_t {
    none = 0,
    normal = 1000,
    going_away = 1001,
    protocol_error = 1002,
    unsupported_data = 1003,
    not_utf8 = 1007,
    too_big = 1009,
};

// A whole message in one frame, not masked.
void append_frame(std::string& to, opcode which, std::string_view payload);
std::string close_frame(close_code why);

// Takes a client's bytes apart, wherever they are cut. Of text messages, which mean nothing to us, only one at a time
// is held, up to its bound; of control frames 125 bytes.
class reader {
public:
    explicit reader(std::size_t longest_message) : longest_message_(longest_message) {}

    enum class found : std::uint8_t { nothing, message, ping, pong, close, failure };
    // Takes bytes off the front up to the end of the next frame that says something; `nothing`: all of them, and more
    // are needed. Behind close and failure there is nothing more to read.
    found next(std::string_view& bytes);
    const std::string& payload() const { return control_; }  // of ping and pong
    close_code code() const { return code_; }                // of close: what to answer; of failure: what to say

private:
    bool take_header(std::string_view& bytes);
    close_code complaint_about_start() const;
    close_code complaint_about_length(std::uint64_t length) const;
    void take_payload(std::string_view& bytes);
    found finished();
    found finished_close();
    found fail(close_code why);

    bool is_final() const { return (header_[0] & 0x80) != 0; }
    opcode kind() const { return static_cast<opcode>(header_[0] & 0x0F); }
    bool is_control() const { return (header_[0] & 0x08) != 0; }

    std::size_t longest_message_;
    std::array<std::uint8_t, 14> header_{};
    std::size_t header_size_ = 0;  // how much of it has arrived
    bool in_payload_ = false;
    std::uint64_t left_ = 0;  // of the payload
    std::size_t masked_ = 0;  // bytes unmasked so far
    std::array<std::uint8_t, 4> mask_{};
    bool in_message_ = false;  // its last frame has not come
    std::string message_;
    std::string control_;
    close_code code_ = close_code::none;
};

}  // namespace admin::websocket
