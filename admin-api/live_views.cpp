#include "admin-api/live_views.hpp"

#include <algorithm>

#include "admin-api/json_writer.hpp"

namespace admin {

namespace {

namespace store = tracking::store;
using store::counter;

void begin(json_writer& json, std::string_view type, std::uint64_t seq, std::int64_t at_ms,
           const store::calendar& when) {
    json.open('{');
    json.field("type", type);
    json.field("seq", seq);
    json.field("at", when.rfc3339(at_ms));
}

void write_added(json_writer& json, const store::counters& before, const store::counters& now) {
    const auto added = [&](counter which) {
        return now[static_cast<std::size_t>(which)] - before[static_cast<std::size_t>(which)];
    };
    json.open('{');
    json.field("requests", added(counter::requests));
    json.field("success", added(counter::success));
    json.field("errors", added(counter::errors));
    json.field("blocked", added(counter::blocked));
    json.field("aborted", added(counter::aborted));
    json.field("cached", added(counter::cached));
    json.field("cost", usd{added(counter::cost_nano)});
    json.field("saved", usd{added(counter::saved_nano)});
    json.field("tokensUsed", added(counter::tokens_used));
    json.close('}');
}

// The entries that were not among those seen before. Of several shards, a new one need not stand in front.
std::vector<entry_fields> new_entries(const stats_figures& before, const stats_figures& now) {
    std::vector<entry_fields> fresh;
    for (std::size_t i = 0; i < now.recent.size(); ++i) {
        const auto known = std::find(before.recent_ids.begin(), before.recent_ids.end(), now.recent_ids[i]);
        if (known == before.recent_ids.end()) fresh.push_back(now.recent[i]);
    }
    return fresh;
}

}  // namespace

std::string snapshot_json(std::uint64_t seq, const live_figures& now, const store::calendar& when) {
    json_writer json;
    begin(json, "snapshot", seq, now.overview.now_ms, when);
    json.key("stats");
    json.raw(stats_json(now.stats));
    json.key("overview");
    json.raw(overview_json(now.overview, when));
    json.close('}');
    return json.take();
}

std::string delta_json(std::uint64_t seq, const live_figures& before, const live_figures& now,
                       const store::calendar& when) {
    json_writer json;
    begin(json, "delta", seq, now.overview.now_ms, when);
    json.key("added");
    write_added(json, before.total, now.total);
    json.key("stats");
    json.raw(stats_numbers_json(now.stats));
    json.key("today");
    json.raw(totals_json(now.overview.today));
    json.key("month");
    json.raw(totals_json(now.overview.month));
    json.key("recentActivity");
    json.raw(activity_json(new_entries(before.stats, now.stats)));
    json.close('}');
    return json.take();
}

std::string state_json(const redis_state& now, const store::calendar& when) {
    json_writer json;
    json.open('{');
    json.field("type", "state");
    json.field("redis", now.up ? "up" : "down");
    json.field("since", when.rfc3339(now.since_ms));
    json.close('}');
    return json.take();
}

}  // namespace admin
