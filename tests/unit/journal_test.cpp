// The journal as its writer, its readers and the operator see it: order, sequences, roll-over, bounds, keeping.
// What a damaged or torn file reads as is in journal_damage_test.cpp, threads are in journal_threads_test.cpp, two
// processes at one data_dir in journal_succession_test.cpp.
#include "tracking/journal/journal.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/journal_kit.hpp"
#include "tests/support/sanitizer.hpp"
#include "tracking/journal/crc32c.hpp"

namespace {

using namespace kit;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using tracking::outcome;

constexpr std::int64_t now = 1'900'000'000'000;
constexpr std::int64_t keep = 600'000;

TEST(Crc32c, IsCastagnoli) {
    const std::string digits = "123456789";  // the check value of the CRC catalogue
    EXPECT_EQ(journal::crc32c(0, digits), 0xE3069283U);
    const std::string zeros(32, '\0');  // RFC 3720, B.4
    EXPECT_EQ(journal::crc32c(0, zeros), 0x8A9136AAU);
    EXPECT_EQ(journal::crc32c(journal::crc32c(0, digits.substr(0, 4)), digits.substr(4)), 0xE3069283U);
    std::string text;
    for (int i = 0; i < 300; ++i) {
        text += static_cast<char>(i * 7);
        ASSERT_EQ(journal::crc32c(5, text), journal::crc32c_by_table(5, text)) << i;
    }
}

TEST(Journal, ReadsWhatWasWrittenInOrderFromOne) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path()));
    ASSERT_THAT(opened->journals(), testing::SizeIs(1));
    const auto id = opened->journals()[0];
    EXPECT_TRUE(opened->is_own(id));
    EXPECT_THAT(journal::to_text(id), testing::MatchesRegex("[0-9a-f]{32}"));
    for (std::int64_t n = 1; n <= 1000; ++n) one_request(*opened, n);
    const auto all = read_all(*opened, id);
    EXPECT_EQ(numbers(all), from_to<std::int64_t>(1, 1000));
    EXPECT_EQ(sequences(all), from_to<std::uint64_t>(1, 1000));
    EXPECT_EQ(all[41].what.request_id, "req-42");
    EXPECT_EQ(all[41].what.cost_nano, 453'000);
}

TEST(Journal, GivesSequencesInTheOrderOfTheEnds) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path()));
    auto& writer = opened->writer_of(0);
    const auto first = writer.begin(some_record(1));
    const auto second = writer.begin(some_record(2));
    EXPECT_NE(first, second);
    EXPECT_TRUE(writer.end(second, some_record(2)));
    EXPECT_TRUE(writer.end(0, some_record(3)));  // never forwarded
    EXPECT_TRUE(writer.end(first, some_record(1)));
    const auto all = read_all(*opened, opened->journals()[0]);
    EXPECT_THAT(numbers(all), ElementsAre(2, 3, 1));
    EXPECT_THAT(sequences(all), ElementsAre(1, 2, 3));
}

TEST(Journal, BeginsAreNoRecordsWhileTheProcessLives) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path()));
    opened->writer_of(0).begin(some_record(1));
    EXPECT_THAT(read_all(*opened, opened->journals()[0]), IsEmpty());
}

TEST(Journal, AReaderGoesOnWhereItStopped) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path()));
    const auto id = opened->journals()[0];
    const auto reader = opened->read(id);
    EXPECT_EQ(reader->id(), id);
    std::vector<journal::entry> all;
    EXPECT_EQ(reader->read(10, all), 0U);
    for (std::int64_t n = 1; n <= 10; ++n) one_request(*opened, n);
    EXPECT_EQ(reader->read(4, all), 4U);
    EXPECT_EQ(reader->read(100, all), 6U);
    EXPECT_EQ(reader->read(100, all), 0U);
    one_request(*opened, 11);
    EXPECT_EQ(reader->read(100, all), 1U);
    EXPECT_EQ(numbers(all), from_to<std::int64_t>(1, 11));
}

TEST(Journal, RecordsCanBePassedUnread) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path()));
    const auto reader = opened->read(opened->journals()[0]);
    EXPECT_EQ(reader->pass(10), 0U);
    for (std::int64_t n = 1; n <= 10; ++n) one_request(*opened, n);
    EXPECT_EQ(reader->pass(4), 4U);
    std::vector<journal::entry> all;
    EXPECT_EQ(reader->read(2, all), 2U);
    EXPECT_EQ(numbers(all), from_to<std::int64_t>(5, 6));
    EXPECT_EQ(reader->pass(100), 10U);
    EXPECT_EQ(reader->pass(100), 0U);
}

TEST(Journal, RollsOverSegmentsWithAndWithoutControlsHelp) {
    for (const bool maintained : {true, false}) {
        const temp_folder folder;
        const auto opened = open(options_for(folder.path(), 64ULL << 20, small_segment));
        for (std::int64_t n = 1; n <= 3000; ++n) {
            one_request(*opened, n);
            if (maintained && n % 10 == 0) opened->maintain(now);
        }
        EXPECT_GT(segment_files(folder.path()).size(), 10U);
        const auto all = read_all(*opened, opened->journals()[0], 7);
        EXPECT_EQ(numbers(all), from_to<std::int64_t>(1, 3000));
        EXPECT_EQ(sequences(all), from_to<std::uint64_t>(1, 3000));
        EXPECT_EQ(opened->current().lost, 0U);
        EXPECT_TRUE(opened->current().writable);
    }
}

TEST(Journal, PreparesTheNextSegmentBeforeItIsNeeded) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path(), 64ULL << 20, small_segment));
    EXPECT_EQ(segment_files(folder.path()).size(), 1U);
    opened->maintain(now);
    EXPECT_EQ(segment_files(folder.path()).size(), 1U);  // an idle proxy holds one
    for (std::int64_t n = 1; n <= 80; ++n) one_request(*opened, n);
    opened->maintain(now);
    EXPECT_EQ(segment_files(folder.path()).size(), 2U);
}

TEST(Journal, SeeksToJustBehindASequence) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path(), 64ULL << 20, small_segment));
    for (std::int64_t n = 1; n <= 1000; ++n) one_request(*opened, n);
    const auto reader = opened->read(opened->journals()[0]);
    for (const std::uint64_t sequence : {999, 0, 1, 500, 137, 1000, 77}) {
        reader->seek(sequence);
        std::vector<journal::entry> all;
        while (reader->read(64, all) > 0) {
        }
        ASSERT_EQ(sequences(all), from_to<std::uint64_t>(sequence + 1, 1000)) << sequence;
    }
    // Behind the end: nothing until the journal gets there.
    reader->seek(1002);
    std::vector<journal::entry> all;
    for (std::int64_t n = 1001; n <= 1004; ++n) one_request(*opened, n);
    reader->read(64, all);
    EXPECT_THAT(sequences(all), ElementsAre(1003, 1004));
}

TEST(Journal, TwoReadersDoNotDisturbEachOther) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path(), 64ULL << 20, small_segment));
    const auto one = opened->read(opened->journals()[0]);
    const auto other = opened->read(opened->journals()[0]);
    std::vector<journal::entry> by_one;
    std::vector<journal::entry> by_other;
    for (std::int64_t n = 1; n <= 900; ++n) {
        one_request(*opened, n);
        if (n % 3 == 0) one->read(2, by_one);
        if (n % 100 == 0) other->read(1000, by_other);
    }
    while (one->read(50, by_one) > 0) {
    }
    EXPECT_EQ(numbers(by_one), from_to<std::int64_t>(1, 900));
    EXPECT_EQ(numbers(by_other), from_to<std::int64_t>(1, 900));
}

TEST(Journal, EachWriterHasAJournalOfItsOwn) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path(), 64ULL << 20, small_segment, 3));
    ASSERT_THAT(opened->journals(), testing::SizeIs(3));
    for (std::uint32_t worker = 0; worker < 3; ++worker) opened->writer_of(worker).end(0, some_record(worker));
    std::vector<std::int64_t> seen;
    for (const auto& id : opened->journals()) {
        const auto all = read_all(*opened, id);
        EXPECT_THAT(sequences(all), ElementsAre(1));
        seen.push_back(number_of(all.at(0).what));
    }
    EXPECT_THAT(seen, testing::UnorderedElementsAre(0, 1, 2));
}

TEST(JournalBound, CountsEveryLossExactlyAndKeepsWhatIsThere) {
    const temp_folder folder;
    const std::uint64_t size = 8 * small_segment;
    const auto opened = open(options_for(folder.path(), size, small_segment));
    auto& writer = opened->writer_of(0);
    std::uint64_t written = 0;
    std::uint64_t refused = 0;
    std::uint64_t unprotected = 0;
    for (std::int64_t n = 1; n <= 10'000; ++n) {
        const std::uint64_t ticket = writer.begin(some_record(n));
        unprotected += ticket == 0;
        const bool kept = writer.end(ticket, some_record(n));
        EXPECT_TRUE(kept || ticket == 0) << "a request that was begun lost its end";
        ++(kept ? written : refused);
        if (n % 50 == 0) opened->maintain(now + n);
    }
    const auto state = opened->current();
    EXPECT_EQ(state.lost, refused);
    EXPECT_EQ(state.unprotected, unprotected);
    EXPECT_FALSE(state.writable);
    EXPECT_LE(state.bytes, size);
    EXPECT_GT(written * 400, size / 2) << "room was left unused";
    const auto all = read_all(*opened, opened->journals()[0]);
    EXPECT_EQ(sequences(all), from_to<std::uint64_t>(1, written));
}

TEST(JournalBound, EveryBegunRequestHasRoomForItsEnd) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path(), 4 * small_segment, small_segment));
    auto& writer = opened->writer_of(0);
    auto large = some_record(1);
    for (auto text : {&tracking::record::user_id, &tracking::record::plan, &tracking::record::user_claim,
                      &tracking::record::provider, &tracking::record::ai_model, &tracking::record::error_message,
                      &tracking::record::feature, &tracking::record::variant, &tracking::record::price_id})
        (large.*text).assign(700, 'x');
    std::vector<std::uint64_t> tickets;
    for (int i = 0; i < 10'000; ++i) {
        const std::uint64_t ticket = writer.begin(large);
        if (ticket == 0) break;
        tickets.push_back(ticket);
        if (i % 10 == 0) opened->maintain(now + i);
    }
    ASSERT_GT(tickets.size(), 20U);
    // Records of a request that has no reservation must not take the room of those that do.
    std::size_t more = 0;  // what is left is not promised to anybody
    while (more < 5 && writer.end(0, large)) ++more;
    EXPECT_LT(more, 5U);
    for (std::size_t i = 0; i < tickets.size(); ++i) ASSERT_TRUE(writer.end(tickets[i], large)) << i;
    EXPECT_EQ(opened->current().lost, 1U);
    const auto all = read_all(*opened, opened->journals()[0]);
    ASSERT_EQ(all.size(), tickets.size() + more);
    for (const auto& each : all) {
        EXPECT_EQ(each.what.tokens_used, 501);
        EXPECT_GE(each.what.user_id.size(), 64U);
    }
}

TEST(JournalBound, ManyOpenRequestsLoseNothingWhileTheSizeHasRoom) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path(), 16ULL << 20, small_segment));
    auto& writer = opened->writer_of(0);
    std::vector<std::uint64_t> tickets;
    for (std::int64_t n = 0; n < 5'000; ++n) tickets.push_back(writer.begin(some_record(n)));
    for (std::int64_t n = 0; n < 5'000; ++n)
        ASSERT_TRUE(writer.end(tickets[static_cast<std::size_t>(n)], some_record(n)));
    EXPECT_THAT(tickets, testing::Each(testing::Gt(0U)));
    EXPECT_EQ(read_all(*opened, opened->journals()[0]).size(), 5'000U);
}

TEST(JournalBound, OneBusyWriterUsesWhatTheOthersDoNotButLeavesThemTheirPart) {
    const temp_folder folder;
    const std::uint64_t size = 40 * small_segment;
    const auto opened = open(options_for(folder.path(), size, small_segment, 2));
    std::uint64_t first = 0;
    while (opened->writer_of(0).end(0, some_record(1))) ++first;
    EXPECT_GT(first * 300, size / 2);
    std::uint64_t second = 0;
    while (opened->writer_of(1).end(0, some_record(1))) ++second;
    EXPECT_GT(second * 300, size / 8);
    EXPECT_LE(opened->current().bytes, size);
    EXPECT_EQ(opened->current().lost, 2U);
}

TEST(JournalBound, ResumesWhenRoomComesBack) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path(), 4 * small_segment, small_segment));
    const auto id = opened->journals()[0];
    std::uint64_t written = 0;
    while (opened->writer_of(0).end(0, some_record(1))) ++written;
    opened->maintain(now);
    EXPECT_FALSE(opened->writer_of(0).end(0, some_record(1)));
    opened->shipped(id, written);
    // `keep` is not over, but losing records is worse than losing the replay of what Redis has.
    opened->maintain(now + 1);
    EXPECT_TRUE(opened->writer_of(0).end(0, some_record(2)));
    EXPECT_TRUE(opened->current().writable);
    const auto reader = opened->read(id);
    reader->seek(written);
    std::vector<journal::entry> all;
    reader->read(10, all);
    EXPECT_THAT(sequences(all), ElementsAre(written + 1));  // dense: what was lost took no sequence
}

TEST(JournalBound, SurvivesAFileSizeLimitAndCountsTheLoss) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path(), 64ULL << 20, 1ULL << 20));
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit low{.rlim_cur = 32 * 1024, .rlim_max = before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &low);
    std::uint64_t written = 0;
    while (opened->writer_of(0).end(0, some_record(1))) ++written;  // SIGXFSZ would end the test here
    opened->maintain(now);
    const bool still_full = !opened->writer_of(0).end(0, some_record(1));
    ::setrlimit(RLIMIT_FSIZE, &before);
    EXPECT_TRUE(still_full);
    EXPECT_GT(written, 3000U);
    EXPECT_EQ(opened->current().lost, 2U);
    opened->maintain(now + 1000);
    EXPECT_TRUE(opened->writer_of(0).end(0, some_record(1)));
}

// In a child with a mount namespace of its own. 0 = as promised, 77 = no namespaces here, else what was wrong.
int fill_a_small_disk(const std::string& where) {
    const std::string user = "0 " + std::to_string(::geteuid()) + " 1";
    const std::string group = "0 " + std::to_string(::getegid()) + " 1";
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return 77;
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", user);
    write_file("/proc/self/gid_map", group);
    if (::mount("none", where.c_str(), "tmpfs", 0, "size=4m") != 0) return 77;
    auto opened = journal::directory::open(options_for(where, 1ULL << 30, 16ULL << 20));
    auto* made = std::get_if<std::unique_ptr<journal::directory>>(&opened);
    if (!made) return 1;
    auto& directory = **made;
    std::uint64_t written = 0;
    while (directory.writer_of(0).end(0, some_record(1))) ++written;
    if (written * 300 < (3U << 20)) return 2;  // the disk had room
    for (int i = 0; i < 1000; ++i) directory.writer_of(0).end(0, some_record(1));
    if (directory.current().lost != 1001 || directory.current().writable) return 3;
    const auto id = directory.journals().at(0);
    if (read_all(directory, id).size() != written) return 4;
    directory.shipped(id, written);
    directory.maintain(now);
    if (!directory.writer_of(0).end(0, some_record(1))) return 5;
    return directory.current().writable ? 0 : 6;
}

TEST(JournalBound, AFullDiskIsCountedAndUsedAgainWhenItHasRoom) {
    const temp_folder folder;
    const pid_t child = ::fork();
    if (child == 0) ::_exit(fill_a_small_disk(folder.path()));
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status)) << status;
    if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no user namespaces here";
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(JournalBound, GoesOnWhenItsFolderIsRemoved) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path(), 64ULL << 20, small_segment));
    for (std::int64_t n = 1; n <= 10; ++n) one_request(*opened, n);
    fs::remove_all(folder.path() + "/journal");
    for (std::int64_t n = 11; n <= 1000; ++n) one_request(*opened, n);
    EXPECT_GT(segment_files(folder.path()).size(), 1U);
    EXPECT_EQ(opened->current().lost, 0U);
}

TEST(JournalKeep, RemovesSegmentsThatAreShippedAndOldEnough) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path(), 64ULL << 20, small_segment));
    const auto id = opened->journals()[0];
    for (std::int64_t n = 1; n <= 1000; ++n) one_request(*opened, n);
    opened->maintain(now);
    const std::size_t before = segment_files(folder.path()).size();
    opened->maintain(now + 10 * keep);
    EXPECT_EQ(segment_files(folder.path()).size(), before) << "not shipped yet";
    opened->shipped(id, 500);
    opened->maintain(now);
    opened->maintain(now + keep - 1);
    EXPECT_EQ(segment_files(folder.path()).size(), before) << "not old enough";
    opened->maintain(now + keep);
    EXPECT_LT(segment_files(folder.path()).size(), before);
    const auto left = sequences(read_all(*opened, id));
    EXPECT_LE(left.front(), 501U);
    EXPECT_GT(left.front(), 1U);
    EXPECT_EQ(left, from_to<std::uint64_t>(left.front(), 1000));
    // As far back as segments are kept.
    const auto reader = opened->read(id);
    reader->seek(0);
    std::vector<journal::entry> again;
    reader->read(1, again);
    EXPECT_EQ(again.at(0).sequence, left.front());
}

TEST(JournalKeep, KeepsWhatRedisForgotAgain) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path(), 64ULL << 20, small_segment));
    const auto id = opened->journals()[0];
    for (std::int64_t n = 1; n <= 1000; ++n) one_request(*opened, n);
    opened->shipped(id, 1000);
    opened->maintain(now);
    opened->shipped(id, 0);  // Redis came back from an older state
    opened->maintain(now + keep + 1);
    EXPECT_EQ(sequences(read_all(*opened, id)), from_to<std::uint64_t>(1, 1000));
}

TEST(JournalKeep, ALongRequestKeepsItsBeginAndNothingElse) {
    const temp_folder folder;
    const auto how = options_for(folder.path(), 64ULL << 20, small_segment);
    auto opened = open(how);
    const auto id = opened->journals()[0];
    auto& writer = opened->writer_of(0);
    const std::uint64_t never_ended = writer.begin(some_record(-1));
    std::vector<std::uint64_t> across;  // begun in the first segment, ended in later ones that are removed
    for (std::int64_t n = 1; n <= 20; ++n) across.push_back(writer.begin(some_record(n)));
    for (std::int64_t n = 21; n <= 1000; ++n) {
        one_request(*opened, n);
        if (n % 40 == 0 && !across.empty()) {
            writer.end(across.back(), some_record(n));
            across.pop_back();
        }
    }
    EXPECT_NE(never_ended, 0U);
    EXPECT_TRUE(across.empty());
    opened->shipped(id, 1000);
    opened->maintain(now);
    const std::size_t before = segment_files(folder.path()).size();
    opened->maintain(now + keep);
    EXPECT_LE(segment_files(folder.path()).size(), 3U);
    EXPECT_GT(before, 3U);

    opened.reset();  // as if killed: there is nothing to write at the end
    opened = open(how);
    const auto all = read_all(*opened, id);
    ASSERT_FALSE(all.empty());
    EXPECT_EQ(number_of(all.back().what), -1);
    EXPECT_EQ(all.back().sequence, 1001U);
    std::size_t interrupted = 0;
    for (const auto& each : all) interrupted += each.what.result == outcome::interrupted;
    EXPECT_EQ(interrupted, 1U) << "an ended request reads as interrupted";
}

// A limit of the process, lower while it lives.
class limited {
public:
    limited(decltype(RLIMIT_AS) which, rlim_t most) : which_(which) {
        ::getrlimit(which_, &before_);
        const rlimit low{most, before_.rlim_max};
        ::setrlimit(which_, &low);
    }
    limited(const limited&) = delete;
    limited& operator=(const limited&) = delete;
    ~limited() { ::setrlimit(which_, &before_); }

private:
    const decltype(RLIMIT_AS) which_;
    rlimit before_{};
};

struct no_descriptors : limited {
    no_descriptors() : limited(RLIMIT_NOFILE, 3) {}
};

// The limit under which just so many more can be open at once.
rlim_t descriptors_and(int more) {
    std::vector<int> open_ones;
    for (int i = 0; i <= more; ++i) open_ones.push_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const rlim_t limit = static_cast<rlim_t>(open_ones.back());
    for (const int each : open_ones) ::close(each);
    return limit;
}

rlim_t address_space_in_use() {
    std::uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t bytes_of_files(const std::vector<fs::path>& files) {
    std::uint64_t sum = 0;
    for (const auto& each : files) sum += fs::file_size(each);
    return sum;
}

TEST(JournalUnread, ASegmentThatCannotBeOpenedForAMomentIsReadLater) {
    if (tests::built_with_sanitizer()) GTEST_SKIP() << "UBSan looks at virtual calls through descriptors of its own";
    const temp_folder folder;
    auto opened = open(options_for(folder.path(), 64ULL << 20, small_segment));
    const auto id = opened->journals()[0];
    for (std::int64_t n = 1; n <= 1000; ++n) one_request(*opened, n);
    ASSERT_GT(segment_files(folder.path()).size(), 3U);
    opened->maintain(now);  // finished segments are no longer mapped
    const auto reader = opened->read(id);
    std::vector<journal::entry> all;
    ASSERT_EQ(reader->read(10, all), 10U);
    {
        const no_descriptors meanwhile;
        while (reader->read(100, all) > 0) {
        }
        EXPECT_FALSE(reader->at_end()) << "what it cannot read is not the end";
        EXPECT_LT(all.size(), 1000U);
        const auto sought = opened->read(id);
        sought->seek(500);
        std::vector<journal::entry> none;
        EXPECT_EQ(sought->read(10, none), 0U);
    }
    opened->maintain(now);
    while (reader->read(100, all) > 0) {
    }
    EXPECT_TRUE(reader->at_end());
    EXPECT_EQ(sequences(all), from_to<std::uint64_t>(1, 1000));
    EXPECT_EQ(opened->current().damaged, 0U);
    ASSERT_FALSE(opened->current().notes.empty());
    EXPECT_NE(opened->current().notes.front().find("cannot be read"), std::string::npos);
}

TEST(JournalUnread, TheInterruptedRequestsOfADeadProcessWaitForWhatStandsBefore) {
    if (tests::built_with_sanitizer()) GTEST_SKIP() << "UBSan looks at virtual calls through descriptors of its own";
    const temp_folder folder;
    const auto how = options_for(folder.path(), 64ULL << 20, small_segment);
    auto opened = open(how);
    const auto id = opened->journals()[0];
    opened->writer_of(0).begin(some_record(-1));
    for (std::int64_t n = 1; n <= 1000; ++n) one_request(*opened, n);
    opened.reset();
    opened = open(how);
    const auto reader = opened->read(id);
    std::vector<journal::entry> all;
    {
        const no_descriptors meanwhile;
        while (reader->read(100, all) > 0) {
        }
    }
    while (reader->read(100, all) > 0) {
    }
    EXPECT_EQ(sequences(all), from_to<std::uint64_t>(1, 1001));
}

// The journal of a process that ends while its successor is there, to be adopted by that one.
class JournalUnreadAdoption : public testing::Test {
protected:
    void SetUp() override {
        if (tests::built_with_sanitizer()) GTEST_SKIP() << "a sanitizer has memory and descriptors of its own";
        auto how = options_for(folder_.path(), 64ULL << 20, small_segment);
        auto old = open(how);
        left_ = old->journals()[0];
        for (std::int64_t n = 1; n <= 1000; ++n) one_request(*old, n);
        how.data_lock = ::fcntl(old->lock_descriptor(), F_DUPFD_CLOEXEC, 0);
        successor_ = open(how);
    }
    void expect_adopted() {
        EXPECT_TRUE(successor_->adopt_ended());
        EXPECT_EQ(sequences(read_all(*successor_, left_)), from_to<std::uint64_t>(1, 1000));
        EXPECT_EQ(successor_->current().damaged, 0U);
        EXPECT_EQ(successor_->current().bytes, bytes_of_files(segment_files(folder_.path())));
        EXPECT_FALSE(successor_->adopt_ended()) << "it is adopted once";
    }

    const temp_folder folder_;
    journal::journal_id left_{};
    std::unique_ptr<journal::directory> successor_;
};

TEST_F(JournalUnreadAdoption, WaitsForDescriptors) {
    // Those that are there suffice for the locks, for the folder, ... and at last for all.
    for (int there = 0; there < 3; ++there) {
        const limited few(RLIMIT_NOFILE, descriptors_and(there));
        EXPECT_FALSE(successor_->adopt_ended()) << there;
        EXPECT_THAT(successor_->journals(), testing::SizeIs(1));
    }
    EXPECT_THAT(successor_->current().notes,
                ElementsAre(testing::AllOf(HasSubstr(journal::to_text(left_)), HasSubstr("cannot be read"),
                                           HasSubstr("it is tried again"))));
    expect_adopted();
}

TEST_F(JournalUnreadAdoption, WaitsForMemory) {
    const fs::path first = fs::path(folder_.path()) / "journal" / journal::to_text(left_) / "00000001.seg";
    fs::resize_file(first, 256ULL << 20);  // zeros behind its frames, as of a segment that was only begun
    {
        const limited little(RLIMIT_AS, address_space_in_use() + (64ULL << 20));
        EXPECT_FALSE(successor_->adopt_ended());
    }
    EXPECT_THAT(successor_->current().notes,
                ElementsAre(testing::AllOf(HasSubstr(first.string()), HasSubstr("it is tried again"))));
    expect_adopted();
}

TEST(JournalUnread, ASegmentStaysUntilItsEndsCouldBeMarked) {
    const temp_folder folder;
    const auto how = options_for(folder.path(), 64ULL << 20, small_segment);
    auto opened = open(how);
    const auto id = opened->journals()[0];
    auto& writer = opened->writer_of(0);
    writer.begin(some_record(-1));  // keeps the first segment
    const std::uint64_t across = writer.begin(some_record(-2));
    for (std::int64_t n = 1; n <= 400; ++n) one_request(*opened, n);
    writer.end(across, some_record(-2));
    for (std::int64_t n = 401; n <= 1000; ++n) one_request(*opened, n);
    opened->shipped(id, 1001);
    opened->maintain(now);
    const std::size_t before = segment_files(folder.path()).size();
    {
        const no_descriptors meanwhile;
        opened->maintain(now + keep);
    }
    EXPECT_EQ(segment_files(folder.path()).size(), before);
    opened->maintain(now + keep + 1);
    EXPECT_LT(segment_files(folder.path()).size(), before);
    opened.reset();
    opened = open(how);
    std::size_t interrupted = 0;
    for (const auto& each : read_all(*opened, id)) interrupted += each.what.result == outcome::interrupted;
    EXPECT_EQ(interrupted, 1U) << "an ended request reads as interrupted";
}

TEST(JournalRestart, ReadsTheDeadProcessAndWritesANewJournal) {
    const temp_folder folder;
    const auto how = options_for(folder.path(), 64ULL << 20, small_segment, 2);
    auto opened = open(how);
    const auto before = opened->journals();
    for (std::int64_t n = 1; n <= 300; ++n) one_request(*opened, n);
    opened->writer_of(0).begin(some_record(301));
    const auto ended = opened->writer_of(0).begin(some_record(302));
    opened->writer_of(0).begin(some_record(303));
    opened->writer_of(0).end(ended, some_record(302));
    opened->writer_of(1).end(0, some_record(7));
    opened.reset();

    for (int restart = 0; restart < 3; ++restart) {
        opened = open(how);
        const auto ids = opened->journals();
        ASSERT_EQ(ids.size(), 4U);  // the empty ones of each restart are not kept
        EXPECT_TRUE(opened->is_own(ids[0]) && opened->is_own(ids[1]));
        EXPECT_FALSE(opened->is_own(ids[2]) || opened->is_own(ids[3]));
        EXPECT_THAT(std::vector(ids.begin() + 2, ids.end()), testing::UnorderedElementsAreArray(before));
        const auto all = read_all(*opened, before[0]);
        auto expected = from_to<std::int64_t>(1, 300);
        expected.insert(expected.end(), {302, 301, 303});
        EXPECT_EQ(numbers(all), expected);
        EXPECT_EQ(sequences(all), from_to<std::uint64_t>(1, 303));
        for (std::size_t i = 301; i < 303; ++i) {
            EXPECT_EQ(all[i].what.result, outcome::interrupted);
            EXPECT_FALSE(all[i].what.success);
            EXPECT_EQ(all[i].what.status, 0);
            EXPECT_EQ(all[i].what.duration_us, std::nullopt);
            EXPECT_EQ(all[i].what.ai_model, "gemini-2.0-flash-exp");
        }
        EXPECT_EQ(all[300].what.result, outcome::ok);
        EXPECT_THAT(numbers(read_all(*opened, before[1])), ElementsAre(7));
        // From any position, also between the interrupted ones.
        const auto reader = opened->read(before[0]);
        for (const std::uint64_t sequence : {302, 150, 301, 303, 0}) {
            reader->seek(sequence);
            std::vector<journal::entry> again;
            while (reader->read(1, again) > 0) {
            }
            ASSERT_EQ(sequences(again), from_to<std::uint64_t>(sequence + 1, 303)) << sequence;
        }
        EXPECT_EQ(opened->current().damaged, 0U);
        opened.reset();
    }
}

TEST(JournalRestart, RemovesADeadJournalThatIsWhollyShippedAndOldEnough) {
    const temp_folder folder;
    const auto how = options_for(folder.path(), 64ULL << 20, small_segment);
    auto opened = open(how);
    const auto dead = opened->journals()[0];
    for (std::int64_t n = 1; n <= 500; ++n) one_request(*opened, n);
    opened->writer_of(0).begin(some_record(501));
    opened.reset();
    opened = open(how);
    opened->shipped(dead, 500);
    opened->maintain(now);
    opened->maintain(now + 2 * keep);
    ASSERT_THAT(opened->journals(), testing::Contains(dead)) << "the interrupted request is not shipped";
    EXPECT_EQ(sequences(read_all(*opened, dead)).back(), 501U);
    opened->shipped(dead, 501);
    opened->maintain(now);
    opened->maintain(now + keep - 1);
    EXPECT_THAT(opened->journals(), testing::Contains(dead));
    opened->maintain(now + keep);
    EXPECT_THAT(opened->journals(), testing::Not(testing::Contains(dead)));
    EXPECT_FALSE(fs::exists(folder.path() + "/journal/" + journal::to_text(dead)));
    EXPECT_EQ(read_all(*opened, dead).size(), 0U);
}

TEST(JournalRestart, GivesBackTheRoomThatADeadProcessHadOnlyPrepared) {
    const temp_folder folder;
    const auto how = options_for(folder.path(), 64ULL << 20, 4ULL << 20);
    for (int start = 0; start < 5; ++start) one_request(*open(how), start);
    const auto opened = open(how);
    EXPECT_EQ(opened->journals().size(), 6U);
    EXPECT_LE(opened->current().bytes, (4ULL << 20) + 5 * 4096);
}

TEST(JournalRestart, ABacklogThatFillsTheSizeGivesWayAsItIsShipped) {
    const temp_folder folder;
    const auto how = options_for(folder.path(), 8 * small_segment, small_segment);
    auto opened = open(how);
    const auto dead = opened->journals()[0];
    std::uint64_t written = 0;
    while (opened->writer_of(0).end(0, some_record(1))) ++written;
    opened.reset();
    opened = open(how);
    EXPECT_LE(opened->current().bytes, how.size);
    EXPECT_EQ(opened->writer_of(0).begin(some_record(1)), 0U);
    opened->shipped(dead, written / 2);
    opened->maintain(now);
    EXPECT_NE(opened->writer_of(0).begin(some_record(1)), 0U);
    EXPECT_EQ(sequences(read_all(*opened, dead)).back(), written);
}

// Until Redis has been asked, nobody knows that what a dead process has left is all there.
TEST(JournalRestart, FindsRoomAlthoughTheOneBeforeKeptAllThatItMight) {
    const temp_folder folder;
    std::int64_t number = 0;
    for (int start = 0; start < 5; ++start) {
        const auto opened = open(options_for(folder.path(), 4ULL << 20, 1ULL << 20, 2));
        for (int i = 0; i < 1'000; ++i) one_request(*opened, ++number);
        EXPECT_EQ(opened->current().lost + opened->current().unprotected, 0U) << "start " << start;
        for (int i = 0; i < 10'000; ++i) {
            one_request(*opened, ++number);
            if (i % 100 != 0) continue;
            for (const auto& id : opened->journals())
                opened->shipped(id, opened->is_own(id) ? 1'000 + static_cast<std::uint64_t>(i) : UINT64_MAX);
            opened->maintain(now);
        }
        EXPECT_GT(opened->current().bytes, 1ULL << 20) << "what was shipped is kept, as far as there is room";
    }
}

TEST(JournalLock, IsHeldByOneInstanceAndNamesIt) {
    const temp_folder folder;
    const std::string data_dir = folder.path() + "/deep/var";
    auto opened = open(options_for(data_dir));
    struct stat about{};
    ASSERT_EQ(::stat(data_dir.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0700U);
    EXPECT_EQ(error_of(options_for(data_dir)),
              "data_dir " + data_dir + " is locked by another aimeter (pid " + std::to_string(::getpid()) + ")");
    opened.reset();
    EXPECT_EQ(error_of(options_for(data_dir)), "");
}

TEST(JournalLock, ReadOnlyNeedsNoLockAndLeavesTheLivingAlone) {
    const temp_folder folder;
    const auto how = options_for(folder.path(), 64ULL << 20, small_segment);
    auto opened = open(how);
    const auto dead = opened->journals()[0];
    one_request(*opened, 1);
    opened->writer_of(0).begin(some_record(2));
    opened.reset();
    opened = open(how);
    const auto living = opened->journals()[0];
    for (std::int64_t n = 1; n <= 300; ++n) one_request(*opened, n);
    opened->writer_of(0).begin(some_record(301));
    const auto files = segment_files(folder.path());

    auto looked = journal::directory::open_read_only(folder.path());
    ASSERT_TRUE(std::holds_alternative<std::unique_ptr<journal::directory>>(looked));
    auto& reading = *std::get<std::unique_ptr<journal::directory>>(looked);
    EXPECT_THAT(reading.journals(), testing::UnorderedElementsAre(dead, living));
    EXPECT_THAT(numbers(read_all(reading, dead)), ElementsAre(1, 2));
    EXPECT_EQ(numbers(read_all(reading, living)), from_to<std::int64_t>(1, 300)) << "still running is not interrupted";
    reading.maintain(now);
    EXPECT_EQ(segment_files(folder.path()), files);
    EXPECT_EQ(reading.current().damaged, 0U);
    one_request(*opened, 302);
}

TEST(JournalOpen, SaysWhatIsWrong) {
    const temp_folder folder;
    EXPECT_THAT(error_of(options_for(folder.path(), 100)), HasSubstr("journal.size is too small"));
    write_file(folder.path() + "/file", "");
    EXPECT_THAT(error_of(options_for(folder.path() + "/file")), HasSubstr("/file"));
    EXPECT_TRUE(std::holds_alternative<std::string>(journal::directory::open_read_only(folder.path() + "/none")));
}

TEST(JournalSync, CanBeCalledAtAnyTime) {
    const temp_folder folder;
    const auto opened = open(options_for(folder.path(), 64ULL << 20, small_segment));
    opened->sync();
    for (std::int64_t n = 1; n <= 500; ++n) {
        one_request(*opened, n);
        if (n % 100 == 0) opened->sync();
    }
    fs::remove_all(folder.path() + "/journal");
    opened->sync();
}

}  // namespace
