// What one tracked request was: the plain struct that a worker fills while the request passes, that the journal
// keeps, and from which both Redis views and the log line are made. It holds no live objects and does no I/O.
//
// Unknown is not zero: a number that nobody stated is nullopt, a text that nobody stated is empty, and neither is
// written to Redis. Money is nano-USD (1e-9 USD), durations are microseconds, times are ms since the epoch (UTC).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tracking/units.hpp"

namespace tracking {

enum class outcome : std::uint8_t { ok, error, blocked, client_abort, upstream_abort, interrupted };
enum class usage_source : std::uint8_t { none, body, headers, estimated };
enum class cost_source : std::uint8_t { none, cache, reported, catalogue, estimated, unknown };
enum class user_source : std::uint8_t { anonymous, app, jwt, header, key };

// A UUIDv7 (RFC 9562): 48 bits of ms since the epoch, then random bits; sorts by time.
using uuid = std::array<std::uint8_t, 16>;

struct record {
    uuid id{};
    std::string request_id;
    std::int64_t ts_ms = 0;  // arrival of the first request byte

    std::string user_id;
    std::string clerk_user_id;  // the verified JWT subject
    std::string plan;
    std::string user_claim;  // what the request body says of its user: unverified
    user_source user_from = user_source::anonymous;

    std::string provider;
    std::string ai_model;
    std::string requested_model;
    std::string content_type;  // the kind of content generated, not the media type
    std::string feature;

    std::optional<std::int64_t> input_tokens;  // all prompt tokens, cached ones included
    std::optional<std::int64_t> cached_tokens;
    std::optional<std::int64_t> cache_write_tokens;
    std::optional<std::int64_t> cache_write_1h_tokens;  // part of cache_write_tokens
    std::optional<std::int64_t> audio_input_tokens;     // part of input_tokens
    std::optional<std::int64_t> image_input_tokens;     // part of input_tokens
    std::optional<std::int64_t> output_tokens;          // all generated tokens, reasoning included
    std::optional<std::int64_t> reasoning_tokens;
    std::optional<std::int64_t> audio_output_tokens;  // part of output_tokens
    std::optional<std::int64_t> image_output_tokens;  // part of output_tokens
    std::optional<std::int64_t> tokens_used;
    unit_counts units;         // what is billed beside tokens
    std::string service_tier;  // "batch", "priority", "flex"; empty = the standard one, or not told
    usage_source usage_from = usage_source::none;

    std::optional<std::int64_t> cost_nano;
    cost_source cost_from = cost_source::none;
    std::string price_id;
    std::optional<std::int64_t> saved_nano;
    std::optional<std::int64_t> saved_tokens;

    bool cached = false;
    std::string cache_rule;

    bool success = false;
    int status = 0;  // 0 = none was ever sent
    std::string finish_reason;
    std::string error_message;  // the provider's, cut at 300 bytes

    std::optional<std::int64_t> duration_us;  // first request byte to last response byte
    std::optional<std::int64_t> upstream_us;  // request sent to last upstream byte; absent = never reached the upstream
    std::optional<std::int64_t> ttft_us;      // to the first body byte
    std::optional<std::int64_t> first_token_us;  // to the first event with text, reasoning or a tool call

    bool stream = false;
    bool estimated = false;
    int attempts = 0;
    outcome result = outcome::ok;
    std::string variant;
    std::string flags;  // what does not fit together, see add_flag(); empty = nothing
    // The names as they were, where `feature`, `ai_model` or `provider` became "other" (track.max_labels), or `user_id`
    // did (track.max_users).
    std::string raw_feature, raw_model, raw_provider, raw_user_id;

    // Back to the initial state, keeping the capacity of the strings (a worker reuses one record per connection).
    void clear();
};

// What a record warns of, in its `flags` (words joined by commas).
enum class record_flag : std::uint8_t {
    cache_conflict,  // one header said hit, another miss
    usage_conflict,  // the answer's own counts were negative, fractional, quoted or too large
    cost_capped,     // the cost is beyond what is kept
};
void add_flag(record& to, record_flag which);

std::string_view to_string(outcome value);
std::string_view to_string(usage_source value);
std::string_view to_string(cost_source value);
std::string_view to_string(user_source value);

std::string to_text(const uuid& id);  // 8-4-4-4-12, lower case
inline constexpr std::size_t uuid_text_bytes = 36;
void put_text(const uuid& id, char* to);  // the same, without a string
// A new UUIDv7 at `now_us`; ids made by one thread ascend even within a microsecond or when the clock steps back.
uuid make_uuid7(std::int64_t now_us);
std::uint64_t moment_of(const uuid& id);  // when it was made, to less than a microsecond: to be compared only

// nano-USD as a plain decimal USD figure: at most 9 places, no trailing zeros, no exponent ("0.000453", "0", "-0.5").
std::string usd_text(std::int64_t nano);

// ---- Journal payload -------------------------------------------------------------------------------------------
// A compact tagged binary form: unknown tags are skipped on reading, so that a newer release can add fields, and what
// an older one did not write is unknown.
// Upper bound of encoded_size is record_bytes_max: encode() cuts texts so that it holds.
inline constexpr std::size_t record_bytes_max = 8192;
std::size_t encode(const record& from, std::span<char> to) noexcept;  // bytes written; 0 = `to` is too small
// The same with every text cut to 64 bytes, for a journal that has only the room left that it promised.
inline constexpr std::size_t record_bytes_tight = 1760;
std::size_t encode_tight(const record& from, std::span<char> to) noexcept;
bool decode(std::span<const char> from, record& to);  // false = not a record

// ---- Redis fields and JSON --------------------------------------------------------------------------------------
// The field names of the usage view, in the order in which they are written, with the type that JSON gives them.
// (millis: ms with 3 places, of us; seconds: s with 3 places, of ms)
enum class field_type : std::uint8_t { text, integer, flag, usd, millis, seconds };
struct field_name {
    std::string_view name;
    field_type type;
};
std::span<const field_name> usage_fields();

// Calls `visit(at, value)` for each set field of the usage view, usage_fields()[at], in that order. `value` lives
// during the call only.
using field_visitor = std::function<void(std::size_t, std::string_view)>;
void for_each_usage_field(const record& from, const field_visitor& visit);

// The line of the log, without the line end: control characters in names are escaped.
// "[AI Analytics] ✅ Tracked experience-description (feature: content-gen, cost: $0.000453, ...)"
std::string log_line(const record& from);
std::string log_json(const record& from);  // one JSON object with every set field

}  // namespace tracking
