// Which records of the usage stream a request asks for: the parameters user, feature, model, plan, provider and
// outcome, of which several can be asked for: "error,upstream_abort". Pure.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "admin-api/query.hpp"
#include "admin-api/views.hpp"

namespace admin {

struct record_filter {
    std::string_view field;  // of the stream
    std::vector<std::string> values;
};

std::variant<std::vector<record_filter>, bad_parameter> filters_of(const query& asked);

// Each of them matches one of its values exactly.
bool passes(const entry_fields& record, const std::vector<record_filter>& filters);

}  // namespace admin
