// Who gets in, who is slowed down, where tokens come from, and which routes are aimeter's at all.
#include "admin-api/auth.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "admin-api/router.hpp"

namespace {

using admin::authenticator;
using verdict = admin::authenticator::verdict;
using std::chrono::seconds;

admin::request from(const std::string& peer, std::vector<std::string> authorization) {
    admin::request made;
    made.peer = peer;
    for (auto& value : authorization) made.headers.emplace_back("authorization", std::move(value));
    return made;
}

class Auth : public testing::Test {
protected:
    tracking::manual_time clock_{1'700'000'000'000};
    authenticator door_{{"first-token", "second-token", ""}, clock_};

    verdict with(const std::string& value) { return door_.check(from("192.0.2.1", {value})).is; }
};

TEST_F(Auth, EachConfiguredTokenPasses) {
    EXPECT_EQ(with("Bearer first-token"), verdict::passed);
    EXPECT_EQ(with("Bearer second-token"), verdict::passed);
    EXPECT_EQ(with("bearer  first-token "), verdict::passed) << "the scheme is case-insensitive, blanks are padding";
}

TEST_F(Auth, NothingElseDoes) {
    for (const char* value :
         {"Bearer first-toke", "Bearer first-token2", "Bearer FIRST-TOKEN", "Bearer first-token x"}) {
        EXPECT_EQ(with(value), verdict::wrong) << value;
    }
    EXPECT_EQ(with("Bearer "), verdict::wrong) << "an empty configured token lets nobody in";
    for (const char* value : {"", "Bearer", "first-token", "Basic Zmlyc3Q6dG9rZW4=", "Bearerfirst-token"}) {
        EXPECT_EQ(with(value), verdict::missing) << value;
    }
    EXPECT_EQ(door_.check(from("192.0.2.1", {})).is, verdict::missing);
    EXPECT_EQ(door_.check(from("192.0.2.1", {"Bearer x", "Bearer first-token"})).is, verdict::missing)
        << "two fields are ambiguous";
}

TEST_F(Auth, WithoutTokensNobodyPasses) {
    authenticator closed({}, clock_);
    EXPECT_EQ(closed.check(from("192.0.2.1", {"Bearer "})).is, verdict::wrong);
    EXPECT_EQ(closed.check(from("192.0.2.1", {"Bearer x"})).is, verdict::wrong);
}

TEST_F(Auth, GuessingIsSlowedDownPerPeer) {
    for (int i = 0; i < 10; ++i) EXPECT_EQ(with("Bearer guess" + std::to_string(i)), verdict::wrong);
    clock_.advance(seconds(20));
    const auto stopped = door_.check(from("192.0.2.1", {"Bearer guess"}));
    EXPECT_EQ(stopped.is, verdict::throttled);
    EXPECT_EQ(stopped.retry_after, seconds(40)) << "the minute began with the first wrong token";
    EXPECT_EQ(door_.check(from("192.0.2.2", {"Bearer guess"})).is, verdict::wrong) << "another peer";
    EXPECT_EQ(with("Bearer first-token"), verdict::passed) << "an operator behind the same address is not locked out";
    EXPECT_EQ(door_.check(from("192.0.2.1", {})).is, verdict::missing) << "no token is no guess";
    clock_.advance(seconds(40));
    EXPECT_EQ(with("Bearer guess"), verdict::wrong) << "the minute is over";
}

TEST_F(Auth, TheTableOfPeersIsBounded) {
    admin::throttle throttle;
    for (int peer = 0; peer < 5'000; ++peer) throttle.failed(std::to_string(peer), clock_.steady());
    EXPECT_LE(throttle.size(), admin::throttled_peers_most);
    clock_.advance(seconds(61));
    throttle.failed("new", clock_.steady());
    EXPECT_EQ(throttle.size(), 1U) << "what is over is forgotten";
}

TEST_F(Auth, RefusalsSayWhatToDo) {
    const auto header = [](const admin::response& in, const std::string& name) {
        for (const auto& [key, value] : in.headers) {
            if (key == name) return value;
        }
        return std::string("(none)");
    };
    const auto missing = admin::refusal({verdict::missing});
    EXPECT_EQ(missing.status, 401);
    EXPECT_EQ(header(missing, "WWW-Authenticate").rfind("Bearer", 0), 0U);
    EXPECT_EQ(header(missing, "Content-Type"), "application/problem+json");
    const auto throttled = admin::refusal({verdict::throttled, seconds(17)});
    EXPECT_EQ(throttled.status, 429);
    EXPECT_EQ(header(throttled, "Retry-After"), "17");
}

class Tokens : public testing::Test {
protected:
    Tokens() {
        std::string name = (std::filesystem::temp_directory_path() / "aimeter-tokens-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
        settings_.data_dir = folder_ + "/var";
    }
    ~Tokens() override { std::filesystem::remove_all(folder_); }
    std::string file() const { return settings_.data_dir + "/admin-token"; }

    std::string folder_;
    conf::settings settings_;
};

TEST_F(Tokens, OneIsMadeAtTheFirstStartAndKept) {
    const auto [tokens, error] = admin::load_tokens(settings_);
    ASSERT_EQ(error, "");
    ASSERT_EQ(tokens.size(), 1U);
    EXPECT_GE(tokens.front().size(), 32U);
    struct stat info{};
    ASSERT_EQ(::stat(file().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600U);
    EXPECT_EQ(admin::load_tokens(settings_).first, tokens) << "the next start has the same";
    std::filesystem::remove(file());
    EXPECT_NE(admin::load_tokens(settings_).first, tokens) << "a new one is another";
}

TEST_F(Tokens, ConfiguredOnesNeedNoFile) {
    settings_.admin.tokens = {"a", "b"};
    EXPECT_EQ(admin::load_tokens(settings_).first, (std::vector<std::string>{"a", "b"}));
    EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(Tokens, AFileThatHoldsNoTokenIsAnErrorThatNamesIt) {
    std::filesystem::create_directories(settings_.data_dir);
    for (const char* content : {"", " \n", "two words\n", "two\nlines\n"}) {
        std::ofstream(file(), std::ios::trunc) << content;
        const auto [tokens, error] = admin::load_tokens(settings_);
        EXPECT_TRUE(tokens.empty()) << content;
        EXPECT_NE(error.find(file()), std::string::npos) << content;
    }
    std::ofstream(file(), std::ios::trunc) << " mine \r\n";
    EXPECT_EQ(admin::load_tokens(settings_).first, std::vector<std::string>{"mine"});
}

TEST_F(Tokens, AFolderThatCannotBeMadeIsAnError) {
    std::ofstream(folder_ + "/file") << "x";
    settings_.data_dir = folder_ + "/file/var";
    const auto [tokens, error] = admin::load_tokens(settings_);
    EXPECT_TRUE(tokens.empty());
    EXPECT_NE(error, "");
}

TEST(Routes, OnlyTheOnesServedAreOwned) {
    const conf::admin_settings settings;
    for (const char* target :
         {"/api/admin/ai/overview", "/api/admin/ai/usage?days=7", "/api/admin/stats", "/api/admin/ai/requests?",
          "/api/admin/healthz", "/api/admin/readyz", "/api/admin/metrics", "/api/admin/ai/users/a/b?days=1",
          "/api/admin/openapi.json", "/api/admin/ai/verify", "http://example.com/api/admin/stats?x=1"}) {
        EXPECT_TRUE(admin::owns(settings, target)) << target;
    }
    for (const char* target : {"/",
                               "",
                               "*",
                               "/api/admin",
                               "/api/admin/",
                               "/api/admin/ai",
                               "/api/admin/ai/usage/",
                               "/api/admin/users",
                               "/api/admin/ai/users",
                               "/api/admin/ai/users/",
                               "/metrics",
                               "/api/admin/ai/overview/x",
                               "/api/admin/AI/overview",
                               "/api/admin/%61i/overview",
                               "/api/admin/../admin/stats",
                               "//api/admin/stats",
                               "/healthz",
                               "/readyz",
                               "/stats",
                               "example.com:443",
                               "http://example.com",
                               "/api/adminstats",
                               "/api/ai/usage?next=/api/admin/stats"}) {
        EXPECT_FALSE(admin::owns(settings, target)) << target;
    }
}

TEST(Routes, AnOwnListenerServesHealthAtItsRootToo) {
    const conf::admin_settings settings;
    EXPECT_TRUE(admin::owns(settings, "/healthz", true));
    EXPECT_TRUE(admin::owns(settings, "/readyz", true));
    EXPECT_TRUE(admin::owns(settings, "/metrics", true));
    EXPECT_FALSE(admin::owns(settings, "/openapi.json", true));
    EXPECT_TRUE(admin::owns(settings, "/api/admin/readyz", true));
    EXPECT_FALSE(admin::owns(settings, "/stats", true));
}

TEST(Routes, ThePrefixIsConfigurable) {
    conf::admin_settings settings;
    settings.path = "/internal/meter/";
    EXPECT_TRUE(admin::owns(settings, "/internal/meter/stats"));
    EXPECT_FALSE(admin::owns(settings, "/api/admin/stats"));
}

}  // namespace
