#include "tracking/usage/event_stream.hpp"

#include <algorithm>
#include <cstring>

#include "tracking/usage/ascii.hpp"
#include "tracking/usage/byte_scan.hpp"

namespace tracking::usage {

namespace {

bool is_letter_or_digit(char c) noexcept { return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z'); }

}  // namespace

void event_stream::reset() noexcept {
    state_ = state::line_start;
    after_cr_ = false;
    has_data_ = false;
    line_event_ = false;
    in_bare_ = false;
    bom_at_ = 0;
    name_size_ = 0;
}

void event_stream::feed(std::string_view bytes) noexcept {
    const char* p = bytes.data();
    const char* const end = p + bytes.size();
    while (p != end) {
        switch (state_) {
            case state::line_start:
                p = begin_line(p);
                break;
            case state::field:
                p = read_field(p, end);
                break;
            case state::after_colon:
                p = begin_value(p);
                break;
            default:
                p = read_value(p, end);
                break;
        }
    }
}

const char* event_stream::begin_line(const char* p) noexcept {
    static constexpr std::string_view bom = "\xEF\xBB\xBF";
    if (bom_at_ < bom.size()) {
        if (*p == bom[bom_at_]) {
            ++bom_at_;
            return p + 1;
        }
        bom_at_ = bom.size();
    }
    if (*p == '\n' && after_cr_) {
        after_cr_ = false;
        return p + 1;
    }
    after_cr_ = false;
    if (*p == '\n' || *p == '\r') {
        after_cr_ = *p == '\r';
        end_event();
        return p + 1;
    }
    field_size_ = 0;
    if (in_bare_ || (!has_data_ && name_size_ == 0 && (*p == '{' || *p == '['))) {
        in_bare_ = true;
        has_data_ = true;
        state_ = state::bare;
        return p;
    }
    state_ = state::field;
    return p;
}

const char* event_stream::read_field(const char* p, const char* end) noexcept {
    for (; p != end; ++p) {
        if (*p == ':') {
            choose_field(true);
            return p + 1;
        }
        if (*p == '\n' || *p == '\r') {
            choose_field(false);
            return read_value(p, end);
        }
        if (field_size_ < field_.size()) field_[field_size_++] = *p;
    }
    return p;
}

void event_stream::choose_field(bool has_value) noexcept {
    const std::string_view field(field_.data(), field_size_);
    state_ = state::ignored;
    if (field == "data") {
        if (has_data_) sink_.on_event_data("\n");  // several data lines are one text
        has_data_ = true;
        state_ = has_value ? state::after_colon : state::data;
    } else if (field == "event") {
        name_size_ = 0;
        state_ = has_value ? state::after_colon : state::name;
    } else if (field_size_ == 1 && has_value && is_letter_or_digit(field[0])) {
        line_event_ = true;
        state_ = state::data;
    }
}

// One space behind the colon is not part of the value.
const char* event_stream::begin_value(const char* p) noexcept {
    state_ = field_size_ == 4 ? state::data : state::name;
    return *p == ' ' ? p + 1 : p;
}

const char* event_stream::read_value(const char* p, const char* end) noexcept {
    const char* stop = find_line_end(p, end);
    const std::string_view piece(p, static_cast<std::size_t>(stop - p));
    if (!piece.empty()) {
        if (state_ == state::data || state_ == state::bare) sink_.on_event_data(piece);
        if (state_ == state::name) add_name(piece);
    }
    if (stop == end) return stop;
    if (state_ == state::bare) sink_.on_event_data("\n");
    if (line_event_) end_line_event();
    after_cr_ = *stop == '\r';
    state_ = state::line_start;
    return stop + 1;
}

void event_stream::add_name(std::string_view piece) noexcept {
    const std::size_t used = std::min(piece.size(), name_.size() - name_size_);
    std::memcpy(name_.data() + name_size_, piece.data(), used);
    name_size_ = static_cast<std::uint8_t>(name_size_ + used);
}

void event_stream::end_line_event() noexcept {
    line_event_ = false;
    sink_.on_event_end(std::string_view(field_.data(), 1));
}

void event_stream::end_event() noexcept {
    if (line_event_) end_line_event();
    if (has_data_ || name_size_ != 0) sink_.on_event_end(std::string_view(name_.data(), name_size_));
    has_data_ = false;
    in_bare_ = false;
    name_size_ = 0;
}

}  // namespace tracking::usage
