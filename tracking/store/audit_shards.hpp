// An audit of all there is: of one Redis, or of each shard of a cluster, added up. Blocking; problems are thrown as
// command_problem. Used by verify and verify_service.
#pragma once

#include <functional>

#include "conf/config.hpp"
#include "tracking/store/audit.hpp"

namespace tracking::store {

// `show` is told the connection of the part under way, and nullptr when it has ended, so that it can be cancelled.
audit_report audit_all(const conf::settings& settings, const audit_options& how,
                       const std::function<void(command_redis*)>& show = {});

// Adds what was found in a shard. Totals that agree become sums under the same name; what does not agree is kept as it
// is, with the shard's number, and so are notes.
void add(audit_report& sum, audit_report part, std::uint32_t shard, std::size_t shown);

}  // namespace tracking::store
