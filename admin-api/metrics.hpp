// GET /metrics: what the process says of itself and of the records that it wrote. Pure: what was read goes in, text
// comes out; the names are listed in docs/metrics.md. Never asks Redis, so that it answers when Redis does not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "admin-api/exposition.hpp"
#include "admin-api/process_figures.hpp"
#include "tracking/journal/journal.hpp"
#include "tracking/store/record_metrics.hpp"
#include "tracking/store/shipper.hpp"

namespace admin {

struct metrics_state {
    const tracking::store::record_metrics* records = nullptr;
    tracking::store::shipper_state shipping;
    tracking::journal::state journal;
    std::uint64_t journal_size = 0;  // bytes that it may take

    struct peer {
        std::string address;
        bool up = true;                            // no worker leaves it out
        std::uint64_t requests = 0, failures = 0;  // attempts; those without connection or answer
        std::uint64_t under_way = 0;
        std::uint64_t idle = 0;  // connections
    };
    std::vector<peer> peers;

    struct worker {
        std::uint64_t client_connections = 0;
        bool responding = true;  // in time for this scrape; else these are its last words
    };
    std::vector<worker> workers;
    std::uint64_t connections_most = 0;

    struct certificate {
        std::string name;  // the first one in it
        std::int64_t ends_ms = 0;
    };
    std::vector<certificate> certificates;  // that clients are shown

    bool reload_succeeded = true;
    std::int64_t reloaded_ms = 0;  // the start counts as one
    bool draining = false;
};

// `process` is nullopt where the kernel tells nothing.
std::string metrics_text(const metrics_state& now, const std::optional<process_figures>& process,
                         exposition_format format);

// The part of it that tells of records.
void write_record_metrics(exposition& to, const tracking::store::record_metrics& from);

}  // namespace admin
