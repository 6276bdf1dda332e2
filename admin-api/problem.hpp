// Responses that every endpoint shares: JSON with the headers of the admin API, and errors as problem+json (RFC 9457).
#pragma once

#include <string>
#include <string_view>

#include "admin-api/api.hpp"

namespace admin {

response json_response(int status, std::string body);

// `parameter` names the query parameter at fault, "" = none.
response problem(int status, std::string_view detail, std::string_view parameter = {});

}  // namespace admin
