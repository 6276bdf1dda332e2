// The bytes of a segment file: a header, then frames, then zeros. Pure functions over memory: the writer makes frames
// with seal_frame(), readers and recovery find them again with look_at(), whatever became of the file in between.
//
//   segment   | header 64 | frame | frame | ... | 0 0 0 ... |         (numbers little-endian, frames 8-byte aligned)
//   frame     | commit 8 | checksum 4 | payload checksum 4 | sequence 8 | ticket 8 | ended before 8 | settled 4 | 0 4 |
//             | payload ... 0 | end mark 1 |
//
// `commit` (magic, kind, length) is stored last: a frame without it does not exist, so that kill -9 at any instruction
// leaves a valid prefix. Header and payload have checksums of their own, so that a damaged payload still tells which
// request it was. Checksums start from the journal's id and the segment's number: bytes of another file never fit.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "tracking/journal/journal.hpp"
#include "tracking/record.hpp"

namespace tracking::journal {

inline constexpr std::uint32_t format_version = 1;

// The first 64 bytes keep this shape in every version, so that an older release can name a newer one.
struct segment_header {
    std::uint64_t magic = 0;
    std::uint32_t version = 0;
    std::uint32_t number = 0;
    journal_id id{};
    std::uint64_t first_sequence = 0;  // that the first end frame of this segment gets
    std::int64_t created_ms = 0;
    std::uint8_t reserved[12] = {};
    std::uint32_t checksum = 0;  // of all before it
};
static_assert(sizeof(segment_header) == 64);

segment_header make_segment_header(const journal_id& id, std::uint32_t number, std::uint64_t first_sequence,
                                   std::int64_t created_ms) noexcept;
enum class header_state : std::uint8_t { good, newer, bad };
header_state check_header(const segment_header& header, const journal_id& id, std::uint32_t number) noexcept;
std::uint32_t segment_seed(const journal_id& id, std::uint32_t number) noexcept;

enum class frame_kind : std::uint8_t { begin = 1, end = 2 };

struct frame_header {
    std::uint64_t commit = 0;
    std::uint32_t checksum = 0;
    std::uint32_t payload_checksum = 0;
    std::uint64_t sequence = 0;      // of an end frame; of a begin frame the last one given before it
    std::uint64_t ticket = 0;        // ties an end to its begin; 0 = it had none
    std::uint64_t ended_before = 0;  // ticket of the end frame before this frame: survives that frame's damage
    std::uint32_t settled = 0;       // outside the checksum: set later, see settle_frame()
    std::uint32_t reserved = 0;
};
static_assert(sizeof(frame_header) == 48);

inline constexpr std::uint32_t frame_align = 8;
constexpr std::uint32_t frame_bytes(std::size_t payload) {
    const std::size_t with_end_mark = sizeof(frame_header) + payload + 1;
    return static_cast<std::uint32_t>((with_end_mark + frame_align - 1) / frame_align * frame_align);
}
inline constexpr std::uint32_t frame_bytes_max = frame_bytes(record_bytes_max);
inline constexpr std::uint32_t frame_bytes_tight = frame_bytes(record_bytes_tight);

// Completes the frame at `at` (8-byte aligned) whose payload lies behind its header already; the bytes behind the
// payload are zero. `header` brings sequence, ticket and ended_before. Returns the frame's size.
std::uint32_t seal_frame(char* at, frame_kind kind, std::size_t payload, frame_header header,
                         std::uint32_t seed) noexcept;

// The value of `settled` that says: this begin has ended, though the segment of its end may be gone.
inline constexpr std::uint32_t settled_mark = 0x444E4523;
inline constexpr std::uint32_t settled_offset = 40;

// A segment, or as much of it as there is to read.
struct image {
    const char* data = nullptr;
    std::uint32_t limit = 0;  // bytes
    std::uint32_t seed = 0;
};

struct frame {
    frame_kind kind = frame_kind::begin;
    std::uint64_t sequence = 0;
    std::uint64_t ticket = 0;
    std::uint64_t ended_before = 0;
    bool settled = false;
    std::string_view payload;
};

enum class sight : std::uint8_t {
    frame,        // a whole frame
    bad_payload,  // its header holds, its payload does not: `what` tells which request it was
    cut,          // its header holds, but it runs over the limit
    nothing,      // no commit, and no frame behind it either
    damage,       // something that is no frame; `next` is the next frame, or the limit
    end,          // no room for another frame
};
struct look {
    sight kind = sight::end;
    std::uint32_t next = 0;
    frame what;
};
look look_at(const image& in, std::uint32_t offset) noexcept;

}  // namespace tracking::journal
