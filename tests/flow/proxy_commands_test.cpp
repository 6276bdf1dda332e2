// The flags of the commands, as a user gives them.
#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

class proxy_commands : public proxy_test {
protected:
    void SetUp() override { AIMETER_ONLY(); }
};

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
