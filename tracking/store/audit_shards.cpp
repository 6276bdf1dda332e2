#include "tracking/store/audit_shards.hpp"

#include <algorithm>
#include <charconv>

#include "tracking/store/counting.hpp"
#include "tracking/store/stream_entry.hpp"

namespace tracking::store {

namespace {

// "12", "1 key", "12 keys": a number, and whether keys are counted.
struct counted_text {
    std::int64_t number = 0;
    bool keys = false;

    static std::optional<counted_text> parse(std::string_view text) {
        counted_text of;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), of.number);
        if (error != std::errc{}) return std::nullopt;
        const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
        of.keys = rest == " key" || rest == " keys";
        return rest.empty() || of.keys ? std::optional(of) : std::nullopt;
    }
    std::string text() const { return std::to_string(number) + (!keys ? "" : number == 1 ? " key" : " keys"); }
};

void add(audit_check& sum, const audit_check& part) {
    auto one = counted_text::parse(sum.text);
    const auto other = counted_text::parse(part.text);
    if (!one || !other || one->keys != other->keys) return;  // the same words, or those of the first shard
    one->number = saturating_sum(one->number, other->number);
    sum.text = one->text();
}

void add(trimmed_part& sum, const trimmed_part& part) {
    if (part.entries == 0) return;
    const bool first = sum.entries == 0;
    sum.entries += part.entries;
    sum.cost_nano = saturating_sum(sum.cost_nano, part.cost_nano);
    if (first || entry_id::parse(part.from) < entry_id::parse(sum.from)) sum.from = part.from;
    if (first || entry_id::parse(sum.to) < entry_id::parse(part.to)) sum.to = part.to;
    sum.latest_ts = std::max(sum.latest_ts, part.latest_ts);
    if (first) {
        sum.counters = part.counters;
    } else if (sum.counters.size() != part.counters.size()) {
        sum.counters.clear();  // of one part they are not known
    } else {
        for (std::size_t i = 0; i < sum.counters.size(); ++i)
            sum.counters[i] = saturating_sum(sum.counters[i], part.counters[i]);
    }
}

void add(audit_report::sums& sum, const audit_report::sums& part) {
    sum.requests = saturating_sum(sum.requests, part.requests);
    sum.cost_nano = saturating_sum(sum.cost_nano, part.cost_nano);
}

void take(std::vector<audit_difference>& into, std::vector<audit_difference>& some, std::size_t shown) {
    for (auto& one : some) {
        if (into.size() < shown) into.push_back(std::move(one));
    }
}

}  // namespace

void add(audit_report& sum, audit_report part, std::uint32_t shard, std::size_t shown) {
    const std::string name = "shard " + std::to_string(shard) + ": ";
    sum.started_ms = sum.shards == 0 ? part.started_ms : std::min(sum.started_ms, part.started_ms);
    sum.ended_ms = std::max(sum.ended_ms, part.ended_ms);
    sum.agrees &= part.agrees;
    add(sum.streams, part.streams);
    add(sum.hashes, part.hashes);
    sum.journal.applied += part.journal.applied;
    sum.journal.kept += part.journal.kept;
    sum.journal.missing += part.journal.missing;
    sum.journal.waiting += part.journal.waiting;
    add(sum.trimmed, part.trimmed);
    for (auto& one : part.checks) {
        const auto known = std::find_if(sum.checks.begin(), sum.checks.end(),
                                        [&](const audit_check& of) { return of.agrees && of.name == one.name; });
        if (!one.agrees) {
            sum.checks.push_back({name + one.name, one.text, false});
        } else if (known == sum.checks.end()) {
            sum.checks.push_back(std::move(one));
        } else {
            add(*known, one);
        }
    }
    take(sum.differences, part.differences, shown);
    take(sum.repaired, part.repaired, shown);
    sum.difference_count += part.difference_count;
    sum.repaired_count += part.repaired_count;
    for (const auto& note : part.notes) sum.notes.push_back(name + note);
    sum.passes = std::max(sum.passes, part.passes);
    ++sum.shards;
}

audit_report audit_all(const conf::settings& settings, const audit_options& how,
                       const std::function<void(command_redis*)>& show) {
    const auto parts = parts_of_command(settings);
    const auto look_at = [&](const conf::settings& part, audit_options options) {
        command_redis redis(part);
        const struct shown {
            const std::function<void(command_redis*)>& to;
            ~shown() {
                if (to) to(nullptr);
            }
        } hidden{show};
        if (show) show(&redis);
        redis.connect();
        return audit(part, redis, std::move(options)).run();
    };
    const bool divided = parts.front().redis.prefix != settings.redis.prefix;
    if (!divided) return look_at(parts.front(), how);
    audit_report sum;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        audit_options options = how;
        options.shard = static_cast<std::uint32_t>(i);
        options.shards = static_cast<std::uint32_t>(parts.size());
        const std::int64_t before = sum.streams.requests - sum.trimmed.entries;
        if (how.step)
            options.step = [&](std::int64_t entries, int passes) { how.step(before + entries, sum.passes + passes); };
        add(sum, look_at(parts[i], std::move(options)), static_cast<std::uint32_t>(i), how.shown);
    }
    return sum;
}

}  // namespace tracking::store
