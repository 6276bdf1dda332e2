// The fault matrix, files: the journal has no room, is damaged or gone, and Redis comes back from an older copy or from
// a damaged file. What cannot be recorded is counted, what can is recorded once. The rows are those of
// docs/reliability.md.
#include <sys/resource.h>

#include <filesystem>
#include <fstream>

#include "tests/support/fault_stage.hpp"

namespace tests {
namespace {

namespace fs = std::filesystem;

class fault_spool : public fault_stage {
protected:
    void limit_file_size(rlim_t bytes) const {
        const rlimit low{.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
        ASSERT_EQ(::prlimit(first().pid(), RLIMIT_FSIZE, &low, nullptr), 0);
    }
    void expect_that_the_end_is_told() const {
        EXPECT_TRUE(first().process().wait_err("journal: there is room again")) << first().process().err();
        EXPECT_LE(log_lines("] journal: "), 4U) << first().process().err();
    }
    std::vector<fs::path> segments() const {
        std::vector<fs::path> all;
        for (const auto& each : fs::recursive_directory_iterator(first().data_dir() + "/journal"))
            if (each.path().extension() == ".seg" && fs::file_size(each.path()) > 4096) all.push_back(each.path());
        std::sort(all.begin(), all.end());
        return all;
    }
};

TEST_F(fault_spool, S1_journal_size_used_up_while_redis_is_away) {
    may_lose = 100'000;
    ASSERT_NO_FATAL_FAILURE(curtain_up({.config = "[journal]\nsize = \"1MB\"", .pace = milliseconds(2)}));
    redis.kill();
    ASSERT_TRUE(eventually([&] { return ready_number("lost") > 300; }, milliseconds(60'000))) << ready();
    EXPECT_THAT(ready(), testing::HasSubstr("journal.size is used up"));
    EXPECT_THAT(ready(), testing::HasSubstr("\"status\":\"not ready\""));
    redis.start();
    ASSERT_TRUE(ready_says("\"writable\":true"));
    play();
    expect_that_the_end_is_told();
    EXPECT_TRUE(eventually([&] {  // Redis knows, too, what it does not hold
        std::int64_t told = 0;
        for (const auto& [field, value] : data().hash("aimeter:meta"))
            if (field.starts_with("lost:")) told += std::stoll(value);
        return told > 0 && told == ready_number("lost");
    }));
    curtain();
}

TEST_F(fault_spool, S2_no_file_may_grow) {
    may_lose = 100'000;
    ASSERT_NO_FATAL_FAILURE(curtain_up({.config = "[journal]\nsize = \"1MB\"", .pace = milliseconds(2)}));
    redis.kill();
    ASSERT_NO_FATAL_FAILURE(limit_file_size(4096));
    ASSERT_TRUE(eventually([&] { return ready_number("lost") > 100; }, milliseconds(60'000))) << ready();
    EXPECT_THAT(ready(), testing::HasSubstr("File too large"));
    redis.start();
    ASSERT_NO_FATAL_FAILURE(limit_file_size(RLIM_INFINITY));
    play();
    expect_that_the_end_is_told();
    curtain();
}

// A balancer that has taken a proxy out because it cannot record sends it nothing that would show that it can again.
TEST_F(fault_spool, S2_room_is_noticed_without_a_request) {
    may_lose = 100'000;
    ASSERT_NO_FATAL_FAILURE(curtain_up({.config = "[journal]\nsize = \"1MB\"", .pace = milliseconds(2)}));
    ASSERT_NO_FATAL_FAILURE(limit_file_size(4096));
    ASSERT_TRUE(ready_says("\"writable\":false", milliseconds(60'000)));
    load->stop();
    ASSERT_NO_FATAL_FAILURE(limit_file_size(RLIM_INFINITY));
    EXPECT_TRUE(ready_says("\"writable\":true")) << ready();
    curtain();
}

TEST_F(fault_spool, S2_the_journals_folder_is_removed) {
    ASSERT_NO_FATAL_FAILURE(curtain_up({.config = "[journal]\nsize = \"4MB\"", .pace = milliseconds(2)}));
    fs::remove_all(first().data_dir() + "/journal");
    play(2'000);
    curtain();
}

TEST_F(fault_spool, S3_a_torn_end) {
    ASSERT_NO_FATAL_FAILURE(curtain_up());
    redis.kill();
    play(300);
    ASSERT_NO_FATAL_FAILURE(kill_aimeter());
    // As a disk leaves it that had not written all: the last bytes of each segment are gone.
    may_miss = 0;
    for (const auto& each : segments()) {
        std::fstream file(each, std::ios::in | std::ios::out | std::ios::binary);
        std::string bytes((std::istreambuf_iterator<char>(file)), {});
        const std::size_t end = bytes.find_last_not_of('\0') + 1;
        if (end < 8'192) continue;
        fs::resize_file(each, end - 1 - at_random(40));
        ++may_miss;
    }
    ASSERT_GT(may_miss, 0U);
    start_aimeter();
    redis.start();
    play();
    curtain();
}

TEST_F(fault_spool, S3_a_bit_flipped) {
    ASSERT_NO_FATAL_FAILURE(curtain_up());
    redis.kill();
    play(300);
    ASSERT_NO_FATAL_FAILURE(kill_aimeter());
    may_miss = 0;
    for (const auto& each : segments()) {
        std::fstream file(each, std::ios::in | std::ios::out | std::ios::binary);
        const auto at = static_cast<std::streamoff>(2'000 + at_random(20'000));
        file.seekg(at);
        const int was = file.get();
        file.seekp(at);
        file.put(static_cast<char>(was ^ 0x10));
        ++may_miss;
    }
    start_aimeter();
    redis.start();
    play();
    curtain();
}

TEST_F(fault_spool, the_data_dir_is_lost_after_all_was_shipped) {
    ASSERT_NO_FATAL_FAILURE(curtain_up());
    play();
    EXPECT_EQ(stop_aimeter(), 0);
    for (const auto& each : fs::directory_iterator(first().data_dir())) fs::remove_all(each.path());
    start_aimeter();
    play();
    curtain();
}

TEST_F(fault_spool, redis_comes_back_from_an_older_snapshot) {
    redis.add({"--appendonly", "no"});
    ASSERT_NO_FATAL_FAILURE(curtain_up());
    redis_forgets = true;
    const std::string snapshot = redis.folder() + "/dump.rdb", kept = redis.folder() + "/kept.rdb";
    redis.run({"SAVE"});
    fs::copy_file(snapshot, kept);
    play(200);
    ASSERT_NO_FATAL_FAILURE(restart_aimeter());  // some of what is replayed is of a dead process by now
    play(200);
    redis.kill();
    fs::copy_file(kept, snapshot, fs::copy_options::overwrite_existing);
    play(50);
    redis.start();
    play(50);
    curtain();
}

// A power failure, or a kill while its disk is slow: what it confirmed last was not written yet.
TEST_F(fault_spool, redis_comes_back_without_what_it_confirmed_last) {
    redis_forgets = true;
    redis_log_lines_most = 40;
    ASSERT_NO_FATAL_FAILURE(curtain_up({.config = "[redis]\nstream_maxlen = 300", .pace = milliseconds(4)}));
    for (int i = fault_rounds(4); i > 0; --i) {
        play(200 + at_random(200));
        redis.kill();
        for (const auto& each : fs::directory_iterator(redis.folder() + "/appendonlydir")) {
            const auto size = fs::file_size(each.path());
            if (each.path().string().ends_with(".incr.aof"))
                fs::resize_file(each.path(), size - std::min(size, 1 + at_random(120'000)));
        }
        redis.start();
    }
    play();
    curtain();
}

TEST_F(fault_spool, redis_is_flushed_while_nobody_asks) {
    ASSERT_NO_FATAL_FAILURE(curtain_up());
    redis_forgets = true;
    load->stop();
    ASSERT_TRUE(ready_says("\"lag\":0"));
    redis.run({"FLUSHALL"});
    EXPECT_TRUE(first().process().wait_err("this is another data set")) << first().process().err();
    curtain();
}

TEST_F(fault_spool, redis_ends_while_nobody_asks) {
    ASSERT_NO_FATAL_FAILURE(curtain_up());
    load->stop();
    ASSERT_TRUE(ready_says("\"lag\":0"));
    redis.kill();
    EXPECT_TRUE(ready_says("\"connected\":false")) << "readiness is not about the last batch, but about now";
    redis.start();
    curtain();
}

TEST_F(fault_spool, redis_holds_data_of_another_zone_or_schema) {
    ASSERT_NO_FATAL_FAILURE(curtain_up());
    for (const auto& [field, foreign, own, told] :
         {std::array<std::string, 4>{"timezone", "Europe/Paris", "UTC", "time zone Europe/Paris"},
          std::array<std::string, 4>{"schema", "9", "1", "schema version 9"}}) {
        redis.run({"HSET", "aimeter:meta", field, foreign});
        ASSERT_NO_FATAL_FAILURE(meanwhile(told));
        redis.run({"HSET", "aimeter:meta", field, own});
        ASSERT_TRUE(ready_says("\"detail\":\"connected\""));
    }
    curtain();
}

// ---- The embedded Redis --------------------------------------------------------------------------------------------

class fault_embedded : public fault_spool {
protected:
    fs::path append_only_file() const {
        fs::path newest;
        for (const auto& each : fs::directory_iterator(first().data_dir() + "/redis/appendonlydir"))
            if (each.path().string().ends_with(".incr.aof")) newest = std::max(newest, each.path());
        return newest;
    }
    // Both are killed, and the file is changed before they start again.
    void damage(const std::function<void(const fs::path&)>& how) {
        redis_forgets = true;
        const pid_t server = data().server_pid();
        ASSERT_NO_FATAL_FAILURE(kill_aimeter());
        ::kill(server, SIGKILL);
        ASSERT_TRUE(eventually([&] { return ::kill(server, 0) != 0; }));
        how(append_only_file());
        start_aimeter();
    }
};

TEST_F(fault_embedded, an_append_only_file_that_is_cut) {
    ASSERT_NO_FATAL_FAILURE(curtain_up({.embedded = true}));
    play(200);
    ASSERT_NO_FATAL_FAILURE(
        damage([&](const fs::path& file) { fs::resize_file(file, fs::file_size(file) - 1 - at_random(20'000)); }));
    play();
    // What was cut in the middle of a batch does not come back at the next start.
    ASSERT_NO_FATAL_FAILURE(damage([](const fs::path&) {}));
    play();
    curtain();
}

TEST_F(fault_embedded, an_append_only_file_that_ends_in_zeros) {
    ASSERT_NO_FATAL_FAILURE(curtain_up({.embedded = true}));
    play(200);
    ASSERT_NO_FATAL_FAILURE(damage([&](const fs::path& file) {  // as a file system leaves it after a power failure
        const auto size = fs::file_size(file);
        fs::resize_file(file, size - 1 - at_random(20'000));
        fs::resize_file(file, size);
    }));
    play();
    curtain();
}

// More than a tail, or something else that only an operator can put right: said once, and tried until it is.
TEST_F(fault_embedded, an_append_only_file_that_redis_cannot_read) {
    ASSERT_NO_FATAL_FAILURE(curtain_up({.embedded = true}));
    std::string manifest;
    fs::path where;
    ASSERT_NO_FATAL_FAILURE(damage([&](const fs::path& file) {
        where = file.parent_path() / "appendonly.aof.manifest";
        std::getline(std::ifstream(where), manifest, '\0');
        std::ofstream(where) << "nonsense\n";
    }));
    play(300);
    EXPECT_THAT(ready(), testing::HasSubstr("\"connected\":false"));
    EXPECT_LE(log_lines("] embedded Redis: "), 3U) << first().process().err();
    std::ofstream(where) << manifest;
    play();
    curtain();
}

}  // namespace
}  // namespace tests
