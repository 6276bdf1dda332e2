// Reads the small text fields of a multipart/form-data body (RFC 7578) as it passes: transcriptions and image edits
// name their model in one, beside megabytes of a file. Bounded memory; files are passed over. It never fails: a body
// that is none tells nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tracking::usage {

class form_sink {
public:
    virtual ~form_sink() = default;
    virtual void on_field(std::string_view name, std::string_view value) noexcept = 0;
};

class form_reader {
public:
    explicit form_reader(form_sink& sink) noexcept;

    // False: the media type is not multipart/form-data with a boundary.
    bool begin(std::string_view content_type) noexcept;
    void feed(std::string_view piece) noexcept;

private:
    enum class state : std::uint8_t { body, behind_boundary, head, over };

    std::string_view feed_body(std::string_view piece) noexcept;
    std::string_view feed_head(std::string_view piece) noexcept;
    void body_byte(char c) noexcept;
    void keep(std::string_view bytes) noexcept;
    void begin_part() noexcept;
    void end_part() noexcept;

    static constexpr std::size_t head_bytes_max = 1024;
    static constexpr std::size_t value_bytes_max = 256;

    form_sink& sink_;
    state state_ = state::over;
    std::string delimiter_;    // "\r\n--boundary"
    std::size_t matched_ = 0;  // bytes of it that the last ones were
    std::string head_;         // of the part, while it is read
    std::string name_;         // of the part; empty = nobody wants its content
    std::string value_;
    bool too_long_ = false;
};

}  // namespace tracking::usage
