// Typed settings and how they are found: conf/aimeter.toml's keys, then AIMETER_<SECTION>_<KEY>, then flags.
// conf/aimeter.toml is the commented list of all keys; each has a working default here.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace conf {

using std::chrono::milliseconds;

// Where something listens or is reached. `host` is a name, an IPv4 or an IPv6 address without brackets.
struct endpoint {
    std::string host;
    std::uint16_t port = 0;
    std::string unix_path;  // when set, host and port are unused
    bool tls = false;
    std::string text;  // as it was written, without credentials, for messages

    bool operator==(const endpoint&) const = default;
};

// PEM files; `cert` holds the chain, the server's own certificate first.
struct certificate_files {
    std::string cert;
    std::string key;

    bool operator==(const certificate_files&) const = default;
};

enum class tls_version : std::uint8_t { tls_1_2, tls_1_3 };

struct tls_settings {
    std::string cert;  // both or none
    std::string key;
    std::vector<certificate_files> certificates;     // further ones, for the names in them
    tls_version min_version = tls_version::tls_1_2;  // that clients may speak

    bool operator==(const tls_settings&) const = default;
};

struct limits_settings {
    std::uint32_t header_bytes = 32 * 1024;  // request line and all fields
    std::uint32_t header_fields = 256;       // of a request
    std::uint64_t body_bytes = 0;            // 0 = no limit
    milliseconds header_timeout{30'000};     // first byte of a request to the end of its head
    milliseconds body_timeout{60'000};       // stall: no byte of a body comes, or is taken
    milliseconds idle_timeout{75'000};       // keep-alive
    milliseconds upstream_connect_timeout{5'000};
    milliseconds upstream_read_timeout{600'000};  // stall: no byte of an answer (models think for minutes)
    milliseconds upstream_idle_timeout{60'000};   // pooled connections
    std::uint32_t upstream_idle = 64;             // pooled connections kept per worker
    std::uint32_t connections = 10'000;           // client connections; more are answered 503
    std::uint32_t backlog = 4096;                 // connections that the kernel keeps until they are accepted
    std::uint32_t answer_header_bytes = 64 * 1024;
    std::uint32_t answer_header_fields = 512;
    std::uint32_t interim_answers = 32;  // 1xx before the answer itself
    milliseconds linger_timeout{5'000};  // a client that was answered early may go on sending: its longest silence,
    milliseconds linger_time{30'000};    // and how long in all

    bool operator==(const limits_settings&) const = default;
};

struct forward_settings {
    bool preserve_host = true;
    std::vector<std::string> trusted_proxies{"127.0.0.1/8", "::1/128"};
    std::string ca_file;      // PEM, in place of the system's certificate authorities; "" = those
    bool verify = true;       // the certificates of https:// upstreams
    bool half_close = false;  // a client may end its sending side before its answer is complete

    std::uint32_t max_fails = 3;  // requests in a row without an answer, until a peer is left out; 0 = never left out
    milliseconds fail_timeout{1'000};       // a peer's first back-off; doubled each time
    milliseconds max_fail_timeout{30'000};  // and no longer than this
    milliseconds resolve_interval{30'000};  // names of peers

    bool operator==(const forward_settings&) const = default;
};

struct journal_settings {
    std::uint64_t size = 1024ULL * 1024 * 1024;  // bytes, bound of all segments
    milliseconds keep{600'000};                  // shipped segments are kept this long
    std::optional<milliseconds> sync;            // nullopt = off

    bool operator==(const journal_settings&) const = default;
};

// How a Redis that is spoken to over TLS is known, and how it knows us. PEM files.
struct redis_tls {
    std::string ca_file;  // "" = the system's authorities
    bool verify = true;   // certificate and host name
    std::string cert;     // ours; both or none
    std::string key;

    bool operator==(const redis_tls&) const = default;
};

struct redis_settings {
    std::string url;  // "" = embedded
    redis_tls tls;
    std::uint32_t shards = 16;  // of a new data set on a cluster
    std::string prefix = "aimeter";
    std::uint64_t stream_maxlen = 1'000'000;  // 0 = all

    bool operator==(const redis_settings&) const = default;
};

struct track_settings {
    std::vector<std::string> paths{"/api/ai/*"};
    std::vector<std::string> methods{"POST"};
    std::uint32_t max_labels = 500;
    std::uint32_t max_users = 200'000;
    enum class log_form { line, json, off } log = log_form::line;
    enum class on_abort { stop, drain } on_client_abort = on_abort::stop;

    bool operator==(const track_settings&) const = default;
};

struct jwt_settings {
    std::string cookie = "__session";
    std::string header = "authorization";
    std::string jwks_file;
    std::string jwks_url;  // parse_web_url() reads it
    std::string issuer;
    std::vector<std::string> authorized_parties;
    milliseconds leeway{5'000};
    std::string claim = "sub";
    std::string plan_claim = "plan";

    bool operator==(const jwt_settings&) const = default;
};

struct identity_settings {
    jwt_settings jwt;
    std::string header;
    std::string plan_header;
    bool api_keys = false;
    std::string anonymous = "anonymous";

    bool operator==(const identity_settings&) const = default;
};

// Prices of an override, in pico-USD per token (the file says USD per 1M tokens: 1 USD/1M = 1'000'000 pico-USD) or
// per unit (the file says USD).
struct price_override {
    std::map<std::string, std::int64_t> pico;  // "in", "out", "cache_read", ..., "audio_second", "image", "page", ...

    bool operator==(const price_override&) const = default;
};

struct pricing_settings {
    std::string catalogue = "conf/model-prices.json";
    std::string default_provider = "gemini";
    std::string default_model = "gemini-2.0-flash-exp";
    std::int64_t default_tokens = 1500;
    bool search_fees = false;  // the catalogue's price of a web search is charged
    std::int64_t default_cost_nano = 600'000;
    std::map<std::string, price_override> overrides;

    bool operator==(const pricing_settings&) const = default;
};

struct cache_rule {
    std::string header;                          // lower case
    std::vector<std::string> hit, miss, bypass;  // whole words, case-blind

    bool operator==(const cache_rule&) const = default;
};

struct admin_settings {
    std::string path = "/api/admin";
    std::string ui_path = "/admin";
    std::vector<std::string> tokens;
    std::optional<endpoint> listen;
    milliseconds session{12 * 3'600'000};  // how long a login of the pages lasts
    bool metrics_public = false;
    std::uint32_t metrics_series = 500;  // names that the metrics of requests are kept apart by
    std::uint32_t live_connections = 2'000;
    milliseconds live_ping{25'000};

    bool operator==(const admin_settings&) const = default;
};

struct settings {
    std::vector<endpoint> listen;
    std::vector<endpoint> upstream;
    std::uint32_t workers = 0;  // 0 = one per core
    std::string timezone = "UTC";
    std::string data_dir = "var";
    milliseconds drain_timeout{30'000};
    std::string log_file;  // "" = stderr

    tls_settings tls;
    limits_settings limits;
    forward_settings forward;
    journal_settings journal;
    redis_settings redis;
    track_settings track;
    std::map<std::string, std::string> features;
    identity_settings identity;
    pricing_settings pricing;
    std::vector<cache_rule> cache;
    admin_settings admin;

    bool operator==(const settings&) const = default;
};

// One thing wrong with a configuration. line and column are 1-based; 0 = not from a file.
struct config_error {
    std::string source;  // the file's path, "environment AIMETER_REDIS_URL" or "command line"
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::string key;  // dotted, e.g. "limits.header_bytes"
    std::string what;

    std::string text()
        const;  // "conf/aimeter.toml:12:3: limits.header_bites: unknown key; did you mean limits.header_bytes?"
};

// A key of the file and its new value, as given by an environment variable or a flag. A list is comma-separated, a
// table is written as TOML does inline. An unknown variable has its own name as the key, so that load() refuses it.
struct override_value {
    std::string source;
    std::string key;
    std::string value;
};

// What holds where neither file nor environment nor flag says otherwise.
settings default_settings();

// The file (none when `path` is empty), then the overrides in their order; every error found, not only the first.
std::variant<settings, std::vector<config_error>> load(const std::string& path,
                                                       const std::vector<override_value>& overrides);
// The same of a text in the place of the file; `source` names it in errors.
std::variant<settings, std::vector<config_error>> load_text(std::string_view text, const std::string& source,
                                                            const std::vector<override_value>& overrides);

// What only showed when the settings were used, and begins with its key ("tls.key: ..."): with the place of that key in
// front, as in config_error::text().
std::string with_place(const std::string& problem, const std::string& path,
                       const std::vector<override_value>& overrides);

// AIMETER_<SECTION>_<KEY> of this process's environment, e.g. AIMETER_REDIS_URL -> redis.url, AIMETER_LISTEN -> listen.
// Names that begin with AIMETER_TEST are left to the test suite.
std::vector<override_value> environment_overrides();

// `aimeter check`: one line, "configuration ok" to `out` or each error to `err`; the exit code, 0 or 1.
int run_check(const std::string& path, const std::vector<override_value>& overrides, std::ostream& out,
              std::ostream& err);

}  // namespace conf
