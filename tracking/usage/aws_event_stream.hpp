// The binary event stream of AWS (application/vnd.amazon.eventstream), incrementally. A message is
//
//   total length 4 | length of the headers 4 | CRC-32 of these 8 | headers | payload | CRC-32 of all before
//
// and a header is: length of the name 1, name, type of the value 1, value. Numbers are big-endian. Of the headers only
// those are kept that say what the message is. A payload of up to 2 KiB, which is what states usage, is told once its
// checksum was right; a longer one is passed on as it arrives, so that a message of any length costs no more memory.
// (https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html)
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tracking::usage {

class message_sink {
public:
    virtual ~message_sink() = default;
    virtual void on_message() noexcept = 0;  // its headers are known
    virtual void on_payload(std::string_view piece) noexcept = 0;
    virtual void on_message_end() noexcept = 0;  // its checksum was right
};

class aws_event_stream {
public:
    // The limits of AWS's own libraries; a length beyond them is nonsense.
    static constexpr std::uint32_t longest_message = 24U << 20U;
    static constexpr std::uint32_t longest_headers = 128U << 10U;

    explicit aws_event_stream(message_sink& sink) noexcept : sink_(sink) {}

    void reset() noexcept;
    void feed(std::string_view bytes) noexcept;
    // A checksum or a length was wrong: nothing more is read until reset().
    bool broken() const noexcept { return state_ == state::broken; }

    // Of the current message; "" when it has no such header. Cut at 64 bytes, an error message at 300.
    std::string_view message_type() const noexcept { return message_type_.text(); }  // event, exception, error
    std::string_view name() const noexcept {
        return name_.text();
    }  // type of the event or exception, code of the error
    std::string_view error_message() const noexcept { return error_message_.text(); }

private:
    enum class state : std::uint8_t { prelude, headers, payload, checksum, broken };
    enum class header_part : std::uint8_t { name_size, name, type, value_size, value };

    template <std::size_t room>
    struct kept {
        std::array<char, room> bytes;
        std::uint16_t size = 0;
        void append(std::string_view piece) noexcept;
        std::string_view text() const noexcept { return {bytes.data(), size}; }
    };

    bool collect(std::string_view& bytes, std::size_t wanted) noexcept;
    std::uint32_t collected(std::size_t at) const noexcept;
    void begin_message() noexcept;
    void read_headers(std::string_view& bytes) noexcept;
    void read_header_byte(char c) noexcept;
    void begin_value(std::uint8_t type) noexcept;
    void read_value(std::string_view piece) noexcept;
    void end_headers() noexcept;
    void read_payload(std::string_view& bytes) noexcept;
    void end_message() noexcept;

    message_sink& sink_;
    state state_ = state::prelude;
    header_part part_ = header_part::name_size;
    std::array<char, 12> collected_;  // a prelude or a checksum that was cut
    std::uint8_t collected_size_ = 0;
    std::uint32_t checksum_ = 0;      // of the message so far
    std::uint32_t headers_left_ = 0;  // bytes
    std::uint32_t payload_left_ = 0;  // bytes
    std::uint16_t part_left_ = 0;     // bytes of the header's name or value
    bool text_value_ = false;         // the value is a string
    kept<16> header_name_;
    kept<64> message_type_;
    kept<64> name_;
    kept<300> error_message_;
    bool held_ = false;  // the payload is short enough to wait for its checksum
    kept<2048> payload_;
};

}  // namespace tracking::usage
