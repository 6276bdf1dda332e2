// The description of the API that GET /openapi.json serves: admin-api/openapi.json, made part of the program.
#pragma once

#include <string>
#include <string_view>

namespace admin {

// With `path` (admin.path) as the server's.
std::string openapi_document(std::string_view path);

}  // namespace admin
