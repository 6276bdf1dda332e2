// Recounts both streams against every key that is derived from them, against the journal and the journals' positions,
// and mends keys that disagree. Blocking, a page at a time: no command keeps Redis from others for more than a few ms.
// Used by verify (command line) and verify_service (admin API). Problems are thrown as command_problem.
//
// One state: whatever is read of keys comes, in one MULTI, with the entry at which the stream stood; the streams are
// then counted on up to that entry, and only then the two are compared. So shipping may go on meanwhile. Bounded
// memory: see recount.hpp; what does not fit takes another pass over the streams. Trimmed streams: keys of periods that
// begin after the latest trimmed record must be exact. Older ones hold a trimmed share, too: it must not be negative,
// and must add up (trimmed_shares.hpp) to what the checkpoint says.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "conf/config.hpp"
#include "tracking/clock.hpp"
#include "tracking/store/audit_report.hpp"
#include "tracking/store/audit_stream.hpp"
#include "tracking/store/calendar.hpp"
#include "tracking/store/command_redis.hpp"
#include "tracking/store/recount.hpp"
#include "tracking/store/trimmed_shares.hpp"

namespace tracking::store {

struct audit_options {
    std::size_t memory = 256ULL << 20;  // bytes for expectations, roughly; the largest day must fit at least
    std::size_t shown = 100;            // differences that the report holds
    bool repair = false;
    bool dry_run = false;                 // a repair says what it would change
    bool force = false;                   // repairs although the streams themselves have lost entries
    std::uint32_t shard = 0, shards = 0;  // which shard of a cluster this is, and of how many; 0 = of none
    std::function<void(std::int64_t entries_read, int pass)> step;  // called for each page; may throw to end the audit
};

class audit {
public:
    audit(const conf::settings& settings, command_redis& redis, audit_options how);
    audit_report run();

private:
    using item = std::pair<const std::string, expected_key>;
    enum class presence { there, absent, expired, overdue, other_type, no_period };
    struct judged {
        presence is = presence::absent;
        period_times times;
        bool exact = true;  // no trimmed record may have added to it
    };
    struct tally {
        std::int64_t keys = 0, different = 0;
    };

    // audit.cpp: the passes
    void pass(std::vector<key_share>& todo);
    std::vector<command> state_commands() const;
    void catch_up(const std::vector<reply>& state, bool shrinkable = false);
    std::int64_t latest_trimmed() const;
    command ask_applied() const;
    std::int64_t applied_in(const reply& answer) const;
    bool streams_are_whole();
    void check_totals();
    void check_journals(bool first);
    void note(const std::string& text);
    void check(std::string name, std::int64_t found, std::int64_t expected);
    void say(std::string name, std::string text, bool agrees = true);
    void finish();

    // audit_keys.cpp: expectation against what is there
    void compare_found();
    void compare_missing();
    void compare(std::vector<item*> some);
    void compare_small(const std::vector<item*>& some);
    void compare_value(item& one, const reply& value, const judged& by);
    void compare_numbers(item& one, const reply& value, const judged& by);
    void compare_named(item& one, const reply& value, const judged& by);
    void compare_errors(item& one, const reply& value, const judged& by);
    void compare_active(item& one, const reply& value, const judged& by);
    void compare_members(item& one);
    void compare_extra_members(item& one, const judged& by);
    void compare_expiry(item& one, const judged& by, std::int64_t found);
    judged judge(const item& one, const reply& value, const reply& expires);
    bool settle_absence(item& one, const judged& by);
    void differ(item& one, const judged& by, std::string field, std::string expected, std::string found);
    std::vector<std::int64_t> expected_numbers(const item& one) const;

    // audit_repair.cpp
    bool can_mend(const item& one, bool exact);
    void mend();
    void mend_group(const std::vector<item*>& group);
    void mend_at_once(const std::vector<item*>& some);
    std::map<item*, std::pair<std::string, named_sums>> stage(const std::vector<item*>& some);

    const conf::settings& settings_;
    command_redis& redis_;
    const audit_options how_;
    const key_names keys_;
    const system_time clock_;
    std::optional<calendar> when_;
    std::optional<minute_cache> periods_;
    std::string dataset_, run_;
    std::int64_t now_ = 0;                           // Redis's clock, s: keys expire by it
    static constexpr std::int64_t clock_slack = 60;  // s around the moment when one does

    audit_report report_;
    bool mending_ = false;  // differences that can be mended are, or would be
    trimmed_shares shares_;
    std::optional<trimmed_part> trimmed_;  // of the first pass
    bool shares_hold_ = true;              // all passes began at the same trimmed part
    std::map<std::string, tally> tallies_;
    std::int64_t duplicates_ = 0;

    // of the pass under way
    audit_stream stream_;
    recount* counted_ = nullptr;
    std::set<std::string> to_mend_;
    std::set<std::string> beyond_mending_;
    std::string different_key_;  // the latest, so that each counts once
};

}  // namespace tracking::store
