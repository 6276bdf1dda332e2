// Records as comma-separated values (RFC 4180): CRLF behind each line, quotes where they are needed, UTF-8. Pure.
#pragma once

#include <string>
#include <string_view>

#include "admin-api/views.hpp"

namespace admin {

// The names of all fields of a record, in their order; then, in the same order, the values of one record as the stream
// has them. What a record does not have is an empty cell.
void append_csv_header(std::string& to);
void append_csv_row(std::string& to, const entry_fields& record);

// Bytes that are no UTF-8, and NUL, become U+FFFD. A text that a spreadsheet would take for a formula (it begins with
// = + - @, TAB or CR, and is no plain number) gets an apostrophe in front.
void append_csv_cell(std::string& to, std::string_view text);

}  // namespace admin
