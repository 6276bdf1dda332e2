// How the values of the file are read: what is accepted, what it becomes, what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conf/config.hpp"
#include "conf/values.hpp"
#include "tests/support/config_text.hpp"

namespace conf {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Values, Durations) {
    const std::pair<const char*, milliseconds> good_ones[] = {{"500ms", 500ms}, {"30s", 30s}, {"10m", 10min},
                                                              {"1h", 1h},       {"2d", 48h},  {"0s", 0ms}};
    for (const auto& [text, expected] : good_ones) EXPECT_EQ(std::get<milliseconds>(parse_duration(text)), expected);
    for (const char* text : {"", "s", "30", "-1s", "1.5s", "1y", "1s ", "1m30s", "99999999999999999999s",
                             "9223372036854775807d", "9223372036854775808ms"})
        EXPECT_TRUE(std::holds_alternative<complaint>(parse_duration(text))) << text;
}

TEST(Values, Sizes) {
    const std::pair<const char*, std::uint64_t> good_ones[] = {
        {"0", 0},         {"65536", 65536},     {"65_536", 65536},      {"64KB", 65536},
        {"64KiB", 65536}, {"64MB", 67'108'864}, {"1GB", 1'073'741'824}, {"7 B", 7}};
    for (const auto& [text, expected] : good_ones)
        EXPECT_EQ(std::get<std::uint64_t>(parse_size(text)), expected) << text;
    for (const char* text : {"", "MB", "-1", "1.5MB", "1TB", "64mB", "_1", "1_", "99999999999GB"})
        EXPECT_TRUE(std::holds_alternative<complaint>(parse_size(text))) << text;
    EXPECT_EQ(good("[limits]\nbody_bytes = \"64MB\"").limits.body_bytes, 67'108'864u);
    EXPECT_EQ(good("[limits]\nbody_bytes = 10_000").limits.body_bytes, 10'000u);
    EXPECT_EQ(good("", {flag("limits.body_bytes", "1_000")}).limits.body_bytes, 1'000u);
}

TEST(Values, MoneyIsKeptExactlyOrRefused) {
    const std::pair<const char*, std::int64_t> good_ones[] = {{"0.0006", 600'000},
                                                              {"0.1", 100'000'000},
                                                              {"0.3", 300'000'000},
                                                              {"0.000000001", 1},
                                                              {"1e-9", 1},
                                                              {"6e-4", 600'000},
                                                              {"0", 0},
                                                              {"0.0", 0},
                                                              {"1", 1'000'000'000},
                                                              {"\"0.29\"", 290'000'000},
                                                              {"1.005", 1'005'000'000},
                                                              {"123456.789012345", 123'456'789'012'345}};
    for (const auto& [text, nano] : good_ones)
        EXPECT_EQ(good("[pricing]\ndefault_cost_usd = " + std::string(text)).pricing.default_cost_nano, nano) << text;
    for (const char* text : {"0.0000000001", "1e-10", "\"1e-9\"", "\"\"", "\".5\"", "\"5.\"", "\"+1\"", "\"1,5\"",
                             "nan", "-1", "1000000.123456789123", "true"})
        EXPECT_THAT(bad("[pricing]\ndefault_cost_usd = " + std::string(text)), ElementsAre(HasSubstr("t.toml:2:20: ")))
            << text;
    EXPECT_EQ(good("", {flag("pricing.default_cost_usd", "0.000123456")}).pricing.default_cost_nano, 123'456);
}

TEST(Values, PriceOverridesArePicoUsdPerToken) {
    const settings s = good(
        "[pricing]\noverrides = { \"my/model-1.5\" = { input = 0.15, output = 0.6, cached = 0.0375, reasoning = 1, "
        "cache_write = \"0.000001\", audio_input = 2.5 } }");
    const std::map<std::string, std::int64_t> expected{{"in", 150'000},        {"out", 600'000},
                                                       {"cache_read", 37'500}, {"reasoning", 1'000'000},
                                                       {"cache_write", 1},     {"audio_in", 2'500'000}};
    EXPECT_EQ(s.pricing.overrides.at("my/model-1.5").pico, expected);
    EXPECT_THAT(bad("[pricing.overrides.m]\ninput = 0.0000001"), ElementsAre(HasSubstr("pricing.overrides.m.input: ")));
    EXPECT_EQ(
        good("", {flag("pricing.overrides", "{ \"a\" = { input = 3 } }")}).pricing.overrides.at("a").pico.at("in"),
        3'000'000);
}

TEST(Values, PriceOverridesByUnitArePicoUsdEach) {
    const settings s = good(
        "[pricing.overrides.w]\nper_audio_second = 0.0001\nper_character = 0.000015\nper_image = \"0.000000000001\"\n"
        "per_page = 1\nper_search_unit = 0.002\nper_web_search = 0.01\nper_request = 0.005\n"
        "[pricing.overrides.t]\ninput = 1\nimage_input = 2\nimage_output = 3\naudio_cached = 4\naudio_cache_write = 5");
    const std::map<std::string, std::int64_t> units{
        {"audio_second", 100'000'000}, {"character", 15'000'000},      {"image", 1},
        {"page", 1'000'000'000'000},   {"search_unit", 2'000'000'000}, {"web_search", 10'000'000'000},
        {"request", 5'000'000'000}};
    EXPECT_EQ(s.pricing.overrides.at("w").pico, units);
    const std::map<std::string, std::int64_t> tokens{{"in", 1'000'000},
                                                     {"image_tok_in", 2'000'000},
                                                     {"image_tok_out", 3'000'000},
                                                     {"audio_cache_read", 4'000'000},
                                                     {"audio_cache_write", 5'000'000}};
    EXPECT_EQ(s.pricing.overrides.at("t").pico, tokens);
    EXPECT_THAT(bad("[pricing.overrides.m]\nper_img = 1"), testing::Contains(HasSubstr("did you mean per_image?")));
    EXPECT_THAT(bad("[pricing.overrides.m]\nper_image = 1001"), ElementsAre(HasSubstr("overrides.m.per_image: ")));
}

TEST(Values, ListenAddresses) {
    struct {
        const char *text, *host;
        std::uint16_t port;
    } good_ones[] = {
        {"127.0.0.1:8080", "127.0.0.1", 8080}, {":8080", "0.0.0.0", 8080}, {"*:8080", "0.0.0.0", 8080},
        {"[::1]:8080", "::1", 8080},           {"[::]:0", "::", 0},        {"localhost:80", "localhost", 80}};
    for (const auto& [text, host, port] : good_ones) {
        const auto parsed = parse_listen(text);
        ASSERT_TRUE(std::holds_alternative<endpoint>(parsed)) << text;
        EXPECT_EQ(std::get<endpoint>(parsed).host, host);
        EXPECT_EQ(std::get<endpoint>(parsed).port, port);
        EXPECT_EQ(std::get<endpoint>(parsed).text, text);
    }
    EXPECT_EQ(std::get<endpoint>(parse_listen("unix:/run/a.sock")).unix_path, "/run/a.sock");
    for (const std::string& text : {std::string(""),
                                    std::string("8080"),
                                    std::string("localhost"),
                                    std::string("a:"),
                                    std::string("a:65536"),
                                    std::string("a:-1"),
                                    std::string("a:8o"),
                                    std::string("::1:80"),
                                    std::string("[::1]"),
                                    std::string("[::1"),
                                    std::string("[::1]80"),
                                    std::string("[1.2.3.4]:80"),
                                    std::string("1.2.3:80"),
                                    std::string("300.1.1.1:80"),
                                    std::string("a b:80"),
                                    std::string("http://a:80"),
                                    std::string("https://a:80"),
                                    std::string("unix:run"),
                                    std::string("unix:"),
                                    "unix:/" + std::string(108, 'a'),
                                    std::string("a\0b:80", 6)})
        EXPECT_TRUE(std::holds_alternative<complaint>(parse_listen(text))) << text;
    EXPECT_EQ(good("listen = [\":1\", \"unix:/tmp/a\"]").listen.size(), 2u);
}

TEST(Values, UpstreamAddresses) {
    struct {
        const char *text, *host;
        std::uint16_t port;
    } good_ones[] = {{"http://a.example:3000", "a.example", 3000}, {"http://a.example", "a.example", 80},
                     {"http://a.example/", "a.example", 80},       {"a:3000", "a", 3000},
                     {"http://[::1]:3000", "::1", 3000},           {"http://[fd00::2]", "fd00::2", 80}};
    for (const auto& [text, host, port] : good_ones) {
        const auto parsed = parse_upstream(text);
        ASSERT_TRUE(std::holds_alternative<endpoint>(parsed)) << text;
        EXPECT_EQ(std::get<endpoint>(parsed).host, host);
        EXPECT_EQ(std::get<endpoint>(parsed).port, port);
        EXPECT_FALSE(std::get<endpoint>(parsed).tls);
    }
    for (const auto& [text, port] : {std::pair("https://a", 443), std::pair("https://[::1]:8443/", 8443)}) {
        const auto parsed = parse_upstream(text);
        ASSERT_TRUE(std::holds_alternative<endpoint>(parsed)) << text;
        EXPECT_TRUE(std::get<endpoint>(parsed).tls);
        EXPECT_EQ(std::get<endpoint>(parsed).port, port);
    }
    EXPECT_EQ(std::get<endpoint>(parse_upstream("unix:/run/a.sock")).unix_path, "/run/a.sock");
    for (const char* text : {"", "http://", "http://:80", "a", ":3000", "http://a:0", "http://a/path", "http://a?x",
                             "ftp://a:1", "http://u:p@a:1", "http://a:b:1", "https://a/path", "https://a:0"})
        EXPECT_TRUE(std::holds_alternative<complaint>(parse_upstream(text))) << text;
}

TEST(Values, WebUrls) {
    struct {
        const char *text, *host;
        std::uint16_t port;
        bool tls;
        const char* target;
    } good_ones[] = {
        {"https://a.example/.well-known/jwks.json", "a.example", 443, true, "/.well-known/jwks.json"},
        {"http://a:8080/x?y=z&w", "a", 8080, false, "/x?y=z&w"},
        {"http://a", "a", 80, false, "/"},
        {"https://a?x", "a", 443, true, "/?x"},
        {"https://[::1]:8443/k", "::1", 8443, true, "/k"},
    };
    for (const auto& [text, host, port, tls, target] : good_ones) {
        const auto parsed = parse_web_url(text);
        ASSERT_TRUE(std::holds_alternative<web_url>(parsed)) << text;
        const auto& url = std::get<web_url>(parsed);
        EXPECT_EQ(url.server.host, host);
        EXPECT_EQ(url.server.port, port);
        EXPECT_EQ(url.server.tls, tls);
        EXPECT_EQ(url.target, target);
    }
    for (const char* text :
         {"", "a", "/jwks.json", "ftp://a/", "file:///etc/passwd", "https://", "https:///k", "https://:443/",
          "https://a:0/", "https://a:99999/", "https://u:p@a/", "https://a b/", "https://a/b c", "https://a/\r\nX: y",
          "https://a/#k", "https://a/\xC3\xA9", "https://1.2/", "https://[::g]/"})
        EXPECT_TRUE(std::holds_alternative<complaint>(parse_web_url(text))) << text;
}

TEST(Values, KeysByUrl) {
    EXPECT_EQ(good("[identity.jwt]\njwks_url = \"https://a/k\"").identity.jwt.jwks_url, "https://a/k");
    EXPECT_EQ(good("[identity.jwt]\njwks_url = \"\"").identity.jwt.jwks_url, "");
    EXPECT_THAT(bad("[identity.jwt]\njwks_url = \"htps://a/k\""),
                ElementsAre("t.toml:2:12: identity.jwt.jwks_url: expected https://host/path or http://host/path"));
    const auto with_password = bad("[identity.jwt]\njwks_url = \"https://u:sesame@a/k\"");
    EXPECT_THAT(with_password, ElementsAre(HasSubstr("no user and no password")));
    EXPECT_THAT(with_password, testing::Not(ElementsAre(HasSubstr("sesame"))));
    EXPECT_THAT(bad("[forward]\nca_file = \"/nonexistent.pem\""), ElementsAre(HasSubstr("forward.ca_file")));
    EXPECT_THAT(bad("[forward]\nfail_timeout = \"0s\""), ElementsAre(HasSubstr("forward.fail_timeout")));
    EXPECT_THAT(bad("[forward]\nresolve_interval = \"10ms\""), ElementsAre(HasSubstr("forward.resolve_interval")));
    EXPECT_THAT(bad("[forward]\nfail_timeout = \"2s\"\nmax_fail_timeout = \"1s\""),
                ElementsAre(HasSubstr("t.toml:3:20: forward.max_fail_timeout: is shorter than forward.fail_timeout")));
    EXPECT_EQ(good("[forward]\nmax_fails = 0").forward.max_fails, 0U);
}

TEST(Values, AddressBlocks) {
    for (const char* text : {"127.0.0.1/8", "::1/128", "10.0.0.0/8", "192.0.2.1", "fd00::/8", "0.0.0.0/0"})
        EXPECT_EQ(complaint_about_cidr(text), "") << text;
    for (const char* text :
         {"", "10.0.0.0/33", "::/129", "10.0.0/8", "a/8", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8"})
        EXPECT_NE(complaint_about_cidr(text), "") << text;
    EXPECT_THAT(bad("[forward]\ntrusted_proxies = [\"10.0.0.0/8\", \"x\"]"), ElementsAre(HasSubstr("t.toml:2:34: ")));
    EXPECT_THAT(good("[forward]\ntrusted_proxies = []").forward.trusted_proxies, IsEmpty());
}

TEST(Values, RedisUrls) {
    for (const char* text :
         {"", "redis://h", "redis://h:6380", "redis://h:6380/3", "redis://:p@h", "redis://u:p@h:1/0",
          "redis://u:p/w@x@h:1", "redis://[::1]:6379/0", "unix:/run/redis.sock", "unix:/r.sock?db=2",
          "rediss://u:p@h:6380/1", "redis+sentinel://h:1,i:2/master", "rediss+sentinel://u:p@h/m/2?sentinel_password=x",
          "redis+cluster://h:1,i:2", "rediss+cluster://u:p@h/"})
        EXPECT_EQ(complaint_about_redis_url(text), "") << text;
    for (const char* text :
         {"h:6379", "http://h", "redis://", "redis://h:0", "redis://h:x", "redis://h/x", "redis://h/-1", "redis://h?x",
          "unix:r", "unix:/r?x=1", "unix:/r?db=x", "redis+sentinel://h:1", "redis+sentinel://h:1/",
          "redis+sentinel://h,/m", "redis+sentinel://h/m/x", "redis+sentinel://h/m?password=x", "redis+cluster://h/1",
          "redis+cluster://", "redis+cluster://h,,i"})
        EXPECT_NE(complaint_about_redis_url(text), "") << text;
}

TEST(Values, TimeZonesAreThoseOfTheMachine) {
    EXPECT_EQ(good("timezone = \"Europe/Berlin\"").timezone, "Europe/Berlin");
    EXPECT_EQ(good("timezone = \"UTC\"").timezone, "UTC");
}

TEST(Values, FeaturesAreAddedToTheBuiltInOnes) {
    const settings s = good("[features]\n\"Haiku\" = \"poems\"\n\"job-match\" = \"job-match\"");
    EXPECT_EQ(s.features.at("haiku"), "poems");
    EXPECT_EQ(s.features.at("job-match"), "job-match");
    EXPECT_EQ(s.features.at("skill-gap"), "skill-gap");
}

TEST(Values, CacheRulesAndChoices) {
    const settings s = good(
        "[cache.X-My-Cache]\nhit = [\"served\", \"fresh\"]\nmiss = \"fetched\"\n[track]\nlog = \"off\"\n"
        "on_client_abort = \"drain\"\n[journal]\nsync = \"1s\"\n[admin]\nlisten = \"127.0.0.1:9000\"\n"
        "[identity]\nheader = \"X-User-Id\"\nplan_header = \"X-Plan\"");
    ASSERT_EQ(s.cache.size(), 1u);
    EXPECT_EQ(s.cache[0].header, "x-my-cache");
    EXPECT_THAT(s.cache[0].hit, ElementsAre("served", "fresh"));
    EXPECT_THAT(s.cache[0].miss, ElementsAre("fetched"));
    EXPECT_EQ(s.track.log, track_settings::log_form::off);
    EXPECT_EQ(s.track.on_client_abort, track_settings::on_abort::drain);
    EXPECT_EQ(s.journal.sync, 1s);
    EXPECT_EQ(s.admin.listen->port, 9000);
    EXPECT_EQ(s.identity.header, "x-user-id");
}

}  // namespace
}  // namespace conf
