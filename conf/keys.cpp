#include "conf/keys.hpp"

#include <algorithm>
#include <limits>

namespace conf {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kib = 1024, mib = 1024 * kib;
constexpr std::uint64_t most_bytes = 1ULL << 53;  // beyond what a JSON number keeps exactly
constexpr std::int64_t most_fields = 10'000;
constexpr std::int64_t most_tokens = 1'000'000'000;
constexpr int nano_places = 9;                             // USD, kept as nano-USD
constexpr std::int64_t most_nano = 1'000'000'000'000'000;  // a million dollars
constexpr milliseconds a_day = 24h;

std::string path_pattern(std::string_view text) {
    if (!text.starts_with('/')) return R"(a path begins with a slash: "/api/ai/*")";
    if (const auto star = text.find('*'); star != std::string_view::npos && star + 1 != text.size())
        return "a * stands only at the end of a path";
    return {};
}

std::string tracked_method(std::string_view text) {
    if (text == "OPTIONS") return "OPTIONS is never tracked";
    const bool upper = std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; });
    return !text.empty() && upper ? "" : R"(expected a method in capitals, such as "POST")";
}

std::string admin_prefix(std::string_view text) {
    const bool fine = text.size() > 1 && text.starts_with('/') && !text.ends_with('/') &&
                      text.find("//") == std::string_view::npos &&
                      std::all_of(text.begin(), text.end(), [](unsigned char c) {
                          return c > 0x20 && c < 0x7f &&
                                 std::string_view("?#*%;<>\"\\").find(static_cast<char>(c)) == std::string_view::npos;
                      });
    return fine ? "" : R"(expected a path such as "/api/admin", without a slash at its end)";
}

std::string admin_token(std::string_view text) {
    const bool fine =
        !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
    return fine ? "" : "a token is printable ASCII without spaces, and not empty";
}

std::string redis_prefix(std::string_view text) {
    const bool fine = !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-' || c == ':' || c == '/';
    });
    return fine ? "" : "expected 1 to 64 of A-Z a-z 0-9 . _ - : /";
}

// The default has a copy inside the program, so that it needs no file.
std::string catalogue_file(std::string_view text) {
    if (text.empty()) return "must not be empty";
    return text == pricing_settings{}.catalogue ? "" : readable_file_or_empty(text);
}

// A key that this version does not support may stand there without a value, as in the list of all keys.
void only_empty(const value& from, settings&, const context& at) {
    const bool absent = (from.is_text() && from.text.empty()) || (from.is == value::kind::list && from.items.empty()) ||
                        (from.is == value::kind::table && from.members.empty());
    if (!absent) at.fail(from.at, "not supported by this version");
}

void read_log_form(const value& from, settings& into, const context& at) {
    std::string word;
    read_text(from, word, at);
    using form = track_settings::log_form;
    if (word == "line")
        into.track.log = form::line;
    else if (word == "json")
        into.track.log = form::json;
    else if (word == "off")
        into.track.log = form::off;
    else if (from.is_text())
        at.fail(from.at, R"(expected "line", "json" or "off")");
}

void read_on_abort(const value& from, settings& into, const context& at) {
    std::string word;
    read_text(from, word, at);
    using action = track_settings::on_abort;
    if (word == "stop")
        into.track.on_client_abort = action::stop;
    else if (word == "drain")
        into.track.on_client_abort = action::drain;
    else if (from.is_text())
        at.fail(from.at, R"(expected "stop" or "drain")");
}

void read_min_version(const value& from, settings& into, const context& at) {
    std::string word;
    read_text(from, word, at);
    if (word == "1.2")
        into.tls.min_version = tls_version::tls_1_2;
    else if (word == "1.3")
        into.tls.min_version = tls_version::tls_1_3;
    else if (from.is_text())
        at.fail(from.at, R"(expected "1.2" or "1.3")");
}

void read_sync(const value& from, settings& into, const context& at) {
    if (from.is_text() && from.text == "off") {
        into.journal.sync.reset();
        return;
    }
    if (!from.is_text()) return at.fail_type(from, R"("off" or a duration such as "1s")");
    milliseconds every = into.journal.sync.value_or(1s);
    read_duration(from, every, at, 10ms, 1h);
    into.journal.sync = every;
}

void read_admin_listen(const value& from, settings& into, const context& at) {
    if (!from.is_text()) return at.fail_type(from, "an address in quotes");
    into.admin.listen.reset();
    if (from.text.empty()) return;
    auto result = parse_listen(from.text);
    if (auto* wrong = std::get_if<complaint>(&result)) return at.fail(from.at, std::move(wrong->what));
    into.admin.listen = std::move(std::get<endpoint>(result));
}

void read_field_name(const value& from, std::string& into, const context& at) {
    read_text(from, into, at, field_name_or_empty);
    into = to_lower(into);
}

// A wait that never ends is a leak: these durations are never 0.
void read_timeout(const value& from, milliseconds& into, const context& at) {
    read_duration(from, into, at, 1ms, a_day);
}

using V = const value&;
using S = settings&;
using C = const context&;

// In the order of conf/aimeter.toml.
constexpr key_rule rules[] = {
    {"listen", [](V v, S s, C c) { read_endpoints(v, s.listen, c, parse_listen); }},
    {"upstream", [](V v, S s, C c) { read_endpoints(v, s.upstream, c, parse_upstream); }},
    {"workers", [](V v, S s, C c) { read_integer(v, s.workers, c, 0, 1024); }},
    {"timezone", [](V v, S s, C c) { read_text(v, s.timezone, c, known_timezone); }},
    {"data_dir", [](V v, S s, C c) { read_text(v, s.data_dir, c, not_empty); }},
    {"drain_timeout", [](V v, S s, C c) { read_duration(v, s.drain_timeout, c, 0ms, 1h); }},
    {"log_file", [](V v, S s, C c) { read_text(v, s.log_file, c, appendable_file_or_empty); }},

    {"tls.cert", [](V v, S s, C c) { read_text(v, s.tls.cert, c, readable_file_or_empty); }},
    {"tls.key", [](V v, S s, C c) { read_text(v, s.tls.key, c, readable_file_or_empty); }},
    {"tls.certificates", [](V v, S s, C c) { read_certificates(v, s.tls.certificates, c); }},
    {"tls.min_version", read_min_version},

    {"limits.header_bytes", [](V v, S s, C c) { read_size(v, s.limits.header_bytes, c, kib, mib); }},
    {"limits.header_fields", [](V v, S s, C c) { read_integer(v, s.limits.header_fields, c, 1, most_fields); }},
    {"limits.body_bytes", [](V v, S s, C c) { read_size(v, s.limits.body_bytes, c, 0, most_bytes); }},
    {"limits.header_timeout", [](V v, S s, C c) { read_timeout(v, s.limits.header_timeout, c); }},
    {"limits.body_timeout", [](V v, S s, C c) { read_timeout(v, s.limits.body_timeout, c); }},
    {"limits.idle_timeout", [](V v, S s, C c) { read_timeout(v, s.limits.idle_timeout, c); }},
    {"limits.upstream_connect_timeout", [](V v, S s, C c) { read_timeout(v, s.limits.upstream_connect_timeout, c); }},
    {"limits.upstream_read_timeout", [](V v, S s, C c) { read_timeout(v, s.limits.upstream_read_timeout, c); }},
    {"limits.upstream_idle_timeout", [](V v, S s, C c) { read_timeout(v, s.limits.upstream_idle_timeout, c); }},
    {"limits.upstream_idle", [](V v, S s, C c) { read_integer(v, s.limits.upstream_idle, c, 0, 100'000); }},
    {"limits.connections", [](V v, S s, C c) { read_integer(v, s.limits.connections, c, 1, 1'000'000); }},
    {"limits.backlog", [](V v, S s, C c) { read_integer(v, s.limits.backlog, c, 1, 65'535); }},
    {"limits.answer_header_bytes", [](V v, S s, C c) { read_size(v, s.limits.answer_header_bytes, c, kib, mib); }},
    {"limits.answer_header_fields",
     [](V v, S s, C c) { read_integer(v, s.limits.answer_header_fields, c, 1, most_fields); }},
    {"limits.interim_answers", [](V v, S s, C c) { read_integer(v, s.limits.interim_answers, c, 0, 1'000); }},
    {"limits.linger_timeout", [](V v, S s, C c) { read_timeout(v, s.limits.linger_timeout, c); }},
    {"limits.linger_time", [](V v, S s, C c) { read_timeout(v, s.limits.linger_time, c); }},

    {"forward.preserve_host", [](V v, S s, C c) { read_bool(v, s.forward.preserve_host, c); }},
    {"forward.trusted_proxies",
     [](V v, S s, C c) { read_texts(v, s.forward.trusted_proxies, c, complaint_about_cidr); }},
    {"forward.ca_file", [](V v, S s, C c) { read_text(v, s.forward.ca_file, c, readable_file_or_empty); }},
    {"forward.verify", [](V v, S s, C c) { read_bool(v, s.forward.verify, c); }},
    {"forward.max_fails", [](V v, S s, C c) { read_integer(v, s.forward.max_fails, c, 0, 1'000'000); }},
    {"forward.fail_timeout", [](V v, S s, C c) { read_timeout(v, s.forward.fail_timeout, c); }},
    {"forward.max_fail_timeout", [](V v, S s, C c) { read_timeout(v, s.forward.max_fail_timeout, c); }},
    {"forward.resolve_interval", [](V v, S s, C c) { read_duration(v, s.forward.resolve_interval, c, 1s, a_day); }},
    {"forward.half_close", [](V v, S s, C c) { read_bool(v, s.forward.half_close, c); }},

    {"journal.size", [](V v, S s, C c) { read_size(v, s.journal.size, c, mib, most_bytes); }},
    {"journal.keep", [](V v, S s, C c) { read_duration(v, s.journal.keep, c, 0ms, 30 * a_day); }},
    {"journal.sync", read_sync},

    {"redis.url", [](V v, S s, C c) { read_text(v, s.redis.url, c, complaint_about_redis_url); }},
    {"redis.ca_file", [](V v, S s, C c) { read_text(v, s.redis.tls.ca_file, c, readable_file_or_empty); }},
    {"redis.verify", [](V v, S s, C c) { read_bool(v, s.redis.tls.verify, c); }},
    {"redis.cert", [](V v, S s, C c) { read_text(v, s.redis.tls.cert, c, readable_file_or_empty); }},
    {"redis.key", [](V v, S s, C c) { read_text(v, s.redis.tls.key, c, readable_file_or_empty); }},
    {"redis.shards", [](V v, S s, C c) { read_integer(v, s.redis.shards, c, 1, 256); }},
    {"redis.prefix", [](V v, S s, C c) { read_text(v, s.redis.prefix, c, redis_prefix); }},
    {"redis.stream_maxlen",
     [](V v, S s, C c) { read_integer(v, s.redis.stream_maxlen, c, 0, std::numeric_limits<std::int64_t>::max()); }},

    {"track.paths", [](V v, S s, C c) { read_texts(v, s.track.paths, c, path_pattern); }},
    {"track.methods", [](V v, S s, C c) { read_texts(v, s.track.methods, c, tracked_method); }},
    {"track.max_labels", [](V v, S s, C c) { read_integer(v, s.track.max_labels, c, 1, 100'000); }},
    {"track.max_users", [](V v, S s, C c) { read_integer(v, s.track.max_users, c, 1, 10'000'000); }},
    {"track.log", read_log_form},
    {"track.on_client_abort", read_on_abort},

    {"features", [](V v, S s, C c) { read_features(v, s.features, c); }},

    {"identity.jwt.cookie", [](V v, S s, C c) { read_text(v, s.identity.jwt.cookie, c, field_name_or_empty); }},
    {"identity.jwt.header", [](V v, S s, C c) { read_field_name(v, s.identity.jwt.header, c); }},
    {"identity.jwt.jwks_file",
     [](V v, S s, C c) { read_text(v, s.identity.jwt.jwks_file, c, readable_file_or_empty); }},
    {"identity.jwt.jwks_url", [](V v, S s, C c) { read_text(v, s.identity.jwt.jwks_url, c, complaint_about_web_url); }},
    {"identity.jwt.issuer", [](V v, S s, C c) { read_text(v, s.identity.jwt.issuer, c); }},
    {"identity.jwt.authorized_parties",
     [](V v, S s, C c) { read_texts(v, s.identity.jwt.authorized_parties, c, not_empty); }},
    {"identity.jwt.leeway", [](V v, S s, C c) { read_duration(v, s.identity.jwt.leeway, c, 0ms, 1h); }},
    {"identity.jwt.claim", [](V v, S s, C c) { read_text(v, s.identity.jwt.claim, c, not_empty); }},
    {"identity.jwt.plan_claim", [](V v, S s, C c) { read_text(v, s.identity.jwt.plan_claim, c); }},
    {"identity.header", [](V v, S s, C c) { read_field_name(v, s.identity.header, c); }},
    {"identity.plan_header", [](V v, S s, C c) { read_field_name(v, s.identity.plan_header, c); }},
    {"identity.api_keys", [](V v, S s, C c) { read_bool(v, s.identity.api_keys, c); }},
    {"identity.anonymous", [](V v, S s, C c) { read_text(v, s.identity.anonymous, c, not_empty); }},

    {"pricing.catalogue", [](V v, S s, C c) { read_text(v, s.pricing.catalogue, c, catalogue_file); }},
    {"pricing.default_provider", [](V v, S s, C c) { read_text(v, s.pricing.default_provider, c, not_empty); }},
    {"pricing.default_model", [](V v, S s, C c) { read_text(v, s.pricing.default_model, c, not_empty); }},
    {"pricing.default_tokens", [](V v, S s, C c) { read_integer(v, s.pricing.default_tokens, c, 0, most_tokens); }},
    {"pricing.default_cost_usd",
     [](V v, S s, C c) { read_decimal(v, s.pricing.default_cost_nano, c, nano_places, most_nano); }},
    {"pricing.search_fees", [](V v, S s, C c) { read_bool(v, s.pricing.search_fees, c); }},
    {"pricing.overrides", [](V v, S s, C c) { read_price_overrides(v, s.pricing.overrides, c); }},

    {"cache", [](V v, S s, C c) { read_cache_rules(v, s.cache, c); }},

    {"admin.path", [](V v, S s, C c) { read_text(v, s.admin.path, c, admin_prefix); }},
    {"admin.ui_path", [](V v, S s, C c) { read_text(v, s.admin.ui_path, c, admin_prefix); }},
    {"admin.tokens", [](V v, S s, C c) { read_texts(v, s.admin.tokens, c, admin_token); }},
    {"admin.listen", read_admin_listen},
    {"admin.session", [](V v, S s, C c) { read_duration(v, s.admin.session, c, 1min, 30 * a_day); }},
    {"admin.live_connections", [](V v, S s, C c) { read_integer(v, s.admin.live_connections, c, 1, 1'000'000); }},
    {"admin.live_ping", [](V v, S s, C c) { read_duration(v, s.admin.live_ping, c, 1s, 1h); }},
    {"admin.metrics_public", [](V v, S s, C c) { read_bool(v, s.admin.metrics_public, c); }},
    {"admin.metrics_series", [](V v, S s, C c) { read_integer(v, s.admin.metrics_series, c, 1, 10'000); }},

    {"budget", only_empty, false},
    {"limit", only_empty, false},
    {"alert", only_empty, false},
    {"experiment", only_empty, false},
    {"event", only_empty, false},
};

}  // namespace

std::span<const key_rule> key_rules() { return rules; }

const key_rule* find_rule(std::string_view key) {
    const auto found =
        std::find_if(std::begin(rules), std::end(rules), [&](const key_rule& rule) { return rule.name == key; });
    return found == std::end(rules) ? nullptr : &*found;
}

bool is_section(std::string_view section) {
    return std::any_of(std::begin(rules), std::end(rules), [&](const key_rule& rule) {
        return rule.name.size() > section.size() && rule.name[section.size()] == '.' && rule.name.starts_with(section);
    });
}

std::string environment_name(std::string_view key) {
    std::string name = "AIMETER_";
    for (const char c : key) name += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return name;
}

}  // namespace conf
