#include "tracking/usage/string_reader.hpp"

#include <algorithm>
#include <cstring>

#include "tracking/usage/byte_scan.hpp"
#include "tracking/usage/utf8.hpp"

namespace tracking::usage {

void string_reader::begin(bool keep) noexcept {
    state_ = state::plain;
    keep_ = keep;
    overflow_ = false;
    high_surrogate_ = 0;
    size_ = 0;
    count_ = 0;
}

const char* string_reader::read(const char* p, const char* end) noexcept {
    while (p != end) {
        if (state_ == state::plain) {
            const char* mark = find_string_mark(p, end);
            if (mark != p) {
                if (high_surrogate_ != 0) drop_surrogate();
                append(p, static_cast<std::size_t>(mark - p));
            }
            if (mark == end) return end;
            p = mark + 1;
            if (*mark == '"') {
                if (high_surrogate_ != 0) drop_surrogate();
                state_ = state::done;
                return p;
            }
            state_ = state::escape;
        } else if (state_ == state::escape) {
            p = read_escape(p);
        } else {
            p = read_digit(p);
        }
    }
    return p;
}

const char* string_reader::read_escape(const char* p) noexcept {
    static constexpr std::string_view names = "\"\\/bfnrt";
    static constexpr std::string_view values = "\"\\/\b\f\n\r\t";
    if (*p == 'u') {
        state_ = state::unicode;
        digits_ = 0;
        unit_ = 0;
        return p + 1;
    }
    if (high_surrogate_ != 0) drop_surrogate();
    state_ = state::plain;
    const std::size_t at = names.find(*p);
    if (at == std::string_view::npos) {
        append(replacement_character);
    } else {
        append(&values[at], 1);
    }
    return p + 1;
}

const char* string_reader::read_digit(const char* p) noexcept {
    unsigned digit = 16;
    if (*p >= '0' && *p <= '9') digit = static_cast<unsigned>(*p - '0');
    if ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f') digit = static_cast<unsigned>((*p | 0x20) - 'a') + 10;
    if (digit == 16) {  // the byte is read again as part of the string
        if (high_surrogate_ != 0) drop_surrogate();
        append(replacement_character);
        state_ = state::plain;
        return p;
    }
    unit_ = static_cast<std::uint16_t>(unit_ << 4U | digit);
    if (++digits_ == 4) end_unicode();
    return p + 1;
}

void string_reader::end_unicode() noexcept {
    state_ = state::plain;
    const bool low = unit_ >= 0xDC00 && unit_ <= 0xDFFF;
    if (low && high_surrogate_ != 0) {
        const char32_t point = 0x10000U + ((high_surrogate_ - 0xD800U) << 10U) + (unit_ - 0xDC00U);
        high_surrogate_ = 0;
        append(point);
        return;
    }
    if (high_surrogate_ != 0) drop_surrogate();
    if (unit_ >= 0xD800 && unit_ <= 0xDBFF) {
        high_surrogate_ = unit_;
    } else {
        append(char32_t{unit_});
    }
}

void string_reader::drop_surrogate() noexcept {
    high_surrogate_ = 0;
    append(replacement_character);
}

void string_reader::append(const char* p, std::size_t n) noexcept {
    count_ += n;
    if (!keep_ || overflow_) return;
    const std::size_t room = buffer_.size() - size_;
    if (n > room) overflow_ = true;
    const std::size_t used = std::min(n, room);
    std::memcpy(buffer_.data() + size_, p, used);
    size_ = static_cast<std::uint16_t>(size_ + used);
}

void string_reader::append(char32_t code_point) noexcept {
    std::array<char, 4> bytes;
    append(bytes.data(), encode_utf8(code_point, bytes));
}

std::string_view string_reader::kept() const noexcept {
    const std::string_view all(buffer_.data(), size_);
    return overflow_ ? without_cut_character(all) : all;
}

std::size_t string_reader::take_count() noexcept {
    const std::size_t n = count_;
    count_ = 0;
    return n;
}

}  // namespace tracking::usage
