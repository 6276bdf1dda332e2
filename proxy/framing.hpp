// How long a message's body is, and whether a head may be forwarded at all: the checks that keep two parsers from ever
// disagreeing about where a message ends (RFC 9112, 3.2 and 6). Pure functions; nothing is forwarded before they agree.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/head.hpp"

namespace proxy {

enum class body_kind : std::uint8_t { none, length, chunked, until_close };

struct body_framing {
    body_kind kind = body_kind::none;
    std::uint64_t length = 0;  // of kind `length`
};

struct framing_verdict {
    body_framing body;
    int refusal = 0;  // 0 = fine; else the status to answer: 400, 405 or 501 (for answers of the upstream: 502)
    const char* problem = "";
};

// Checks framing, Host and the form of the target.
framing_verdict check_request(const request_head& head) noexcept;
// `to_head`: the answer is to a HEAD request, which has no body whatever its fields say.
framing_verdict check_response(const response_head& head, bool to_head) noexcept;

// The parts of a target in absolute form ("http://host:80/path?q"); nullopt when it is in origin form or "*".
struct absolute_target {
    std::string_view authority;
    std::string_view path;  // with the query; "" means "/"
};
std::optional<absolute_target> split_absolute(std::string_view target) noexcept;

// Whether the client wants the connection to stay (RFC 9112, 9.3).
bool wants_keep_alive(const message_head& head) noexcept;
// Whether the Connection field names `option`.
bool connection_names(const message_head& head, std::string_view option) noexcept;

// What "Keep-Alive: timeout=5" says: how long its sender keeps the connection without a request. Not a standard's field
// (RFC 2068, 19.7.1.1 spoke of it); Node.js, Apache and others send it.
std::optional<std::chrono::seconds> stated_keep_alive(const message_head& head) noexcept;

// Max-Forwards: 0, which ends the way of an OPTIONS request here (RFC 9110, 7.6.2).
bool may_go_no_further(const request_head& head) noexcept;

// Content-Length's digits; nullopt when it is anything else or above 2^63-1.
std::optional<std::uint64_t> parse_length(std::string_view digits) noexcept;

}  // namespace proxy
