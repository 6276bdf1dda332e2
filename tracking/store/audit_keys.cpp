// What is in Redis against what was counted, key by key.
#include <algorithm>
#include <cmath>

#include "tracking/store/audit.hpp"
#include "tracking/store/reply_numbers.hpp"

namespace tracking::store {

namespace {

constexpr std::size_t keys_at_once = 64;
constexpr std::size_t members_at_once = 1'000;
constexpr std::size_t messages_read = 1'000;
constexpr std::size_t extra_shown = 100;
constexpr std::int64_t expiry_slack = 2 * 3600;  // an hour that a day repeats expires with either of the two

bool has_members(content holds) {
    return holds == content::users_requests || holds == content::users_cost || holds == content::labels;
}

command read_command(const std::string& key, content holds) {
    switch (holds) {
        case content::errors:
            return {"ZRANGE", key, "0", std::to_string(messages_read - 1), "WITHSCORES"};
        case content::active:
            return {"GET", key};
        default:
            return {"HGETALL", key};
    }
}

std::string name_of(content holds) {
    switch (holds) {
        case content::errors:
        case content::users_requests:
        case content::users_cost:
            return "a sorted set";
        case content::active:
            return "a HyperLogLog";
        case content::labels:
            return "a set";
        default:
            return "a hash";
    }
}

std::string tally_of(const key_parts& key) {
    const std::string period = key.period.substr(0, key.period.find(':'));
    switch (key.holds) {
        case content::bucket:
            return key.kind.empty() ? "sums, " + period : "sums by " + key.kind + ", " + period;
        case content::analytics:
            return "analytics sums, " + period;
        case content::user:
            return "sums by user, month";
        case content::latency:
            return key.kind.empty() ? "latency histograms" : "latency histograms by feature";
        case content::status:
            return "status counts";
        case content::errors:
            return "error messages";
        case content::users_requests:
            return "users by requests";
        case content::users_cost:
            return "users by cost";
        case content::active:
            return "active users";
        case content::labels:
            return "sets of labels";
    }
    return "other";
}

std::int64_t sum_of(const named_sums& of) {
    std::int64_t sum = 0;
    for (const auto& [name, count] : of) sum = saturating_sum(sum, count);
    return sum;
}

// A score is a double: exact up to 2^53.
bool same_score(std::int64_t expected, const std::string& found) {
    constexpr std::int64_t exact = std::int64_t{1} << 53;
    const std::int64_t score = score_in(found);
    if (std::abs(expected) < exact) return score == expected;
    return std::abs(static_cast<double>(score) - static_cast<double>(expected)) <=
           1e-12 * static_cast<double>(expected);
}

}  // namespace

// ---- Which keys ----------------------------------------------------------------------------------------------------

void audit::compare_found() {
    std::string cursor = "0", ours;
    for (const char c : settings_.redis.prefix) {
        if (std::string_view("*?[]\\^-").find(c) != std::string_view::npos) ours += '\\';
        ours += c;
    }
    ours += ":*";
    std::vector<item*> some;
    do {
        if (how_.step) how_.step(stream_.entries(), report_.passes);
        const auto page = redis_.ask({{"SCAN", cursor, "MATCH", ours, "COUNT", "500"}}).front();
        cursor = page.elements.at(0).text;
        for (const auto& key : page.elements.at(1).elements) {
            auto* of = counted_->find(key.text);
            if (of == nullptr || of->seen) continue;
            of->seen = true;  // SCAN may name a key twice
            some.push_back(&*counted_->keys().find(key.text));
            if (some.size() >= keys_at_once) compare(std::exchange(some, {}));
        }
    } while (cursor != "0");
    compare(some);
}

void audit::compare_missing() {
    while (true) {  // while others ship, looking brings new keys
        std::vector<item*> some;
        for (auto& one : counted_->keys()) {
            if (one.second.seen) continue;
            one.second.seen = true;
            some.push_back(&one);
        }
        if (some.empty()) return;
        for (std::size_t i = 0; i < some.size(); i += keys_at_once) {
            if (how_.step) how_.step(stream_.entries(), report_.passes);
            const auto end = std::min(some.size(), i + keys_at_once);
            compare({some.begin() + static_cast<std::ptrdiff_t>(i), some.begin() + static_cast<std::ptrdiff_t>(end)});
        }
    }
}

void audit::compare(std::vector<item*> some) {
    const auto large =
        std::stable_partition(some.begin(), some.end(), [](item* one) { return !has_members(one->second.what.holds); });
    compare_small({some.begin(), large});
    std::for_each(large, some.end(), [this](item* one) { compare_members(*one); });
}

// ---- Reading -------------------------------------------------------------------------------------------------------

void audit::compare_small(const std::vector<item*>& some) {
    if (some.empty()) return;
    auto commands = state_commands();
    const std::size_t head = commands.size();
    for (const auto* one : some) {
        commands.push_back(read_command(one->first, one->second.what.holds));
        commands.push_back({"EXPIRETIME", one->first});
    }
    const auto seen = redis_.ask_at_once(std::move(commands));
    catch_up(seen);
    for (std::size_t i = 0; i < some.size(); ++i) {
        auto& one = *some[i];
        const auto& value = seen[head + 2 * i];
        const auto& expires = seen[head + 2 * i + 1];
        const auto by = judge(one, value, expires);
        if (settle_absence(one, by)) continue;
        compare_value(one, value, by);
        compare_expiry(one, by, expires.integer);
    }
}

void audit::compare_members(item& one) {
    const bool set = one.second.what.holds == content::labels;
    std::vector<std::string> names;
    for (const auto& [name, count] : std::get<named_sums>(one.second.values)) names.push_back(name.text());
    judged by;
    std::int64_t members = 0;
    for (std::size_t from = 0; from == 0 || from < names.size(); from += members_at_once) {
        const std::size_t to = std::min(names.size(), from + members_at_once);
        auto commands = state_commands();
        commands.push_back({set ? "SCARD" : "ZCARD", one.first});
        commands.push_back({"EXPIRETIME", one.first});
        command ask{set ? "SMISMEMBER" : "ZMSCORE", one.first};
        ask.insert(ask.end(), names.begin() + static_cast<std::ptrdiff_t>(from),
                   names.begin() + static_cast<std::ptrdiff_t>(to));
        if (to > from) commands.push_back(std::move(ask));
        const auto seen = redis_.ask_at_once(std::move(commands));
        catch_up(seen);
        by = judge(one, seen[3], seen[4]);
        if (settle_absence(one, by)) return;
        if (from == 0) compare_expiry(one, by, seen[4].integer);
        members = seen[3].integer;
        const auto& expected = std::get<named_sums>(one.second.values);
        for (std::size_t i = from; i < to; ++i) {
            const auto& found = seen[5].elements.at(i - from);
            const std::int64_t wanted = expected.find(names[i])->second;
            if (set) {
                if (found.integer == 0) differ(one, by, names[i], "a member", "not there");
            } else if (found.text.empty()) {
                differ(one, by, names[i], std::to_string(wanted), "not there");
            } else if (by.exact ? !same_score(wanted, found.text) : score_in(found.text) < wanted) {
                differ(one, by, names[i], (by.exact ? "" : "at least ") + std::to_string(wanted), found.text);
            }
        }
    }
    const auto expected = static_cast<std::int64_t>(std::get<named_sums>(one.second.values).size());
    if (by.exact && members > expected) compare_extra_members(one, by);
}

// Those that no record explains: looked for without stopping Redis, then asked for once more, in one state.
void audit::compare_extra_members(item& one, const judged& by) {
    const bool set = one.second.what.holds == content::labels;
    const auto& expected = std::get<named_sums>(one.second.values);
    std::string cursor = "0";
    std::vector<std::string> extra;
    do {
        const auto page = redis_.ask({{set ? "SSCAN" : "ZSCAN", one.first, cursor, "COUNT", "500"}}).front();
        cursor = page.elements.at(0).text;
        const auto& members = page.elements.at(1).elements;
        for (std::size_t i = 0; i < members.size(); i += set ? 1 : 2) {
            if (!expected.contains(members[i].text)) extra.push_back(members[i].text);
        }
    } while (cursor != "0" && extra.size() < extra_shown);
    if (extra.empty()) return;
    auto commands = state_commands();
    command ask{set ? "SMISMEMBER" : "ZMSCORE", one.first};
    ask.insert(ask.end(), extra.begin(), extra.end());
    commands.push_back(std::move(ask));
    const auto seen = redis_.ask_at_once(std::move(commands));
    catch_up(seen);
    for (std::size_t i = 0; i < extra.size(); ++i) {
        const auto& found = seen[3].elements.at(i);
        const bool there = set ? found.integer != 0 : !found.text.empty();
        if (there && !expected.contains(extra[i]))
            differ(one, by, extra[i], "not there", set ? "a member" : found.text);
    }
}

// ---- Judging -------------------------------------------------------------------------------------------------------

audit::judged audit::judge(const item& one, const reply& value, const reply& expires) {
    judged by;
    const auto times = times_of(one.second.what, *when_, *periods_);
    if (!times) return {presence::no_period, {}, true};
    by.times = *times;
    by.exact = stream_.trimmed().entries == 0 || by.times.begins_ms > latest_trimmed();
    const bool gone = expires.integer == -2;
    if (gone) {
        const bool due = by.times.expires != 0 && now_ >= by.times.expires - clock_slack;
        by.is = due ? presence::expired : presence::absent;
    } else if (value.is_error()) {
        by.is = presence::other_type;
    } else if (by.times.expires != 0 && now_ > by.times.expires + expiry_slack) {
        by.is = presence::overdue;
    } else {
        by.is = presence::there;
    }
    return by;
}

// True: there is no value to look at, and what is to be said of that was said.
bool audit::settle_absence(item& one, const judged& by) {
    auto& tally = tallies_[tally_of(one.second.what)];
    switch (by.is) {
        case presence::expired:
            return true;
        case presence::no_period:
            differ(one, by, "", "no such key", "there");
            return true;
        case presence::overdue:
            ++tally.keys;
            differ(one, by, "(expiry)", when_->rfc3339(by.times.expires * 1000), "still there");
            return true;
        case presence::other_type:
            ++tally.keys;
            differ(one, by, "", name_of(one.second.what.holds), "a key of another type");
            return true;
        case presence::absent: {
            const auto numbers = one.second.numbers();
            const auto* named = std::get_if<named_sums>(&one.second.values);
            const auto* active = std::get_if<hyperloglog>(&one.second.values);
            const bool nothing = std::all_of(numbers.begin(), numbers.end(), [](auto value) { return value == 0; }) &&
                                 (named == nullptr || named->empty()) &&
                                 (active == nullptr || *active == hyperloglog{});
            if (nothing) return true;
            ++tally.keys;
            std::string expected = name_of(one.second.what.holds);
            if (!numbers.empty())
                expected += ", " + std::string(fields_of(one.second.what.holds).front()) + " " +
                            std::to_string(expected_numbers(one).front());
            if (named != nullptr) expected += ", " + std::to_string(named->size()) + " members";
            differ(one, by, "", expected, "missing");
            return true;
        }
        case presence::there:
            break;
    }
    ++tally.keys;
    return false;
}

void audit::compare_expiry(item& one, const judged& by, std::int64_t found) {
    const std::int64_t wanted = by.times.expires;
    if (wanted == 0 ? found == -1 : std::abs(found - wanted) <= expiry_slack && found > 0) return;
    differ(one, by, "(expiry)", wanted == 0 ? "never" : when_->rfc3339(wanted * 1000),
           found < 0 ? "never" : when_->rfc3339(found * 1000));
}

void audit::compare_value(item& one, const reply& value, const judged& by) {
    switch (one.second.what.holds) {
        case content::errors:
            return compare_errors(one, value, by);
        case content::active:
            return compare_active(one, value, by);
        case content::latency:
        case content::status:
            return compare_named(one, value, by);
        default:
            return compare_numbers(one, value, by);
    }
}

// Of the totals, the checkpoint says what trimmed records had added.
std::vector<std::int64_t> audit::expected_numbers(const item& one) const {
    auto numbers = one.second.numbers();
    const auto& trimmed = stream_.trimmed();
    if (one.second.what.period != "total" || trimmed.entries == 0 || trimmed.counters.empty()) return numbers;
    const auto of_bucket = fields_of(content::bucket), names = fields_of(one.second.what.holds);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const auto wanted = names[i] == "ai_generation" ? std::string_view("requests") : names[i];
        const auto at = std::find(of_bucket.begin(), of_bucket.end(), wanted) - of_bucket.begin();
        numbers[i] = saturating_sum(numbers[i], trimmed.counters.at(static_cast<std::size_t>(at)));
    }
    return numbers;
}

void audit::compare_numbers(item& one, const reply& value, const judged& by) {
    const auto names = fields_of(one.second.what.holds);
    const auto counted = one.second.numbers();
    const auto expected = expected_numbers(one);
    const bool exact = by.exact || expected != counted;
    std::vector<std::int64_t> share(counted.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
        std::string text = "0";
        for (std::size_t f = 0; f + 1 < value.elements.size(); f += 2) {
            if (value.elements[f].text == names[i]) text = value.elements[f + 1].text;
        }
        const auto found = integer_in(text);
        share[i] = saturating_sum(found.value_or(0), -counted[i]);
        if (!found || (exact ? *found != expected[i] : *found < expected[i]))
            differ(one, by, std::string(names[i]), (exact ? "" : "at least ") + std::to_string(expected[i]), text);
    }
    // One that is mended is looked at again.
    if (!by.exact && !(mending_ && !how_.dry_run && to_mend_.contains(one.first))) shares_.note(one.second.what, share);
}

void audit::compare_named(item& one, const reply& value, const judged& by) {
    const auto& expected = std::get<named_sums>(one.second.values);
    std::size_t known = 0;
    for (std::size_t f = 0; f + 1 < value.elements.size(); f += 2) {
        const auto& name = value.elements[f].text;
        const auto& text = value.elements[f + 1].text;
        const auto found = expected.find(name);
        const std::int64_t wanted = found == expected.end() ? 0 : found->second;
        known += found != expected.end();
        const auto count = integer_in(text);
        if (!count || (by.exact ? *count != wanted : *count < wanted))
            differ(one, by, name, (by.exact ? "" : "at least ") + std::to_string(wanted), text);
    }
    if (known == expected.size()) return;
    for (const auto& [name, count] : expected) {
        bool there = false;
        for (std::size_t f = 0; f < value.elements.size(); f += 2) there |= value.elements[f].text == name.text();
        if (!there && count != 0) differ(one, by, name.text(), std::to_string(count), "not there");
    }
}

// Which messages have a place of their own depends on which came first in batches: the rest counts as "other".
void audit::compare_errors(item& one, const reply& value, const judged& by) {
    const auto& expected = std::get<named_sums>(one.second.values);
    const std::int64_t wanted = sum_of(expected);
    std::int64_t sum = 0;
    for (std::size_t f = 0; f + 1 < value.elements.size(); f += 2) {
        const auto& message = value.elements[f].text;
        const std::int64_t count = score_in(value.elements[f + 1].text);
        sum = saturating_sum(sum, count);
        if (!by.exact || message == "other" || one.second.too_many) continue;
        const auto found = expected.find(message);
        const std::int64_t most = found == expected.end() ? 0 : found->second;
        if (count > most) differ(one, by, message, "at most " + std::to_string(most), std::to_string(count));
    }
    if (by.exact ? sum != wanted : sum < wanted)
        differ(one, by, "(all messages)", (by.exact ? "" : "at least ") + std::to_string(wanted), std::to_string(sum));
}

void audit::compare_active(item& one, const reply& value, const judged& by) {
    const auto& expected = std::get<hyperloglog>(one.second.values);
    hyperloglog found;
    if (!found.merge(value.text) || value.text.empty())
        return differ(one, by, "", "a HyperLogLog", "a text that is none");
    if (by.exact ? found == expected : found.covers(expected)) return;
    differ(one, by, "", "about " + std::to_string(expected.count()) + " users",
           "about " + std::to_string(found.count()));
}

void audit::differ(item& one, const judged& by, std::string field, std::string expected, std::string found) {
    audit_difference what{one.first, std::move(field), std::move(expected), std::move(found)};
    const bool mended = mending_ && can_mend(one, by.exact);
    if (mended) {
        to_mend_.insert(one.first);
        ++report_.repaired_count;
        if (report_.repaired.size() < how_.shown) report_.repaired.push_back(what);
        if (!how_.dry_run) return;
    } else if (mending_) {
        beyond_mending_.insert(one.first);
    }
    if (different_key_ != one.first) ++tallies_[tally_of(one.second.what)].different;
    different_key_ = one.first;
    report_.agrees = false;
    ++report_.difference_count;
    if (report_.differences.size() < how_.shown) report_.differences.push_back(std::move(what));
}

}  // namespace tracking::store
