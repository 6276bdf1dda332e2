// CRC-32C (Castagnoli), the checksum of the journal: the processor's instruction where it has one, a table elsewhere.
// Both give the same result. Called for each frame written and read; holds no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tracking::journal {

// `before` is the checksum of what came before (0 at the start), so that parts can be added one after the other.
std::uint32_t crc32c(std::uint32_t before, std::span<const char> bytes) noexcept;
std::uint32_t crc32c_by_table(std::uint32_t before, std::span<const char> bytes) noexcept;

}  // namespace tracking::journal
