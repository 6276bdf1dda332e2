// What a power failure, or a kill in the middle of a write, leaves of the embedded Redis's append-only file: a tail
// that is no whole command, often zeros. Redis refuses to start with zeros. A command that is not whole it cuts off by
// itself, but where that stood in a transaction (a batch is one), the open MULTI stays in the file, and the part of it
// is applied by the start after the next (valkey-io/valkey#4342): counted twice, or lost. So the tail is cut off before
// the server starts. What it held is shipped again: the journal keeps what Redis had confirmed for journal.keep.
// Blocking.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace tracking::store {

// Where the last whole command, or transaction, of these bytes ends.
std::size_t whole_commands(std::string_view bytes);

// Cuts the tail off the newest incremental file in `folder` (appendonlydir), and keeps it beside the file, as *.tail.
// Returns what was done, for the log; "" = nothing: there is no such tail, or it is so long that it is more than a
// tail, and an operator must look.
std::string mend_append_only_file(const std::filesystem::path& folder);

inline constexpr std::uint64_t append_only_tail_max = 64ULL * 1024 * 1024;

}  // namespace tracking::store
