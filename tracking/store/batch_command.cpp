// batch::apply: the filled batch as one EVALSHA, in the form that apply.lua unpacks. Hours, months and the total are
// summed here from the minutes and days of the batch.
#include <algorithm>
#include <span>

#include "tracking/store/batch_parts.hpp"

namespace tracking::store {

namespace {

constexpr std::int64_t errors_of_day_max = 200;
constexpr std::uint64_t checkpoint_step_max = 10'000;
constexpr std::size_t members_of_command_max = 1'000;  // Lua's unpack() takes less than 8,000

std::string_view bare(const std::string& period) {  // day:2026-11-22 -> 2026-11-22
    return std::string_view(period).substr(period.find(':') + 1);
}

// A flat array whose length is known at its end.
struct flat_array {
    message_pack pack;
    std::size_t elements = 0;
    void text(std::string_view value) {
        pack.text(value);
        ++elements;
    }
    void integer(std::int64_t value) {
        pack.integer(value);
        ++elements;
    }
    void into(message_pack& to) const {
        const auto place = to.open_array();
        to.raw(pack.bytes());
        to.close_array(place, elements);
    }
};

struct label_set {
    std::int64_t key = 0;  // 0 = none
    std::string_view label;
};

// The fields that a new bucket gets, all of them, in the order in which Redis keeps them: it finds a field of a small
// hash by walking, so those of most requests come first.
enum class field_list : std::int64_t { by_name = 0, counters = 1, analytics = 2, user = 3 };

constexpr counter stored_order[] = {counter::requests,
                                    counter::success,
                                    counter::errors,
                                    counter::input_tokens,
                                    counter::output_tokens,
                                    counter::tokens_used,
                                    counter::cost_nano,
                                    counter::duration_us,
                                    counter::duration_count,
                                    counter::ttft_us,
                                    counter::ttft_count,
                                    counter::usage_known,
                                    counter::identified,
                                    counter::cached,
                                    counter::saved_nano,
                                    counter::saved_tokens,
                                    counter::wasted_nano,
                                    counter::aborted,
                                    counter::blocked,
                                    counter::estimated,
                                    counter::unpriced,
                                    counter::cached_tokens,
                                    counter::cache_write_tokens,
                                    counter::reasoning_tokens};
static_assert(std::size(stored_order) == counter_count);

constexpr std::string_view analytics_list[] = {"ai_generation", "success", "costNanoUsd", "cached", "errors"};
constexpr std::string_view user_list[] = {"requests", "tokensUsed", "costNanoUsd", "errors"};

class packer {
public:
    explicit packer(const key_names& keys) : keys_(keys) {
        key(keys.meta());
        key(keys.journals());
        key(keys.usage_stream());
        key(keys.analytics_stream());
        key(keys.total());
        key(keys.checkpoints());
    }
    static constexpr std::int64_t total_key = 5;

    std::int64_t key(std::string name) {
        names_.push_back(std::move(name));
        return static_cast<std::int64_t>(names_.size());
    }

    void bucket(std::int64_t of, std::int64_t expires, label_set set, const counters& values) {
        head(of, expires, set, field_list::counters,
             std::count_if(values.begin(), values.end(), [](auto value) { return value != 0; }));
        for (std::size_t i = 0; i < counter_count; ++i) {
            const auto value = values[static_cast<std::size_t>(stored_order[i])];
            if (value == 0) continue;
            hashes_.integer(static_cast<std::int64_t>(i) + 1);
            hashes_.integer(value);
        }
    }
    void analytics(std::string_view period, std::int64_t expires, const counters& values) {
        const auto value = [&](counter which) { return values[static_cast<std::size_t>(which)]; };
        listed(key(keys_.analytics(period)), expires, {}, field_list::analytics,
               {value(counter::requests), value(counter::success), value(counter::cost_nano), value(counter::cached),
                value(counter::errors)});
    }
    void user(std::string_view month, std::int64_t set, const std::string& name, const user_bucket& of) {
        const auto place = key(keys_.usage_by(month, "user", name));
        listed(place, 0, {set, name}, field_list::user, {of.requests, of.tokens, of.cost, of.errors});
        if (of.plan.empty()) return;
        texts_.integer(place);
        texts_.text("plan");
        texts_.text(of.plan);
    }
    void histogram(std::string name, std::int64_t expires, const bucket_counts& counts) {
        auto at = counts.begin();
        const auto place = key(std::move(name));
        while (at != counts.end()) {
            const auto size = std::min<std::ptrdiff_t>(std::distance(at, counts.end()), members_of_command_max);
            head(place, expires, {}, field_list::by_name, size);
            for (std::ptrdiff_t i = 0; i < size; ++i, ++at) {
                hashes_.text(std::to_string(at->first));
                hashes_.integer(at->second);
            }
        }
    }

    template <class Map, class Score>
    void scores(flat_array& to, std::string name, std::int64_t expires, const Map& members, Score score) {
        const auto place = key(std::move(name));
        auto at = members.begin();
        while (at != members.end()) {
            const auto size = std::min<std::ptrdiff_t>(std::distance(at, members.end()), members_of_command_max);
            to.integer(place);
            to.integer(expires);
            to.integer(size);
            for (std::ptrdiff_t i = 0; i < size; ++i, ++at) {
                to.text(at->first);
                to.integer(score(at->second));
            }
        }
    }
    void active(std::string name, std::int64_t expires, const by_text<user_bucket>& users) {
        const auto place = key(std::move(name));
        auto at = users.begin();
        while (at != users.end()) {
            const auto size = std::min<std::ptrdiff_t>(std::distance(at, users.end()), members_of_command_max);
            actives_.integer(place);
            actives_.integer(expires);
            actives_.integer(size);
            for (std::ptrdiff_t i = 0; i < size; ++i, ++at) actives_.text(at->first);
        }
    }

    flat_array& zsets() { return zsets_; }
    flat_array& errors() { return errors_; }

    void into(message_pack& to) const {
        hashes_.into(to);
        texts_.into(to);
        zsets_.into(to);
        errors_.into(to);
        actives_.into(to);
    }
    std::size_t bytes() const {  // of all of it, roughly
        std::size_t sum = 16'384;
        for (const auto* each : {&hashes_, &texts_, &zsets_, &errors_, &actives_}) sum += each->pack.bytes().size();
        return sum;
    }
    std::vector<std::string>& names() { return names_; }

private:
    void head(std::int64_t of, std::int64_t expires, label_set set, field_list list, std::ptrdiff_t fields) {
        hashes_.integer(of);
        hashes_.integer(expires);
        hashes_.integer(set.key);
        hashes_.text(set.label);
        hashes_.integer(static_cast<std::int64_t>(list));
        hashes_.integer(fields);
    }
    // Values in the order of the list; zeros are left out.
    void listed(std::int64_t of, std::int64_t expires, label_set set, field_list list,
                std::initializer_list<std::int64_t> values) {
        head(of, expires, set, list,
             std::count_if(values.begin(), values.end(), [](auto value) { return value != 0; }));
        std::int64_t place = 0;
        for (const auto value : values) {
            ++place;
            if (value == 0) continue;
            hashes_.integer(place);
            hashes_.integer(value);
        }
    }

    const key_names& keys_;
    std::vector<std::string> names_;
    flat_array hashes_, texts_, zsets_, errors_, actives_;
};

void pack_day(packer& to, const key_names& keys, const day_bucket& day) {
    to.bucket(to.key(keys.usage(day.day)), day.expires, {}, day.values);
    to.analytics(day.day, day.expires, day.values);
    for (std::size_t kind = 0; kind < label_kinds.size(); ++kind) {
        if (day.labels[kind].empty()) continue;
        const auto set = to.key(keys.labels(day.day, label_kinds[kind]));
        for (const auto& [label, bucket] : day.labels[kind]) {
            to.bucket(to.key(keys.usage_by(day.day, label_kinds[kind], label)), day.expires, {set, label},
                      bucket.values);
            if (!bucket.latency.empty()) {
                to.histogram(keys.feature_latency(day.day, label), day.expires, bucket.latency);
            }
        }
    }
    to.scores(to.zsets(), keys.users_requests(day.day), day.users_expire, day.users,
              [](const user_bucket& user) { return user.requests; });
    to.scores(to.zsets(), keys.users_cost(day.day), day.users_expire, day.users,
              [](const user_bucket& user) { return user.cost; });
    if (!day.latency.empty()) to.histogram(keys.latency(day.day), day.expires, day.latency);
    if (!day.statuses.empty()) to.histogram(keys.status(day.day), day.expires, day.statuses);
    if (!day.errors.empty()) {
        to.scores(to.errors(), keys.errors(day.day), day.expires, day.errors, [](std::int64_t count) { return count; });
    }
    to.active(keys.active(day.day), day.expires, day.users);
}

// The sums of the days of one month. Most batches lie in one day, whose maps are then the month's.
struct month_bucket {
    counters values{};
    std::array<by_text<label_bucket>, label_kinds.size()> labels;
    by_text<user_bucket> users;
};

void add_day(month_bucket& to, const day_bucket& day) {
    add(to.values, day.values);
    for (std::size_t kind = 0; kind < label_kinds.size(); ++kind) {
        for (const auto& [label, bucket] : day.labels[kind]) add(to.labels[kind][label].values, bucket.values);
    }
    for (const auto& [name, of] : day.users) {
        auto& sum = to.users[name];
        sum.requests += of.requests;
        sum.errors += of.errors;
        sum.tokens = saturating_sum(sum.tokens, of.tokens);
        sum.cost = saturating_sum(sum.cost, of.cost);
        if (!of.plan.empty()) sum.plan = of.plan;
    }
}

template <class Bucket>
void pack_month(packer& to, const key_names& keys, const std::string& month, std::int64_t months_set,
                const Bucket& of) {
    to.bucket(to.key(keys.usage(month)), 0, {months_set, bare(month)}, of.values);
    to.analytics(month, 0, of.values);
    for (std::size_t kind = 0; kind < label_kinds.size(); ++kind) {
        if (of.labels[kind].empty()) continue;
        const auto set = to.key(keys.labels(month, label_kinds[kind]));
        for (const auto& [label, bucket] : of.labels[kind]) {
            to.bucket(to.key(keys.usage_by(month, label_kinds[kind], label)), 0, {set, label}, bucket.values);
        }
    }
    const auto set = to.key(keys.labels(month, "user"));
    for (const auto& [name, user] : of.users) to.user(month, set, name, user);
}

void pack_months(packer& to, const key_names& keys, const std::vector<day_bucket>& days) {
    const auto months_set = to.key(keys.months());
    std::map<std::string, std::vector<const day_bucket*>> months;
    for (const auto& day : days) months[day.month].push_back(&day);
    for (const auto& [month, of] : months) {
        if (of.size() == 1) {
            pack_month(to, keys, month, months_set, *of.front());
            continue;
        }
        month_bucket sum;
        for (const auto* day : of) add_day(sum, *day);
        pack_month(to, keys, month, months_set, sum);
    }
}

void pack_minutes(packer& to, const key_names& keys, const std::vector<minute_bucket>& minutes) {
    std::map<std::string_view, std::pair<std::int64_t, counters>> hours;
    counters total{};
    for (const auto& minute : minutes) {
        to.bucket(to.key(keys.usage(minute.names.minute)), minute.names.minute_expires, {}, minute.values);
        auto& [expires, values] = hours[minute.names.hour];
        expires = std::max(expires, minute.names.hour_expires);
        add(values, minute.values);
        add(total, minute.values);
    }
    for (const auto& [hour, of] : hours) to.bucket(to.key(keys.usage(hour)), of.first, {}, of.second);
    to.bucket(packer::total_key, 0, {}, total);
    to.analytics("total", 0, total);
}

// The fields of the analytics stream, each with the one of the usage stream that it shows.
constexpr std::pair<std::string_view, std::string_view> analytics_fields[] = {
    {"id", "id"},           {"userId", "userId"}, {"clerkUserId", "clerkUserId"}, {"contentType", "contentType"},
    {"model", "aiModel"},   {"cached", "cached"}, {"feature", "feature"},         {"cost", "cost"},
    {"success", "success"}, {"ts", "ts"}};

void pack_shape(message_pack& to, const entry_shape& shape) {
    const auto whole = to.open_array();
    const auto names = to.open_array();
    for (const auto name : shape.names) to.text(name);
    to.close_array(names, shape.names.size());
    const auto picks = to.open_array();
    std::size_t picked = 0;
    for (const auto& [shown, field] : analytics_fields) {
        const auto at = std::find(shape.names.begin(), shape.names.end(), field);
        if (at == shape.names.end()) continue;
        to.text(shown);
        to.integer(at - shape.names.begin() + 1);
        picked += 2;
    }
    to.close_array(picks, picked);
    to.close_array(whole, 2);
}

void pack_names(message_pack& to, std::span<const std::string_view> names) {
    const auto place = to.open_array();
    for (const auto name : names) to.text(name);
    to.close_array(place, names.size());
}

void pack_field_lists(message_pack& to) {  // in the order of field_list
    const auto lists = to.open_array();
    const auto counters = to.open_array();
    for (const auto which : stored_order) to.text(field_of(which));
    to.close_array(counters, counter_count);
    pack_names(to, analytics_list);
    pack_names(to, user_list);
    to.close_array(lists, 3);
}

// By the time of arrival, whichever worker's journal they come from: the newest is the last of the stream.
void pack_entries(message_pack& to, std::string_view entries, std::vector<packed_entry> places) {
    const auto earlier = [](const packed_entry& a, const packed_entry& b) { return a.moment < b.moment; };
    const auto array = to.open_array();
    std::stable_sort(places.begin(), places.end(), earlier);
    for (const auto& one : places) to.raw(entries.substr(one.begin, one.end - one.begin));
    to.close_array(array, 2 * places.size());
}

void pack_shares(message_pack& to, const std::vector<batch::share>& shares) {
    const auto place = to.open_array();
    for (const auto& share : shares) {
        to.text(journal::to_text(share.of));
        to.text(std::to_string(share.behind));
        to.text(std::to_string(share.last));
    }
    to.close_array(place, 3 * shares.size());
}

std::int64_t checkpoint_step(std::uint64_t maxlen) {
    if (maxlen == 0) return checkpoint_step_max;
    return static_cast<std::int64_t>(std::clamp<std::uint64_t>(maxlen / 100, 1, checkpoint_step_max));
}

}  // namespace

command batch::apply(const target& to) const {
    const impl& of = *impl_;
    packer parts(of.keys);
    pack_minutes(parts, of.keys, of.minutes);
    for (const auto& day : of.days) pack_day(parts, of.keys, day);
    pack_months(parts, of.keys, of.days);

    message_pack pack;
    pack.reserve(of.entries.bytes().size() + parts.bytes());
    const auto root = pack.open_array();
    pack_shares(pack, of.shares);
    pack.text(to.dataset);
    pack.integer(static_cast<std::int64_t>(to.stream_maxlen));
    pack.integer(checkpoint_step(to.stream_maxlen));
    pack.integer(errors_of_day_max);
    pack_field_lists(pack);
    const auto shapes = pack.open_array();
    for (const auto& shape : of.shapes) pack_shape(pack, shape);
    pack.close_array(shapes, of.shapes.size());
    pack_entries(pack, of.entries.bytes(), of.places);
    pack.integer(static_cast<std::int64_t>(of.records));
    parts.into(pack);
    pack.integer(of.latest_ts);
    pack.close_array(root, 15);

    command words;
    words.reserve(4 + parts.names().size());
    words.emplace_back(to.by_sha ? "EVALSHA" : "EVAL");
    words.push_back(to.script);
    words.push_back(std::to_string(parts.names().size()));
    for (auto& name : parts.names()) words.push_back(std::move(name));
    words.push_back(pack.take());
    return words;
}

}  // namespace tracking::store
