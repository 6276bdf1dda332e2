// The dashboard's files, as the build made them: each asset under a name with a hash of its content, plain and
// compressed, and the forms of the HTML pages. They are part of the program; nothing is read at run time. Pure.
#pragma once

#include <string_view>

namespace pages {

struct asset {
    std::string_view name;                 // "app.0123456789abcdef.js": another content has another name
    std::string_view type;                 // Content-Type
    std::string_view plain, gzip, brotli;  // brotli is empty when the build had no such tool
};

// Null = there is none of this name.
const asset* find_asset(std::string_view name);

// "overview", "monitoring" or "login": HTML with {{names}} that whoever serves it fills in; "" = there is none.
std::string_view form(std::string_view name);

}  // namespace pages
