#include "tracking/journal/recovery.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace tracking::journal {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t page = 4096;

// Behind the last byte that is not zero.
std::uint32_t used_bytes(const image& bytes) {
    std::uint32_t end = bytes.limit;
    while (end >= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data + end - 8, 8);
        if (word != 0) break;
        end -= 8;
    }
    while (end > 0 && bytes.data[end - 1] == 0) --end;
    return end;
}

constexpr std::uint32_t aligned(std::uint32_t offset) { return (offset + frame_align - 1) / frame_align * frame_align; }

// Is what was seen at `at` the torn end of a file (its process or the machine died while it was written), and not
// damage in the middle? A frame is written front to back as far as the disk is concerned, and ends with a mark.
bool torn(const look& seen, std::uint32_t at, std::uint32_t used, bool live) {
    if (live && seen.kind != sight::frame && seen.kind != sight::bad_payload) return true;
    switch (seen.kind) {
        case sight::cut:
        case sight::nothing:
        case sight::end:
            return true;
        case sight::bad_payload:
            return used < seen.next;
        case sight::damage:
            return used <= at + sizeof(frame_header);
        case sight::frame:
            break;
    }
    return false;
}

struct listed_file {
    std::uint32_t number = 0;
    std::string path;
    std::uint64_t bytes = 0;
};

// The segments of a folder, in order; `aside` are the bytes of other files in it. One that nothing can be told of is an
// error: without it, what it holds would be taken for lost.
std::vector<listed_file> list_segments(const std::string& folder, std::uint64_t& aside, std::error_code& ec) {
    std::vector<listed_file> found;
    for (fs::directory_iterator at(folder, ec), end; !ec && at != end; at.increment(ec)) {
        struct stat about{};
        listed_file file;
        file.path = at->path().string();
        const bool is_segment = segment_number(at->path().filename().string(), file.number);
        if (::stat(file.path.c_str(), &about) != 0) {
            if (errno == ENOENT || !is_segment) continue;
            ec.assign(errno, std::generic_category());
            return found;
        }
        if (!S_ISREG(about.st_mode)) continue;
        file.bytes = static_cast<std::uint64_t>(about.st_size);
        if (is_segment)
            found.push_back(std::move(file));
        else
            aside += file.bytes;
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
    return found;
}

std::shared_ptr<segment> to_segment(const listed_file& file, std::uint32_t bytes, const recovery::extent& extent,
                                    std::uint32_t seed) {
    auto read = std::make_shared<segment>();
    read->path = file.path;
    read->number = file.number;
    read->bytes = bytes;
    read->seed = seed;
    read->published = extent.end;
    read->sealed = true;
    read->last_sequence = extent.last_sequence;
    return read;
}

recovered unread_for_now(const std::string& what, const std::error_code& why) {
    recovered result;
    result.unread = true;
    result.note = "journal " + what + " cannot be read (" + why.message() + ")";
    return result;
}

}  // namespace

void recovery::note(std::uint32_t number, const look& seen) {
    const frame& what = seen.what;
    last_sequence_ = std::max(last_sequence_, what.sequence);
    if (seen.kind == sight::frame && what.kind == frame_kind::end) last_whole_ = std::max(last_whole_, what.sequence);
    open_.erase(what.ended_before);
    if (what.kind == frame_kind::end)
        open_.erase(what.ticket);
    else if (seen.kind == sight::frame && !what.settled)
        open_[what.ticket] = {.number = number, .in_segment = what.payload, .payload = {}};
}

recovery::extent recovery::add(std::uint32_t number, const image& bytes, const segment_header* header, bool live) {
    extent found;
    found.used = used_bytes(bytes);
    // Without a whole header and with nothing behind it nothing was ever in it: killed while it was begun.
    if (found.used == 0 || (!header && found.used <= sizeof(segment_header))) return found;
    if (header)
        last_sequence_ = std::max(last_sequence_, std::max<std::uint64_t>(header->first_sequence, 1) - 1);
    else
        found.damaged.push_back(0);

    std::uint32_t at = sizeof(segment_header);
    while (at < bytes.limit) {
        const look seen = look_at(bytes, at);
        if (seen.kind != sight::frame && torn(seen, at, found.used, live)) break;
        if (seen.kind != sight::frame) found.damaged.push_back(at);
        if (seen.kind != sight::damage) note(number, seen);
        // Damage up to the end: as far as there are bytes, so that it is met again when the segment is read.
        at = seen.kind == sight::damage && seen.next == bytes.limit ? std::max(at + frame_align, aligned(found.used))
                                                                    : seen.next;
        if (seen.kind == sight::damage && seen.next == bytes.limit) break;
    }
    found.end = std::min(at, bytes.limit);
    found.last_sequence = last_sequence_;
    for (auto& [ticket, where] : open_) {
        if (where.number != number) continue;
        where.payload = where.in_segment;
        where.in_segment = {};
    }
    return found;
}

std::vector<recovery::begun> recovery::unfinished() const {
    std::vector<begun> all;
    for (const auto& [ticket, where] : open_) all.push_back({where.number, where.payload});
    return all;
}

recovered recover(const journal_id& id, const std::string& folder, bool read_only, bool live) {
    recovered result;
    std::error_code failed;
    const std::vector<listed_file> files = list_segments(folder, result.bytes, failed);
    if (failed && failed != std::errc::no_such_file_or_directory) return unread_for_now(folder, failed);
    auto segments = std::make_shared<chain>(id, folder, false);
    recovery scan;
    chain::tail tail;
    for (const listed_file& file : files) {
        result.bytes += file.bytes;
        int error = 0;
        const file_bytes read = read_file(file.path, UINT32_MAX, error);
        if (!read.data) {
            if (error == ENOENT) continue;  // removed meanwhile by the process that owns it
            return unread_for_now(file.path, {error, std::generic_category()});
        }
        segment_header header;
        if (read.size >= sizeof(header)) std::memcpy(&header, read.data.get(), sizeof(header));
        const header_state state = check_header(header, id, file.number);
        if (state == header_state::newer) {
            result.note = "journal " + folder + " was written by a newer release (format " +
                          std::to_string(header.version) + ", this one reads up to " + std::to_string(format_version) +
                          "); it is left alone, start that release to ship it";
            return result;
        }
        const image bytes{read.data.get(), read.size, segment_seed(id, file.number)};
        const recovery::extent extent =
            scan.add(file.number, bytes, state == header_state::good ? &header : nullptr, live);
        if (extent.end == 0) {  // prepared, never begun
            if (!read_only && ::unlink(file.path.c_str()) == 0) result.bytes -= file.bytes;
            continue;
        }
        if (tail.created_ms == 0 && state == header_state::good) tail.created_ms = header.created_ms;
        const std::uint32_t keep = std::min((extent.used + page - 1) / page * page, read.size);
        const bool trimmed = !read_only && keep < read.size && ::truncate(file.path.c_str(), keep) == 0;
        if (trimmed) result.bytes -= read.size - keep;
        auto found = to_segment(file, trimmed ? keep : read.size, extent, bytes.seed);
        segments->add(found);
        for (std::uint32_t offset : extent.damaged) segments->note_damage(*found, offset);
    }
    tail.last_sequence = scan.last_sequence();
    tail.last_whole = scan.last_whole();
    if (!live) {
        const auto all = segments->segments();
        for (auto& begun : scan.unfinished()) {
            for (const auto& each : all)
                if (each->number == begun.number) ++each->open;
            tail.interrupted.push_back(std::move(begun.payload));
        }
    }
    segments->set_tail(std::move(tail));
    result.segments = std::move(segments);
    return result;
}

}  // namespace tracking::journal
