// What a reader makes of a journal whose end was torn off, or in which bits have changed: everything that is not itself
// damaged is read, damage is counted and kept aside, a torn end is no damage.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <random>

#include "tests/support/journal_kit.hpp"
#include "tracking/journal/crc32c.hpp"
#include "tracking/journal/format.hpp"

namespace {

using namespace kit;
using testing::ElementsAre;
using testing::HasSubstr;
using tracking::outcome;

constexpr std::int64_t now = 1'900'000'000'000;

// The journal of a dead process with one segment file, which tests change and read again.
class DeadJournal : public testing::Test {
protected:
    // Requests 1..count, ended; then those of `open`, begun only.
    void make(std::int64_t count, std::initializer_list<std::int64_t> open_ones = {}) {
        const auto opened = open(how());
        id_ = opened->journals()[0];
        auto& writer = opened->writer_of(0);
        for (const std::int64_t number : open_ones) writer.begin(some_record(number));
        for (std::int64_t n = 1; n <= count; ++n) writer.end(writer.begin(some_record(n)), some_record(n));
        file_ = segment_files(folder_.path()).at(0);
        bytes_ = read_file(file_);
        used_ = bytes_.find_last_not_of('\0') + 1;
        bytes_.resize(used_ + 4096);  // some of the zeros behind it are enough, and quicker
    }
    journal::directory::options how() const { return options_for(folder_.path(), 8ULL << 20, 64 * 1024); }

    struct outcome_of_reading {
        std::vector<journal::entry> entries;
        std::uint64_t damaged = 0;
    };
    outcome_of_reading read_again(const std::string& bytes) {
        write_file(file_, bytes);
        auto looked = journal::directory::open_read_only(folder_.path());
        auto& reading = *std::get<std::unique_ptr<journal::directory>>(looked);
        outcome_of_reading result;
        result.entries = read_all(reading, id_, 3);
        result.damaged = reading.current().damaged;
        // Twice the same, and counted once.
        EXPECT_EQ(sequences(read_all(reading, id_)), sequences(result.entries));
        EXPECT_EQ(reading.current().damaged, result.damaged);
        return result;
    }

    temp_folder folder_{memory_folder()};
    journal::journal_id id_{};
    fs::path file_;
    std::string bytes_;
    std::size_t used_ = 0;
};

// How many of requests 1..n have an end that lies within `size` bytes, from the frames' documented layout.
struct frame_places {
    std::vector<std::size_t> begin_ends, end_ends;
};
frame_places find_frames(const std::string& bytes) {
    frame_places found;
    std::size_t at = 64;
    while (at + 48 <= bytes.size()) {
        const auto word = [&](std::size_t where) {
            std::uint32_t value = 0;
            bytes.copy(reinterpret_cast<char*>(&value), 4, where);
            return value;
        };
        if (word(at + 4) == 0) break;
        const std::size_t size = (48 + word(at) + 1 + 7) / 8 * 8;
        ((word(at + 4) & 0xFF) == 2 ? found.end_ends : found.begin_ends).push_back(at + size);
        at += size;
    }
    return found;
}

std::size_t within(const std::vector<std::size_t>& ends, std::size_t size) {
    return static_cast<std::size_t>(std::count_if(ends.begin(), ends.end(), [&](auto end) { return end <= size; }));
}

TEST_F(DeadJournal, CutAnywhereInItsLastRecordsReadsAsFarAsItGoes) {
    make(10);
    const frame_places frames = find_frames(bytes_);
    ASSERT_EQ(frames.end_ends.size(), 10U);
    for (std::size_t size = frames.end_ends[6]; size <= used_; ++size) {
        const std::size_t ended = within(frames.end_ends, size);
        const std::size_t begun = within(frames.begin_ends, size);
        std::string zeroed = bytes_.substr(0, size);
        zeroed.resize(bytes_.size(), '\0');
        for (const std::string& changed : {bytes_.substr(0, size), zeroed}) {
            const auto read = read_again(changed);
            EXPECT_EQ(read.damaged, 0U) << "cut at " << size << ": a torn end is no damage";
            ASSERT_EQ(numbers(read.entries), from_to<std::int64_t>(1, static_cast<std::int64_t>(begun))) << size;
            ASSERT_EQ(sequences(read.entries), from_to<std::uint64_t>(1, begun)) << size;
            for (std::size_t i = 0; i < begun; ++i)
                ASSERT_EQ(read.entries[i].what.result, i < ended ? outcome::ok : outcome::interrupted) << size;
        }
    }
}

TEST_F(DeadJournal, CutWithinItsHeaderIsEmpty) {
    make(2);
    for (std::size_t size = 0; size < 64; ++size) {
        const auto read = read_again(bytes_.substr(0, size));
        EXPECT_TRUE(read.entries.empty());
        EXPECT_EQ(read.damaged, 0U);
    }
}

TEST_F(DeadJournal, OneBitFlippedAnywhereCostsOneRecordAtMostAndIsCounted) {
    make(6, {100});
    const auto whole = read_again(bytes_);
    ASSERT_THAT(numbers(whole.entries), ElementsAre(1, 2, 3, 4, 5, 6, 100));
    ASSERT_EQ(whole.damaged, 0U);
    std::size_t lost_some = 0;
    for (std::size_t bit = 0; bit < used_ * 8; bit += 3) {
        std::string changed = bytes_;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
        const auto read = read_again(changed);
        std::map<std::int64_t, std::uint64_t> seen;
        for (const auto& each : read.entries) {
            const std::int64_t number = number_of(each.what);
            ASSERT_TRUE(seen.emplace(number, each.sequence).second) << "twice, bit " << bit;
            ASSERT_TRUE((number >= 1 && number <= 6) || number == 100) << "made up, bit " << bit;
            if (number <= 6 && each.what.result == outcome::ok) {
                ASSERT_EQ(each.sequence, static_cast<std::uint64_t>(number)) << "bit " << bit;
            }
        }
        ASSERT_GE(seen.size(), 6U) << "bit " << bit;
        if (seen.size() < 7 || read.entries.back().sequence != 7) {
            ++lost_some;
            ASSERT_GE(read.damaged, 1U) << "lost without being counted, bit " << bit;
        }
        ASSERT_LE(read.damaged, 1U) << "bit " << bit;
    }
    EXPECT_GT(lost_some, used_ * 8 / 3 / 3);  // what a test that changes nothing would not see
}

TEST_F(DeadJournal, ADamagedEndLeavesAGapAndIsNotTakenForAnInterruptedRequest) {
    make(8, {100});
    const frame_places frames = find_frames(bytes_);
    // Request 4's end: once in its payload, once in its header, once over and over.
    const std::size_t end_of_begin = frames.begin_ends[4];
    for (const auto& [from, count] : {std::pair<std::size_t, std::size_t>{end_of_begin + 60, 1},
                                      {end_of_begin + 17, 1},
                                      {end_of_begin, frames.end_ends[3] - end_of_begin}}) {
        std::string changed = bytes_;
        for (std::size_t i = 0; i < count; ++i) changed[from + i] = static_cast<char>(~changed[from + i]);
        const auto read = read_again(changed);
        EXPECT_THAT(numbers(read.entries), ElementsAre(1, 2, 3, 5, 6, 7, 8, 100));
        EXPECT_THAT(sequences(read.entries), ElementsAre(1, 2, 3, 5, 6, 7, 8, 9));
        EXPECT_EQ(read.damaged, 1U);
    }
}

TEST_F(DeadJournal, AHoleOfZerosInTheMiddleIsDamageAndTheRestIsRead) {
    make(60);
    std::string changed = bytes_;
    changed.replace(4096, 4096, 4096, '\0');  // a page that a power failure lost
    const auto read = read_again(changed);
    EXPECT_EQ(read.damaged, 1U);
    EXPECT_EQ(number_of(read.entries.front().what), 1);
    EXPECT_EQ(number_of(read.entries.back().what), 60);
    EXPECT_GT(read.entries.size(), 40U);
}

TEST_F(DeadJournal, BytesOfAnotherJournalAreNotTakenForItsOwn) {
    make(5);
    // The frames of this journal under another one's name: what a file copied to a wrong place would be.
    const fs::path other = file_.parent_path().parent_path() / std::string(32, 'a');
    fs::create_directory(other);
    write_file(other / "00000001.seg", bytes_);
    auto looked = journal::directory::open_read_only(folder_.path());
    auto& reading = *std::get<std::unique_ptr<journal::directory>>(looked);
    journal::journal_id id;
    id.fill(0xaa);
    EXPECT_TRUE(read_all(reading, id).empty());
    EXPECT_GE(reading.current().damaged, 1U);
    EXPECT_EQ(read_all(reading, id_).size(), 5U);
}

TEST_F(DeadJournal, ThatIsDamagedIsKeptAside) {
    make(20);
    std::string changed = bytes_;
    changed[used_ / 2] = static_cast<char>(changed[used_ / 2] ^ 4);
    write_file(file_, changed);
    auto opened = open(how());
    EXPECT_EQ(opened->current().damaged, 1U);
    EXPECT_GE(read_all(*opened, id_).size(), 19U);
    opened->shipped(id_, 20);
    opened->maintain(now);
    opened->maintain(now + how().keep_ms);
    EXPECT_THAT(opened->journals(), testing::Not(testing::Contains(id_)));
    EXPECT_FALSE(fs::exists(file_));
    const std::string aside = file_.string() + ".damaged";
    EXPECT_EQ(read_file(aside).substr(0, used_), changed.substr(0, used_));
    EXPECT_THAT(opened->current().notes, ElementsAre(HasSubstr(aside)));
    EXPECT_EQ(opened->current().damaged, 1U);
    opened.reset();
    opened = open(how());
    EXPECT_EQ(opened->journals().size(), 1U);
    EXPECT_TRUE(fs::exists(aside));
}

// Its last sequence is one that no reader hands out, so that nobody ever reports it as shipped.
TEST_F(DeadJournal, WhoseLastRecordIsDamagedIsKeptAsideOnceTheOthersAreShipped) {
    make(8);
    const frame_places frames = find_frames(bytes_);
    std::string changed = bytes_;
    changed[frames.begin_ends.back() + 60] ^= 4;  // in the payload of the last end
    write_file(file_, changed);
    auto opened = open(how());
    const std::uint64_t last = read_all(*opened, id_).back().sequence;
    ASSERT_EQ(last, 7U);
    opened->shipped(id_, last - 1);
    opened->maintain(now);
    opened->maintain(now + how().keep_ms);
    EXPECT_TRUE(fs::exists(file_)) << "one that can be read is not shipped";
    opened->shipped(id_, last);
    opened->maintain(now);
    opened->maintain(now + how().keep_ms);
    EXPECT_THAT(opened->journals(), testing::Not(testing::Contains(id_)));
    EXPECT_FALSE(fs::exists(file_));
    EXPECT_THAT(opened->current().notes, ElementsAre(HasSubstr(file_.string() + ".damaged")));
    EXPECT_EQ(opened->current().damaged, 1U);
}

TEST_F(DeadJournal, WhoseLastEndIsDamagedWaitsForItsInterruptedRequests) {
    make(8, {100});
    std::string changed = bytes_;
    changed[find_frames(bytes_).begin_ends.back() + 60] ^= 4;
    write_file(file_, changed);
    const auto opened = open(how());
    EXPECT_THAT(sequences(read_all(*opened, id_)), ElementsAre(1, 2, 3, 4, 5, 6, 7, 9));
    opened->shipped(id_, 7);
    opened->maintain(now);
    opened->maintain(now + how().keep_ms);
    EXPECT_TRUE(fs::exists(file_)) << "the interrupted one is not shipped";
    opened->shipped(id_, 9);
    opened->maintain(now);
    opened->maintain(now + how().keep_ms);
    EXPECT_FALSE(fs::exists(file_));
}

TEST_F(DeadJournal, OfANewerReleaseIsLeftAloneWithAMessage) {
    make(3);
    journal::segment_header header;
    bytes_.copy(reinterpret_cast<char*>(&header), sizeof(header));
    std::string changed = bytes_;
    header.version = journal::format_version + 1;
    header.checksum = journal::crc32c(0, {reinterpret_cast<const char*>(&header), sizeof(header) - 4});
    changed.replace(0, sizeof(header), reinterpret_cast<const char*>(&header), sizeof(header));
    write_file(file_, changed);
    const auto opened = open(how());
    EXPECT_EQ(opened->journals().size(), 1U);
    EXPECT_THAT(opened->current().notes, ElementsAre(HasSubstr("newer release (format 2, this one reads up to 1)")));
    opened->maintain(now);
    opened->maintain(now + 2 * how().keep_ms);
    EXPECT_EQ(read_file(file_), changed);
}

TEST_F(DeadJournal, OfAnyBytesReadsAsSomething) {
    make(12, {100, 101});
    std::mt19937 random(11);
    for (int round = 0; round < 300; ++round) {
        std::string changed = bytes_;
        for (int n = 0; n < 40; ++n) changed[random() % used_] = static_cast<char>(random());
        if (round % 3 == 0) changed.resize(random() % used_);
        for (const auto& each : read_again(changed).entries)
            ASSERT_LE(number_of(each.what), 101) << "a record that was never written";
    }
}

TEST(Journal, ADamagedPageUnderALivingWriterIsCountedOnceAndTheRestIsRead) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path(), 8ULL << 20, 64 * 1024));
    for (std::int64_t n = 1; n <= 30; ++n) opened->writer_of(0).end(0, some_record(n));
    const fs::path file = segment_files(folder.path()).at(0);
    std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(3000) << "damage";
    for (int twice = 0; twice < 2; ++twice) {
        const auto read = read_all(*opened, opened->journals()[0]);
        EXPECT_EQ(read.size(), 29U);
        EXPECT_EQ(read.back().sequence, 30U);
        EXPECT_EQ(opened->current().damaged, 1U);
    }
}

}  // namespace
