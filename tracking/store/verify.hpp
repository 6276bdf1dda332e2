// `aimeter verify`: recounts streams against hashes against the journal. Blocking, a command of its own.
#pragma once

#include <iosfwd>
#include <string>

#include "conf/config.hpp"

namespace tracking::store {

// Prints each total and whether it agrees; true = no difference. `error` is set when Redis or the journal could not be
// read. The snapshot is one MULTI read of the counters; streams are then read in bounded memory up to the entry that
// the snapshot saw.
bool verify(const conf::settings& settings, std::ostream& out, std::string& error);

}  // namespace tracking::store
