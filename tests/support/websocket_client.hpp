// A WebSocket client of raw bytes (RFC 6455), which can be as wrong as a test wants; it shares no code with aimeter's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "tests/support/raw_client.hpp"

namespace tests {

class websocket_client {
public:
    struct frame {
        int opcode = -1;  // -1: none came in time, or the connection ended
        std::string payload;
        bool is(int wanted) const { return opcode == wanted; }
        // Of a close frame; 0 = it has none.
        int code() const {
            if (opcode != 8 || payload.size() < 2) return 0;
            return static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
        }
    };
    struct shape {
        bool fin = true, masked = true;
        int reserved = 0;       // the three bits
        int length_bytes = -1;  // 0, 2 or 8; -1 = as few as it needs
    };
    static constexpr std::string_view key = "dGhlIHNhbXBsZSBub25jZQ==";  // of the RFC's example, 1.3

    explicit websocket_client(raw_client over) : over_(std::move(over)) {}

    // `fields` are complete lines beside those of the handshake; without them the request would be answered 101.
    http_message shake_hands(const std::string& target, const std::string& fields) {
        over_.send("GET " + target + " HTTP/1.1\r\nHost: app.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + std::string(key) + "\r\n" + fields + "\r\n");
        return over_.read_head();
    }

    static std::string frame_of(int opcode, std::string_view payload, shape how) {
        constexpr std::string_view mask = "\x37\xfa\x21\x3d";
        std::string out;
        out += static_cast<char>((how.fin ? 0x80 : 0) | how.reserved << 4 | opcode);
        const int few = payload.size() < 126 ? 0 : payload.size() <= 0xFFFF ? 2 : 8;
        const int bytes = how.length_bytes < 0 ? few : how.length_bytes;
        const int first = bytes == 0 ? static_cast<int>(payload.size()) : bytes == 2 ? 126 : 127;
        out += static_cast<char>((how.masked ? 0x80 : 0) | first);
        for (int i = bytes - 1; i >= 0; --i)
            out += static_cast<char>(static_cast<std::uint64_t>(payload.size()) >> (8 * i));
        if (!how.masked) return out.append(payload);
        out += mask;
        for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ mask[i % 4]);
        return out;
    }
    static std::string frame_of(int opcode, std::string_view payload = {}) {
        return frame_of(opcode, payload, shape{});
    }
    bool send(std::string_view bytes) { return over_.send(bytes); }

    // The next frame of the server; what a server must not send (a mask, reserved bits) is none.
    frame read(milliseconds within = patience) {
        const auto head = over_.read_exactly(2, within);
        if (!head) return {};
        const auto byte = [](const std::string& of, std::size_t at) { return static_cast<unsigned char>(of[at]); };
        std::uint64_t size = byte(*head, 1);
        if ((byte(*head, 0) & 0x70) != 0 || size > 127) return {};
        if (size > 125) {
            const auto more = over_.read_exactly(size == 126 ? 2 : 8, within);
            if (!more) return {};
            size = 0;
            for (std::size_t i = 0; i < more->size(); ++i) size = size << 8 | byte(*more, i);
        }
        auto payload = over_.read_exactly(static_cast<std::size_t>(size), within);
        if (!payload) return {};
        return {byte(*head, 0) & 0x0F, std::move(*payload)};
    }
    // The next text message; pings on the way are answered.
    std::string read_text(milliseconds within = patience) {
        for (const auto until = clock::now() + within;;) {
            const frame next = read(std::chrono::duration_cast<milliseconds>(until - clock::now()));
            if (next.is(1)) return next.payload;
            if (!next.is(9)) return {};
            send(frame_of(10, next.payload));
        }
    }
    // The next frame that is no message.
    frame read_control(milliseconds within = patience) {
        for (const auto until = clock::now() + within;;) {
            frame next = read(std::chrono::duration_cast<milliseconds>(until - clock::now()));
            if (!next.is(1)) return next;
        }
    }
    raw_client& connection() { return over_; }

private:
    raw_client over_;
};

}  // namespace tests
