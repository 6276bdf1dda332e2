#include "tracking/request/identity.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "tracking/request/cookies.hpp"
#include "tracking/request/jwt.hpp"
#include "tracking/request/label.hpp"
#include "tracking/request/token_memory.hpp"

namespace tracking {

namespace {

constexpr std::size_t jwks_bytes_max = 1024 * 1024;
constexpr int tokens_tried_max = 8;  // of one request: no client makes us check signatures by the dozen

std::variant<key_set, std::string> read_keys(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return "identity.jwt.jwks_file: cannot read " + path;
    std::string text(jwks_bytes_max + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad()) return "identity.jwt.jwks_file: cannot read " + path;
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.size() > jwks_bytes_max) return "identity.jwt.jwks_file: " + path + " is larger than 1 MiB";
    auto keys = key_set::parse(text);
    if (const auto* why = std::get_if<std::string>(&keys)) {
        return "identity.jwt.jwks_file: " + path + ": " + *why;
    }
    // An operator's own file is to be right; what an issuer publishes is taken as far as it is of use.
    if (const auto& unusable = std::get<key_set>(keys).unusable(); !unusable.empty()) {
        return "identity.jwt.jwks_file: " + path + ": " + unusable.front();
    }
    return keys;
}

// What follows "Bearer " (case-blind, RFC 9110 11.1); empty when it is another scheme.
std::string_view bearer_of(std::string_view value) noexcept {
    constexpr std::string_view scheme = "bearer ";
    if (value.size() < scheme.size() || !equals_ignoring_case(value.substr(0, scheme.size()), scheme)) return {};
    value.remove_prefix(scheme.size());
    while (value.starts_with(' ')) value.remove_prefix(1);
    return value;
}

// "X_User_Id" becomes the same variable as "X-User-Id" in many applications, so both are the same name here.
bool same_header(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size() || b.empty()) return false;
    const auto folded = [](char c) {
        if (c == '_') return '-';
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    };
    return std::ranges::equal(a, b, {}, folded, folded);
}

// The one value of that field. Two that differ are none: one of them is not the proxy's.
std::string_view sole_value(const head_view& head, std::string_view name) noexcept {
    std::string_view value;
    if (name.empty()) return value;
    for (const header_field& field : head.fields) {
        if (!same_header(field.name, name)) continue;
        if (!value.empty() && value != field.value) return {};
        value = field.value;
    }
    return value;
}

std::uint64_t next_rules_id() {
    static std::atomic<std::uint64_t> last{0};  // at start, on reload and with new keys only
    return ++last;
}

}  // namespace

struct identity_rules::impl {
    std::uint64_t id = next_rules_id();
    conf::identity_settings settings;
    key_set keys_of_file;
    key_set keys;  // those of the file and of the URL
    std::shared_ptr<std::atomic<bool>> keys_wanted;
    token_rules tokens;
    std::string key_secret;

    bool by_token(const head_view& head, std::int64_t now_ms, memory& seen, identity& into) const;
    bool by_header(const head_view& head, identity& into) const;
    bool by_api_key(const head_view& head, std::string_view query_key, memory& seen, identity& into) const;
};

identity_rules::identity_rules() : impl_(std::make_unique<impl>()) {}
identity_rules::~identity_rules() = default;

std::variant<std::shared_ptr<const identity_rules>, std::string> identity_rules::load(
    const conf::identity_settings& settings, std::string key_secret) {
    if (settings.api_keys && key_secret.empty()) return "identity.api_keys: there is no secret to name keys with";
    const std::shared_ptr<identity_rules> rules(new identity_rules);
    impl& made = *rules->impl_;
    made.settings = settings;
    made.key_secret = std::move(key_secret);
    made.tokens = {settings.jwt.issuer, settings.jwt.authorized_parties, settings.jwt.leeway.count(),
                   settings.jwt.claim, settings.jwt.plan_claim};
    if (!settings.jwt.jwks_file.empty()) {
        auto keys = read_keys(settings.jwt.jwks_file);
        if (auto* why = std::get_if<std::string>(&keys)) return std::move(*why);
        made.keys_of_file = std::move(std::get<key_set>(keys));
        made.keys = made.keys_of_file;
    }
    return std::shared_ptr<const identity_rules>(rules);
}

std::shared_ptr<const identity_rules> identity_rules::with_fetched(const std::shared_ptr<const key_set>& keys,
                                                                   std::shared_ptr<std::atomic<bool>> wanted) const {
    const std::shared_ptr<identity_rules> rules(new identity_rules);
    const std::uint64_t own_id = rules->impl_->id;
    *rules->impl_ = *impl_;
    rules->impl_->id = own_id;  // other keys, other verdicts: what was remembered of tokens is forgotten
    rules->impl_->keys = impl_->keys_of_file;
    if (keys) rules->impl_->keys.add(*keys);
    rules->impl_->keys_wanted = std::move(wanted);
    return rules;
}

std::unique_ptr<identity_rules::memory, void (*)(identity_rules::memory*)> identity_rules::make_memory() const {
    return {new memory, [](memory* each) { delete each; }};
}

bool identity_rules::impl::by_token(const head_view& head, std::int64_t now_ms, memory& seen, identity& into) const {
    if (keys.empty()) return false;
    int tried = 0;
    bool key_unknown = false;
    const auto accept = [&](std::string_view token) {
        if (!looks_like_token(token) || ++tried > tokens_tried_max) return false;
        const verified_token* verified = seen.judge(token, keys, tokens, now_ms, key_unknown);
        if (key_unknown && keys_wanted && !keys_wanted->load(std::memory_order_relaxed)) {
            keys_wanted->store(true, std::memory_order_relaxed);
        }
        if (verified == nullptr) return false;
        into.user_id = verified->user;
        into.clerk_user_id = verified->subject;
        into.plan = verified->plan;
        into.from = user_source::jwt;
        return true;
    };
    for (const header_field& field : head.fields) {
        if (!equals_ignoring_case(field.name, "cookie")) continue;
        std::string_view rest = field.value;
        cookie each;
        while (next_cookie(rest, each)) {
            if (is_session_cookie(each.name, settings.jwt.cookie) && accept(each.value)) return true;
        }
    }
    if (settings.jwt.header.empty()) return false;
    const std::string_view value = head.get(settings.jwt.header);
    const std::string_view bearer = bearer_of(value);
    if (!bearer.empty()) return accept(bearer);
    // A header of the operator's choice may carry the bare token.
    return !equals_ignoring_case(settings.jwt.header, "authorization") && accept(value);
}

bool identity_rules::impl::by_header(const head_view& head, identity& into) const {
    const std::string_view user = sole_value(head, settings.header);
    if (!is_fit_id(user)) return false;
    into.user_id = user;
    into.from = user_source::header;
    const std::string_view plan = sole_value(head, settings.plan_header);
    if (is_fit_id(plan)) into.plan = plan;
    return true;
}

bool identity_rules::impl::by_api_key(const head_view& head, std::string_view query_key, memory& seen,
                                      identity& into) const {
    if (!settings.api_keys) return false;
    std::string_view key;
    for (const std::string_view name : {"x-api-key", "x-goog-api-key", "api-key"}) {
        key = head.get(name);
        if (!key.empty()) break;
    }
    if (key.empty()) {
        key = bearer_of(head.get("authorization"));
        if (looks_like_token(key)) return false;  // a session token that did not hold is nobody's key
    }
    if (key.empty()) key = query_key;
    if (key.empty()) return false;
    seen.name_key(key_secret, key, into.user_id);
    if (into.user_id.empty()) return false;
    into.from = user_source::key;
    return true;
}

void identity_rules::identify(const head_view& head, bool peer_trusted, std::int64_t now_ms, memory& seen,
                              identity& into, std::string_view query_key) const {
    into.user_id.clear();
    into.clerk_user_id.clear();
    into.plan.clear();
    seen.belong_to(impl_->id);
    if (impl_->by_token(head, now_ms, seen, into)) return;
    if (peer_trusted && impl_->by_header(head, into)) return;
    if (impl_->by_api_key(head, query_key, seen, into)) return;
    into.user_id = impl_->settings.anonymous;
    into.from = user_source::anonymous;
}

bool identity_rules::wants_api_keys() const noexcept { return impl_->settings.api_keys; }

bool identity_rules::is_identity_header(std::string_view name) const noexcept {
    return same_header(name, impl_->settings.header) || same_header(name, impl_->settings.plan_header);
}

}  // namespace tracking
