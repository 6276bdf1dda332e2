#include "tracking/journal/format.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include "tracking/journal/crc32c.hpp"

namespace tracking::journal {
namespace {

static_assert(std::endian::native == std::endian::little, "segments are written as they lie in memory");

constexpr std::uint64_t segment_magic = 0x0A4C4E524A4D4941;  // "AIMJRNL\n"
constexpr std::uint64_t commit_magic = 0xA15E;               // in the top 16 bits of `commit`
constexpr char end_mark = '\x5A';

constexpr std::uint64_t commit_word(frame_kind kind, std::size_t payload) {
    return commit_magic << 48 | static_cast<std::uint64_t>(kind) << 32 | payload;
}

template <typename T>
std::span<const char> bytes_of(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

// Of everything in the header but the checksum itself and `settled`.
std::uint32_t header_checksum(const frame_header& header, std::uint32_t seed) {
    const std::array<std::uint64_t, 5> words{header.commit, header.payload_checksum, header.sequence, header.ticket,
                                             header.ended_before};
    return crc32c(seed, bytes_of(words));
}

std::uint32_t header_checksum(const segment_header& header) {
    return crc32c(0, bytes_of(header).first(offsetof(segment_header, checksum)));
}

// Reads the header at `offset`, which is within the limit; true = its checksum holds.
bool read_header(const image& in, std::uint32_t offset, frame_header& header) {
    std::memcpy(&header, in.data + offset, sizeof(header));
    const std::uint64_t kind = header.commit >> 32 & 0xFFFF;
    return header.commit >> 48 == commit_magic && (kind == 1 || kind == 2) &&
           (header.commit & 0xFFFFFFFF) <= record_bytes_max && header_checksum(header, in.seed) == header.checksum;
}

// The first frame header at or behind `offset` that holds; the limit if there is none.
std::uint32_t find_header(const image& in, std::uint32_t offset) {
    frame_header header;
    for (; in.limit >= sizeof(frame_header) && offset <= in.limit - sizeof(frame_header); offset += frame_align)
        if (read_header(in, offset, header)) return offset;
    return in.limit;
}

}  // namespace

segment_header make_segment_header(const journal_id& id, std::uint32_t number, std::uint64_t first_sequence,
                                   std::int64_t created_ms) noexcept {
    segment_header header;
    header.magic = segment_magic;
    header.version = format_version;
    header.number = number;
    header.id = id;
    header.first_sequence = first_sequence;
    header.created_ms = created_ms;
    header.checksum = header_checksum(header);
    return header;
}

header_state check_header(const segment_header& header, const journal_id& id, std::uint32_t number) noexcept {
    if (header.magic != segment_magic || header.checksum != header_checksum(header)) return header_state::bad;
    if (header.version > format_version) return header_state::newer;
    return header.id == id && header.number == number ? header_state::good : header_state::bad;
}

std::uint32_t segment_seed(const journal_id& id, std::uint32_t number) noexcept {
    return crc32c(crc32c(0, bytes_of(id)), bytes_of(number));
}

std::uint32_t seal_frame(char* at, frame_kind kind, std::size_t payload, frame_header header,
                         std::uint32_t seed) noexcept {
    const std::uint32_t size = frame_bytes(payload);
    header.commit = commit_word(kind, payload);
    header.payload_checksum = crc32c(seed, {at + sizeof(header), payload});
    header.checksum = header_checksum(header, seed);
    at[size - 1] = end_mark;
    std::memcpy(at + sizeof(header.commit), reinterpret_cast<const char*>(&header) + sizeof(header.commit),
                sizeof(header) - sizeof(header.commit));
    // Last, and not before the rest: for a reader of the file after this process was killed.
    std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(at))
        .store(header.commit, std::memory_order_release);
    return size;
}

look look_at(const image& in, std::uint32_t offset) noexcept {
    look seen{.kind = sight::end, .next = in.limit, .what = {}};
    if (in.limit < sizeof(frame_header) || offset > in.limit - sizeof(frame_header)) return seen;
    frame_header header;
    if (!read_header(in, offset, header)) {
        seen.next = find_header(in, offset + frame_align);
        seen.kind = header.commit == 0 && seen.next == in.limit ? sight::nothing : sight::damage;
        return seen;
    }
    const std::size_t payload = header.commit & 0xFFFFFFFF;
    const std::uint32_t size = frame_bytes(payload);
    seen.what = {.kind = static_cast<frame_kind>(header.commit >> 32 & 0xFFFF),
                 .sequence = header.sequence,
                 .ticket = header.ticket,
                 .ended_before = header.ended_before,
                 .settled = header.settled == settled_mark,
                 .payload = {}};
    if (size > in.limit - offset) {
        seen.kind = sight::cut;
        return seen;
    }
    seen.what.payload = {in.data + offset + sizeof(header), payload};
    const bool whole =
        in.data[offset + size - 1] == end_mark && crc32c(in.seed, seen.what.payload) == header.payload_checksum;
    seen.kind = whole ? sight::frame : sight::bad_payload;
    seen.next = offset + size;
    return seen;
}

}  // namespace tracking::journal
