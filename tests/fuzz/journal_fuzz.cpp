// Recovery of a segment whose bytes may be anything. The first byte chooses: the bytes as they are, or a valid segment
// made of pieces of them, some of whose bytes are then changed (so that the fuzzer gets behind the checksums).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tracking/journal/format.hpp"
#include "tracking/journal/recovery.hpp"

namespace {

namespace journal = tracking::journal;

constexpr std::uint32_t number = 3;
const journal::journal_id id{1, 2, 3, 4, 5, 6, 7, 8};

void require(bool holds) {
    if (!holds) std::abort();
}

// 8-byte aligned, as a mapped segment is.
struct segment_bytes {
    std::vector<std::uint64_t> words;
    explicit segment_bytes(std::size_t size) : words((size + 7) / 8) {}
    char* data() { return reinterpret_cast<char*>(words.data()); }
};

void recover(segment_bytes& bytes, std::size_t size, bool live) {
    const journal::image all{bytes.data(), static_cast<std::uint32_t>(size), journal::segment_seed(id, number)};
    journal::segment_header header;
    if (size >= sizeof(header)) std::memcpy(&header, bytes.data(), sizeof(header));
    const bool good = journal::check_header(header, id, number) == journal::header_state::good;
    journal::recovery scan;
    const auto extent = scan.add(number, all, good ? &header : nullptr, live);
    require(extent.end <= size && extent.used <= size);

    // What a reader then sees: it always gets on, and stays within.
    tracking::record record;
    const journal::image kept{all.data, extent.end, all.seed};
    for (std::uint32_t at = sizeof(header); at < kept.limit;) {
        const journal::look seen = journal::look_at(kept, at);
        require(seen.next > at && seen.next <= kept.limit);
        if (seen.kind == journal::sight::frame) static_cast<void>(tracking::decode(seen.what.payload, record));
        at = seen.next;
    }
    for (const auto& begun : scan.unfinished()) {
        if (!tracking::decode(begun.payload, record)) continue;
        // What decodes can be encoded again, and says the same.
        std::string again(tracking::record_bytes_max, '\0');
        const std::size_t length = tracking::encode(record, again);
        require(length > 0);
        tracking::record back;
        require(tracking::decode(std::span(again).first(length), back));
        require(tracking::log_json(back).size() <= tracking::log_json(record).size());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const bool live = data[0] & 2;
    const bool built = data[0] & 1;
    const char* at = reinterpret_cast<const char*>(data) + 1;
    const char* const end = reinterpret_cast<const char*>(data) + size;
    if (!built) {
        segment_bytes raw(size - 1);
        std::memcpy(raw.data(), at, size - 1);
        recover(raw, size - 1, live);
        return 0;
    }
    // Pieces: kind, ticket, length, payload; a piece of kind 3 changes a byte afterwards.
    segment_bytes made(64 + size * 70 + 64);
    const auto header = journal::make_segment_header(id, number, 1, 0);
    std::memcpy(made.data(), &header, sizeof(header));
    std::size_t used = sizeof(header);
    std::uint64_t sequence = 0;
    std::vector<std::pair<std::size_t, char>> changes;
    while (end - at >= 3) {
        const int kind = at[0] & 3;
        const auto ticket = static_cast<std::uint8_t>(at[1]);
        const std::size_t length =
            std::min<std::size_t>(static_cast<std::uint8_t>(at[2]), static_cast<std::size_t>(end - at) - 3);
        if (kind == 3) {
            changes.emplace_back(ticket * 256U + static_cast<std::uint8_t>(at[2]), at[0]);
            at += 3;
            continue;
        }
        std::memcpy(made.data() + used + sizeof(journal::frame_header), at + 3, length);
        journal::frame_header frame;
        frame.ticket = ticket;
        frame.sequence = kind == 1 ? sequence : ++sequence;
        used +=
            journal::seal_frame(made.data() + used, kind == 1 ? journal::frame_kind::begin : journal::frame_kind::end,
                                length, frame, journal::segment_seed(id, number));
        at += 3 + length;
    }
    for (const auto& [where, by] : changes)
        made.data()[where % used] = static_cast<char>(made.data()[where % used] ^ by);
    recover(made, used + 64, live);
    return 0;
}
