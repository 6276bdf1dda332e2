// Content codings of the pages (RFC 9110, 12.5.3): what the browser takes, and gzip. Pure.
#pragma once

#include <string>
#include <string_view>

namespace admin {

// Whether an Accept-Encoding field names `coding`, in any case and not with q=0. "*" is not taken up.
bool accepts_coding(std::string_view field, std::string_view coding);

std::string gzipped(std::string_view text);

}  // namespace admin
