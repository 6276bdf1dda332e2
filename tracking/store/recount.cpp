#include "tracking/store/recount.hpp"

#include <algorithm>

namespace tracking::store {

namespace {

constexpr std::size_t key_bytes = 320;    // of an expected key, roughly, its name and its place in the map included
constexpr std::size_t member_bytes = 28;  // of a named sum, beside its name
constexpr std::size_t name_bytes = 80;    // of a name, beside its text
constexpr unsigned bits_most = 40;
constexpr std::size_t messages_most = 5'000;  // of a day, counted apart

std::string_view bare(std::string_view period) { return period.substr(period.find(':') + 1); }

}  // namespace

interned name_pool::intern(std::string_view name) {
    auto found = names_.find(name);
    if (found == names_.end()) {
        found = names_.emplace(name).first;
        bytes_ += name_bytes + name.size();
    }
    return interned(*found);
}

std::span<const std::string_view> fields_of(content which) {
    static const auto of_bucket = [] {
        std::array<std::string_view, counter_count> names{};
        for (std::size_t i = 0; i < counter_count; ++i) names[i] = field_of(static_cast<counter>(i));
        return names;
    }();
    static constexpr std::array<std::string_view, 5> of_analytics{"ai_generation", "cached", "success", "errors",
                                                                  "costNanoUsd"};
    static constexpr std::array<std::string_view, 4> of_user{"requests", "errors", "tokensUsed", "costNanoUsd"};
    switch (which) {
        case content::bucket:
            return of_bucket;
        case content::analytics:
            return of_analytics;
        case content::user:
            return of_user;
        default:
            return {};
    }
}

std::vector<std::int64_t> expected_key::numbers() const {
    if (const auto* of = std::get_if<counters>(&values)) return {of->begin(), of->end()};
    if (const auto* of = std::get_if<analytics_sums>(&values)) return {of->begin(), of->end()};
    if (const auto* of = std::get_if<user_sums>(&values)) return {of->requests, of->errors, of->tokens, of->cost};
    return {};
}

recount::recount(const key_names& keys, std::string prefix, const calendar& when, key_share which, std::size_t limit,
                 std::int64_t now)
    : names_(keys), prefix_(std::move(prefix)), page_(when), share_(which), limit_(limit), now_(now) {}

expected_key& recount::slot(std::string key, content holds, std::string_view period, std::string_view kind,
                            std::string_view label) {
    const auto found = keys_.find(key);
    if (found != keys_.end()) {
        found->second.touched = pages_count_;
        return found->second;
    }
    bytes_ += key_bytes + (holds == content::active ? hyperloglog::size : 0);
    auto& made = keys_[std::move(key)];
    made.what = {holds, std::string(period), std::string(kind), std::string(label)};
    made.touched = pages_count_;
    switch (holds) {
        case content::bucket:
            made.values = counters{};
            break;
        case content::analytics:
            made.values = analytics_sums{};
            break;
        case content::user:
            made.values = user_sums{};
            break;
        case content::active:
            made.values = hyperloglog{};
            break;
        default:
            made.values = named_sums{};
    }
    return made;
}

template <class Sums>
Sums& recount::sums(std::string key, content holds, std::string_view period, std::string_view kind,
                    std::string_view label) {
    return std::get<Sums>(slot(std::move(key), holds, period, kind, label).values);
}

expected_key* recount::find(const std::string& key) {
    if (const auto found = keys_.find(key); found != keys_.end()) return &found->second;
    auto parts = parts_of(key, prefix_);
    if (!parts || !share_.has(parts->group(key))) return nullptr;
    return &slot(key, parts->holds, parts->period, parts->kind, parts->label);
}

void recount::add_bucket(std::string key, std::string_view period, const counters& values, std::string_view kind,
                         std::string_view label) {
    store::add(sums<counters>(std::move(key), content::bucket, period, kind, label), values);
}

void recount::add_analytics(std::string_view period, const counters& values) {
    auto& to = sums<analytics_sums>(names_.analytics(period), content::analytics, period);
    constexpr std::array shown{counter::requests, counter::cached, counter::success, counter::errors,
                               counter::cost_nano};
    for (std::size_t i = 0; i < shown.size(); ++i) {
        to[i] = saturating_sum(to[i], values[static_cast<std::size_t>(shown[i])]);
    }
}

void recount::add_named(std::string key, content holds, std::string_view period, std::string_view name,
                        std::int64_t count, std::string_view kind, std::string_view label) {
    auto& to = sums<named_sums>(std::move(key), holds, period, kind, label);
    auto found = to.find(name);
    if (found == to.end()) {
        found = to.emplace(pool_.intern(name), 0).first;
        bytes_ += member_bytes;
    }
    found->second = holds == content::labels ? 1 : saturating_sum(found->second, count);
}

void recount::settle(bool may_shrink, std::size_t beside) {
    ++pages_count_;
    add_minutes();
    for (const auto& day : page_.days) {
        if (share_.has(bare(day.day)) && day.expires > now_) add_day(day);
        if (share_.has(bare(day.month))) add_month(day);
        for (const auto& [name, of] : day.users) {
            std::string key = names_.usage_by(day.month, "user", name);
            if (!share_.has(key)) continue;
            auto& user = sums<user_sums>(std::move(key), content::user, day.month, "user", name);
            user.requests = saturating_sum(user.requests, of.requests);
            user.errors = saturating_sum(user.errors, of.errors);
            user.tokens = saturating_sum(user.tokens, of.tokens);
            user.cost = saturating_sum(user.cost, of.cost);
            if (!of.plan.empty()) user.plan = of.plan;
        }
    }
    page_.clear();
    for (; may_shrink && bytes() + beside > limit_ && share_.bits < bits_most; beside /= 2) give_up_half();
}

void recount::add_minutes() {
    const bool total = share_.has(std::string_view("total"));
    for (const auto& minute : page_.minutes) {
        const auto& names = minute.names;
        if (total) {
            add_bucket(names_.total(), "total", minute.values);
            add_analytics("total", minute.values);
        }
        if (!share_.has(bare(names.day))) continue;
        if (names.minute_expires > now_) add_bucket(names_.usage(names.minute), names.minute, minute.values);
        if (names.hour_expires > now_) add_bucket(names_.usage(names.hour), names.hour, minute.values);
    }
    if (!share_.has(std::string_view{})) return;
    for (const auto& day : page_.days) {
        add_named(names_.months(), content::labels, {}, bare(day.month), 1, "months");
    }
}

void recount::add_day(const day_bucket& day) {
    add_bucket(names_.usage(day.day), day.day, day.values);
    add_analytics(day.day, day.values);
    for (std::size_t kind = 0; kind < label_kinds.size(); ++kind) {
        const auto name = label_kinds[kind];
        for (const auto& [label, bucket] : day.labels[kind]) {
            add_bucket(names_.usage_by(day.day, name, label), day.day, bucket.values, name, label);
            add_named(names_.labels(day.day, name), content::labels, day.day, label, 1, name);
            if (bucket.latency.empty()) continue;
            const std::string key = names_.feature_latency(day.day, label);
            for (const auto& [of, count] : bucket.latency) {
                add_named(key, content::latency, day.day, std::to_string(of), count, name, label);
            }
        }
    }
    for (const auto& [bucket, count] : day.latency) {
        add_named(names_.latency(day.day), content::latency, day.day, std::to_string(bucket), count);
    }
    for (const auto& [status, count] : day.statuses) {
        add_named(names_.status(day.day), content::status, day.day, std::to_string(status), count);
    }
    add_errors(day);
    add_users(day);
}

void recount::add_users(const day_bucket& day) {
    auto& active = sums<hyperloglog>(names_.active(day.day), content::active, day.day);
    for (const auto& [name, of] : day.users) active.add(name);
    if (day.users_expire <= now_) return;
    const std::string by_requests = names_.users_requests(day.day), by_cost = names_.users_cost(day.day);
    for (const auto& [name, of] : day.users) {
        add_named(by_requests, content::users_requests, day.day, name, of.requests);
        add_named(by_cost, content::users_cost, day.day, name, of.cost);
    }
}

void recount::add_errors(const day_bucket& day) {
    if (day.errors.empty()) return;
    const std::string key = names_.errors(day.day);
    auto& of = slot(key, content::errors, day.day);
    for (const auto& [message, count] : day.errors) {
        auto& counted = std::get<named_sums>(of.values);
        if (counted.size() < messages_most || counted.contains(message)) {
            add_named(key, content::errors, day.day, message, count);
        } else {
            of.too_many = true;
            add_named(key, content::errors, day.day, "other", count);
        }
    }
}

void recount::add_month(const day_bucket& day) {
    add_bucket(names_.usage(day.month), day.month, day.values);
    add_analytics(day.month, day.values);
    for (std::size_t kind = 0; kind < label_kinds.size(); ++kind) {
        const auto name = label_kinds[kind];
        for (const auto& [label, bucket] : day.labels[kind]) {
            add_bucket(names_.usage_by(day.month, name, label), day.month, bucket.values, name, label);
            add_named(names_.labels(day.month, name), content::labels, day.month, label, 1, name);
        }
    }
    const std::string users = names_.labels(day.month, "user");
    for (const auto& [name, of] : day.users) add_named(users, content::labels, day.month, name, 1, "user");
}

void recount::give_up_half() {
    given_up_.push_back({share_.bits + 1, share_.value | std::uint64_t{1} << share_.bits});
    ++share_.bits;
    std::erase_if(keys_, [this](const auto& one) { return !share_.has(one.second.what.group(one.first)); });
    release_names();
    bytes_ = 0;
    for (const auto& [key, of] : keys_) {
        bytes_ += key_bytes;
        if (const auto* named = std::get_if<named_sums>(&of.values)) bytes_ += named->size() * member_bytes;
        if (of.what.holds == content::active) bytes_ += hyperloglog::size;
    }
}

// Those that no key has any more.
void recount::release_names() {
    name_pool left;
    for (auto& [key, of] : keys_) {
        auto* named = std::get_if<named_sums>(&of.values);
        if (named == nullptr) continue;
        named_sums same;
        same.reserve(named->size());
        for (const auto& [name, count] : *named) same.emplace(left.intern(name), count);
        *named = std::move(same);
    }
    pool_ = std::move(left);
}

}  // namespace tracking::store
