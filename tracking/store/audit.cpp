#include "tracking/store/audit.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "tracking/journal/journal.hpp"
#include "tracking/store/reply_numbers.hpp"
#include "tracking/store/shards.hpp"

namespace tracking::store {

namespace {

constexpr int tries = 5;  // of a pass, when aimeter trims what it was about to read
constexpr std::int64_t day_ms = 86'400'000;
constexpr std::int64_t hours_kept_ms = 399 * day_ms;  // one day less than the contract: none of them may have gone
constexpr std::int64_t days_kept_ms = 799 * day_ms;

std::int64_t field_in(const reply& hash_values, std::size_t i) {
    return i < hash_values.elements.size() ? number_in(hash_values.elements[i].text) : 0;
}

// Where it cannot be told, agreement would be for want of looking.
bool has_journal(const std::string& data_dir) {
    std::error_code failed;
    const bool found = std::filesystem::exists(std::filesystem::path(data_dir) / "journal", failed);
    if (failed) throw command_problem{"the journal under " + data_dir + " cannot be read: " + failed.message()};
    return found;
}

}  // namespace

audit::audit(const conf::settings& settings, command_redis& redis, audit_options how)
    : settings_(settings),
      redis_(redis),
      how_(std::move(how)),
      keys_(settings.redis.prefix),
      run_(to_text(make_uuid7(0)).substr(24)),
      stream_(redis, keys_) {}

audit_report audit::run() {
    report_.started_ms = clock_.wall_ms();
    auto zone = calendar::open(settings_.timezone);
    if (const auto* wrong = std::get_if<std::string>(&zone)) throw command_problem{*wrong};
    when_.emplace(std::get<calendar>(std::move(zone)));
    periods_.emplace(*when_);
    redis_.check_timezone(keys_.meta());
    dataset_ = redis_.ask({{"HGET", keys_.meta(), "dataset"}}).front().text;
    for (const auto& key : {keys_.usage_stream(), keys_.analytics_stream()}) {
        const auto kind = redis_.ask({{"TYPE", key}}).front().text;
        if (kind != "stream" && kind != "none") throw command_problem{key + " holds a " + kind + ", not a stream"};
    }
    now_ = field_in(redis_.ask({{"TIME"}}).front(), 0);
    mending_ = how_.repair;
    std::vector<key_share> todo{{}};
    while (!todo.empty()) {
        const key_share which = todo.back();
        todo.pop_back();
        for (int tried = 1;; ++tried) {
            const auto before = report_;
            const auto shares = shares_;
            const auto tallies = tallies_;
            const auto rest = todo;
            try {
                recount counted(keys_, settings_.redis.prefix, *when_, which, how_.memory, now_ - clock_slack);
                counted_ = &counted;
                pass(todo);
                break;
            } catch (const overtaken_by_trimming&) {
                if (tried == tries)
                    throw command_problem{
                        "the streams are trimmed faster than they can be read; redis.stream_maxlen is " +
                        std::to_string(settings_.redis.stream_maxlen)};
                report_ = before;
                shares_ = shares;
                tallies_ = tallies;
                todo = rest;
            }
        }
        ++report_.passes;
    }
    finish();
    return std::move(report_);
}

void audit::pass(std::vector<key_share>& todo) {
    const bool first = report_.passes == 0;
    to_mend_.clear();
    const bool may_be_last = todo.empty();  // the totals are compared in the last one, with those of both streams
    stream_.begin(*counted_, may_be_last, [this] {
        if (how_.step) how_.step(stream_.entries(), report_.passes);
    });
    if (!trimmed_ || first) trimmed_ = stream_.trimmed();
    shares_hold_ &= *trimmed_ == stream_.trimmed();
    catch_up(redis_.ask_at_once(state_commands()), true);
    if (first && mending_ && !how_.force) mending_ = streams_are_whole();
    const auto rest = counted_->take_given_up();
    todo.insert(todo.end(), rest.begin(), rest.end());
    compare_found();
    compare_missing();
    if (mending_ && !how_.dry_run) mend();
    if (todo.empty()) check_totals();
    duplicates_ += stream_.duplicates();
    check_journals(first);
}

// ---- One state -----------------------------------------------------------------------------------------------------

std::vector<command> audit::state_commands() const {
    return {{"HGET", keys_.meta(), "dataset"}, {"XINFO", "STREAM", keys_.usage_stream()}, {"TIME"}};
}

// The streams, counted on to where they stood when the rest of the answers was made.
void audit::catch_up(const std::vector<reply>& state, bool shrinkable) {
    if (state[0].text != dataset_) throw command_problem{"the data set was replaced while it was read"};
    const auto info = stream_info::of(state[1]);
    if (info.last < stream_.at() && !(info.last == entry_id{} && stream_.entries() == 0))
        throw command_problem{"Redis went back to an older state while it was read; run it again"};
    stream_.read_up_to(info.last, shrinkable);
    if (!state[2].elements.empty()) now_ = number_in(state[2].elements[0].text);
}

// The latest arrival among what was trimmed. An older release kept none: then it came before its entry, whose id is of
// the clock of Redis, which may be another one's.
std::int64_t audit::latest_trimmed() const {
    const auto& trimmed = stream_.trimmed();
    return trimmed.latest_ts > 0 ? trimmed.latest_ts
                                 : static_cast<std::int64_t>(entry_id::parse(trimmed.to).ms) + day_ms;
}

// ---- Totals --------------------------------------------------------------------------------------------------------

void audit::say(std::string name, std::string text, bool agrees) {
    report_.agrees &= agrees;
    report_.checks.push_back({std::move(name), std::move(text), agrees});
}

void audit::check(std::string name, std::int64_t found, std::int64_t expected) {
    std::string text = std::to_string(found);
    if (found != expected) text += ", expected " + std::to_string(expected);
    say(std::move(name), std::move(text), found == expected);
}

// How many records this Redis was given, by another witness than streams and usage hashes: the positions of the
// journals. Those of a shard count other shards' records, too; there the other view's total is asked.
command audit::ask_applied() const {
    if (how_.shards > 0) return {"HMGET", keys_.analytics("total"), "ai_generation"};
    return {"HVALS", keys_.journals()};
}

std::int64_t audit::applied_in(const reply& answer) const {
    std::int64_t applied = 0;
    for (const auto& one : answer.elements) applied += number_in(one.text);
    return applied;
}

// The hashes are made what the streams say only while the streams have lost nothing themselves.
bool audit::streams_are_whole() {
    auto commands = state_commands();
    commands.push_back({"XINFO", "STREAM", keys_.analytics_stream()});
    commands.push_back({"HGET", keys_.total(), "requests"});
    commands.push_back({"HGET", keys_.meta(), "trimmedEntries"});
    commands.push_back(ask_applied());
    const auto seen = redis_.ask_at_once(std::move(commands));
    catch_up(seen, true);
    const auto usage = stream_info::of(seen[1]), analytics = stream_info::of(seen[3]);
    const std::int64_t requests = number_in(seen[4].text), trimmed = number_in(seen[5].text);
    const std::int64_t applied = applied_in(seen[6]);
    const bool whole = usage.added == usage.length + trimmed && analytics.added == usage.added &&
                       stream_.mismatches() == 0 && (usage.added >= requests || usage.added >= applied);
    if (!whole)
        report_.notes.emplace_back(
            "the streams themselves have lost entries, or hold what they should not, and the hashes may be what is "
            "right: nothing is repaired (--force makes the hashes what the streams say)");
    return whole;
}

void audit::check_totals() {
    auto commands = state_commands();
    commands.push_back({"XINFO", "STREAM", keys_.analytics_stream()});
    commands.push_back({"HMGET", keys_.total(), "requests", "costNanoUsd", "success", "errors", "blocked", "aborted"});
    commands.push_back({"HMGET", keys_.meta(), "trimmedEntries"});
    commands.push_back(ask_applied());
    const auto seen = redis_.ask_at_once(std::move(commands));
    catch_up(seen);
    const auto usage = stream_info::of(seen[1]), analytics = stream_info::of(seen[3]);
    const auto& total = seen[4];
    const std::int64_t requests = field_in(total, 0), cost = field_in(total, 1), trimmed_now = field_in(seen[5], 0);
    const auto& trimmed = stream_.trimmed();
    report_.trimmed = trimmed;
    report_.hashes = {requests, cost};
    report_.streams = {stream_.entries() + trimmed.entries, stream_.usage_cost() + trimmed.cost_nano};
    report_.journal.applied += applied_in(seen[6]);

    say("usage:total requests", std::to_string(requests));
    say("usage:total costNanoUsd", std::to_string(cost));
    check("usage stream, entries added", usage.added, requests);
    check("analytics stream, entries added", analytics.added, requests);
    check("analytics stream, last entry", analytics.last == usage.last, true);
    check("usage stream, entries kept and trimmed", usage.length + trimmed_now, requests);
    check("analytics stream, entries kept and trimmed", analytics.length + trimmed_now, requests);
    check("usage stream, entries read and trimmed", stream_.entries() + trimmed.entries, requests);
    check("usage stream, cost of entries read and trimmed (nano USD)", report_.streams.cost_nano, cost);
    check("analytics stream, cost of entries read and trimmed (nano USD)", stream_.analytics_cost() + trimmed.cost_nano,
          cost);
    check("streams, entries that differ between the two", stream_.mismatches(), 0);
    check("success + errors + blocked + aborted",
          field_in(total, 2) + field_in(total, 3) + field_in(total, 4) + field_in(total, 5), requests);
    if (how_.shards > 0) return;  // positions say nothing of one shard's records
    const bool gaps = report_.journal.applied > requests;
    say("journals' positions together",
        std::to_string(report_.journal.applied) +
            (gaps ? ", of which " + std::to_string(report_.journal.applied - requests) + " never reached this Redis"
                  : ""),
        report_.journal.applied >= report_.streams.requests);
}

// ---- The journal ---------------------------------------------------------------------------------------------------

// Every record up to the position that Redis holds must be in the stream; what lies behind it waits to be shipped.
void audit::check_journals(bool first) {
    if (!has_journal(settings_.data_dir))
        return note("there is no journal under " + settings_.data_dir + ": the streams were not compared with one");
    auto commands = state_commands();
    commands.push_back({"HGETALL", keys_.journals()});
    const auto seen = redis_.ask_at_once(std::move(commands));
    catch_up(seen);
    std::map<std::string, std::uint64_t> positions;
    for (std::size_t i = 0; i + 1 < seen[3].elements.size(); i += 2) {
        positions[seen[3].elements[i].text] = static_cast<std::uint64_t>(number_in(seen[3].elements[i + 1].text));
    }
    auto opened = journal::directory::open_read_only(settings_.data_dir);
    if (const auto* wrong = std::get_if<std::string>(&opened)) throw command_problem{*wrong};
    auto& journals = *std::get<std::unique_ptr<journal::directory>>(opened);
    const auto& trimmed = stream_.trimmed();
    for (const auto& id : journals.journals()) {
        const auto found = positions.find(journal::to_text(id));
        const std::uint64_t position = found == positions.end() ? 0 : found->second;
        const auto reader = journals.read(id);
        const auto look = [&](const journal::entry& one) {
            if (how_.shards > 0 && shard_of(one.what.user_id, how_.shards) != how_.shard) return;
            if (one.sequence > position) {
                report_.journal.waiting += first;
                return;
            }
            report_.journal.kept += first;
            const std::string record = to_text(one.what.id);
            const bool may_be_trimmed = trimmed.entries > 0 && one.what.ts_ms <= latest_trimmed();
            if (stream_.in_share(record) && !may_be_trimmed) report_.journal.missing += !stream_.has(record);
        };
        while (reader && reader->each(1'000, look) > 0) {
            if (how_.step) how_.step(stream_.entries(), report_.passes);
        }
    }
    for (const auto& text : journals.current().notes) note(text);
}

// Each once, in however many passes it shows.
void audit::note(const std::string& text) {
    auto& notes = report_.notes;
    if (std::find(notes.begin(), notes.end(), text) == notes.end()) notes.push_back(text);
}

// ---- What all passes say together ----------------------------------------------------------------------------------

void audit::finish() {
    check("usage stream, ids that occur twice", duplicates_, 0);
    for (const auto& [name, of] : tallies_) {
        std::string text = std::to_string(of.keys) + (of.keys == 1 ? " key" : " keys");
        if (of.different > 0) text += ", " + std::to_string(of.different) + " differ";
        say(name, std::move(text), of.different == 0);
    }
    const auto& trimmed = report_.trimmed;
    if (trimmed.entries > 0 && shares_hold_) {
        const std::int64_t now = now_ * 1000;
        for (auto& one :
             shares_.checks(trimmed, when_->day_key(now - days_kept_ms), when_->day_key(now - hours_kept_ms)))
            say(std::move(one.name), std::move(one.text), one.agrees);
    }
    if (!beyond_mending_.empty())
        report_.notes.push_back(
            std::to_string(beyond_mending_.size()) +
            " keys cannot be rebuilt: they also hold what trimmed entries had added, of which the checkpoint knows the "
            "totals only (the first one: " +
            *beyond_mending_.begin() + ")");
    if (!shares_hold_)
        report_.notes.emplace_back(
            "the streams were trimmed while they were read in several passes: what trimmed records "
            "had added to their periods was not added up");
    say("journal, applied records that are still kept", std::to_string(report_.journal.kept));
    check("journal, applied records missing in the stream", report_.journal.missing, 0);
    say("journal, records waiting to be shipped", std::to_string(report_.journal.waiting));
    report_.ended_ms = clock_.wall_ms();
}

}  // namespace tracking::store
