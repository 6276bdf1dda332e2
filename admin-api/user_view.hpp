// The JSON of GET /ai/users/{id}. Pure, as views.hpp.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "admin-api/views.hpp"

namespace admin {

struct user_figures {
    std::int64_t now_ms = 0;
    std::string user_id;
    date_range range;
    std::vector<tracking::store::reports::user_month> months;  // all in which there was a request, oldest first
    std::vector<tracking::store::reports::user_day> days;      // one for each date of the range
    std::int64_t requests = 0, errors = 0, tokens_used = 0, cost_nano = 0;
    bool in_proportion = false;  // errors and tokens_used are in part a share of a month's
    struct feature {
        std::int64_t requests = 0, errors = 0, tokens_used = 0, cost_nano = 0;
    };
    std::map<std::string, feature> features;
    bool features_complete = false;
};
std::string user_json(const user_figures& from, const tracking::store::calendar& when);

}  // namespace admin
