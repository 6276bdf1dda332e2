// The journal's form of a record: one format byte, then fields of one tag byte (number * 2 + kind) and a varint, or a
// varint length and bytes. Absent fields take no room, unknown ones are skipped. Written by workers on the way of each
// request, so it allocates nothing; read by the control thread, from bytes that may be anything.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "tracking/record.hpp"

namespace tracking {
namespace {

constexpr char format = 1;
enum kind : std::uint8_t { number_kind = 0, bytes_kind = 1 };

// Tags are for ever: a field that goes leaves its number unused.
struct text_tag {
    std::uint8_t tag;
    std::string record::* text;
    std::size_t most = 512;  // bytes that are kept
};
constexpr std::array texts{
    text_tag{1, &record::request_id},         text_tag{2, &record::user_id},
    text_tag{3, &record::clerk_user_id},      text_tag{4, &record::plan},
    text_tag{5, &record::user_claim},         text_tag{6, &record::provider, 128},
    text_tag{7, &record::ai_model},           text_tag{8, &record::requested_model},
    text_tag{9, &record::content_type},       text_tag{10, &record::feature},
    text_tag{11, &record::price_id},          text_tag{12, &record::cache_rule},
    text_tag{13, &record::finish_reason, 64}, text_tag{14, &record::error_message, 300},
    text_tag{15, &record::variant},           text_tag{16, &record::service_tier, 32},
    text_tag{17, &record::flags, 64},         text_tag{18, &record::raw_feature, 128},
    text_tag{19, &record::raw_model, 128},    text_tag{20, &record::raw_provider, 128},
    text_tag{21, &record::raw_user_id},
};
struct number_tag {
    std::uint8_t tag;
    std::optional<std::int64_t> record::* number;
};
constexpr std::array numbers{
    number_tag{32, &record::input_tokens},        number_tag{33, &record::cached_tokens},
    number_tag{34, &record::cache_write_tokens},  number_tag{35, &record::output_tokens},
    number_tag{36, &record::reasoning_tokens},    number_tag{37, &record::tokens_used},
    number_tag{38, &record::cost_nano},           number_tag{39, &record::saved_nano},
    number_tag{40, &record::saved_tokens},        number_tag{41, &record::duration_us},
    number_tag{42, &record::upstream_us},         number_tag{43, &record::ttft_us},
    number_tag{44, &record::first_token_us},      number_tag{45, &record::cache_write_1h_tokens},
    number_tag{46, &record::audio_input_tokens},  number_tag{47, &record::image_input_tokens},
    number_tag{48, &record::audio_output_tokens}, number_tag{49, &record::image_output_tokens},
};
struct unit_tag {
    std::uint8_t tag;
    std::optional<std::int64_t> unit_counts::* count;
};
constexpr std::array units{
    unit_tag{50, &unit_counts::audio_ms},     unit_tag{51, &unit_counts::images},
    unit_tag{52, &unit_counts::pages},        unit_tag{53, &unit_counts::search_units},
    unit_tag{54, &unit_counts::web_searches}, unit_tag{55, &unit_counts::characters},
};
struct flag_bit {
    std::uint8_t bit;
    bool record::* flag;
};
constexpr std::array flags{flag_bit{1, &record::cached}, flag_bit{2, &record::success}, flag_bit{4, &record::stream},
                           flag_bit{8, &record::estimated}};
enum tag : std::uint8_t {
    id_tag = 64,
    ts_tag = 65,
    flags_tag = 66,
    status_tag = 67,
    attempts_tag = 68,
    outcome_tag = 69,
    usage_from_tag = 70,
    cost_from_tag = 71,
    user_from_tag = 72,
};

// Where a tag is in its table, counted from 1; 0 = it is not.
template <class Table>
constexpr std::array<std::uint8_t, 128> places_in(const Table& table) {
    std::array<std::uint8_t, 128> places{};
    for (std::size_t i = 0; i < table.size(); ++i) places[table[i].tag] = static_cast<std::uint8_t>(i + 1);
    return places;
}
constexpr auto text_place = places_in(texts), number_place = places_in(numbers), unit_place = places_in(units);

constexpr std::size_t text_max_tight = 64;
constexpr std::size_t varint_max = 10;
constexpr std::size_t numbers_max = numbers.size() + units.size() + 8;
constexpr std::size_t fixed_max = 1 + (2 + sizeof(uuid)) + (1 + varint_max) * numbers_max;
// Of all texts, each with its tag and length, when none is longer than `most`.
constexpr std::size_t texts_max(std::size_t most) {
    std::size_t sum = 0;
    for (const text_tag& each : texts) sum += 3 + std::min(most, each.most);
    return sum;
}
static_assert(fixed_max + texts_max(SIZE_MAX) <= record_bytes_max);
static_assert(fixed_max + texts_max(text_max_tight) <= record_bytes_tight);

std::uint64_t zigzag(std::int64_t value) {
    return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
std::int64_t unzigzag(std::uint64_t value) {
    return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

char* put_varint(char* at, std::uint64_t value) {
    while (value >= 0x80) {
        *at++ = static_cast<char>(value | 0x80);
        value >>= 7;
    }
    *at++ = static_cast<char>(value);
    return at;
}
char* put_number(char* at, std::uint8_t tag, std::uint64_t value) {
    *at++ = static_cast<char>(tag << 1 | number_kind);
    return put_varint(at, value);
}
char* put_bytes(char* at, std::uint8_t tag, std::string_view bytes) {
    *at++ = static_cast<char>(tag << 1 | bytes_kind);
    at = put_varint(at, bytes.size());
    std::memcpy(at, bytes.data(), bytes.size());
    return at + bytes.size();
}

// The longest prefix of at most `most` bytes that does not end within a UTF-8 sequence.
std::string_view cut(std::string_view text, std::size_t most) {
    if (text.size() <= most) return text;
    std::size_t end = most;
    while (end > 0 && most - end < 3 && (static_cast<std::uint8_t>(text[end]) & 0xC0) == 0x80) --end;
    if ((static_cast<std::uint8_t>(text[end]) & 0xC0) == 0x80) end = most;  // not UTF-8: any place is as good
    return text.substr(0, end);
}

// `at` has room for the largest record with texts of `most` bytes.
char* put_record(char* at, const record& from, std::size_t most) {
    *at++ = format;
    at = put_bytes(at, id_tag, {reinterpret_cast<const char*>(from.id.data()), from.id.size()});
    at = put_number(at, ts_tag, zigzag(from.ts_ms));
    for (const auto& [tag, text, text_most] : texts) {
        const std::string& value = from.*text;
        if (!value.empty()) at = put_bytes(at, tag, cut(value, std::min(most, text_most)));
    }
    for (const auto& [tag, number] : numbers)
        if (from.*number) at = put_number(at, tag, zigzag(*(from.*number)));
    for (const auto& [tag, count] : units)
        if (from.units.*count) at = put_number(at, tag, zigzag(*(from.units.*count)));
    std::uint64_t bits = 0;
    for (const auto& [bit, flag] : flags)
        if (from.*flag) bits |= bit;
    if (bits) at = put_number(at, flags_tag, bits);
    if (from.status) at = put_number(at, status_tag, zigzag(from.status));
    if (from.attempts) at = put_number(at, attempts_tag, zigzag(from.attempts));
    at = put_number(at, outcome_tag, static_cast<std::uint64_t>(from.result));
    at = put_number(at, usage_from_tag, static_cast<std::uint64_t>(from.usage_from));
    at = put_number(at, cost_from_tag, static_cast<std::uint64_t>(from.cost_from));
    return put_number(at, user_from_tag, static_cast<std::uint64_t>(from.user_from));
}

std::size_t encode_bounded(const record& from, std::span<char> to, std::size_t text_most, std::size_t bound) noexcept {
    if (to.size() >= bound) return static_cast<std::size_t>(put_record(to.data(), from, text_most) - to.data());
    std::array<char, record_bytes_max> whole;
    const auto size = static_cast<std::size_t>(put_record(whole.data(), from, text_most) - whole.data());
    if (size > to.size()) return 0;
    std::memcpy(to.data(), whole.data(), size);
    return size;
}

bool take_varint(std::string_view& from, std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && !from.empty(); shift += 7) {
        const auto byte = static_cast<std::uint8_t>(from.front());
        from.remove_prefix(1);
        if (shift == 63 && byte > 1) return false;
        value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

// A value that a newer release added reads as `otherwise`: the record counts, its detail is not known here.
template <typename E>
E to_enum(std::uint64_t value, E last, E otherwise) {
    return value <= static_cast<std::uint64_t>(last) ? static_cast<E>(value) : otherwise;
}

int to_int(std::uint64_t value) { return static_cast<int>(unzigzag(value)); }

void set_number(record& to, std::uint8_t tag, std::uint64_t value) {
    if (const auto at = number_place[tag]) to.*numbers[at - 1U].number = unzigzag(value);
    if (const auto at = unit_place[tag]) to.units.*units[at - 1U].count = unzigzag(value);
    switch (tag) {
        case ts_tag:
            to.ts_ms = unzigzag(value);
            break;
        case flags_tag:
            for (const auto& [bit, flag] : flags) to.*flag = (value & bit) != 0;
            break;
        case status_tag:
            to.status = to_int(value);
            break;
        case attempts_tag:
            to.attempts = to_int(value);
            break;
        case outcome_tag:
            to.result = to_enum(value, outcome::interrupted, outcome::error);
            break;
        case usage_from_tag:
            to.usage_from = to_enum(value, usage_source::estimated, usage_source::none);
            break;
        case cost_from_tag:
            to.cost_from = to_enum(value, cost_source::unknown, cost_source::unknown);
            break;
        case user_from_tag:
            to.user_from = to_enum(value, user_source::key, user_source::anonymous);
            break;
        default:
            break;
    }
}

void set_bytes(record& to, std::uint8_t tag, std::string_view bytes) {
    if (const auto at = text_place[tag]) (to.*texts[at - 1U].text).assign(bytes);
    if (tag == id_tag && bytes.size() == to.id.size()) std::memcpy(to.id.data(), bytes.data(), bytes.size());
}

}  // namespace

std::size_t encode(const record& from, std::span<char> to) noexcept {
    return encode_bounded(from, to, SIZE_MAX, record_bytes_max);
}

std::size_t encode_tight(const record& from, std::span<char> to) noexcept {
    return encode_bounded(from, to, text_max_tight, record_bytes_tight);
}

bool decode(std::span<const char> from, record& to) {
    to.clear();
    std::string_view rest(from.data(), from.size());
    if (rest.empty() || rest.front() != format) return false;
    rest.remove_prefix(1);
    bool has_id = false;
    while (!rest.empty()) {
        const auto head = static_cast<std::uint8_t>(rest.front());
        const auto tag = static_cast<std::uint8_t>(head >> 1);
        rest.remove_prefix(1);
        std::uint64_t value = 0;
        if (!take_varint(rest, value)) return false;
        if ((head & 1) == number_kind) {
            set_number(to, tag, value);
            continue;
        }
        if (value > rest.size()) return false;
        set_bytes(to, tag, rest.substr(0, value));
        rest.remove_prefix(value);
        has_id = has_id || tag == id_tag;
    }
    return has_id;
}

}  // namespace tracking
