// The small readers that identity is made of: address blocks, cookies, base64url.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conf/config.hpp"
#include "tests/support/identity_kit.hpp"
#include "tracking/request/base64url.hpp"
#include "tracking/request/cookies.hpp"
#include "tracking/request/identity.hpp"

namespace tests {
namespace {

TEST(AddressBlocks, HoldTheirAddressesAndNoOthers) {
    const auto set = [](std::vector<std::string> blocks) {
        return std::get<tracking::cidr_set>(tracking::cidr_set::parse(blocks));
    };
    const auto defaults = set(conf::forward_settings{}.trusted_proxies);
    for (const char* address : {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"}) {
        EXPECT_TRUE(holds(defaults, address)) << address;
    }
    for (const char* address :
         {"128.0.0.1", "10.0.0.1", "::2", "::ffff:10.0.0.1", "", "localhost", "127.0.0.1 ", "127.1", "::127.0.0.1"}) {
        EXPECT_FALSE(holds(defaults, address)) << address;
    }
    const auto mixed = set({"10.1.2.3/9", "192.0.2.7", "2001:db8::/33", "::ffff:198.51.100.0/120", "fe80::1"});
    for (const char* address : {"10.0.0.0", "10.127.255.255", "192.0.2.7", "2001:db8:7fff::1", "198.51.100.200",
                                "::ffff:198.51.100.1", "fe80::1%eth0"}) {
        EXPECT_TRUE(holds(mixed, address)) << address;
    }
    for (const char* address : {"10.128.0.0", "192.0.2.8", "2001:db8:8000::1", "198.51.101.0", "fe80::2"}) {
        EXPECT_FALSE(holds(mixed, address)) << address;
    }
    EXPECT_TRUE(holds(set({"0.0.0.0/0"}), "203.0.113.9"));
    EXPECT_FALSE(holds(set({"0.0.0.0/0"}), "2001:db8::1"));
    EXPECT_TRUE(holds(set({"::/0"}), "2001:db8::1"));
    EXPECT_FALSE(holds(set({"::/0"}), "203.0.113.9")) << "all of IPv6 is not all of IPv4";
    EXPECT_FALSE(holds(set({}), "127.0.0.1"));
}

TEST(AddressBlocks, NameWhatIsWrong) {
    for (const std::string text : {"", "/", "/8", "10.0.0.0/33", "::1/129", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/-1",
                                   "10.0.0.0/8/8", "10.0.0", "host", "1.2.3.4.5", "10.0.0.0/ 8", "10.0.0.0/8 "}) {
        auto parsed = tracking::cidr_set::parse({"127.0.0.1", text});
        const auto* error = std::get_if<std::string>(&parsed);
        ASSERT_NE(error, nullptr) << text;
        EXPECT_THAT(*error, testing::HasSubstr('"' + text + '"'));
    }
}

TEST(Cookies, AreReadAsServersReadThem) {
    std::string_view rest = "a=1;b = 2 ; noise;=empty; c=\"quoted\"; d=x=y;e=";
    std::string seen;
    tracking::cookie each;
    while (tracking::next_cookie(rest, each)) seen += std::string(each.name) + "[" + std::string(each.value) + "]";
    EXPECT_EQ(seen, "a[1]b[2][empty]c[quoted]d[x=y]e[]");
}

TEST(Base64Url, KnowsOneTextForEachSequenceOfBytes) {
    EXPECT_EQ(tracking::base64url_decode(""), "");
    EXPECT_EQ(tracking::base64url_decode("Zg"), "f");
    EXPECT_EQ(tracking::base64url_decode("Zm8"), "fo");
    EXPECT_EQ(tracking::base64url_decode("Zm9v"), "foo");
    EXPECT_EQ(tracking::base64url_decode("-_-_"), "\xFB\xFF\xBF");
    for (const std::string text : {"Z", "Zg==", "Zh", "Zm9", "+/+/", "Zm 9v", "Zm9v\n"}) {
        EXPECT_EQ(tracking::base64url_decode(text), std::nullopt) << text;
    }
}

}  // namespace
}  // namespace tests
