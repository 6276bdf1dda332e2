#include "tracking/store/batch.hpp"

#include <algorithm>

#include "tracking/store/batch_parts.hpp"

namespace tracking::store {

namespace {

// A batch never holds more different messages of a day than this; the day's key is bounded by the script.
constexpr std::size_t errors_of_batch_max = 300;

template <class Value>
Value& slot(by_text<Value>& in, std::string_view name) {
    const auto found = in.find(name);
    return found != in.end() ? found->second : in.emplace(std::string(name), Value{}).first->second;
}

// Views of both streams and all sums need a feature and a user for each request.
std::string_view text_or(std::string_view text, std::string_view instead) { return text.empty() ? instead : text; }
std::string_view feature_of(const record& what) { return text_or(what.feature, "other"); }
std::string_view user_of(const record& what) { return text_or(what.user_id, "anonymous"); }

void add_labels(day_bucket& day, const record& what, const counters& values) {
    const std::array<std::string_view, label_kinds.size()> labels{feature_of(what), what.ai_model, what.provider,
                                                                  what.plan, what.variant};
    for (std::size_t kind = 0; kind < labels.size(); ++kind) {
        if (labels[kind].empty()) continue;
        auto& bucket = slot(day.labels[kind], labels[kind]);
        add(bucket.values, values);
        if (kind == feature_kind && what.upstream_us && what.duration_us) {
            ++bucket.latency[histogram_bucket(*what.duration_us)];
        }
    }
}

void add_user(day_bucket& day, const record& what, ending end) {
    auto& user = slot(day.users, user_of(what));
    ++user.requests;
    user.errors += end == ending::error;
    user.tokens = saturating_sum(user.tokens, what.tokens_used.value_or(0));
    user.cost = saturating_sum(user.cost, what.cost_nano.value_or(0));
    if (!what.plan.empty()) user.plan = what.plan;
}

void add_sketches(day_bucket& day, const record& what, ending end) {
    if (what.upstream_us && what.duration_us) ++day.latency[histogram_bucket(*what.duration_us)];
    if (what.status != 0) ++day.statuses[what.status];
    if (end != ending::error) return;
    const std::string label = error_label(what);
    const bool room = day.errors.size() < errors_of_batch_max || day.errors.contains(label);
    ++slot(day.errors, room ? std::string_view(label) : std::string_view("other"));
}

}  // namespace

void period_sums::clear() {
    minutes.clear();
    days.clear();
    latest_minute = 0;
}

void batch::impl::clear() {
    period_sums::clear();
    shares.clear();
    latest_share = 0;
    shapes.clear();
    entries.clear();
    places.clear();
    records = 0;
    latest_ts = 0;
}

batch::share& batch::impl::share_of(const journal::journal_id& of, std::uint64_t behind) {
    if (latest_share < shares.size() && shares[latest_share].of == of) return shares[latest_share];
    for (latest_share = 0; latest_share < shares.size(); ++latest_share) {
        if (shares[latest_share].of == of) return shares[latest_share];
    }
    return shares.emplace_back(share{of, behind, behind});
}

minute_bucket& period_sums::minute_of(std::int64_t ms) {
    const minute_names& names = minute_names_of.at(ms);
    if (latest_minute < minutes.size() && minutes[latest_minute].names.minute == names.minute) {
        return minutes[latest_minute];
    }
    for (latest_minute = 0; latest_minute < minutes.size(); ++latest_minute) {
        if (minutes[latest_minute].names.minute == names.minute) return minutes[latest_minute];
    }
    std::size_t day = 0;
    while (day < days.size() && days[day].day != names.day) ++day;
    if (day == days.size()) {
        auto& made = days.emplace_back();
        made.day = names.day;
        made.month = names.month;
        made.expires = names.day_expires;
        made.users_expire = names.users_expire;
    }
    minutes.push_back({names, {}, day});
    return minutes.back();
}

void period_sums::count_in(const record& what) {
    const counters values = count(what);
    const ending end = ending_of(what);
    auto& minute = minute_of(what.ts_ms);
    auto& day = days[minute.day];
    store::add(minute.values, values);
    store::add(day.values, values);
    add_labels(day, what, values);
    add_user(day, what, end);
    add_sketches(day, what, end);
}

std::size_t batch::impl::shape_of(std::uint64_t fields) {
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        if (shapes[i].fields == fields) return i + 1;
    }
    auto& made = shapes.emplace_back();
    made.fields = fields;
    const auto names = usage_fields();
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (fields >> i & 1U) made.names.push_back(names[i].name);
    }
    return shapes.size();
}

// One entry is its shape's number and its values, packed one after the other.
void batch::impl::add_entry(const record& what) {
    static_assert(sizeof(entry_shape::fields) * 8 >= 64);
    std::uint64_t fields = 0;
    scratch.clear();
    const field_visitor visit = [&](std::size_t at, std::string_view value) {
        fields |= std::uint64_t{1} << at;
        scratch.text(value);
    };
    for_each_usage_field(what, visit);
    const std::size_t begin = entries.bytes().size();
    entries.integer(static_cast<std::int64_t>(shape_of(fields)));
    entries.text(scratch.bytes());
    places.push_back({moment_of(what.id), begin, entries.bytes().size()});
}

batch::batch(const key_names& keys, const calendar& when) : impl_(std::make_unique<impl>(keys, when)) {}
batch::~batch() = default;
batch::batch(batch&&) noexcept = default;
batch& batch::operator=(batch&&) noexcept = default;

void batch::clear() { impl_->clear(); }

void batch::add(const journal::journal_id& of, std::uint64_t behind, const journal::entry& one) {
    impl_->count_in(one.what);
    impl_->add_entry(one.what);
    ++impl_->records;
    impl_->latest_ts = std::max(impl_->latest_ts, one.what.ts_ms);
    share& part = impl_->share_of(of, behind);
    part.last = one.sequence;
    ++part.records;
}

std::size_t batch::records() const { return impl_->records; }
std::size_t batch::bytes() const { return impl_->entries.bytes().size(); }
const std::vector<batch::share>& batch::shares() const { return impl_->shares; }

}  // namespace tracking::store
