// What journal tests share: a folder of their own that is removed afterwards, records that can be told apart, and
// short forms of open, append and read.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "tracking/journal/journal.hpp"

namespace kit {

namespace fs = std::filesystem;
namespace journal = tracking::journal;

// For tests that write the same small file thousands of times.
inline fs::path memory_folder() {
    return fs::is_directory("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path();
}

class temp_folder {
public:
    explicit temp_folder(const fs::path& where = fs::temp_directory_path()) {
        std::string pattern = (where / "aimeter-journal-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    temp_folder(const temp_folder&) = delete;
    temp_folder& operator=(const temp_folder&) = delete;
    ~temp_folder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

// As a worker would fill it; `number` says which one it is.
inline tracking::record some_record(std::int64_t number) {
    tracking::record made;
    made.id = tracking::make_uuid7(1'800'000'000'000'000);
    made.request_id = "req-" + std::to_string(number);
    made.ts_ms = 1'800'000'000'000 + number;
    made.user_id = "user_2abcdefghijklmnopqrstuvwxyz";
    made.plan = "free";
    made.provider = "gemini";
    made.ai_model = "gemini-2.0-flash-exp";
    made.content_type = "experience-description";
    made.feature = "content-gen";
    made.input_tokens = number;
    made.output_tokens = 500;
    made.tokens_used = number + 500;
    made.cost_nano = 453'000;
    made.cost_from = tracking::cost_source::catalogue;
    made.success = true;
    made.status = 200;
    made.duration_us = 3'194'120;
    made.attempts = 1;
    return made;
}

inline std::int64_t number_of(const tracking::record& which) { return which.ts_ms - 1'800'000'000'000; }

inline journal::directory::options options_for(const std::string& data_dir, std::uint64_t size = 64ULL << 20,
                                               std::uint64_t segment_bytes = 1ULL << 20, std::uint32_t writers = 1) {
    return {.data_dir = data_dir, .size = size, .segment_bytes = segment_bytes, .keep_ms = 600'000, .writers = writers};
}

inline std::unique_ptr<journal::directory> open(const journal::directory::options& how) {
    auto opened = journal::directory::open(how);
    if (auto* wrong = std::get_if<std::string>(&opened)) {
        ADD_FAILURE() << *wrong;
        return nullptr;
    }
    return std::move(std::get<std::unique_ptr<journal::directory>>(opened));
}

inline std::string error_of(const journal::directory::options& how) {
    auto opened = journal::directory::open(how);
    const auto* wrong = std::get_if<std::string>(&opened);
    return wrong ? *wrong : "";
}

// Everything that a new reader finds, in pieces of `piece`.
inline std::vector<journal::entry> read_all(journal::directory& from, const journal::journal_id& id,
                                            std::size_t piece = 100) {
    std::vector<journal::entry> all;
    const auto reader = from.read(id);
    while (reader->read(piece, all) > 0) {
    }
    return all;
}

inline std::vector<std::int64_t> numbers(const std::vector<journal::entry>& entries) {
    std::vector<std::int64_t> all;
    for (const auto& each : entries) all.push_back(number_of(each.what));
    return all;
}

inline std::vector<std::uint64_t> sequences(const std::vector<journal::entry>& entries) {
    std::vector<std::uint64_t> all;
    for (const auto& each : entries) all.push_back(each.sequence);
    return all;
}

template <typename N>
std::vector<N> from_to(N first, N last) {
    std::vector<N> all;
    for (N n = first; n <= last; ++n) all.push_back(n);
    return all;
}

inline std::vector<fs::path> segment_files(const std::string& data_dir) {
    std::vector<fs::path> all;
    for (const auto& each : fs::recursive_directory_iterator(data_dir + "/journal"))
        if (each.path().extension() == ".seg") all.push_back(each.path());
    std::sort(all.begin(), all.end());
    return all;
}

inline std::string read_file(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const fs::path& path, const std::string& bytes) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << bytes;
}

inline constexpr std::uint64_t small_segment = 64 * 1024;

inline void one_request(journal::directory& to, std::int64_t number) {
    auto& writer = to.writer_of(0);
    const auto record = some_record(number);
    const std::uint64_t ticket = writer.begin(record);
    ASSERT_NE(ticket, 0U);
    ASSERT_TRUE(writer.end(ticket, record));
}

}  // namespace kit
