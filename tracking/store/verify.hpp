// `aimeter verify`: recounts streams against hashes against the journal, and mends what differs. Blocking, a command of
// its own; the work is audit's.
#pragma once

#include <iosfwd>
#include <string>

#include "conf/config.hpp"
#include "tracking/store/audit_report.hpp"

namespace tracking::store {

struct verify_options {
    std::size_t shown = 50;       // differences that are printed; the rest is counted
    std::size_t memory_mb = 256;  // for what is expected of the keys; what does not fit takes more passes
    bool repair = false;
    bool dry_run = false;
    bool force = false;
};

// Prints each total and whether it agrees; true = no difference (is left). `error` is set when Redis or the journal
// could not be read.
bool verify(const conf::settings& settings, const verify_options& how, std::ostream& out, std::string& error);

}  // namespace tracking::store
