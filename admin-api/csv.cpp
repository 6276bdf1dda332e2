#include "admin-api/csv.hpp"

#include "admin-api/json_writer.hpp"
#include "admin-api/utf8.hpp"
#include "tracking/record.hpp"

namespace admin {

namespace {

constexpr std::string_view line_end = "\r\n";

bool may_be_formula(std::string_view text) {
    constexpr std::string_view first = "=+-@\t\r";
    return !text.empty() && first.find(text.front()) != std::string_view::npos && !is_plain_decimal(text);
}

bool is_plain(std::string_view text) {
    for (const char c : text) {
        const auto code = static_cast<unsigned char>(c);
        if (code < 0x20 || code >= 0x7F || c == '"' || c == ',') return false;
    }
    return true;
}

}  // namespace

void append_csv_cell(std::string& to, std::string_view text) {
    const bool marked = may_be_formula(text);
    if (is_plain(text)) {
        if (marked) to += '\'';
        to += text;
        return;
    }
    const bool quoted = text.find_first_of("\",\r\n") != std::string_view::npos;
    if (quoted) to += '"';
    if (marked) to += '\'';
    for (std::size_t at = 0; at < text.size();) {
        const auto [length, valid] = next_utf8(text, at);
        if (!valid || text[at] == '\0') {
            to += replacement_character;
        } else {
            if (text[at] == '"') to += '"';
            to += text.substr(at, length);
        }
        at += length;
    }
    if (quoted) to += '"';
}

void append_csv_header(std::string& to) {
    bool first = true;
    for (const auto& field : tracking::usage_fields()) {
        if (!first) to += ',';
        first = false;
        to += field.name;
    }
    to += line_end;
}

// The fields of an entry stand in the order of the columns, unless somebody wrote it by hand: look behind the last
// match.
void append_csv_row(std::string& to, const entry_fields& record) {
    std::size_t next = 0;
    bool first = true;
    for (const auto& field : tracking::usage_fields()) {
        if (!first) to += ',';
        first = false;
        for (std::size_t i = 0; i < record.size(); ++i) {
            const std::size_t at = next + i < record.size() ? next + i : next + i - record.size();
            if (record[at].first != field.name) continue;
            append_csv_cell(to, record[at].second);
            next = at + 1 < record.size() ? at + 1 : 0;
            break;
        }
    }
    to += line_end;
}

}  // namespace admin
