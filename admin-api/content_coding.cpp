#include "admin-api/content_coding.hpp"

#include <zlib.h>

#include <algorithm>
#include <stdexcept>

namespace admin {

namespace {

std::string_view trimmed(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    text.remove_suffix(text.size() - std::min(text.find_last_not_of(" \t") + 1, text.size()));
    return text;
}

bool equal_in_any_case(std::string_view text, std::string_view lower) {
    return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b; });
}

// ";q=0", ";q=0.0", ...
bool is_refused(std::string_view parameters) {
    const auto q = std::min(parameters.find("q="), parameters.find("Q="));
    if (q == std::string_view::npos) return false;
    const auto value = trimmed(parameters.substr(q + 2));
    return !value.empty() && value.find_first_not_of("0.") == std::string_view::npos;
}

}  // namespace

bool accepts_coding(std::string_view field, std::string_view coding) {
    while (!field.empty()) {
        const auto end = std::min(field.find(','), field.size());
        const auto member = field.substr(0, end);
        field.remove_prefix(std::min(end + 1, field.size()));
        const auto name_end = std::min(member.find(';'), member.size());
        if (equal_in_any_case(trimmed(member.substr(0, name_end)), coding)) return !is_refused(member.substr(name_end));
    }
    return false;
}

std::string gzipped(std::string_view text) {
    constexpr int gzip_window = 15 + 16, memory_level = 9;
    z_stream stream{};
    if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, gzip_window, memory_level, Z_DEFAULT_STRATEGY) != Z_OK)
        throw std::runtime_error("zlib cannot begin");
    std::string out(deflateBound(&stream, text.size()), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int ended = deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    if (ended != Z_STREAM_END) throw std::runtime_error("zlib cannot compress a page");
    return out;
}

}  // namespace admin
