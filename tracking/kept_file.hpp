// Small files in data_dir that outlive the process. For the control thread, at start and seldom afterwards: they block.
// data_dir is locked by this process, so that nobody else writes there.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tracking {

// The whole file; nullopt when there is none, when it cannot be read, or when it has more than `bytes_max`.
std::optional<std::string> read_kept_file(const std::string& path, std::size_t bytes_max);

// Written beside it (mode 0600) and renamed, so that a crash leaves the old file or the new one. The result is an
// error, or empty.
std::string write_kept_file(const std::string& path, std::string_view text);

}  // namespace tracking
