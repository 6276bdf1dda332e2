// How the small languages of the file are read: durations, sizes, decimals, addresses. Pure functions from text to a
// value or a sentence that says what is wrong. None of them repeats the text where it may hold a credential.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "conf/config.hpp"

namespace conf {

struct complaint {
    std::string what;
};

template <typename T>
using parsed = std::variant<T, complaint>;

// "500ms", "30s", "10m", "1h", "2d": a whole number and its unit.
parsed<milliseconds> parse_duration(std::string_view text);
// "65536", "64KB", "64MiB", "1GB": bytes; KB and KiB alike are 1024.
parsed<std::uint64_t> parse_size(std::string_view text);
// "1_000_000": a whole number.
parsed<std::int64_t> parse_integer(std::string_view text);

// A plain decimal times 10^places, exactly: ("0.0006", 9) -> 600000. A finer figure is refused, never rounded.
parsed<std::int64_t> parse_decimal(std::string_view text, int places);
// The same of a TOML float: of the decimal that was typed, as far as a float keeps it (15 digits).
parsed<std::int64_t> decimal_of(double number, int places);

// "host:port", ":8080" (every IPv4 address), "[::1]:8080", "unix:/path".
parsed<endpoint> parse_listen(std::string_view text);
// "host:port", "host", "[::1]:8080".
parsed<endpoint> parse_server(std::string_view text, std::uint16_t default_port);
// "http://host:port", "http://host" (port 80), "host:port", "unix:/path".
parsed<endpoint> parse_upstream(std::string_view text);
// What is asked for with GET, and where: "https://host[:port]/path?query".
struct web_url {
    endpoint server;
    std::string target;  // path and query, "/" at least
};
// No user, no password, no fragment; port 80 or 443 when it says none.
parsed<web_url> parse_web_url(std::string_view text);
// The complaint is empty when all is well, or the text is.
std::string complaint_about_web_url(std::string_view text);
// "10.0.0.0/8", "::1/128", "192.0.2.1"; the complaint is empty when all is well.
std::string complaint_about_cidr(std::string_view text);
// The forms of redis_url.hpp; the complaint is empty when all is well.
std::string complaint_about_redis_url(std::string_view text);

}  // namespace conf
