// The system calls on a segment file: create with all its room, map for the writer, read for everyone else. Only the
// writer's own process maps a segment, and only while it writes it: finished ones are read with pread, so that a
// truncated file or a failing disk is an error and not a SIGBUS. No knowledge of frames.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tracking/journal/format.hpp"

namespace tracking::journal {

class mapping {
public:
    mapping(char* data, std::uint32_t size) : data_(data), size_(size) {}
    mapping(const mapping&) = delete;
    mapping& operator=(const mapping&) = delete;
    ~mapping();
    char* data() const { return data_; }
    std::uint32_t size() const { return size_; }
    // Makes [from, to) present and writable now, so that the writer meets no page fault there.
    void populate(std::uint32_t from, std::uint32_t to) noexcept;

private:
    char* data_;
    std::uint32_t size_;
};

// A new file of `bytes` zeros whose blocks are allocated (a sparse file on a full disk is SIGBUS, not an error), and
// its mapping. On failure nullptr and `error` is the errno (ENOSPC, EFBIG, ...), and no file is left.
std::shared_ptr<mapping> create_segment_file(const std::string& path, std::uint32_t bytes, int& error) noexcept;

// The first `bytes` of a file, or all of it that there is if that is less. nullptr: `error` is the errno.
struct file_bytes {
    std::shared_ptr<const char> data;
    std::uint32_t size = 0;
};
file_bytes read_file(const std::string& path, std::uint64_t bytes, int& error);

bool write_at(const std::string& path, std::uint64_t offset, std::string_view bytes) noexcept;
bool flush_file(const std::string& path) noexcept;    // fdatasync
void flush_folder(const std::string& path) noexcept;  // fsync, for names made in it

std::string segment_name(std::uint32_t number);                     // "00000001.seg"
bool segment_number(std::string_view name, std::uint32_t& number);  // false = not the name of a segment

}  // namespace tracking::journal
