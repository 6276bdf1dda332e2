// Server-Sent Events as the WHATWG HTML standard parses them (section 9.2.6), incrementally: the data of an event is
// passed on as it arrives, so that an event of any length costs no memory. Lines may end in LF, CR or CRLF.
//
// Beyond the standard, which drops such lines:
// - JSON that was not framed at all (some servers write a bare error object into a stream) is passed on as the data of
//   an event of its own, up to the next empty line;
// - a field of one letter or digit is an event of its own with that name: the data stream of the Vercel AI SDK 3 and 4
//   (`0:"text"`, `d:{"finishReason":...}`).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tracking::usage {

class event_sink {
public:
    virtual ~event_sink() = default;
    virtual void on_event_data(std::string_view piece) noexcept = 0;
    virtual void on_event_end(std::string_view name) noexcept = 0;  // only of an event that had data or a name
};

class event_stream {
public:
    explicit event_stream(event_sink& sink) noexcept : sink_(sink) {}

    void reset() noexcept;
    void feed(std::string_view bytes) noexcept;
    // The body ended: an event without its empty line ends too (the standard drops it; what it said was said).
    void finish() noexcept { end_event(); }

private:
    enum class state : std::uint8_t { line_start, field, after_colon, data, name, ignored, bare };

    const char* begin_line(const char* p) noexcept;
    const char* read_field(const char* p, const char* end) noexcept;
    const char* begin_value(const char* p) noexcept;
    const char* read_value(const char* p, const char* end) noexcept;
    void choose_field(bool has_value) noexcept;
    void end_event() noexcept;
    void end_line_event() noexcept;
    void add_name(std::string_view piece) noexcept;

    event_sink& sink_;
    state state_ = state::line_start;
    bool after_cr_ = false;    // an LF that follows belongs to the line end already seen
    bool has_data_ = false;    // this event had a data line
    bool line_event_ = false;  // the line is an event of its own
    bool in_bare_ = false;     // unframed JSON goes on until an empty line
    std::uint8_t bom_at_ = 0;  // bytes of a byte order mark seen; 3 = no longer at the start
    std::uint8_t field_size_ = 0;
    std::uint8_t name_size_ = 0;
    std::array<char, 8> field_;  // long enough for "event" and "data"; a longer field is neither
    std::array<char, 32> name_;
};

}  // namespace tracking::usage
