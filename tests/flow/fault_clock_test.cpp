// The fault matrix, the clock: it jumps back and far ahead, and a month ends under load. libfaketime (Debian's package
// of that name) tells aimeter another time than everybody else; without it the rows are left out.
#include <filesystem>
#include <fstream>

#include "tests/support/fault_stage.hpp"

namespace tests {
namespace {

class fault_clock : public fault_stage {
protected:
    void SetUp() override {
        fault_stage::SetUp();
        const std::string library = "/usr/lib/" + std::string("x86_64-linux-gnu") + "/faketime/libfaketimeMT.so.1";
        if (!std::filesystem::exists(library)) GTEST_SKIP() << "libfaketime is not installed";
        if (built_with_sanitizer()) GTEST_SKIP() << "a sanitizer wants to be loaded first";
        environment = {{"LD_PRELOAD", library},
                       {"FAKETIME_TIMESTAMP_FILE", folder.path() + "/now"},
                       {"FAKETIME_NO_CACHE", "1"},
                       {"FAKETIME_DONT_FAKE_MONOTONIC", "1"},
                       {"TZ", "UTC"}};
    }
    // "+1d", "-1h", "@2026-11-30 23:59:57" as libfaketime understands it.
    void set_clock(const std::string& text) const {
        const std::string path = folder.path() + "/now";
        std::ofstream(path + ".new") << text << "\n";
        std::filesystem::rename(path + ".new", path);
    }
    // Every entry stands in the buckets of its own time.
    void expect_buckets_of_the_entries() const {
        std::map<std::string, std::int64_t> days, hours;
        for (const auto& one : data().stream("aimeter:usage")) {
            const std::time_t at = std::stoll(one.at("ts")) / 1000;
            std::tm parts{};
            ::gmtime_r(&at, &parts);
            char text[32];
            std::strftime(text, sizeof(text), "%Y-%m-%dT%H", &parts);
            ++hours[text];
            ++days[std::string(text).substr(0, 10)];
        }
        EXPECT_GT(days.size(), 1U) << "the row shows nothing";
        for (const auto& [day, count] : days)
            EXPECT_EQ(data().number({"HGET", "aimeter:usage:day:" + day, "requests"}), count) << day;
        for (const auto& [hour, count] : hours)
            EXPECT_EQ(data().number({"HGET", "aimeter:usage:hour:" + hour, "requests"}), count) << hour;
    }

    temp_dir folder;
    std::map<std::string, std::string> environment;
};

TEST_F(fault_clock, C1_an_hour_back_and_a_day_ahead) {
    set_clock("+0");
    ASSERT_NO_FATAL_FAILURE(curtain_up({.config = "[journal]\nsize = \"4MB\"", .env = environment}));
    play();
    set_clock("-1h");
    play(200);
    set_clock("+1d");
    play(200);
    ASSERT_NO_FATAL_FAILURE(restart_aimeter());
    set_clock("-1h");
    play();
    curtain();
    expect_buckets_of_the_entries();
    std::set<std::string> ids;
    for (const auto& one : data().stream("aimeter:usage")) {
        ids.insert(one.at("id"));
        // From a clock that does not jump: nothing here takes a minute.
        if (const auto at = one.find("requestDuration"); at != one.end()) {
            EXPECT_LT(std::stod(at->second), 60'000) << at->second;
            EXPECT_GE(std::stod(at->second), 0) << at->second;
        }
    }
    EXPECT_EQ(ids.size(), recorded());
}

TEST_F(fault_clock, C2_a_month_ends_under_load) {
    set_clock("@2026-11-30 23:59:58");
    ASSERT_NO_FATAL_FAILURE(curtain_up({.env = environment}));
    ASSERT_TRUE(eventually([&] { return data().number({"HGET", "aimeter:usage:month:2026-12", "requests"}) > 100; }));
    curtain();
    expect_buckets_of_the_entries();
    EXPECT_GT(data().number({"HGET", "aimeter:usage:month:2026-11", "requests"}), 0);
}

// What has expired is for Redis to say: by this clock most of it has.
TEST_F(fault_clock, C3_verify_on_a_machine_that_is_days_ahead) {
    set_clock("+0");
    ASSERT_NO_FATAL_FAILURE(curtain_up({.env = environment}));
    play();
    load->stop();
    ASSERT_TRUE(ready_says("\"lag\":0"));
    set_clock("+3d");
    const auto verified = first().run("verify");
    set_clock("+0");
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
    curtain();
}

// By this clock journal.keep is over at once for all that a killed process had left; a Redis that forgets gets it
// again.
TEST_F(fault_clock, C4_a_day_ahead_and_redis_is_flushed) {
    set_clock("+0");
    ASSERT_NO_FATAL_FAILURE(curtain_up({.env = environment}));
    play();
    ASSERT_NO_FATAL_FAILURE(restart_aimeter());
    play();
    ASSERT_TRUE(ready_says("\"lag\":0"));
    set_clock("+1d");
    play(200);  // control has looked at its journals many times
    redis_forgets = true;
    redis.run({"FLUSHALL"});
    ASSERT_TRUE(eventually([&] { return log_lines("this is another data set") > 0; }));
    play();
    curtain();
}

}  // namespace
}  // namespace tests
