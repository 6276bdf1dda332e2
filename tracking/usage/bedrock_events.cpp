#include "tracking/usage/bedrock_events.hpp"

namespace tracking::usage {

namespace {

constexpr int no_digit = -1;

int base64_digit(char c) noexcept {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : no_digit;
}

int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : no_digit;
}

}  // namespace

// ---- base64_reader ----------------------------------------------------------------------------------------------

void base64_reader::reset() noexcept {
    bits_ = 0;
    bit_count_ = 0;
    padded_ = false;
    out_size_ = 0;
}

bool base64_reader::add(char c) noexcept {
    if (c == '=') {
        padded_ = true;
        return true;
    }
    const int digit = base64_digit(c);
    if (digit == no_digit || padded_) return false;
    bits_ = bits_ << 6U | static_cast<std::uint32_t>(digit);
    bit_count_ = static_cast<std::uint8_t>(bit_count_ + 6);
    if (bit_count_ >= 8) {
        bit_count_ = static_cast<std::uint8_t>(bit_count_ - 8);
        out_[out_size_++] = static_cast<char>(bits_ >> bit_count_ & 0xFFU);
    }
    return true;
}

// ---- chunk_reader -----------------------------------------------------------------------------------------------

void chunk_reader::begin() noexcept {
    state_ = state::between;
    key_next_ = false;
    found_ = false;
    escape_ = 0;
    depth_ = 0;
    base64_.reset();
}

void chunk_reader::feed(std::string_view payload) noexcept {
    for (const char c : payload) {
        if (state_ == state::broken) break;
        if (state_ == state::between) {
            read_between(c);
        } else {
            read_character(c);
        }
    }
    flush();
}

void chunk_reader::read_between(char c) noexcept {
    switch (c) {
        case '"':
            begin_string();
            break;
        case '{':
        case '[':
            key_next_ = ++depth_ == 1 && c == '{';
            break;
        case '}':
        case ']':
            if (depth_ != 0) --depth_;
            key_next_ = false;
            break;
        case ',':
            key_next_ = depth_ == 1;
            break;
        default:
            break;
    }
}

void chunk_reader::begin_string() noexcept {
    if (key_next_) {
        state_ = state::key;
        key_next_ = false;
        key_size_ = 0;
    } else if (depth_ == 1 && found_) {
        state_ = state::wanted;
        base64_.reset();
    } else {
        state_ = state::other;
    }
}

void chunk_reader::read_character(char c) noexcept {
    if (escape_ != 0) {
        read_escape(c);
    } else if (c == '\\') {
        escape_ = 1;
    } else if (c == '"') {
        if (state_ == state::key) found_ = std::string_view(key_.data(), key_size_) == "bytes";
        if (state_ == state::wanted) flush();
        state_ = state::between;
    } else {
        take(c);
    }
}

// Some JSON writers escape the slashes of base64, or its padding as \u003d.
void chunk_reader::read_escape(char c) noexcept {
    if (escape_ == 1) {
        escape_ = c == 'u' ? 2 : 0;
        unit_ = 0;
        if (c != 'u') take(c);
        return;
    }
    const int digit = hex_digit(c);
    if (digit == no_digit) {
        state_ = state::broken;
        return;
    }
    unit_ = static_cast<std::uint16_t>(unit_ << 4U | static_cast<unsigned>(digit));
    escape_ = escape_ == 5 ? 0 : static_cast<std::uint8_t>(escape_ + 1);
    if (escape_ == 0) take(unit_ < 0x80 ? static_cast<char>(unit_) : '\0');
}

void chunk_reader::take(char c) noexcept {
    if (state_ == state::key) {
        if (key_size_ < key_.size()) key_[key_size_++] = c;
    } else if (state_ == state::wanted) {
        if (!base64_.add(c)) state_ = state::broken;
        if (base64_.full()) flush();
    }
}

void chunk_reader::flush() noexcept {
    if (!base64_.decoded().empty()) sink_.on_event_data(base64_.decoded());
    base64_.clear();
}

// ---- bedrock_events ---------------------------------------------------------------------------------------------

void bedrock_events::on_message() noexcept {
    failed_ = messages_.message_type() == "exception" || messages_.message_type() == "error";
    wrapped_ = !failed_ && messages_.name() == "chunk";
    if (wrapped_) chunk_.begin();
}

void bedrock_events::on_payload(std::string_view piece) noexcept {
    if (wrapped_) {
        chunk_.feed(piece);
    } else {
        sink_.on_event_data(piece);
    }
}

void bedrock_events::on_message_end() noexcept { sink_.on_event_end(failed_ ? "error" : ""); }

std::string_view bedrock_events::error() const noexcept {
    const std::string_view message = messages_.error_message();
    return message.empty() ? messages_.name() : message;
}

}  // namespace tracking::usage
