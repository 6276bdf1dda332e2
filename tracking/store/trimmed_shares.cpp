#include "tracking/store/trimmed_shares.hpp"

#include <algorithm>

#include "tracking/store/counting.hpp"
#include "tracking/store/keys.hpp"
#include "tracking/store/recount.hpp"

namespace tracking::store {

namespace {

using sums = std::vector<std::int64_t>;

void add_to(sums& to, const sums& what) {
    to.resize(std::max(to.size(), what.size()));
    for (std::size_t i = 0; i < what.size(); ++i) to[i] = saturating_sum(to[i], what[i]);
}

std::int64_t at(const sums& of, std::size_t i) { return i < of.size() ? of[i] : 0; }

// What a period's counters say under the names of another view.
sums as(content view, const sums& whole) {
    sums shown;
    for (const auto name : fields_of(view)) {
        const auto wanted = name == "ai_generation" ? std::string_view("requests") : name;
        std::size_t i = 0;
        while (i < counter_count && field_of(static_cast<counter>(i)) != wanted) ++i;
        shown.push_back(at(whole, i));
    }
    return shown;
}

void compare(audit_check& in, const std::string& what, content view, const sums& found, const sums& expected) {
    const auto names = fields_of(view);
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (at(found, i) == at(expected, i)) continue;
        in.agrees = false;
        in.text += (in.text.empty() ? "" : ", ") + what + " " + std::string(names[i]) + " " +
                   std::to_string(at(found, i)) + " (expected " + std::to_string(at(expected, i)) + ")";
    }
}

std::string date_in(const std::string& period) { return period.substr(period.find(':') + 1); }

}  // namespace

void trimmed_shares::note(const key_parts& key, const sums& share) {
    auto& of = periods_[key.period];
    if (key.holds == content::analytics) return add_to(of.general, share);
    if (key.holds == content::user) return add_to(of.users, share);
    if (key.kind == "feature") return add_to(of.features, share);
    if (!key.kind.empty() || key.period.starts_with("minute:")) return;
    add_to(of.whole, share);
    if (key.period.starts_with("month:")) add_to(periods_["total"].inner, share);
    if (key.period.starts_with("day:")) add_to(periods_["month:" + key.period.substr(4, 7)].inner, share);
    if (key.period.starts_with("hour:")) add_to(periods_["day:" + key.period.substr(5, 10)].inner, share);
}

std::vector<audit_check> trimmed_shares::checks(const trimmed_part& trimmed, const std::string& days_from,
                                                const std::string& hours_from) const {
    std::vector<audit_check> all;
    for (const auto& [name, of] : periods_) {
        if (name.starts_with("hour:") || name.starts_with("minute:")) continue;
        audit_check check{name + ", trimmed part", {}, true};
        const bool total = name == "total", month = name.starts_with("month:");
        compare(check, "analytics", content::analytics, of.general, as(content::analytics, of.whole));
        if (total) {
            if (trimmed.counters.empty()) {
                const sums few{at(of.whole, 0), at(of.whole, static_cast<std::size_t>(counter::cost_nano))};
                if (few != sums{trimmed.entries, trimmed.cost_nano}) {
                    check.agrees = false;
                    check.text = "requests " + std::to_string(few[0]) + ", costNanoUsd " + std::to_string(few[1]) +
                                 " (expected " + std::to_string(trimmed.entries) + ", " +
                                 std::to_string(trimmed.cost_nano) + ")";
                }
            } else {
                compare(check, "total", content::bucket, of.whole, trimmed.counters);
            }
            compare(check, "months together", content::bucket, of.inner, of.whole);
        } else {
            compare(check, "features together", content::bucket, of.features, of.whole);
        }
        if (month) {
            compare(check, "users together", content::user, of.users, as(content::user, of.whole));
            if (date_in(name) + "-01" >= days_from)
                compare(check, "days together", content::bucket, of.inner, of.whole);
        } else if (!total && date_in(name) >= hours_from) {
            compare(check, "hours together", content::bucket, of.inner, of.whole);
        }
        if (check.agrees) check.text = std::to_string(at(of.whole, 0)) + " requests";
        all.push_back(std::move(check));
    }
    return all;
}

}  // namespace tracking::store
