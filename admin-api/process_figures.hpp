// What the kernel knows of this process, for the metrics that every Prometheus client library has (process_*).
#pragma once

#include <cstdint>
#include <optional>

namespace admin {

struct process_figures {
    std::int64_t cpu_ms = 0;  // user and system, all threads
    std::int64_t resident_bytes = 0, virtual_bytes = 0;
    std::int64_t start_ms = 0;  // since the epoch
    std::int64_t open_files = 0, files_most = 0;
};

// Reads /proc; nullopt where there is none.
std::optional<process_figures> read_process_figures();

}  // namespace admin
