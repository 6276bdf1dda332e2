// The flags of the commands, as a user gives them.
#include <gmock/gmock.h>

#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

using testing::HasSubstr;

class proxy_commands : public proxy_test {
protected:
    void SetUp() override { AIMETER_ONLY(); }
};

TEST_F(proxy_commands, a_flag_that_cannot_be_read_is_wrong_usage) {
    const aimeter_process one({.upstream = upstream.url()});
    const std::vector<std::pair<std::string, std::string>> wrong = {
        {"--workers", "abc"}, {"--listen", "nonsense"}, {"--upstream", "ftp://x"}, {"--redis", "nonsense"},
        {"--listen", ""},     {"--upstream", ""},       {"--workers", ""},         {"--data", ""}};
    for (const auto& [flag, value] : wrong) {
        const auto ended = one.run("serve", {flag, value});
        EXPECT_EQ(ended.exit_code, 2) << flag << " '" << value << "'";
        EXPECT_THAT(ended.err, HasSubstr("command line: "));
    }
    for (const std::string command : {"check", "verify"})
        EXPECT_EQ(one.run(command, {"--redis", "nonsense"}).exit_code, 2) << command;
    EXPECT_EQ(one.run("reprice", {"--from", "2026-11-01", "--to", "2026-11-02", "--redis", "nonsense"}).exit_code, 2);
}

TEST_F(proxy_commands, what_is_wrong_in_the_file_is_a_failure_whatever_the_flags) {
    const aimeter_process one({.upstream = upstream.url(), .config = "workres = 1"});
    EXPECT_EQ(one.run("serve", {"--workers", "abc"}).exit_code, 1);
    EXPECT_EQ(one.run("check").exit_code, 1);
}

TEST_F(proxy_commands, an_empty_redis_flag_is_the_embedded_one_whatever_the_file_says) {
    start({.config = "[redis]\nurl = \"redis://127.0.0.1:1/0\"", .flags = {"--redis", ""}});
    EXPECT_EQ(aimeter().redis().text({"PING"}), "PONG");
    ASSERT_EQ(ask("POST /api/ai/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}").status(), 200);
    ASSERT_TRUE(eventually([&] { return aimeter().redis().hash("aimeter:usage:total")["requests"] == "1"; }));
    const auto verified = aimeter().run("verify", {"--redis", ""});
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
    EXPECT_EQ(aimeter().run("verify").exit_code, 1) << "the Redis of the file is not there";
}

}  // namespace
}  // namespace tests
