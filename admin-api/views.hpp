// The JSON of the admin API: the only file that knows its field names (contract, section 7). Pure: what was read goes
// in, text comes out. Rates are 0-1 and null where nothing was counted; money is USD with up to 9 places.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin-api/api.hpp"
#include "admin-api/time_range.hpp"
#include "tracking/store/reports.hpp"
#include "tracking/store/stream_id.hpp"
#include "tracking/store/verify_service.hpp"

namespace admin {

// Sums of a stretch of time, some of its buckets in part only: not yet rounded.
struct trend_sums {
    double requests = 0, cost_nano = 0, errors = 0, duration_us = 0, duration_count = 0;

    void add(const tracking::store::counters& bucket, double part);
};

// Counters of a period with what cannot be added up from hashes.
struct period_figures {
    tracking::store::counters values{};
    tracking::store::histogram latency;
    std::optional<std::int64_t> active_users = 0;  // none where they are not counted
};

struct overview_figures {
    std::int64_t now_ms = 0;
    period_figures today, month;
    tracking::store::histogram earlier_latency;  // of the month's days before today
    trend_sums yesterday, last_month;
    std::map<int, std::int64_t> statuses;
    std::vector<tracking::store::reports::message_count> errors;
};
std::string overview_json(const overview_figures& from, const tracking::store::calendar& when);

struct hour_figures {
    std::int64_t requests = 0, cost_nano = 0, errors = 0;
};

// A usage report of one label: what is not counted by label is null in it.
struct usage_filter {
    std::string kind;  // one of usage_filter_kinds
    std::string label;
};
inline constexpr std::array<std::string_view, 4> usage_filter_kinds{"feature", "model", "plan", "provider"};

struct usage_figures {
    std::int64_t now_ms = 0;
    date_range range;
    period_figures totals;
    std::vector<tracking::store::counters> days;  // one for each date of the range
    std::vector<tracking::store::bucket_of> features, models, providers, plans;
    std::map<std::string, tracking::store::histogram> feature_latency;
    std::array<hour_figures, 24> hours{};
    std::array<std::array<std::int64_t, 24>, 7> heatmap{};  // requests by weekday (Monday first) and hour
    std::vector<tracking::store::reports::user_row> users;
    std::map<int, std::int64_t> statuses;
    std::vector<tracking::store::reports::message_count> errors;
    std::optional<usage_filter> filter;
};
std::string usage_json(const usage_figures& from, const tracking::store::calendar& when);

std::string verify_json(const tracking::store::audit_report& from, const tracking::store::calendar& when);
std::string verify_running_json(const tracking::store::audit_running& from, const tracking::store::calendar& when);

using entry_fields = std::vector<std::pair<std::string, std::string>>;

struct stats_figures {
    tracking::store::reports::analytics_bucket today, month, total;
    std::vector<entry_fields> recent;                      // newest first
    std::vector<tracking::store::stream_id> recent_ids{};  // of the same entries
};
std::string stats_json(const stats_figures& from);

// Parts of these objects, for the messages of the live feed: today{} or month{}, the numbers of /stats, activity[].
std::string totals_json(const period_figures& of);
std::string stats_numbers_json(const stats_figures& from);
std::string activity_json(std::span<const entry_fields> entries);

// `next`: the cursor, "" = no more.
std::string requests_json(const std::vector<entry_fields>& records, const std::string& next,
                          const tracking::store::calendar& when);

// One of them.
std::string record_json(const entry_fields& record, const tracking::store::calendar& when);

std::string alive_json();
// `detailed` names hosts and errors: for those who hold a token.
std::string ready_json(const health& now, bool ready, bool detailed);

}  // namespace admin
