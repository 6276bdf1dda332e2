// rediss:// against a real redis-server with TLS: who is believed, what is said when somebody is not, and that records
// arrive over it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/support/certificates.hpp"
#include "tests/support/redis_places.hpp"
#include "tests/support/run_coroutine.hpp"
#include "tests/support/shipper_fixture.hpp"
#include "tracking/store/redis_client.hpp"

namespace tracking::store {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using tests::certificate;
using tests::redis_fixture;
using tests::test_authority;
using tests::wanted_certificate;

// A Redis that speaks TLS on its port, with files of its certificates.
struct tls_redis {
    explicit tls_redis(const wanted_certificate& wanted = {}, bool asks_for_certificate = false) {
        std::string pattern = "/tmp/aimt.XXXXXX";
        dir = ::mkdtemp(pattern.data());
        const certificate own = authority.issue(wanted);
        tests::write_file(dir + "/ca.pem", authority.pem());
        tests::write_file(dir + "/redis.pem", own.cert);
        tests::write_file(dir + "/redis.key", own.key);
        port = tests::free_port();
        redis = std::make_unique<redis_fixture>(redis_fixture::options{
            .append_only = true,
            .arguments = {"--tls-port", std::to_string(port), "--bind", "127.0.0.1", "--tls-cert-file",
                          dir + "/redis.pem", "--tls-key-file", dir + "/redis.key", "--tls-ca-cert-file",
                          dir + "/ca.pem", "--tls-auth-clients", asks_for_certificate ? "yes" : "no"}});
    }
    ~tls_redis() { std::filesystem::remove_all(dir); }
    tls_redis(const tls_redis&) = delete;
    tls_redis& operator=(const tls_redis&) = delete;

    std::string url(const std::string& host = "127.0.0.1") const {
        return "rediss://" + host + ":" + std::to_string(port);
    }
    conf::redis_tls trust() const {
        conf::redis_tls made;
        made.ca_file = dir + "/ca.pem";
        return made;
    }

    test_authority authority;
    std::string dir;
    std::uint16_t port = 0;
    std::unique_ptr<redis_fixture> redis;
};

// Connects and asks for PING: "PONG", or what is wrong.
std::string ping(const std::string& url, const conf::redis_tls& trust, std::chrono::milliseconds within = 5s) {
    boost::asio::io_context context;
    redis_client client(context.get_executor(), std::get<redis_url>(redis_url::parse(url)), trust);
    const auto connected = tests::run_coroutine(context, client.connect(within));
    if (const auto* error = std::get_if<redis_error>(&connected)) return error->what;
    const auto answer = tests::run_coroutine(context, client.pipeline({{"PING"}}, within));
    if (const auto* error = std::get_if<redis_error>(&answer)) return error->what;
    return std::get<std::vector<reply>>(answer).front().text;
}

TEST(RedisOverTls, IsVerifiedByAuthorityAndByName) {
    const tls_redis redis;
    EXPECT_EQ(ping(redis.url(), redis.trust()), "PONG");             // by address
    EXPECT_EQ(ping(redis.url("localhost"), redis.trust()), "PONG");  // by name
    // The authorities of the system do not know this one.
    EXPECT_THAT(ping(redis.url(), {}), HasSubstr("its certificate: self-signed certificate in certificate chain"));
    conf::redis_tls anybody;
    anybody.verify = false;
    EXPECT_EQ(ping(redis.url(), anybody), "PONG");
}

TEST(RedisOverTls, RefusesACertificateForAnotherHostAndOneThatHasExpired) {
    const tls_redis other({.names = {"redis.example"}, .addresses = {}});
    EXPECT_THAT(ping(other.url(), other.trust()), HasSubstr("its certificate: IP address mismatch"));
    EXPECT_THAT(ping(other.url("localhost"), other.trust()), HasSubstr("its certificate: hostname mismatch"));
    const tls_redis old({.from = -48h, .until = -1h});
    EXPECT_THAT(ping(old.url(), old.trust()), HasSubstr("its certificate: certificate has expired"));
}

TEST(RedisOverTls, ShowsItsOwnCertificateWhenItIsAskedFor) {
    const tls_redis redis({}, true);
    EXPECT_THAT(ping(redis.url(), redis.trust()), HasSubstr("certificate required"));
    const certificate own = redis.authority.issue({.names = {"aimeter"}, .addresses = {}});
    tests::write_file(redis.dir + "/own.pem", own.cert);
    tests::write_file(redis.dir + "/own.key", own.key);
    auto trust = redis.trust();
    trust.cert = redis.dir + "/own.pem";
    trust.key = redis.dir + "/own.key";
    EXPECT_EQ(ping(redis.url(), trust), "PONG");
    trust.key = redis.dir + "/redis.key";  // of another certificate
    EXPECT_THAT(ping(redis.url(), trust), HasSubstr("redis.key: " + trust.key + ": key values mismatch"));
}

TEST(RedisOverTls, SaysWhenOneSideSpeaksTlsAndTheOtherDoesNot) {
    const tls_redis redis;
    const std::string plain = "redis://127.0.0.1:" + std::to_string(redis.port);
    EXPECT_THAT(ping(plain, {}), HasSubstr("a TLS port? then rediss://"));
    const tests::tcp_redis without;
    EXPECT_THAT(ping("rediss://" + without.address(), redis.trust(), 200ms),
                HasSubstr("a port without it? then redis://"));
}

TEST(RedisOverTls, HasADeadlineForTheHandshake) {
    const tls_redis redis;
    redis.redis->freeze();
    EXPECT_THAT(ping(redis.url(), redis.trust(), 200ms), HasSubstr("no answer to the TLS handshake within 200 ms"));
    redis.redis->unfreeze();
}

using Shipping = tests::shipping_test;

TEST_F(Shipping, OverTlsArrivesOnceThroughAKilledRedis) {
    tls_redis redis;
    settings.redis.tls = redis.trust();
    const auto id = journals.add_journal();
    append_random(id, 3'000);
    start(redis.url());
    ASSERT_TRUE(flush());
    append_random(id, 3'000);
    redis.redis->kill();
    ASSERT_TRUE(run_until([&] { return !ship->current().connected; }));
    redis.redis->start();
    ASSERT_TRUE(flush());
    expect_all_counted_once(*redis.redis);
}

}  // namespace
}  // namespace tracking::store
