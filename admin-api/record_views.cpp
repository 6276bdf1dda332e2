// Views of single records: the streams' entries with the types of their fields, and the two health routes.
#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "admin-api/json_writer.hpp"
#include "admin-api/views.hpp"
#include "tracking/record.hpp"
#include "tracking/store/reply_numbers.hpp"

namespace admin {

namespace {

namespace store = tracking::store;
using tracking::field_name;
using tracking::field_type;

// The general view's fields (contract, section 5).
constexpr std::array<field_name, 11> analytics_fields{{
    {"event", field_type::text},
    {"id", field_type::text},
    {"userId", field_type::text},
    {"clerkUserId", field_type::text},
    {"contentType", field_type::text},
    {"model", field_type::text},
    {"cached", field_type::flag},
    {"feature", field_type::text},
    {"cost", field_type::usd},
    {"success", field_type::flag},
    {"ts", field_type::integer},
}};

const std::string* find(const entry_fields& in, std::string_view name) {
    for (const auto& [key, value] : in) {
        if (key == name) return &value;
    }
    return nullptr;
}

// A text that is not of its field's type (edited by hand) is as good as unknown.
void write_typed(json_writer& json, field_type type, const std::string& text) {
    switch (type) {
        case field_type::integer:
            json.value(store::integer_in(text));
            return;
        case field_type::flag:
            json.value(text == "1" ? std::optional(true) : text == "0" ? std::optional(false) : std::nullopt);
            return;
        case field_type::usd:
        case field_type::millis:
        case field_type::seconds:
            if (is_plain_decimal(text)) {
                json.decimal(text);
            } else {
                json.value(std::nullopt);
            }
            return;
        case field_type::text:
            break;
    }
    json.value(text);
}

// Every field of the view, null for what the entry does not have, and after `ts` the same as a time to read.
void write_entry(json_writer& json, std::span<const field_name> fields, const entry_fields& entry,
                 const store::calendar* when) {
    json.open('{');
    for (const auto& field : fields) {
        const auto* text = find(entry, field.name);
        json.key(field.name);
        if (text == nullptr) {
            json.value(std::nullopt);
        } else {
            write_typed(json, field.type, *text);
        }
        if (field.name != "ts" || when == nullptr) continue;
        const auto ms = text == nullptr ? std::nullopt : store::integer_in(*text);
        constexpr std::int64_t year_9999 = 253'402'300'799'999;
        const bool shown = ms && *ms >= 0 && *ms <= year_9999;
        json.field("time", shown ? std::optional(when->rfc3339(*ms)) : std::nullopt);
    }
    json.close('}');
}

void write_stats_numbers(json_writer& json, const stats_figures& from) {
    json.field("aiRequestsToday", from.today.generations);
    json.field("aiRequestsThisMonth", from.month.generations);
    json.field("aiRequestsTotal", from.total.generations);
    json.field("cachedToday", from.today.cached);
    json.field("costToday", usd{from.today.cost_nano});
    json.field("costThisMonth", usd{from.month.cost_nano});
}

}  // namespace

std::string stats_numbers_json(const stats_figures& from) {
    json_writer json;
    json.open('{');
    write_stats_numbers(json, from);
    json.close('}');
    return json.take();
}

std::string activity_json(std::span<const entry_fields> entries) {
    json_writer json;
    json.open('[');
    for (const auto& entry : entries) write_entry(json, analytics_fields, entry, nullptr);
    json.close(']');
    return json.take();
}

std::string stats_json(const stats_figures& from) {
    json_writer json;
    json.open('{');
    write_stats_numbers(json, from);
    json.key("recentActivity");
    json.raw(activity_json(from.recent));
    json.close('}');
    return json.take();
}

std::string requests_json(const std::vector<entry_fields>& records, const std::string& next,
                          const store::calendar& when) {
    json_writer json;
    json.open('{');
    json.key("records");
    json.open('[');
    for (const auto& entry : records) write_entry(json, tracking::usage_fields(), entry, &when);
    json.close(']');
    json.field("next", next.empty() ? std::nullopt : std::optional(next));
    json.close('}');
    return json.take();
}

std::string record_json(const entry_fields& record, const store::calendar& when) {
    json_writer json;
    write_entry(json, tracking::usage_fields(), record, &when);
    return json.take();
}

std::string alive_json() { return R"({"status":"ok"})"; }

namespace {

std::optional<std::string> or_null(const std::string& text) {
    return text.empty() ? std::nullopt : std::optional(text);
}

void write_peers(json_writer& json, const std::vector<health::peer>& peers) {
    json.key("peers");
    json.open('[');
    for (const health::peer& one : peers) {
        json.open('{');
        json.field("address", one.address);
        json.field("healthy", one.failing_since.empty());
        json.field("failingSince", or_null(one.failing_since));
        json.field("lastError", or_null(one.last_error));
        json.close('}');
    }
    json.close(']');
}

}  // namespace

std::string ready_json(const health& now, bool ready, bool detailed) {
    json_writer json;
    json.open('{');
    json.field("status", ready ? "ready" : "not ready");
    json.field("draining", now.draining);
    json.key("upstream");
    json.open('{');
    json.field("reachable", now.upstream_reachable);
    if (detailed) {
        json.field("detail", now.upstream);
        write_peers(json, now.peers);
    }
    json.close('}');
    json.key("journal");
    json.open('{');
    json.field("writable", now.journal_writable);
    json.field("bytes", now.journal_bytes);
    json.field("lag", now.journal_lag);
    json.field("lost", now.journal_lost);
    if (detailed) json.field("problem", or_null(now.journal_problem));
    json.close('}');
    json.key("redis");
    json.open('{');
    json.field("connected", now.redis_connected);
    if (detailed) {
        json.field("detail", now.redis);
        json.field("warning", or_null(now.redis_warning));
    }
    json.close('}');
    json.close('}');
    return json.take();
}

}  // namespace admin
