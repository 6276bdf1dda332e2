// JSON text: separators, escapes, numbers.
#include "admin-api/json_writer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "admin-api/utf8.hpp"
#include "tracking/record.hpp"

namespace admin {

namespace {

void escape_ascii(std::string& out, char c) {
    constexpr std::string_view hex = "0123456789abcdef";
    switch (c) {
        case '"':
            out += "\\\"";
            return;
        case '\\':
            out += "\\\\";
            return;
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        default:
            break;
    }
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x20 && code != 0x7F) {
        out += c;
        return;
    }
    out += "\\u00";
    out += hex[code >> 4];
    out += hex[code & 15];
}

void quote(std::string& out, std::string_view text) {
    out += '"';
    for (std::size_t at = 0; at < text.size();) {
        const auto [length, valid] = next_utf8(text, at);
        if (!valid) {
            out += replacement_character;
        } else if (length == 1) {
            escape_ascii(out, text[at]);
        } else {
            out += text.substr(at, length);
        }
        at += length;
    }
    out += '"';
}

}  // namespace

std::string valid_utf8(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const auto [length, valid] = next_utf8(text, at);
        out += valid ? text.substr(at, length) : replacement_character;
        at += length;
    }
    return out;
}

void json_writer::separate() {
    if (!first_) out_ += ',';
    first_ = false;
}

void json_writer::open(char bracket) {
    separate();
    out_ += bracket;
    first_ = true;
}

void json_writer::close(char bracket) {
    out_ += bracket;
    first_ = false;
}

void json_writer::key(std::string_view name) {
    separate();
    quote(out_, name);
    out_ += ':';
    first_ = true;
}

void json_writer::value(std::string_view text) {
    separate();
    quote(out_, text);
}

void json_writer::value(bool flag) {
    separate();
    out_ += flag ? "true" : "false";
}

void json_writer::value(double number) {
    if (!std::isfinite(number)) return value(std::nullopt);
    separate();
    std::array<char, 32> text;
    out_.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr);
}

void json_writer::value(usd money) { decimal(tracking::usd_text(money.nano)); }

void json_writer::value(millis duration) {
    const bool negative = duration.us < 0;
    const std::uint64_t us =
        negative ? 0 - static_cast<std::uint64_t>(duration.us) : static_cast<std::uint64_t>(duration.us);
    std::string text = (negative ? "-" : "") + std::to_string(us / 1000);
    if (const auto rest = us % 1000; rest != 0) {
        text += '.';
        text += static_cast<char>('0' + rest / 100);
        text += static_cast<char>('0' + rest / 10 % 10);
        text += static_cast<char>('0' + rest % 10);
        while (text.back() == '0') text.pop_back();
    }
    decimal(text);
}

void json_writer::value(std::nullopt_t) {
    separate();
    out_ += "null";
}

void json_writer::integer(std::int64_t number) {
    separate();
    std::array<char, 24> text;
    out_.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr);
}

void json_writer::decimal(std::string_view digits) {
    separate();
    out_ += digits;
}

bool is_plain_decimal(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    const auto point = std::min(text.find('.'), text.size());
    const auto whole = text.substr(0, point);
    if (whole.empty() || !std::all_of(whole.begin(), whole.end(), digit)) return false;
    if (whole.size() > 1 && whole.front() == '0') return false;
    if (point == text.size()) return text.size() <= 40;
    const auto fraction = text.substr(point + 1);
    return !fraction.empty() && text.size() <= 40 && std::all_of(fraction.begin(), fraction.end(), digit);
}

}  // namespace admin
