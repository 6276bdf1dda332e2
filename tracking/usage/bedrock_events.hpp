// What Amazon Bedrock puts into an AWS event stream, told as events. `converse-stream` sends JSON as it is;
// `invoke-with-response-stream` wraps the model's own JSON as base64, {"bytes":"..."}, which is undone as it arrives.
// An exception or error is told as an event with the name "error". Called by answer_scanner.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tracking/usage/aws_event_stream.hpp"
#include "tracking/usage/event_stream.hpp"

namespace tracking::usage {

// Decodes base64 (RFC 4648, section 4), which may come in pieces cut anywhere.
class base64_reader {
public:
    void reset() noexcept;
    // Adds the next character; false when it is none of base64. When full(), clear() before the next.
    bool add(char c) noexcept;
    std::string_view decoded() const noexcept { return {out_.data(), out_size_}; }
    bool full() const noexcept { return out_size_ == out_.size(); }
    void clear() noexcept { out_size_ = 0; }

private:
    std::uint32_t bits_ = 0;
    std::uint8_t bit_count_ = 0;
    bool padded_ = false;
    std::uint16_t out_size_ = 0;
    std::array<char, 384> out_;
};

// Finds the member "bytes" of a JSON object and passes on what its base64 says. Nonsense ends it until begin().
class chunk_reader {
public:
    explicit chunk_reader(event_sink& sink) noexcept : sink_(sink) {}
    void begin() noexcept;
    void feed(std::string_view payload) noexcept;

private:
    enum class state : std::uint8_t { between, key, other, wanted, broken };

    void read_between(char c) noexcept;
    void begin_string() noexcept;
    void read_character(char c) noexcept;
    void read_escape(char c) noexcept;
    void take(char c) noexcept;
    void flush() noexcept;

    event_sink& sink_;
    state state_ = state::between;
    bool key_next_ = false;    // the next string of the outermost object is a key
    bool found_ = false;       // the last key was the wanted one
    std::uint8_t escape_ = 0;  // 1 behind a backslash, 2 to 5 at the digits of \u
    std::uint16_t unit_ = 0;   // what \u says
    std::uint64_t depth_ = 0;
    std::uint8_t key_size_ = 0;
    std::array<char, 8> key_;  // longer ones are not the wanted one
    base64_reader base64_;
};

class bedrock_events final : message_sink {
public:
    explicit bedrock_events(event_sink& sink) noexcept : sink_(sink), messages_(*this), chunk_(sink) {}

    void reset() noexcept { messages_.reset(); }
    void feed(std::string_view bytes) noexcept { messages_.feed(bytes); }
    // While an event with the name "error" is told: what its headers say of it, the message or else the type.
    std::string_view error() const noexcept;

private:
    void on_message() noexcept override;
    void on_payload(std::string_view piece) noexcept override;
    void on_message_end() noexcept override;

    event_sink& sink_;
    aws_event_stream messages_;
    chunk_reader chunk_;
    bool failed_ = false;   // the message is an exception or an error
    bool wrapped_ = false;  // its payload is a chunk
};

}  // namespace tracking::usage
