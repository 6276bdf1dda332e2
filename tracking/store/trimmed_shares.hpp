// What trimmed entries had added to the keys of periods that are older than the streams: nobody can count it again, but
// the parts of a period must still add up to it, and all of it to what the checkpoint says. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tracking/store/audit_report.hpp"
#include "tracking/store/key_parts.hpp"

namespace tracking::store {

class trimmed_shares {
public:
    // `share`: what the key holds beyond what was counted from the streams, in the order of its fields.
    void note(const key_parts& key, const std::vector<std::int64_t>& share);
    // One check for each period that has such a share. `days_from`, `hours_from`: days and hours that begin before
    // these have, or may have, expired (as dates: "2026-11-22").
    std::vector<audit_check> checks(const trimmed_part& trimmed, const std::string& days_from,
                                    const std::string& hours_from) const;

private:
    using sums = std::vector<std::int64_t>;
    struct period {
        sums whole, features, users, inner, general;  // inner: of the months, days or hours that it is made of
    };
    std::map<std::string, period> periods_;
};

}  // namespace tracking::store
