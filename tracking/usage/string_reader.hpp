// Decodes the content of one JSON string, which may come in pieces cut anywhere: keeps its first bytes, or only counts
// them. Part of json_scanner; memory is the one buffer below. Ill-formed escapes and lone surrogates become U+FFFD.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tracking::usage {

class string_reader {
public:
    static constexpr std::size_t room = 400;  // bytes that are kept of a string

    // keep = false: only count.
    void begin(bool keep) noexcept;
    // Reads on behind the opening quote; returns where it stopped: behind the closing quote (done() is true then) or
    // at `end`.
    const char* read(const char* p, const char* end) noexcept;
    bool done() const noexcept { return state_ == state::done; }

    std::string_view kept() const noexcept;  // what there is room for, whole characters
    std::size_t take_count() noexcept;       // decoded bytes since the last call

private:
    enum class state : std::uint8_t { plain, escape, unicode, done };

    void append(const char* p, std::size_t n) noexcept;
    void append(char32_t code_point) noexcept;
    void drop_surrogate() noexcept;  // a high one that no low one followed
    void end_unicode() noexcept;
    const char* read_escape(const char* p) noexcept;
    const char* read_digit(const char* p) noexcept;

    state state_ = state::done;
    bool keep_ = false;
    bool overflow_ = false;
    std::uint8_t digits_ = 0;
    std::uint16_t unit_ = 0;
    std::uint16_t high_surrogate_ = 0;
    std::uint16_t size_ = 0;
    std::size_t count_ = 0;
    std::array<char, room> buffer_;
};

}  // namespace tracking::usage
