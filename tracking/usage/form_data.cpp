#include "tracking/usage/form_data.hpp"

#include <algorithm>
#include <cstring>

#include "tracking/usage/ascii.hpp"

namespace tracking::usage {

namespace {

// The value of a parameter of a header field: name="value" or name=value.
std::string_view parameter(std::string_view field, std::string_view name) noexcept {
    std::size_t at = field.find(';');
    while (at != std::string_view::npos) {
        std::string_view rest = trim(field.substr(at + 1));
        at = field.find(';', at + 1);
        if (!starts_with_word(rest, name) || rest.size() <= name.size() || rest[name.size()] != '=') continue;
        rest.remove_prefix(name.size() + 1);
        if (!rest.starts_with('"')) return trim(rest.substr(0, rest.find(';')));
        rest.remove_prefix(1);
        return rest.substr(0, rest.find('"'));
    }
    return {};
}

// The part's name, when it is a text field and no file.
std::string_view field_name(std::string_view head) noexcept {
    while (!head.empty()) {
        const std::size_t end = head.find("\r\n");
        const std::string_view line = head.substr(0, end);
        if (starts_with_word(line, "content-disposition:")) {
            const bool file = !parameter(line, "filename").empty() || line.find("filename*=") != std::string_view::npos;
            return file ? std::string_view{} : parameter(line, "name");
        }
        if (end == std::string_view::npos) break;
        head.remove_prefix(end + 2);
    }
    return {};
}

}  // namespace

form_reader::form_reader(form_sink& sink) noexcept : sink_(sink) {
    delimiter_.reserve(80);
    head_.reserve(head_bytes_max);
    name_.reserve(64);
    value_.reserve(value_bytes_max);
}

bool form_reader::begin(std::string_view content_type) noexcept {
    state_ = state::over;
    if (!starts_with_word(content_type, "multipart/form-data")) return false;
    const std::string_view boundary = parameter(content_type, "boundary");
    if (boundary.empty() || boundary.size() > 70) return false;  // RFC 2046, 5.1.1
    delimiter_.assign("\r\n--").append(boundary);
    matched_ = 2;  // the first boundary may stand at the very beginning
    name_.clear();
    state_ = state::body;
    return true;
}

void form_reader::feed(std::string_view piece) noexcept {
    while (!piece.empty() && state_ != state::over) piece = state_ == state::body ? feed_body(piece) : feed_head(piece);
}

void form_reader::keep(std::string_view bytes) noexcept {
    if (name_.empty() || too_long_) return;
    too_long_ = value_.size() + bytes.size() > value_bytes_max;
    if (!too_long_) value_.append(bytes);
}

// One byte that may belong to the delimiter. Only its first byte is a CR, so that a mismatch can begin anew with this
// byte alone.
void form_reader::body_byte(char c) noexcept {
    if (c == delimiter_[matched_]) {
        if (++matched_ < delimiter_.size()) return;
        end_part();
        return;
    }
    keep(std::string_view(delimiter_).substr(0, matched_));
    matched_ = c == '\r' ? 1 : 0;
    if (matched_ == 0) keep({&c, 1});
}

std::string_view form_reader::feed_body(std::string_view piece) noexcept {
    while (!piece.empty() && state_ == state::body) {
        if (matched_ == 0) {
            const std::size_t plain = std::min(piece.find('\r'), piece.size());
            keep(piece.substr(0, plain));
            piece.remove_prefix(plain);
            if (piece.empty()) break;
        }
        body_byte(piece.front());
        piece.remove_prefix(1);
    }
    return piece;
}

void form_reader::end_part() noexcept {
    if (!name_.empty() && !too_long_) sink_.on_field(name_, value_);
    name_.clear();
    head_.clear();
    matched_ = 0;
    state_ = state::behind_boundary;
}

void form_reader::begin_part() noexcept {
    name_.assign(field_name(head_).substr(0, 64));
    value_.clear();
    too_long_ = false;
    matched_ = 0;
    state_ = state::body;
}

// What follows a boundary: "--" and nothing more, or the rest of its line and the part's head up to an empty line.
std::string_view form_reader::feed_head(std::string_view piece) noexcept {
    while (!piece.empty()) {
        const char c = piece.front();
        piece.remove_prefix(1);
        if (head_.size() == head_bytes_max) {
            state_ = state::over;
            break;
        }
        head_.push_back(c);
        if (state_ == state::behind_boundary) {
            if (head_ == "--") {
                state_ = state::over;
                break;
            }
            if (head_.ends_with("\r\n")) {
                head_.clear();
                state_ = state::head;
            }
        } else if (head_ == "\r\n" || head_.ends_with("\r\n\r\n")) {
            begin_part();
            break;
        }
    }
    return piece;
}

}  // namespace tracking::usage
