// JSON and problem+json responses.
#include "admin-api/problem.hpp"

#include "admin-api/json_writer.hpp"

namespace admin {

namespace {

std::string_view title_of(int status) {
    switch (status) {
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 426:
            return "Upgrade Required";
        case 429:
            return "Too Many Requests";
        case 503:
            return "Service Unavailable";
        default:
            return "Internal Server Error";
    }
}

response with_type(int status, std::string_view content_type, std::string body) {
    response made;
    made.status = status;
    made.headers = {{"Content-Type", std::string(content_type)},
                    {"Cache-Control", "no-store"},
                    {"X-Content-Type-Options", "nosniff"}};
    made.body = std::move(body);
    return made;
}

}  // namespace

response json_response(int status, std::string body) {
    body += '\n';
    return with_type(status, "application/json; charset=utf-8", std::move(body));
}

response problem(int status, std::string_view detail, std::string_view parameter) {
    json_writer json;
    json.open('{');
    json.field("type", "about:blank");
    json.field("title", title_of(status));
    json.field("status", status);
    json.field("detail", detail);
    if (!parameter.empty()) json.field("parameter", parameter);
    json.close('}');
    return with_type(status, "application/problem+json", json.take() + '\n');
}

}  // namespace admin
