// Tells what a body is written in by its first bytes; the Content-Type only helps, since errors and applications often
// lie about it. Decides as early as it can and holds back at most a few bytes. Called by answer_scanner.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tracking::usage {

enum class body_form : std::uint8_t { undecided, json, events, aws_events, text, unreadable };

class body_sniffer {
public:
    void begin(std::string_view content_type) noexcept;
    // Looks at the next piece while undecided. Afterwards held() goes before what the piece is left as.
    body_form look(std::string_view& piece) noexcept;
    // The body ended before it could be told.
    body_form give_up() const noexcept { return fallback_; }
    std::string_view held() const noexcept { return {held_.data(), held_size_}; }

private:
    body_form decide() const noexcept;

    body_form fallback_ = body_form::unreadable;
    bool events_ = false;
    bool aws_events_ = false;  // it may be; the first byte tells
    bool started_ = false;     // something other than white space and a byte order mark came
    std::uint8_t held_size_ = 0;
    std::array<char, 8> held_;
};

// Whether the Content-Type names a body of several JSON documents (NDJSON, JSON lines, JSON sequences).
bool is_json_lines(std::string_view content_type) noexcept;
// Whether it names a body that comes event by event: those, server-sent events or AWS's.
bool is_event_stream(std::string_view content_type) noexcept;

}  // namespace tracking::usage
