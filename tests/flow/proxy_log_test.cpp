// Where the lines of the process go: log_file, and what logrotate does to it.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/support/certificates.hpp"
#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string tracked(const std::string& id) {
    return "POST /api/ai/" + id + " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
}

std::string text_of(const std::string& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

bool has(const std::string& file, const std::string& text) {
    return eventually([&] { return text_of(file).find(text) != std::string::npos; });
}

std::size_t count_of(const std::string& text, const std::string& what) {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++count;
    return count;
}

class proxy_log : public proxy_test {
protected:
    void SetUp() override { AIMETER_ONLY(); }
    std::string config(const std::string& path) const { return "log_file = \"" + path + "\""; }
    // A reload whose effect shows before its line of the log is due.
    void reload_and_see_it_done() {
        aimeter().rewrite_config("", other.url());
        proxy->process().signal(SIGHUP);
        EXPECT_TRUE(eventually([&] {
            EXPECT_EQ(ask("GET /where HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200);
            return !other.requests().empty();
        }));
        EXPECT_EQ(ask("GET /api/admin/healthz HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200)
            << "control hangs in its log";
    }
    scripted_upstream other;
    temp_dir folder;
    const std::string file = folder.path() + "/aimeter.log";
};

TEST_F(proxy_log, lines_of_the_process_and_of_requests_go_to_the_file) {
    write_file(file, "what was there before\n");
    start({.config = config(file)});
    EXPECT_EQ(ask(tracked("first-one")).status(), 200);
    EXPECT_TRUE(has(file, "Tracked first-one")) << text_of(file);
    EXPECT_TRUE(has(file, "redis: connected")) << text_of(file);
    EXPECT_THAT(text_of(file), testing::StartsWith("what was there before\n"));
    EXPECT_THAT(proxy->process().err(), Not(HasSubstr("Tracked")));
}

TEST_F(proxy_log, after_a_rename_and_sigusr1_a_new_file_has_what_follows_and_nothing_is_lost) {
    start({.config = config(file)});
    constexpr int rounds = 5, each = 40;
    std::vector<std::string> files;
    for (int round = 0; round < rounds; ++round) {
        for (int i = 0; i < each; ++i) {
            if (i == each / 2) {
                files.push_back(file + "." + std::to_string(round));
                std::filesystem::rename(file, files.back());
                proxy->process().signal(SIGUSR1);
            }
            // The signal has come by the last one; those before it may be in either file.
            if (i == each - 1) {
                ASSERT_TRUE(eventually([&] { return std::filesystem::exists(file); }));
            }
            ASSERT_EQ(ask(tracked("line-" + std::to_string(round) + "-" + std::to_string(i))).status(), 200);
        }
        const std::string last = "Tracked line-" + std::to_string(round) + "-" + std::to_string(each - 1) + " ";
        ASSERT_TRUE(has(file, last)) << "not in the new file";
    }
    std::string all = text_of(file);
    for (const auto& one : files) all += text_of(one);
    for (int round = 0; round < rounds; ++round)
        for (int i = 0; i < each; ++i)
            EXPECT_EQ(count_of(all, "Tracked line-" + std::to_string(round) + "-" + std::to_string(i) + " "), 1U);
    EXPECT_EQ(count_of(all, "Tracked "), static_cast<std::size_t>(rounds * each));
}

TEST_F(proxy_log, what_cannot_be_opened_again_leaves_the_old_file_in_use) {
    start({.config = config(file)});
    const std::string moved = folder.path() + "/moved";
    std::filesystem::rename(file, moved);
    std::filesystem::create_directory(file);  // nobody can write there, not even root
    proxy->process().signal(SIGUSR1);
    EXPECT_TRUE(has(moved, "cannot be opened: Is a directory; the one that was open stays in use"));
    EXPECT_EQ(ask(tracked("still-here")).status(), 200);
    EXPECT_TRUE(has(moved, "Tracked still-here"));
    std::filesystem::remove(file);
    proxy->process().signal(SIGUSR1);
    EXPECT_TRUE(eventually([&] { return std::filesystem::exists(file); }));
    EXPECT_EQ(ask(tracked("again-there")).status(), 200);
    EXPECT_TRUE(has(file, "Tracked again-there"));
}

TEST_F(proxy_log, a_stderr_that_nobody_reads_holds_up_neither_reload_nor_requests_nor_the_end) {
    start({.err_is_read = false});
    proxy->process().fill_err();
    reload_and_see_it_done();
    EXPECT_EQ(ask(tracked("still-here")).status(), 200);
}  // and SIGTERM ends it well

TEST_F(proxy_log, when_stderr_is_read_again_the_lines_come) {
    start({.err_is_read = false});
    proxy->process().fill_err();
    EXPECT_EQ(ask(tracked("last-of-all")).status(), 200);
    reload_and_see_it_done();
    proxy->process().read_err();
    EXPECT_TRUE(proxy->process().wait_err("Tracked last-of-all")) << "the lines of records wait";
    EXPECT_TRUE(proxy->process().wait_err("configuration reloaded")) << "so do others, and nothing else need happen";
    EXPECT_EQ(count_of(proxy->process().err(), "configuration reloaded"), 1U);
}

TEST_F(proxy_log, an_unwritable_file_is_an_error_at_start_and_in_check) {
    for (const std::string& path : {folder.path(), folder.path() + "/none/aimeter.log"}) {
        EXPECT_THROW(start({.config = config(path)}), std::exception);
        auto made = make_proxy({.upstream = upstream.url(), .config = config(path)});
        const auto checked = dynamic_cast<aimeter_process&>(*made).run("check");
        EXPECT_EQ(checked.exit_code, 1);
        EXPECT_THAT(checked.err, HasSubstr("log_file"));
        const auto served = dynamic_cast<aimeter_process&>(*made).run("serve");
        EXPECT_EQ(served.exit_code, 1);
        EXPECT_THAT(served.err, HasSubstr("log_file"));
    }
}

TEST_F(proxy_log, sighup_takes_a_new_name_and_stderr_again) {
    start({.config = config(file)});
    const std::string other = folder.path() + "/other.log";
    aimeter().rewrite_config(config(other));
    proxy->process().signal(SIGHUP);
    EXPECT_TRUE(has(other, "configuration reloaded"));
    aimeter().rewrite_config(config(folder.path()));
    proxy->process().signal(SIGHUP);
    EXPECT_TRUE(has(other, "this is a directory"));
    EXPECT_EQ(ask(tracked("in-other")).status(), 200);
    EXPECT_TRUE(has(other, "Tracked in-other"));
    aimeter().rewrite_config("");
    proxy->process().signal(SIGHUP);
    EXPECT_EQ(ask(tracked("on-stderr")).status(), 200);
    EXPECT_TRUE(proxy->process().wait_err("configuration reloaded"));
}

TEST_F(proxy_log, sighup_takes_a_new_form_of_the_lines_of_requests_for_those_that_follow) {
    const auto track = [](const std::string& form) { return "[track]\nlog = \"" + form + "\"\n"; };
    std::size_t reloads = 0;
    const auto reload = [&](const std::string& form) {
        aimeter().rewrite_config(track(form));
        proxy->process().signal(SIGHUP);
        ++reloads;
        return eventually([&] { return count_of(proxy->process().err(), "configuration reloaded") == reloads; });
    };
    std::size_t asked = 0;
    const auto is_recorded = [&](const std::string& id) {
        EXPECT_EQ(ask(tracked(id)).status(), 200);
        const std::string all = std::to_string(++asked);
        return eventually([&] { return aimeter().redis().hash("aimeter:usage:total")["requests"] == all; });
    };
    start({.config = track("off")});
    ASSERT_TRUE(is_recorded("before-all"));
    ASSERT_TRUE(reload("json"));
    ASSERT_TRUE(is_recorded("as-json"));
    EXPECT_TRUE(proxy->process().wait_err("\"contentType\":\"as-json\""));
    ASSERT_TRUE(reload("off"));
    ASSERT_TRUE(is_recorded("not-at-all"));
    ASSERT_TRUE(reload("line"));
    ASSERT_TRUE(is_recorded("as-line"));
    EXPECT_TRUE(proxy->process().wait_err("Tracked as-line "));
    EXPECT_THAT(proxy->process().err(), Not(HasSubstr("before-all")));
    EXPECT_THAT(proxy->process().err(), Not(HasSubstr("not-at-all")));
}

TEST_F(proxy_log, a_successor_writes_to_the_same_file_and_its_failure_is_told_there) {
    start({.config = config(file)});
    aimeter().rewrite_config(config(file) + "\n[limits]\nheader_bites = 1");
    proxy->process().signal(SIGUSR2);
    EXPECT_TRUE(has(file, "did you mean limits.header_bytes"));
    expect_still_serving();
    aimeter().rewrite_config(config(file));
    proxy->process().signal(SIGUSR2);
    EXPECT_EQ(proxy->process().wait_exit(), 0) << text_of(file);
    EXPECT_EQ(ask(tracked("by-successor")).status(), 200);
    EXPECT_TRUE(has(file, "Tracked by-successor"));
    ends_well = false;
}

}  // namespace
}  // namespace tests
