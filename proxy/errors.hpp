// Answers that aimeter makes itself: application/problem+json (RFC 9457).
#pragma once

#include <string>
#include <string_view>

namespace proxy {

// The Allow field of answers that must have one: any method passes but CONNECT and TRACE.
inline constexpr std::string_view allowed_methods = "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n";

std::string_view reason_of(int status) noexcept;
// What a Date field says now (RFC 9110, 5.6.7); good until the next call on this thread.
std::string_view http_date() noexcept;
// A whole response, head and body. `detail` is for people; it must not hold anything secret.
std::string problem_response(int status, std::string_view detail, std::string_view request_id, bool keep_alive,
                             bool to_head);
// The head of an answer, Date included; `fields` and `framing` are complete lines ("Name: value\r\n").
std::string answer_head(int status, std::string_view fields, std::string_view framing, bool keep_alive);
// A whole response with the given body; `fields` are complete lines ("Name: value\r\n").
std::string plain_response(int status, std::string_view fields, std::string_view body, bool keep_alive, bool to_head);

}  // namespace proxy
