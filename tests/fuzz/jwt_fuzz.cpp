// libFuzzer: everything of a request's and an answer's head that these rules read. Input: a byte that says which, then
// the bytes. Claims and headers are also fuzzed inside tokens that are really signed, since nothing is read before the
// signature holds. Built by fuzz/CMakeLists.txt.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

// Each fuzz target is one source file; this is the one that needs signatures.
#include "tests/support/token_maker.cpp"
#include "tracking/request/cache_rules.hpp"
#include "tracking/request/cookies.hpp"
#include "tracking/request/identity.hpp"
#include "tracking/request/jwt.hpp"
#include "tracking/request/label.hpp"
#include "tracking/request/routes.hpp"

namespace {

constexpr std::int64_t now_ms = 1'790'000'000'000;

void require(bool promise) {
    if (!promise) std::abort();
}

struct fixture {
    tests::signing_key signer = tests::signing_key::p256("k");
    tracking::key_set keys =
        std::get<tracking::key_set>(tracking::key_set::parse(R"({"keys":[)" + signer.jwk() + "]}"));
    tracking::token_rules token_rules{"", {"https://app.example"}, 5000, "sub", "meta.plan"};
    std::shared_ptr<const tracking::identity_rules> identities = load_identities();
    tracking::route_rules routes{conf::track_settings{}, {{"job-match", "job-matcher"}}};
    tracking::cache_rules caches{{{"x-app-cache", {"yes"}, {"no"}, {"off"}}}};

    std::shared_ptr<const tracking::identity_rules> load_identities() const {
        char path[] = "/tmp/jwt-fuzz-XXXXXX";
        const int file = mkstemp(path);
        const std::string text = R"({"keys":[)" + signer.jwk() + "]}";
        require(file >= 0 && write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
        close(file);
        conf::identity_settings settings;
        settings.jwt.jwks_file = path;
        settings.api_keys = true;
        auto loaded = tracking::identity_rules::load(settings, "secret");
        std::remove(path);
        return std::get<std::shared_ptr<const tracking::identity_rules>>(loaded);
    }
};

void check(const fixture& with, std::string_view token, bool may_hold) {
    const auto verdict = tracking::verify_token(token, with.keys, with.token_rules, now_ms);
    const auto* verified = std::get_if<tracking::verified_token>(&verdict);
    if (verified == nullptr) return;
    require(may_hold && tracking::is_fit_id(verified->user) && now_ms < verified->until_ms);
}

void identify(const fixture& with, std::string_view name, std::string_view value) {
    static const auto memory = with.identities->make_memory();
    const tracking::header_field field{name, value};
    tracking::identity who;
    with.identities->identify({{&field, 1}}, false, now_ms, *memory, who);
    require(who.from == tracking::user_source::anonymous || who.from == tracking::user_source::key);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const fixture with;
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 8) {
        case 0:
            check(with, text, false);
            break;
        case 1:
            check(with, with.signer.token(text), true);
            break;
        case 2:
            check(with, with.signer.sign(text, R"({"sub":"u","exp":1790000060})"), true);
            break;
        case 3:
            identify(with, "cookie", text);
            break;
        case 4:
            identify(with, "authorization", text);
            break;
        case 5: {
            const std::string label = with.routes.content_type(text);
            require(!label.empty() && label.size() <= tracking::label_bytes_max);
            require(with.routes.feature(label).size() <= tracking::label_bytes_max);
            (void)with.routes.tracks_path(text);
            break;
        }
        case 6:
            for (const std::string_view name : {"cache-status", "x-cache", "x-varnish", "age", "x-app-cache"}) {
                const tracking::header_field field{name, text};
                (void)with.caches.judge({{&field, 1}}, false);
            }
            break;
        default:
            (void)tracking::key_set::parse(text);
            (void)tracking::cidr_set::parse({std::string(text)});
            break;
    }
    return 0;
}
