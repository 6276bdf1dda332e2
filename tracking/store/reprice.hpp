// `aimeter reprice`: what the records of some days cost under the catalogue and overrides of today. Blocking, a command
// of its own, beside a running aimeter or without one. Records and counters stay as they are.
#pragma once

#include <chrono>
#include <iosfwd>
#include <string>
#include <variant>

#include "conf/config.hpp"

namespace tracking::store {

struct day_range {
    std::chrono::year_month_day from, to;  // both included
};

// Dates as YYYY-MM-DD; the string says what is wrong with them.
std::variant<day_range, std::string> read_days(const std::string& from, const std::string& to);

// Prints what it finds for each day and model; with `apply`, records the corrections in Redis. false = it could not,
// and `error` says why. Reads the stream page by page, from the first day to its end: a record may have been shipped
// long after it was made.
bool reprice(const conf::settings& settings, const day_range& days, bool apply, std::ostream& out, std::string& error);

}  // namespace tracking::store
