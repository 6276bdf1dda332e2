// Corrections of recorded costs, kept beside the records that they correct: gathered page by page in streams of this
// run, then made those of their day by correct.lua in one step. Used by reprice, blocking; problems are thrown as
// command_problem. What a run leaves behind when it is cut short expires within the hour.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tracking/store/command_redis.hpp"
#include "tracking/store/keys.hpp"
#include "tracking/store/reprice_sums.hpp"

namespace tracking::store {

struct correction {
    std::string entry;  // id in the usage stream, and in the stream of corrections
    std::string id, model, old_price_id, price_id;
    repriced cost;
};

class corrections {
public:
    corrections(command_redis& redis, const key_names& keys);

    void stage(const std::string& day, const correction& one);  // in the order of the entries
    void send();                                                // what was staged so far, to Redis
    // Replaces the day's corrections. Returns 0, or the number of records from which the earlier ones were made, when
    // that is more than are left to read: those then stay.
    std::int64_t apply(const repriced_day& day, std::string_view catalogue, std::int64_t expires);

private:
    command_redis& redis_;
    const key_names& keys_;
    std::string run_;                             // tells this run's streams from those of another
    std::map<std::string, std::int64_t> staged_;  // entries by day
    std::vector<command> pending_;
};

}  // namespace tracking::store
