// A record as text: the fields of the usage view, the log line and the log's JSON object. The table below is the only
// place that says which member carries which public field name; values are made in stack buffers, since the shipper
// goes through it for every record.
#include <charconv>
#include <cstdio>

#include "tracking/record.hpp"

namespace tracking {
namespace {

using buffer = std::array<char, 48>;
using value_of = bool (*)(const record&, buffer&, std::string_view&);  // false = not set

std::string_view view_of(const buffer& text, const char* end) { return {text.data(), end}; }

template <typename N>
std::string_view digits(buffer& text, N number) {
    return view_of(text, std::to_chars(text.data(), text.data() + text.size(), number).ptr);
}

template <auto member>
bool text(const record& from, buffer&, std::string_view& value) {
    value = from.*member;
    return !value.empty();
}
template <auto member>
bool name(const record& from, buffer&, std::string_view& value) {
    value = to_string(from.*member);
    return true;
}
template <auto member>
bool integer(const record& from, buffer& space, std::string_view& value) {
    if (from.*member) value = digits(space, *(from.*member));
    return (from.*member).has_value();
}
template <auto member>
bool flag(const record& from, buffer&, std::string_view& value) {
    value = from.*member ? "1" : "0";
    return true;
}
template <auto member>
bool usd(const record& from, buffer& space, std::string_view& value) {
    if (!(from.*member)) return false;
    const std::string figure = usd_text(*(from.*member));  // at most 21 bytes
    value = view_of(space, space.data() + figure.copy(space.data(), space.size()));
    return true;
}
// A count of thousandths as a decimal with 3 places.
std::string_view thousandths(buffer& space, std::int64_t count) {
    const std::uint64_t size = count < 0 ? 0 - static_cast<std::uint64_t>(count) : static_cast<std::uint64_t>(count);
    char* at = space.data();
    if (count < 0) *at++ = '-';
    at = std::to_chars(at, space.data() + space.size(), size / 1000).ptr;
    const auto rest = static_cast<unsigned>(size % 1000);
    for (char digit : {'.', static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
                       static_cast<char>('0' + rest % 10)})
        *at++ = digit;
    return view_of(space, at);
}
template <auto member>
bool millis(const record& from, buffer& space, std::string_view& value) {
    if (from.*member) value = thousandths(space, *(from.*member));
    return (from.*member).has_value();
}
template <auto member>
bool unit(const record& from, buffer& space, std::string_view& value) {
    if (from.units.*member) value = digits(space, *(from.units.*member));
    return (from.units.*member).has_value();
}
bool audio_seconds(const record& from, buffer& space, std::string_view& value) {
    if (from.units.audio_ms) value = thousandths(space, *from.units.audio_ms);
    return from.units.audio_ms.has_value();
}

bool id_text(const record& from, buffer& space, std::string_view& value) {
    put_text(from.id, space.data());
    value = view_of(space, space.data() + uuid_text_bytes);
    return true;
}
bool ts_text(const record& from, buffer& space, std::string_view& value) {
    value = digits(space, from.ts_ms);
    return true;
}
bool attempts_text(const record& from, buffer& space, std::string_view& value) {
    value = digits(space, from.attempts);
    return true;
}
bool status_text(const record& from, buffer& space, std::string_view& value) {
    if (from.status == 0) return false;
    value = digits(space, from.status);
    return true;
}

struct field {
    field_name name;
    value_of value;
};
constexpr std::array fields{
    field{{"id", field_type::text}, id_text},
    field{{"requestId", field_type::text}, text<&record::request_id>},
    field{{"ts", field_type::integer}, ts_text},
    field{{"userId", field_type::text}, text<&record::user_id>},
    field{{"clerkUserId", field_type::text}, text<&record::clerk_user_id>},
    field{{"plan", field_type::text}, text<&record::plan>},
    field{{"userSource", field_type::text}, name<&record::user_from>},
    field{{"userClaim", field_type::text}, text<&record::user_claim>},
    field{{"provider", field_type::text}, text<&record::provider>},
    field{{"aiModel", field_type::text}, text<&record::ai_model>},
    field{{"requestedModel", field_type::text}, text<&record::requested_model>},
    field{{"contentType", field_type::text}, text<&record::content_type>},
    field{{"feature", field_type::text}, text<&record::feature>},
    field{{"inputTokens", field_type::integer}, integer<&record::input_tokens>},
    field{{"cachedTokens", field_type::integer}, integer<&record::cached_tokens>},
    field{{"cacheWriteTokens", field_type::integer}, integer<&record::cache_write_tokens>},
    field{{"cacheWrite1hTokens", field_type::integer}, integer<&record::cache_write_1h_tokens>},
    field{{"audioInputTokens", field_type::integer}, integer<&record::audio_input_tokens>},
    field{{"imageInputTokens", field_type::integer}, integer<&record::image_input_tokens>},
    field{{"outputTokens", field_type::integer}, integer<&record::output_tokens>},
    field{{"reasoningTokens", field_type::integer}, integer<&record::reasoning_tokens>},
    field{{"audioOutputTokens", field_type::integer}, integer<&record::audio_output_tokens>},
    field{{"imageOutputTokens", field_type::integer}, integer<&record::image_output_tokens>},
    field{{"tokensUsed", field_type::integer}, integer<&record::tokens_used>},
    field{{"audioSeconds", field_type::seconds}, audio_seconds},
    field{{"images", field_type::integer}, unit<&unit_counts::images>},
    field{{"pages", field_type::integer}, unit<&unit_counts::pages>},
    field{{"searchUnits", field_type::integer}, unit<&unit_counts::search_units>},
    field{{"webSearches", field_type::integer}, unit<&unit_counts::web_searches>},
    field{{"characters", field_type::integer}, unit<&unit_counts::characters>},
    field{{"serviceTier", field_type::text}, text<&record::service_tier>},
    field{{"usageSource", field_type::text}, name<&record::usage_from>},
    field{{"cost", field_type::usd}, usd<&record::cost_nano>},
    field{{"costSource", field_type::text}, name<&record::cost_from>},
    field{{"priceId", field_type::text}, text<&record::price_id>},
    field{{"saved", field_type::usd}, usd<&record::saved_nano>},
    field{{"savedTokens", field_type::integer}, integer<&record::saved_tokens>},
    field{{"cached", field_type::flag}, flag<&record::cached>},
    field{{"cacheRule", field_type::text}, text<&record::cache_rule>},
    field{{"success", field_type::flag}, flag<&record::success>},
    field{{"status", field_type::integer}, status_text},
    field{{"finishReason", field_type::text}, text<&record::finish_reason>},
    field{{"errorMessage", field_type::text}, text<&record::error_message>},
    field{{"requestDuration", field_type::millis}, millis<&record::duration_us>},
    field{{"upstreamDuration", field_type::millis}, millis<&record::upstream_us>},
    field{{"ttft", field_type::millis}, millis<&record::ttft_us>},
    field{{"firstToken", field_type::millis}, millis<&record::first_token_us>},
    field{{"stream", field_type::flag}, flag<&record::stream>},
    field{{"estimated", field_type::flag}, flag<&record::estimated>},
    field{{"attempts", field_type::integer}, attempts_text},
    field{{"outcome", field_type::text}, name<&record::result>},
    field{{"variant", field_type::text}, text<&record::variant>},
    field{{"flags", field_type::text}, text<&record::flags>},
    field{{"rawFeature", field_type::text}, text<&record::raw_feature>},
    field{{"rawModel", field_type::text}, text<&record::raw_model>},
    field{{"rawProvider", field_type::text}, text<&record::raw_provider>},
    field{{"rawUserId", field_type::text}, text<&record::raw_user_id>},
};
static_assert(fields.size() <= 64);  // the store keeps a set of fields as bits
constexpr auto names = [] {
    std::array<field_name, fields.size()> all{};
    for (std::size_t i = 0; i < fields.size(); ++i) all[i] = fields[i].name;
    return all;
}();

// Bytes of the UTF-8 sequence at the front; 0 = not one (overlong, surrogate, cut off, out of range).
std::size_t sequence_length(std::string_view at) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(at[i]); };
    const std::uint8_t lead = byte(0);
    if (lead < 0x80) return 1;
    const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                               : (lead & 0xF0) == 0xE0        ? 3
                               : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                              : 0;
    if (length == 0 || at.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xC0) != 0x80) return 0;
    if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F) || (lead == 0xF0 && byte(1) < 0x90) ||
        (lead == 0xF4 && byte(1) > 0x8F))
        return 0;
    return length;
}

// C0, DEL and C1: what a terminal might act upon.
bool is_control(std::string_view sequence) {
    const auto lead = static_cast<std::uint8_t>(sequence[0]);
    if (sequence.size() == 1) return lead < 0x20 || lead == 0x7F;
    return lead == 0xC2 && static_cast<std::uint8_t>(sequence[1]) < 0xA0;
}

void append_hex(std::string& to, const char* format, unsigned value) {
    std::array<char, 16> text;
    const int size = std::snprintf(text.data(), text.size(), format, value);
    to.append(text.data(), static_cast<std::size_t>(size));
}

// For the line: what is not printable UTF-8 becomes \xNN, and a backslash \\, so that the text can be read back.
void append_escaped(std::string& to, std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = sequence_length(text);
        const std::string_view sequence = text.substr(0, length ? length : 1);
        if (sequence == "\\") {
            to += "\\\\";
        } else if (length == 0 || is_control(sequence)) {
            for (char c : sequence) append_hex(to, "\\x%02x", static_cast<std::uint8_t>(c));
        } else {
            to += sequence;
        }
        text.remove_prefix(sequence.size());
    }
}

void append_json_text(std::string& to, std::string_view text) {
    to += '"';
    while (!text.empty()) {
        const std::size_t length = sequence_length(text);
        const std::string_view sequence = text.substr(0, length ? length : 1);
        if (length == 0) {
            to += "\xEF\xBF\xBD";  // U+FFFD
        } else if (sequence == "\"" || sequence == "\\") {
            (to += '\\') += sequence;
        } else if (is_control(sequence)) {
            append_hex(to, "\\u%04x", static_cast<std::uint8_t>(sequence.back()));
        } else {
            to += sequence;
        }
        text.remove_prefix(sequence.size());
    }
    to += '"';
}

void append_name(std::string& to, std::string_view text) {
    if (text.empty())
        to += "unknown";
    else
        append_escaped(to, text);
}

}  // namespace

std::span<const field_name> usage_fields() { return names; }

void for_each_usage_field(const record& from, const field_visitor& visit) {
    buffer space;
    std::string_view value;
    for (std::size_t i = 0; i < fields.size(); ++i)
        if (fields[i].value(from, space, value)) visit(i, value);
}

std::string log_line(const record& from) {
    std::string line = from.success ? "[AI Analytics] ✅ Tracked " : "[AI Analytics] ❌ Tracked ";
    append_name(line, from.content_type);
    line += " (feature: ";
    append_name(line, from.feature);
    line += ", cost: ";
    line += from.cost_nano ? "$" + usd_text(*from.cost_nano) : "unknown";
    line += from.cached ? ", cached: true, model: " : ", cached: false, model: ";
    append_name(line, from.ai_model);
    line += ", tokens: ";
    line += from.tokens_used ? std::to_string(*from.tokens_used) : "unknown";
    line += ", status: ";
    line += from.status ? std::to_string(from.status) : "none";
    line += ", ";
    line += from.duration_us ? std::to_string((*from.duration_us + 500) / 1000) : "unknown";
    line += " ms)";
    return line;
}

std::string log_json(const record& from) {
    std::string json = "{";
    buffer space;
    std::string_view value;
    for (const field& each : fields) {
        if (!each.value(from, space, value)) continue;
        if (json.size() > 1) json += ',';
        append_json_text(json, each.name.name);
        json += ':';
        switch (each.name.type) {
            case field_type::text:
                append_json_text(json, value);
                break;
            case field_type::flag:
                json += value == "1" ? "true" : "false";
                break;
            default:
                json += value;  // numbers are written as they are
        }
    }
    return json += '}';
}

}  // namespace tracking
