#include "proxy/errors.hpp"

#include <array>
#include <ctime>
#include <nlohmann/json.hpp>

namespace proxy {

std::string_view reason_of(int status) noexcept {
    switch (status) {
        case 101:
            return "Switching Protocols";
        case 200:
            return "OK";
        case 202:
            return "Accepted";
        case 204:
            return "No Content";
        case 303:
            return "See Other";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 402:
            return "Payment Required";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 413:
            return "Content Too Large";
        case 414:
            return "URI Too Long";
        case 426:
            return "Upgrade Required";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        case 505:
            return "HTTP Version Not Supported";
        default:
            return "Unknown";
    }
}

std::string_view http_date() noexcept {
    thread_local std::array<char, 32> text{};
    thread_local std::time_t written = 0;
    thread_local std::size_t size = 0;
    if (const std::time_t now = std::time(nullptr); now != written) {
        std::tm utc{};
        ::gmtime_r(&now, &utc);
        size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
        written = now;
    }
    return {text.data(), size};
}

std::string answer_head(int status, std::string_view fields, std::string_view framing, bool keep_alive) {
    std::string out = "HTTP/1.1 " + std::to_string(status) + " ";
    out.append(reason_of(status)).append("\r\nDate: ").append(http_date()).append("\r\n");
    out.append(fields).append(framing);
    if (!keep_alive) out.append("Connection: close\r\n");
    return out.append("\r\n");
}

std::string plain_response(int status, std::string_view fields, std::string_view body, bool keep_alive, bool to_head) {
    const std::string length = "Content-Length: " + std::to_string(body.size()) + "\r\n";
    std::string out = answer_head(status, fields, length, keep_alive);
    if (!to_head) out.append(body);
    return out;
}

std::string problem_response(int status, std::string_view detail, std::string_view request_id, bool keep_alive,
                             bool to_head) {
    nlohmann::ordered_json problem = {
        {"type", "about:blank"}, {"title", reason_of(status)}, {"status", status}, {"detail", detail}};
    if (!request_id.empty()) problem["instance"] = "urn:request:" + std::string(request_id);
    const std::string body = problem.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    std::string fields = "Content-Type: application/problem+json\r\nCache-Control: no-store\r\n";
    if (status == 405) fields += allowed_methods;
    if (status == 503) fields += "Retry-After: 1\r\n";
    return plain_response(status, fields, body, keep_alive, to_head);
}

}  // namespace proxy
