#include "tracking/store/verify.hpp"

#include <algorithm>
#include <charconv>
#include <exception>
#include <filesystem>
#include <map>
#include <optional>
#include <ostream>

#include "tracking/clock.hpp"
#include "tracking/journal/journal.hpp"
#include "tracking/store/calendar.hpp"
#include "tracking/store/command_redis.hpp"
#include "tracking/store/keys.hpp"
#include "tracking/store/stream_recount.hpp"

namespace tracking::store {

namespace {

constexpr std::int64_t day_ms = 86'400'000;
constexpr std::int64_t hours_kept = 399 * day_ms;  // one day less than the contract: none of them may have gone
constexpr std::int64_t days_kept = 799 * day_ms;
constexpr int recount_tries = 3;

std::vector<std::string> all_counters() {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < counter_count; ++i) names.emplace_back(field_of(static_cast<counter>(i)));
    return names;
}

std::int64_t number_in(const std::string& text) {
    std::int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

class verification {
public:
    verification(const conf::settings& settings, std::ostream& out)
        : settings_(settings), out_(out), keys_(settings.redis.prefix), redis_(settings) {}
    bool run();

private:
    using sums = std::vector<std::int64_t>;

    void line(const std::string& what, bool agrees, const std::string& text);
    void compare(const std::string& what, std::int64_t found, std::int64_t expected);
    void compare(const std::string& what, const std::vector<std::string>& fields, const sums& found,
                 const sums& expected);
    void check_totals();
    void check_month(const std::string& month);
    void check_day(const std::string& day, std::int64_t begins, std::int64_t ends);
    void check_streams();
    void check_journals();

    const conf::settings& settings_;
    std::ostream& out_;
    const key_names keys_;
    const system_time clock_;
    const std::vector<std::string> counters_ = all_counters();
    const std::vector<std::string> user_fields_{"requests", "errors", "tokensUsed", "costNanoUsd"};
    const std::vector<std::string> analytics_fields_{"ai_generation", "cached", "success", "errors", "costNanoUsd"};
    std::optional<calendar> when_;
    command_redis redis_;
    std::vector<std::string> months_;
    std::map<std::string, std::uint64_t> positions_;
    std::int64_t requests_ = 0, cost_ = 0, trimmed_ = 0, trimmed_cost_ = 0;
    std::string last_id_;
    stream_recount recount_;
    bool agrees_ = true;
};

// ---- Saying --------------------------------------------------------------------------------------------------------

void verification::line(const std::string& what, bool agrees, const std::string& text) {
    out_ << what << ": " << text << (agrees ? "  ok" : "  DIFFERENT") << '\n';
    agrees_ &= agrees;
}

void verification::compare(const std::string& what, std::int64_t found, std::int64_t expected) {
    std::string text = std::to_string(found);
    if (found != expected) text += ", expected " + std::to_string(expected);
    line(what, found == expected, text);
}

void verification::compare(const std::string& what, const std::vector<std::string>& fields, const sums& found,
                           const sums& expected) {
    std::string text;
    for (std::size_t i = 0; i < std::min(found.size(), expected.size()); ++i) {
        const bool shown = fields[i] == "requests" || fields[i] == "ai_generation" || fields[i] == "costNanoUsd";
        if (found[i] == expected[i] && !shown) continue;
        if (!text.empty()) text += ", ";
        text += fields[i] + " " + std::to_string(found[i]);
        if (found[i] != expected[i]) text += " (expected " + std::to_string(expected[i]) + ")";
    }
    line(what, found == expected, text);
}

// ---- Checks --------------------------------------------------------------------------------------------------------

void add_to(std::vector<std::int64_t>& sum, const std::vector<std::int64_t>& what) {
    sum.resize(std::max(sum.size(), what.size()));
    for (std::size_t i = 0; i < what.size(); ++i) sum[i] += what[i];
}

// What all five counters of the analytics view are called in a usage bucket, for the same sums.
std::vector<std::int64_t> analytics_of(const std::vector<std::int64_t>& usage) {
    const auto at = [&](counter which) { return usage.at(static_cast<std::size_t>(which)); };
    return {at(counter::requests), at(counter::cached), at(counter::success), at(counter::errors),
            at(counter::cost_nano)};
}

void verification::check_totals() {
    const auto known = redis_.ask({{"SMEMBERS", keys_.months()}});
    for (const auto& month : known.front().elements) months_.push_back(month.text);
    std::sort(months_.begin(), months_.end());

    snapshot_questions questions;
    const auto total = questions.hash(keys_.total(), counters_);
    const auto analytics = questions.hash(keys_.analytics("total"), analytics_fields_);
    const auto usage_stream = questions.stream(keys_.usage_stream());
    const auto analytics_stream = questions.stream(keys_.analytics_stream());
    const auto trimmed = questions.hash(keys_.meta(), {"trimmedEntries", "trimmedCostNanoUsd"});
    std::vector<std::size_t> months;
    for (const auto& month : months_) months.push_back(questions.hash(keys_.usage("month:" + month), counters_));
    std::vector<reply> beside;
    const auto seen = redis_.take(questions, &beside, {{"HGETALL", keys_.journals()}});

    const auto totals = seen.sums(total);
    requests_ = totals.at(static_cast<std::size_t>(counter::requests));
    cost_ = totals.at(static_cast<std::size_t>(counter::cost_nano));
    trimmed_ = seen.sums(trimmed).at(0);
    trimmed_cost_ = seen.sums(trimmed).at(1);
    last_id_ = seen.stream(usage_stream).last_id;
    for (std::size_t i = 0; i + 1 < beside[0].elements.size(); i += 2) {
        positions_[beside[0].elements[i].text] = static_cast<std::uint64_t>(number_in(beside[0].elements[i + 1].text));
    }
    line("usage:total requests", true, std::to_string(requests_));
    line("usage:total costNanoUsd", true, std::to_string(cost_));
    compare("usage stream, entries added", seen.stream(usage_stream).added, requests_);
    compare("analytics stream, entries added", seen.stream(analytics_stream).added, requests_);
    compare("analytics stream, last entry", seen.stream(analytics_stream).last_id == last_id_, true);
    compare("usage stream, entries kept and trimmed", seen.stream(usage_stream).length + trimmed_, requests_);
    compare("analytics:total", analytics_fields_, seen.sums(analytics), analytics_of(totals));
    const auto at = [&](counter which) { return totals.at(static_cast<std::size_t>(which)); };
    compare("success + errors + blocked + aborted",
            at(counter::success) + at(counter::errors) + at(counter::blocked) + at(counter::aborted), requests_);
    sums all(counter_count);
    for (const auto month : months) add_to(all, seen.sums(month));
    compare("months together", counters_, all, totals);
}

void verification::check_month(const std::string& month) {
    const std::string key = keys_.usage("month:" + month);
    snapshot_questions questions;
    const auto whole = questions.hash(key, counters_);
    const auto analytics = questions.hash(keys_.analytics("month:" + month), analytics_fields_);
    const auto features = questions.labels(key, "feature", counters_);
    const auto users = questions.labels(key, "user", user_fields_);
    const auto users_total = questions.hash(key, user_fields_);
    int year = 0, number = 0;
    std::from_chars(month.data(), month.data() + month.find('-'), year);
    std::from_chars(month.data() + month.find('-') + 1, month.data() + month.size(), number);
    const std::int64_t begins = when_->instant(year, number, 1);
    const std::int64_t ends = when_->instant(number == 12 ? year + 1 : year, number % 12 + 1, 1);
    std::vector<std::size_t> days;
    std::vector<std::string> names;
    for (int day = 1; when_->instant(year, number, day) < ends; ++day) {
        names.push_back(when_->day_key(when_->instant(year, number, day)));
        days.push_back(questions.hash(keys_.usage("day:" + names.back()), counters_));
    }
    const auto seen = redis_.take(questions);
    const auto sum = seen.sums(whole);
    compare("month " + month + ", analytics", analytics_fields_, seen.sums(analytics), analytics_of(sum));
    compare("month " + month + ", " + std::to_string(seen.hashes(features)) + " features", counters_,
            seen.sums(features), sum);
    compare("month " + month + ", " + std::to_string(seen.hashes(users)) + " users", user_fields_, seen.sums(users),
            seen.sums(users_total));
    const std::int64_t now = clock_.wall_ms();
    if (begins + days_kept > now) {
        sums all(counter_count);
        for (const auto day : days) add_to(all, seen.sums(day));
        compare("month " + month + ", days together", counters_, all, sum);
    }
    for (std::size_t i = 0; i < days.size(); ++i) {
        const std::int64_t day_begins = when_->instant(year, number, static_cast<int>(i) + 1);
        const std::int64_t day_ends = when_->instant(year, number, static_cast<int>(i) + 2);
        if (seen.hashes(days[i]) > 0 && day_ends + days_kept > now) check_day(names[i], day_begins, day_ends);
    }
}

void verification::check_day(const std::string& day, std::int64_t begins, std::int64_t ends) {
    const std::string key = keys_.usage("day:" + day);
    snapshot_questions questions;
    const auto whole = questions.hash(key, counters_);
    const auto analytics = questions.hash(keys_.analytics("day:" + day), analytics_fields_);
    const auto features = questions.labels(key, "feature", counters_);
    std::vector<std::size_t> hours;
    std::string latest;
    for (std::int64_t at = begins; at < ends; at += 15 * 60'000) {  // zones move by quarters of an hour
        const std::string hour = when_->hour_key(at);
        if (hour == latest) continue;
        latest = hour;
        hours.push_back(questions.hash(keys_.usage("hour:" + hour), counters_));
    }
    const auto seen = redis_.take(questions);
    const auto sum = seen.sums(whole);
    compare("day " + day + ", analytics", analytics_fields_, seen.sums(analytics), analytics_of(sum));
    compare("day " + day + ", " + std::to_string(seen.hashes(features)) + " features", counters_, seen.sums(features),
            sum);
    if (begins + hours_kept <= clock_.wall_ms()) return;
    sums all(counter_count);
    for (const auto hour : hours) add_to(all, seen.sums(hour));
    compare("day " + day + ", hours together", counters_, all, sum);
}

// Reads both streams up to the snapshot's last entry. When aimeter trims meanwhile, the recount begins anew.
void verification::check_streams() {
    for (int tries = 0; tries < recount_tries; ++tries) {
        recount_.begin();
        std::string from = "-";
        while (true) {
            const auto pages = redis_.ask({{"XRANGE", keys_.usage_stream(), from, last_id_, "COUNT", "1000"},
                                           {"XRANGE", keys_.analytics_stream(), from, last_id_, "COUNT", "1000"}});
            if (pages[0].elements.empty() && pages[1].elements.empty()) break;
            from = "(" + recount_.add(pages[0], pages[1]);
        }
        const auto now = redis_.ask({{"HMGET", keys_.meta(), "trimmedEntries", "trimmedCostNanoUsd"}});
        if (number_in(now.front().elements[0].text) == trimmed_) break;
        trimmed_ = number_in(now.front().elements[0].text);
        trimmed_cost_ = number_in(now.front().elements[1].text);
    }
    recount_.end();
    compare("usage stream, entries read and trimmed", recount_.entries() + trimmed_, requests_);
    compare("usage stream, cost of entries read and trimmed (nano USD)", recount_.usage_cost() + trimmed_cost_, cost_);
    compare("analytics stream, cost of entries read and trimmed (nano USD)", recount_.analytics_cost() + trimmed_cost_,
            cost_);
    compare("streams, entries that differ between the two", recount_.mismatches(), 0);
    compare("usage stream, ids that occur twice", recount_.duplicates(), 0);
}

// Every record up to the position that Redis holds must be in the stream; what lies behind it waits to be shipped.
void verification::check_journals() {
    std::error_code ignored;
    if (!std::filesystem::exists(std::filesystem::path(settings_.data_dir) / "journal", ignored)) return;
    auto opened = journal::directory::open_read_only(settings_.data_dir);
    if (const auto* wrong = std::get_if<std::string>(&opened)) throw command_problem{*wrong};
    auto& journals = *std::get<std::unique_ptr<journal::directory>>(opened);
    std::int64_t applied = 0, missing = 0, waiting = 0;
    for (const auto& id : journals.journals()) {
        const auto found = positions_.find(journal::to_text(id));
        const std::uint64_t position = found == positions_.end() ? 0 : found->second;
        const auto reader = journals.read(id);
        std::vector<journal::entry> entries;
        while (reader && reader->read(1'000, entries) > 0) {
            for (const auto& one : entries) {
                if (one.sequence > position) {
                    ++waiting;
                } else {
                    ++applied;
                    missing += !recount_.has(one.what.id);
                }
            }
            entries.clear();
        }
    }
    line("journal, applied records that are still kept", true, std::to_string(applied));
    if (trimmed_ == 0 && recount_.complete()) compare("journal, applied records missing in the stream", missing, 0);
    line("journal, records waiting to be shipped", true, std::to_string(waiting));
}

bool verification::run() {
    auto zone = calendar::open(settings_.timezone);
    if (const auto* wrong = std::get_if<std::string>(&zone)) throw command_problem{*wrong};
    when_.emplace(std::get<calendar>(std::move(zone)));
    redis_.connect();
    redis_.check_timezone(keys_.meta());
    check_totals();
    for (const auto& month : months_) check_month(month);
    check_streams();
    check_journals();
    out_ << (agrees_ ? "all agree" : "there are DIFFERENCES") << std::endl;
    return agrees_;
}

}  // namespace

bool verify(const conf::settings& settings, std::ostream& out, std::string& error) {
    return run_command([&] { return verification(settings, out).run(); }, error);
}

}  // namespace tracking::store
