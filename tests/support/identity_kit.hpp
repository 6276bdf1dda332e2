// What the tests of identity share: rules that are asked with plain lists of fields, keys in files, and the tokens of
// one user at a fixed time. For tests that include it once.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/token_maker.hpp"
#include "tracking/request/identity.hpp"

namespace tests {

using tracking::identity;
using tracking::identity_rules;
using tracking::user_source;
using fields = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::int64_t now_s = 1'790'000'000;
inline constexpr std::int64_t now_ms = now_s * 1000;

// Whether the peer of this address is one of the set.
inline bool holds(const tracking::cidr_set& set, std::string_view address) {
    const auto parsed = tracking::cidr_set::parse_peer(address);
    return parsed && set.contains(*parsed);
}

// A file that is gone with the test.
class temporary_file {
public:
    explicit temporary_file(const std::string& text) {
        std::string path = (std::filesystem::temp_directory_path() / "aimeter-jwks-XXXXXX").string();
        const int file = mkstemp(path.data());
        if (file < 0) throw std::runtime_error("mkstemp");
        close(file);
        path_ = path;
        std::ofstream(path_) << text;
    }
    ~temporary_file() { std::filesystem::remove(path_); }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

// Rules with a memory of their own, asked with plain lists of fields.
class judge {
public:
    explicit judge(const conf::identity_settings& settings, const std::string& secret = "server secret")
        : judge(std::get<std::shared_ptr<const identity_rules>>(identity_rules::load(settings, secret))) {}
    explicit judge(std::shared_ptr<const identity_rules> rules)
        : rules_(std::move(rules)), memory_(rules_->make_memory()) {}

    identity ask(const fields& head, bool peer_trusted = false, std::int64_t at_ms = now_ms) {
        std::vector<tracking::header_field> views;
        for (const auto& [name, value] : head) views.push_back({name, value});
        identity result{"left over", "left over", "left over", user_source::app};
        rules_->identify({views}, peer_trusted, at_ms, *memory_, result);
        return result;
    }
    const identity_rules& rules() const { return *rules_; }

private:
    std::shared_ptr<const identity_rules> rules_;
    std::unique_ptr<identity_rules::memory, void (*)(identity_rules::memory*)> memory_;
};

inline std::string load_error(const conf::identity_settings& settings, const std::string& secret = "s") {
    auto loaded = identity_rules::load(settings, secret);
    const auto* error = std::get_if<std::string>(&loaded);
    return error == nullptr ? "" : *error;
}

inline std::string load_error_of_keys(const std::string& jwks) {
    const temporary_file file(jwks);
    conf::identity_settings settings;
    settings.jwt.jwks_file = file.path();
    return load_error(settings);
}

class Tokens : public testing::Test {
protected:
    static void SetUpTestSuite() {
        rsa = new signing_key(signing_key::rsa("key_1"));
        ec = new signing_key(signing_key::p256("key_2"));
        foreign = new signing_key(signing_key::rsa("key_1"));
    }
    static void TearDownTestSuite() {
        delete rsa;
        delete ec;
        delete foreign;
    }

    Tokens() : file_(key_set_text({rsa->jwk(R"(,"alg":"RS256","use":"sig")"), ec->jwk()})) {
        settings_.jwt.jwks_file = file_.path();
    }

    static std::string claims(const std::string& more = "", const std::string& sub = R"("user_1")") {
        return R"({"sub":)" + sub + R"(,"exp":)" + std::to_string(now_s + 60) + more + "}";
    }
    identity by_cookie(const std::string& token, std::int64_t at_ms = now_ms) {
        return judge(settings_).ask({{"Cookie", "__session=" + token}}, false, at_ms);
    }
    void expect_refused(const std::string& token, const std::string& why) {
        const identity who = by_cookie(token);
        EXPECT_EQ(who.user_id, "anonymous") << why;
        EXPECT_EQ(who.from, user_source::anonymous) << why;
        EXPECT_EQ(who.clerk_user_id, "") << why;
        EXPECT_EQ(who.plan, "") << why;
    }
    void expect_accepted(const std::string& token, const std::string& why) {
        const identity who = by_cookie(token);
        EXPECT_EQ(who.user_id, "user_1") << why;
        EXPECT_EQ(who.from, user_source::jwt) << why;
    }

    inline static signing_key* rsa = nullptr;
    inline static signing_key* ec = nullptr;
    inline static signing_key* foreign = nullptr;  // another key by the same name
    temporary_file file_;
    conf::identity_settings settings_;
};

}  // namespace tests
