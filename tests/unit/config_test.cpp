// What a file, the environment and flags make of the settings, and what is said about those that are wrong.
#include "conf/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "conf/document.hpp"
#include "conf/keys.hpp"
#include "conf/nearest.hpp"
#include "tests/support/config_text.hpp"

namespace conf {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string default_file = AIMETER_SOURCE_DIR "/conf/aimeter.toml";

// ---- the commented file ----------------------------------------------------------------------------------------

void collect(const value& table, const std::string& prefix, std::set<std::string>& into) {
    for (const member& child : table.members) {
        into.insert(prefix + child.key);
        if (child.what.is == value::kind::table) collect(child.what, prefix + child.key + ".", into);
    }
}

TEST(DefaultFile, SaysTheBuiltInDefaultOfEveryKey) {
    const auto loaded = load(default_file, {});
    ASSERT_TRUE(std::holds_alternative<settings>(loaded)) << std::get<1>(loaded).front().text();
    EXPECT_TRUE(std::get<settings>(loaded) == default_settings());
    EXPECT_TRUE(good("") == default_settings());
}

TEST(DefaultFile, HoldsEveryKeyThatThisVersionKnows) {
    std::ifstream file(default_file);
    std::stringstream text;
    text << file.rdbuf();
    const auto document = parse_toml(text.str(), default_file);
    ASSERT_TRUE(std::holds_alternative<value>(document));
    std::set<std::string> there;
    collect(std::get<value>(document), "", there);
    for (const key_rule& rule : key_rules())
        EXPECT_EQ(there.contains(std::string(rule.name)), rule.supported) << rule.name;
}

TEST(DefaultFile, DefaultsAreThoseOfTheContract) {
    const settings s = default_settings();
    EXPECT_EQ(s.listen.at(0).host, "127.0.0.1");
    EXPECT_EQ(s.listen.at(0).port, 8080);
    EXPECT_EQ(s.upstream.at(0).host, "127.0.0.1");
    EXPECT_EQ(s.upstream.at(0).port, 3000);
    EXPECT_EQ(s.timezone, "UTC");
    EXPECT_EQ(s.data_dir, "var");
    EXPECT_EQ(s.drain_timeout, 30s);
    EXPECT_EQ(s.journal.keep, 10min);
    EXPECT_EQ(s.redis.stream_maxlen, 1'000'000u);
    EXPECT_THAT(s.track.paths, ElementsAre("/api/ai/*"));
    EXPECT_EQ(s.track.max_labels, 500u);
    EXPECT_EQ(s.track.max_users, 200'000u);
    EXPECT_EQ(s.features.at("tailored-bullets"), "ats-optimizer");
    EXPECT_EQ(s.features.size(), 6u);
    EXPECT_EQ(s.identity.jwt.cookie, "__session");
    EXPECT_EQ(s.identity.jwt.leeway, 5s);
    EXPECT_EQ(s.pricing.default_tokens, 1500);
    EXPECT_EQ(s.pricing.default_cost_nano, 600'000);
    EXPECT_EQ(s.admin.path, "/api/admin");
    EXPECT_FALSE(s.admin.listen);
}

// ---- places and names in errors ----------------------------------------------------------------------------------

TEST(Errors, NameFileLineColumnKeyAndTheNearestKey) {
    EXPECT_THAT(bad("listen = \":8080\"\n[limits]\n  header_bites = 4096\n"),
                ElementsAre("t.toml:3:3: limits.header_bites: unknown key; did you mean limits.header_bytes?"));
    EXPECT_THAT(bad("[redsi]\nurl = \"\"\n"), ElementsAre("t.toml:1:2: redsi: unknown key; did you mean redis?"));
    EXPECT_THAT(bad("stream_maxlen = 5"),
                ElementsAre("t.toml:1:1: stream_maxlen: unknown key; did you mean redis.stream_maxlen?"));
    EXPECT_THAT(bad("identity = { jwt = { cookies = \"a\" } }"),
                ElementsAre(AllOf(HasSubstr("t.toml:1:22: "), HasSubstr("did you mean identity.jwt.cookie?"))));
    EXPECT_THAT(bad("\"redis.url\" = \"\""), ElementsAre(HasSubstr("unknown key")));
}

TEST(Errors, AreAllCollectedInTheOrderOfTheFile) {
    EXPECT_THAT(
        bad("workers = \"two\"\n[track]\nlog = \"xml\"\nmethods = [\"POST\", 7, \"get\"]\n[redis]\nprefix = \"a b\"\n"),
        ElementsAre("t.toml:1:11: workers: expected a whole number, found a text", HasSubstr("t.toml:3:7: track.log: "),
                    HasSubstr("t.toml:4:20: track.methods: "), HasSubstr("t.toml:4:23: track.methods: "),
                    HasSubstr("t.toml:6:10: redis.prefix: ")));
}

TEST(Errors, OfSyntaxNameTheirPlace) {
    EXPECT_THAT(bad("workers = 1\nlisten = = 2\n"), ElementsAre(HasSubstr("t.toml:2:")));
    EXPECT_THAT(bad("workers = 1\nworkers = 2\n"), ElementsAre(HasSubstr("t.toml:2:")));
    EXPECT_THAT(bad("[limits\n"), ElementsAre(HasSubstr("t.toml:1:")));
    for (const char* letter : {"\u00fc", "\u025b", "\u1681", "\u2010", "\u3001", "\ufefe"})
        EXPECT_THAT(bad("workers = " + std::string(letter)), ElementsAre(HasSubstr("t.toml:1:11: "))) << letter;
    for (const char* header : {"[\\x]", "[=]", "[[+]]", "[ \u00fc ]", "[[\n", "[a.\\]"})
        EXPECT_THAT(bad(header), ElementsAre(HasSubstr("t.toml:1:"))) << header;
}

TEST(Errors, OfAMissingFileNameIt) {
    for (const std::string path : {"/nowhere/a.toml", "/"}) {
        const auto loaded = load(path, {});
        ASSERT_EQ(loaded.index(), 1u);
        EXPECT_THAT(std::get<1>(loaded).at(0).text(), HasSubstr(path));
    }
}

TEST(Errors, OfTheWrongTypeSayWhatIsExpected) {
    EXPECT_THAT(
        bad("[limits]\nbody_timeout = 30"),
        ElementsAre(R"(t.toml:2:16: limits.body_timeout: a duration needs its unit and quotes, such as "30s")"));
    EXPECT_THAT(bad("[limits]\nconnections = 5.0"), ElementsAre(HasSubstr("whole number")));
    EXPECT_THAT(bad("[forward]\npreserve_host = \"true\""), ElementsAre(HasSubstr("expected true or false")));
    EXPECT_THAT(bad("limits = 5"), ElementsAre(HasSubstr("limits: expected a section: [limits]")));
    EXPECT_THAT(bad("listen = 8080"), ElementsAre(HasSubstr("t.toml:1:10: listen: ")));
    EXPECT_THAT(bad("timezone = 1979-05-27"), ElementsAre(HasSubstr("found a date")));
    EXPECT_THAT(bad("features = [\"a\"]"), ElementsAre(HasSubstr("expected a table")));
    EXPECT_THAT(bad("[features]\na = 1"), ElementsAre(HasSubstr("t.toml:2:5: features.a: ")));
}

TEST(Errors, OfValuesOutOfRange) {
    for (const char* text : {"workers = -1",
                             "workers = 1025",
                             "[limits]\nheader_bytes = 1023",
                             "[limits]\nheader_timeout = \"0s\"",
                             "[limits]\nidle_timeout = \"25h\"",
                             "[limits]\nconnections = 0",
                             "[limits]\nbody_bytes = -1",
                             "[journal]\nsize = 5",
                             "[journal]\nsync = \"sometimes\"",
                             "[redis]\nstream_maxlen = -5",
                             "[track]\nmax_labels = 0",
                             "[track]\nmax_users = 0",
                             "[pricing]\ndefault_tokens = -1",
                             "[pricing]\ndefault_cost_usd = -0.5",
                             "[pricing]\ndefault_cost_usd = inf",
                             "[pricing]\ndefault_cost_usd = 1e300",
                             "drain_timeout = \"2h\"",
                             "[identity]\nanonymous = \"\"",
                             "[admin]\npath = \"/\"",
                             "[admin]\npath = \"api\"",
                             "[admin]\nui_path = \"/a/\"",
                             "[admin]\ntokens = [\"\"]",
                             "[track]\nmethods = [\"OPTIONS\"]",
                             "[track]\npaths = [\"api\"]",
                             "[track]\npaths = [\"/a/*/b\"]",
                             "timezone = \"Mars/Olympus\"",
                             "timezone = \"\"",
                             "data_dir = \"\"",
                             "[identity]\nheader = \"x user\"",
                             "[identity]\nplan_header = \"x-plan\"",
                             "listen = []",
                             "upstream = []",
                             "[identity.jwt]\njwks_file = \"/nowhere/jwks.json\"",
                             "[pricing]\ncatalogue = \"/nowhere/p.json\"",
                             "[redis]\nprefix = \"a{b}\"",
                             "[cache.\"bad name\"]\nhit = [\"a\"]",
                             "[cache.x-c]\nhits = [\"a\"]",
                             "[cache.x-c]",
                             "[pricing.overrides.m]\noutput = 1",
                             "[pricing.overrides.m]\ninput = -1",
                             "[pricing.overrides.m]\ninputs = 1\ninput = 1",
                             "[pricing.overrides.m]\ninput = 1\ncached = 1\ncache_read = 1",
                             "data_dir = \"a\\u0000b\""})
        EXPECT_THAT(bad(text), testing::SizeIs(testing::Ge(1u))) << text;
}

TEST(Errors, ThatOnlyTheWholeShows) {
    EXPECT_THAT(bad("listen = \"127.0.0.1:3000\"\nupstream = \"http://127.0.0.1:3000\""),
                ElementsAre(AllOf(HasSubstr("t.toml:2:12: upstream"), HasSubstr("itself"))));
    EXPECT_THAT(bad("listen = \":3000\""), ElementsAre(HasSubstr("itself")));  // and the default upstream
    EXPECT_THAT(bad("listen = [\"127.0.0.1:1234\", \"127.0.0.1:1234\"]"), ElementsAre(HasSubstr("twice")));
    EXPECT_THAT(bad("[admin]\nlisten = \"127.0.0.1:8080\""), ElementsAre(HasSubstr("t.toml:2:10: admin.listen")));
    EXPECT_EQ(good("listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]").listen.size(), 2u);
}

TEST(Whole, TlsNeedsItsCertificateAndItsKey) {
    const std::string here = __FILE__;
    EXPECT_THAT(bad("[tls]\ncert = \"" + here + "\""),
                ElementsAre("t.toml:2:8: tls.cert: tls.cert and tls.key are needed both"));
    EXPECT_THAT(bad("[tls]\nkey = \"" + here + "\""),
                ElementsAre("t.toml:2:7: tls.key: tls.cert and tls.key are needed both"));
    const auto both = good("[tls]\ncert = \"" + here + "\"\nkey = \"" + here + "\"\n[forward]\nverify = false");
    EXPECT_EQ(both.tls.cert, here);
    EXPECT_FALSE(both.forward.verify);
    EXPECT_THAT(bad("[forward]\nca_file = \"/nowhere/ca.pem\""), ElementsAre(HasSubstr("no such file")));
}

TEST(Whole, FurtherCertificatesNeedBothFiles) {
    const std::string here = __FILE__;
    const std::string pair = "{ cert = \"" + here + "\", key = \"" + here + "\" }";
    const conf::certificate_files files{here, here};
    EXPECT_THAT(good("[tls]\ncertificates = [" + pair + ", " + pair + "]").tls.certificates, ElementsAre(files, files));
    EXPECT_THAT(good("[[tls.certificates]]\ncert = \"" + here + "\"\nkey = \"" + here + "\"").tls.certificates,
                ElementsAre(files));
    EXPECT_THAT(good("", {flag("tls.certificates", "[" + pair + "]")}).tls.certificates, ElementsAre(files));
    EXPECT_TRUE(good("", {flag("tls.certificates", "")}).tls.certificates.empty());
    EXPECT_THAT(bad("[tls]\ncertificates = [{ cert = \"" + here + "\" }]"),
                ElementsAre("t.toml:2:17: tls.certificates: each certificate needs cert and key"));
    EXPECT_THAT(bad("[tls]\ncertificates = [{ cert = \"" + here + "\", kye = \"\" }]"),
                Contains(HasSubstr("tls.certificates.kye: unknown key; did you mean key?")));
    EXPECT_THAT(bad("[tls]\ncertificates = \"" + here + "\""), ElementsAre(HasSubstr("2:16: tls.certificates")));
    EXPECT_THAT(bad("[tls]\nmin_version = \"1.1\""),
                ElementsAre("t.toml:2:15: tls.min_version: expected \"1.2\" or \"1.3\""));
    EXPECT_EQ(good("[tls]\nmin_version = \"1.3\"").tls.min_version, conf::tls_version::tls_1_3);
}

TEST(Settings, LogFileMustBeWritable) {
    EXPECT_EQ(good("").log_file, "");
    char folder[] = "/tmp/aimeter-log-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    const std::string file = std::string(folder) + "/aimeter.log";
    EXPECT_EQ(good("log_file = \"" + file + "\"").log_file, file);
    EXPECT_FALSE(std::filesystem::exists(file)) << "checking a configuration makes no file";
    EXPECT_THAT(bad("log_file = \"" + std::string(folder) + "\""), ElementsAre(HasSubstr("this is a directory")));
    EXPECT_THAT(bad("log_file = \"" + file + "/x\""), ElementsAre(HasSubstr("no such folder")));
    std::filesystem::remove(folder);
}

// ---- features of the contract that this version does not have ------------------------------------------------------

TEST(Unsupported, IsRefusedWithItsLineAndNeverIgnored) {
    const char* texts[] = {"\n[[budget]]\nname = \"a\"", "\n[[limit]]\nname = \"a\"", "\n[[alert]]\nname = \"a\"",
                           "\n[[experiment]]\nname = \"a\"", "\n[[event]]\nname = \"a\""};
    for (const char* text : texts)
        EXPECT_THAT(bad(text),
                    ElementsAre(AllOf(testing::StartsWith("t.toml:2:"), HasSubstr("not supported by this version"))))
            << text;
}

TEST(Unsupported, KeysWithoutAValueAreAccepted) {
    EXPECT_TRUE(good("budget = []\n[tls]\ncert = \"\"\nkey = \"\"\n[forward]\nca_file = \"\"\nverify = true\n"
                     "[identity.jwt]\njwks_url = \"\"\n") == default_settings());
    EXPECT_TRUE(good("[tls]\n") == default_settings());
}

// ---- secrets -----------------------------------------------------------------------------------------------------

TEST(Secrets, AreNeverPartOfAnError) {
    const char* texts[] = {"[redis]\nurl = \"http://u:hunter2@h:1\"",
                           "[redis]\nurl = \"redis://u:hunter2@h:99999\"",
                           "[redis]\nurl = \"redis://u:hunter2@ho st\"",
                           "[redis]\nurl = \"rediss://u:hunter2@h/x\"",
                           "[redis]\nurl = \"redis+sentinel://u:hunter2@h\"",
                           "[redis]\nurl = \"redis+sentinel://h/m?sentinel_pass=hunter2\"",
                           "[redis]\nurl = \"redis+cluster://u:hunter2@h,\"",
                           "[redis]\nurl = [\"redis://u:hunter2@h\"]",
                           "[redis]\nurl = redis://u:hunter2@h",
                           "[redis]\nurl = hunter2",
                           "[redis]\nurl = \"redis://u:hunter2@h",
                           "[redis]\nurl = 'redis://u:hunter2@h' x",
                           "upstream = \"http://u:hunter2@h:1\"",
                           "[admin]\ntokens = [\"hunter2 \"]",
                           "[admin]\ntokens = hunter2",
                           "[admin]\ntokens = { hunter2 = 1 }"};
    for (const char* text : texts) {
        const auto errors = bad(text);
        EXPECT_THAT(errors, Not(IsEmpty())) << text;
        for (const std::string& error : errors) EXPECT_THAT(error, Not(HasSubstr("hunter2")));
    }
    for (const std::string& error : bad("", {flag("redis.url", "x://hunter2@"), flag("admin.tokens", "hunter2 x")}))
        EXPECT_THAT(error, Not(HasSubstr("hunter2")));
}

// ---- environment and flags -----------------------------------------------------------------------------------------

// Variables of this process for one test.
class variables {
public:
    explicit variables(std::vector<std::pair<std::string, std::string>> all) : all_(std::move(all)) {
        for (const auto& [name, text] : all_) ::setenv(name.c_str(), text.c_str(), 1);
    }
    ~variables() {
        for (const auto& [name, text] : all_) ::unsetenv(name.c_str());
    }

private:
    std::vector<std::pair<std::string, std::string>> all_;
};

TEST(Overrides, TheEnvironmentOverridesTheFileAndAFlagTheEnvironment) {
    const variables set({{"AIMETER_LISTEN", "127.0.0.1:1, [::1]:2"},
                         {"AIMETER_REDIS_URL", "redis://h:1/2"},
                         {"AIMETER_TRACK_MAX_LABELS", "7"},
                         {"AIMETER_IDENTITY_JWT_COOKIE", "sid"},
                         {"AIMETER_ADMIN_TOKENS", "one,two"},
                         {"AIMETER_FORWARD_TRUSTED_PROXIES", ""},
                         {"AIMETER_FORWARD_PRESERVE_HOST", "false"},
                         {"AIMETER_FEATURES", "{ \"a\" = \"b\" }"},
                         {"AIMETER_TEST_SHARD", "3"}});
    auto overrides = environment_overrides();
    overrides.push_back(flag("redis.url", "redis://flag:1"));
    const settings s = good("listen = \":9\"\n[redis]\nurl = \"redis://file:1\"\nprefix = \"p\"", overrides);
    ASSERT_EQ(s.listen.size(), 2u);
    EXPECT_EQ(s.listen[1].host, "::1");
    EXPECT_EQ(s.redis.url, "redis://flag:1");
    EXPECT_EQ(s.redis.prefix, "p");
    EXPECT_EQ(s.track.max_labels, 7u);
    EXPECT_EQ(s.identity.jwt.cookie, "sid");
    EXPECT_THAT(s.admin.tokens, ElementsAre("one", "two"));
    EXPECT_THAT(s.forward.trusted_proxies, IsEmpty());
    EXPECT_FALSE(s.forward.preserve_host);
    EXPECT_EQ(s.features.at("a"), "b");
}

TEST(Overrides, AreCheckedLikeTheFileAndNameTheirSource) {
    const variables set({{"AIMETER_WORKERS", "many"}, {"AIMETER_REDSI_URL", "x"}});
    EXPECT_THAT(
        bad("", environment_overrides()),
        testing::UnorderedElementsAre(
            "environment AIMETER_WORKERS: workers: expected a whole number",
            "environment AIMETER_REDSI_URL: AIMETER_REDSI_URL: unknown variable; did you mean AIMETER_REDIS_URL?"));
    EXPECT_THAT(bad("", {flag("listne", ":1")}),
                ElementsAre("command line: listne: unknown key; did you mean listen?"));
    EXPECT_THAT(bad("", {flag("drain_timeout", "30")}), ElementsAre(HasSubstr("needs its unit")));
    EXPECT_THAT(bad("", {flag("features", "a = b")}), ElementsAre(HasSubstr("command line: features: ")));
    EXPECT_THAT(bad("", {flag("features", "{ \"a\" = 1 }")}), ElementsAre(HasSubstr("command line: features.a: ")));
}

// Kubernetes documentation, "Accessing the Service", "Environment variables".
TEST(Overrides, WhatKubernetesTellsOfAServiceCalledAimeterIsPassedOver) {
    const variables set({{"AIMETER_SERVICE_HOST", "10.0.0.11"},
                         {"AIMETER_SERVICE_PORT", "8080"},
                         {"AIMETER_SERVICE_PORT_HTTP", "8080"},
                         {"AIMETER_PORT", "tcp://10.0.0.11:8080"},
                         {"AIMETER_PORT_8080_TCP", "tcp://10.0.0.11:8080"},
                         {"AIMETER_PORT_8080_TCP_PROTO", "tcp"},
                         {"AIMETER_PORT_8080_TCP_PORT", "8080"},
                         {"AIMETER_PORT_8080_TCP_ADDR", "10.0.0.11"},
                         {"AIMETER_PORT_53_UDP", "udp://10.0.0.11:53"}});
    EXPECT_EQ(good("", environment_overrides()).listen.front().text, default_settings().listen.front().text);
}

TEST(Overrides, WhatOnlyLooksLikeKubernetesIsUnknown) {
    for (const char* name : {"AIMETER_PORTS", "AIMETER_PORT_", "AIMETER_PORT_TCP", "AIMETER_PORT_80",
                             "AIMETER_PORT_80_HTTP", "AIMETER_PORT_80_TCP_", "AIMETER_PORT_80_TCP_NAME",
                             "AIMETER_SERVICE", "AIMETER_SERVICE_PORT_", "AIMETER_SERVICE_HOSTS"}) {
        const variables set({std::pair<std::string, std::string>(name, "1")});
        EXPECT_THAT(bad("", environment_overrides()), ElementsAre(HasSubstr("unknown variable"))) << name;
    }
}

TEST(Overrides, NoTwoKeysShareAVariable) {
    std::set<std::string> names;
    for (const key_rule& rule : key_rules()) EXPECT_TRUE(names.insert(environment_name(rule.name)).second) << rule.name;
}

// ---- aimeter check -----------------------------------------------------------------------------------------------

TEST(Check, SaysOkOrEachError) {
    std::ostringstream out, err;
    EXPECT_EQ(run_check(default_file, {}, out, err), 0);
    EXPECT_EQ(out.str(), "configuration ok\n");
    EXPECT_EQ(err.str(), "");

    const auto path = std::filesystem::temp_directory_path() / ("check-" + std::to_string(::getpid()) + ".toml");
    std::ofstream(path) << "workres = 1\nlisten = \"x\"\n";
    std::ostringstream none, errors;
    EXPECT_EQ(run_check(path.string(), {}, none, errors), 1);
    EXPECT_EQ(none.str(), "");
    EXPECT_THAT(errors.str(), AllOf(HasSubstr(path.string() + ":1:1: workres: unknown key; did you mean workers?\n"),
                                    HasSubstr(path.string() + ":2:10: listen: ")));
    std::ofstream(path, std::ios::trunc).close();  // an empty file is a file of defaults
    EXPECT_EQ(run_check(path.string(), {}, none, errors), 0);
    std::filesystem::remove(path);
}

TEST(Nearest, CountsInsertionsDeletionsReplacementsAndSwaps) {
    EXPECT_EQ(edit_distance("", "abc"), 3u);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
    EXPECT_EQ(edit_distance("listen", "lisetn"), 1u);
    EXPECT_EQ(edit_distance("same", "same"), 0u);
    EXPECT_EQ(nearest_key("upstreams", {"listen", "upstream", "workers"}), "upstream");
}

}  // namespace
}  // namespace conf
