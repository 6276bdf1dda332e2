// When the certificates that clients are shown cease to be valid: what an operator wants to be warned of.
#include <gmock/gmock.h>

#include <chrono>

#include "proxy/tls.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/child_process.hpp"

namespace {

using namespace std::chrono_literals;

class certificates : public testing::Test {
protected:
    conf::certificate_files issue(const std::string& name, std::chrono::seconds until) {
        const auto made = authority.issue({.names = {name, "second." + name}, .until = until});
        const std::string base = folder.path() + "/" + name;
        tests::write_file(base + ".pem", made.cert);
        tests::write_file(base + ".key", made.key);
        return {base + ".pem", base + ".key"};
    }
    // Name and hours from now, rounded, in the order of names.
    static std::map<std::string, long> ends(const conf::tls_settings& settings) {
        const auto made = proxy::make_server_tls(settings);
        const auto now = std::chrono::system_clock::now().time_since_epoch();
        std::map<std::string, long> found;
        for (const auto& one : proxy::certificate_ends(std::get<proxy::tls_context>(made)))
            found[one.name] =
                std::chrono::round<std::chrono::hours>(std::chrono::milliseconds(one.at_ms) - now).count();
        return found;
    }

    const tests::temp_dir folder;
    const tests::test_authority authority;
};

TEST_F(certificates, each_says_when_it_ends) {
    conf::tls_settings settings;
    EXPECT_TRUE(ends(settings).empty()) << "no TLS";
    const auto first = issue("a.test", 24h);
    settings.cert = first.cert;
    settings.key = first.key;
    EXPECT_EQ(ends(settings), (std::map<std::string, long>{{"a.test", 24}}));
    settings.certificates = {issue("b.test", 72h), issue("c.test", 5h)};
    EXPECT_EQ(ends(settings), (std::map<std::string, long>{{"a.test", 24}, {"b.test", 72}, {"c.test", 5}}));
}

}  // namespace
