// One question for a key set to a real server: what is an answer, whose certificate is believed, and that neither a
// slow nor an endless server holds it up.
#include "proxy/jwks_fetcher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <fstream>

#include "proxy/jwks_refresher.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/key_server.hpp"
#include "tests/support/run_coroutine.hpp"

namespace proxy {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using tests::key_answer;
using tests::key_server;
using tests::test_authority;
using tests::wanted_certificate;

const std::string body = R"({"keys":[]})";

class Fetching : public testing::Test {
protected:
    std::variant<jwks_answer, std::string> fetch(const std::string& url, const std::string& ca_pem = "",
                                                 std::chrono::milliseconds within = 10s) {
        jwks_question what{std::get<conf::web_url>(conf::parse_web_url(url)), "", within};
        if (!ca_pem.empty()) {
            what.ca_file = folder_.path() + "/ca.pem";
            std::ofstream(what.ca_file) << ca_pem;
        }
        return tests::run_coroutine(context_, fetch_jwks(std::move(what)));
    }
    static std::string problem(const std::variant<jwks_answer, std::string>& result) {
        const auto* why = std::get_if<std::string>(&result);
        return why != nullptr ? *why : "(an answer)";
    }
    static std::string text(const std::variant<jwks_answer, std::string>& result) {
        const auto* got = std::get_if<jwks_answer>(&result);
        return got != nullptr ? got->body : problem(result);
    }

    boost::asio::io_context context_;
    tests::temp_dir folder_;
};

TEST_F(Fetching, AsksAsAnyClientDoes) {
    key_server server(key_answer(body, "Cache-Control: public, max-age=600\r\n"));
    const auto result = fetch(server.url() + "?a=b");
    ASSERT_EQ(text(result), body);
    EXPECT_EQ(std::get<jwks_answer>(result).cache_control, "public, max-age=600");
    EXPECT_THAT(server.last_question(), testing::StartsWith("GET /.well-known/jwks.json?a=b HTTP/1.1\r\n"));
    EXPECT_THAT(server.last_question(), HasSubstr("\r\nHost: 127.0.0.1:" + std::to_string(server.port()) + "\r\n"));
    EXPECT_THAT(server.last_question(), testing::Not(HasSubstr("ookie")));
}

TEST_F(Fetching, ReadsChunksAndAnswersThatEndWithTheConnection) {
    key_server server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"ke\r\n7\r\nys\":[]}\r\n0\r\n\r\n");
    EXPECT_EQ(text(fetch(server.url())), body);
    server.answer("HTTP/1.0 200 OK\r\n\r\n" + body);
    EXPECT_EQ(text(fetch(server.url())), body);
}

TEST_F(Fetching, OnlyACompleteAnswerWithStatus200IsOne) {
    key_server server("HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}");
    EXPECT_THAT(problem(fetch(server.url())), HasSubstr("status 500"));
    server.answer("HTTP/1.1 302 Found\r\nLocation: " + server.url() + "\r\nContent-Length: 0\r\n\r\n");
    EXPECT_THAT(problem(fetch(server.url())), HasSubstr("status 302"));
    EXPECT_EQ(server.questions(), 2U) << "a redirect is not followed";
    server.answer("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + body);
    EXPECT_THAT(problem(fetch(server.url())), HasSubstr("ended early"));
    server.answer("");
    EXPECT_THAT(problem(fetch(server.url())), HasSubstr("ended early"));
    server.answer("SSH-2.0-OpenSSH_9.2\r\n\r\n");
    EXPECT_NE(problem(fetch(server.url())), "(an answer)");
}

TEST_F(Fetching, MoreThanAMebibyteIsRefusedHoweverItIsFramed) {
    const std::string five(5'000'000, ' ');
    key_server server(key_answer(five));
    EXPECT_THAT(problem(fetch(server.url())), HasSubstr("larger than 1 MiB"));
    server.answer("HTTP/1.1 200 OK\r\n\r\n" + five);
    EXPECT_THAT(problem(fetch(server.url())), HasSubstr("larger than 1 MiB"));
    server.answer("HTTP/1.1 200 OK\r\nX-Fill: " + five + "\r\n\r\n");
    EXPECT_NE(problem(fetch(server.url())), "(an answer)");
    server.answer(key_answer(std::string(1024 * 1024, ' ')));
    EXPECT_EQ(text(fetch(server.url())).size(), 1024U * 1024) << "a mebibyte is within the bound";
}

TEST_F(Fetching, AServerThatHangsIsGivenUp) {
    key_server plain(body);
    plain.hang();
    EXPECT_THAT(problem(fetch(plain.url(), "", 200ms)), HasSubstr("no answer in time"));
    // Nobody accepts here: the kernel completes the connection, and TLS waits for a hello that never comes.
    std::uint16_t port = 0;
    const tests::descriptor silent = tests::listen_on("127.0.0.1", port);
    EXPECT_THAT(problem(fetch("https://127.0.0.1:" + std::to_string(port) + "/", "", 200ms)),
                HasSubstr("no answer in time"));
}

TEST_F(Fetching, NobodyThereIsSaidSo) {
    std::uint16_t port = 0;
    tests::listen_on("127.0.0.1", port);  // closed again
    EXPECT_THAT(problem(fetch("http://127.0.0.1:" + std::to_string(port) + "/")), HasSubstr("refused"));
}

TEST_F(Fetching, ATrustedCertificateForTheHostIsBelieved) {
    const test_authority authority;
    for (const std::string host : {"localhost", "127.0.0.1"}) {
        const bool name = host == "localhost";
        key_server server(key_answer(body),
                          authority.issue(name ? wanted_certificate{.names = {host}, .addresses = {}}
                                               : wanted_certificate{.names = {}, .addresses = {host}}));
        EXPECT_EQ(text(fetch(server.url(host), authority.pem())), body) << host;
        EXPECT_EQ(server.server_name(), name ? host : "") << "a name is said in the handshake, an address is not";
    }
}

TEST_F(Fetching, NoOtherCertificateIs) {
    const test_authority authority, stranger;
    const std::string trusted = authority.pem();
    key_server foreign(key_answer(body), stranger.issue({.addresses = {}}));
    EXPECT_THAT(problem(fetch(foreign.url("localhost"), trusted)), HasSubstr("its certificate: "));
    EXPECT_THAT(problem(fetch(foreign.url("localhost"))), HasSubstr("its certificate: ")) << "the system's store";
    key_server misnamed(key_answer(body), authority.issue({.names = {"other.example"}, .addresses = {"127.0.0.2"}}));
    EXPECT_THAT(problem(fetch(misnamed.url("localhost"), trusted)), HasSubstr("ostname mismatch"));
    EXPECT_THAT(problem(fetch(misnamed.url("127.0.0.1"), trusted)), HasSubstr("IP address mismatch"));
    key_server expired(key_answer(body), authority.issue({.addresses = {}, .from = -2h, .until = -1h}));
    EXPECT_THAT(problem(fetch(expired.url("localhost"), trusted)), HasSubstr("expired"));
    for (const key_server* server : {&foreign, &misnamed, &expired}) EXPECT_EQ(server->questions(), 0U);
}

TEST_F(Fetching, PlainAnswersToTlsAndTheOtherWayRoundAreErrors) {
    const test_authority authority;
    key_server plain(key_answer(body)),
        secured(key_answer(body), authority.issue({.names = {}, .addresses = {"127.0.0.1"}}));
    EXPECT_THAT(problem(fetch("https" + plain.url().substr(4), authority.pem())), HasSubstr("TLS: "));
    EXPECT_NE(problem(fetch("http" + secured.url().substr(5))), "(an answer)");
}

TEST(Lifetime, IsTheMaxAgeWithinItsBounds) {
    const std::pair<const char*, std::chrono::seconds> rows[] = {
        {"", 1h},
        {"max-age=3000", 3000s},
        {"public, Max-Age=7200, must-revalidate", 2h},
        {"public,max-age=7200", 2h},
        {"max-age=0", 5min},
        {"max-age=299", 5min},
        {"max-age=86400", 24h},
        {"max-age=31536000", 24h},
        {"max-age=99999999999999999999", 24h},
        {"max-age=", 1h},
        {"max-age=-5", 1h},
        {"s-maxage=7200", 1h},
        {"no-store", 1h},
        {",,, ,", 1h},
    };
    for (const auto& [text, lifetime] : rows) EXPECT_EQ(jwks_lifetime(text), lifetime) << text;
}

}  // namespace
}  // namespace proxy
