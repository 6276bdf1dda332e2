#include "proxy/body.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace proxy {
namespace {

constexpr std::uint64_t max_chunk = (std::uint64_t{1} << 52) - 1;

int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

void body_reader::begin(body_framing framing, std::size_t trailer_bytes, body_of from,
                        const tracking::identity_rules* stranger) noexcept {
    framing_ = framing;
    from_ = from;
    stranger_ = stranger;
    remaining_ = framing.kind == body_kind::length ? framing.length : 0;
    payload_bytes_ = 0;
    line_limit_ = trailer_bytes;
    line_bytes_ = 0;
    sized_ = false;
    state_ = state::size;
    problem_ = "";
    line_.clear();
    trailers_.clear();
    done_ = framing.kind == body_kind::none || (framing.kind == body_kind::length && framing.length == 0);
}

std::size_t body_reader::wanted() const noexcept {
    if (done_) return 0;
    if (framing_.kind != body_kind::length) return std::numeric_limits<std::size_t>::max();
    return static_cast<std::size_t>(remaining_);
}

body_reader::step body_reader::take(std::span<char> received) noexcept {
    if (done_ || failed()) return {};
    if (framing_.kind == body_kind::chunked) return take_chunked(received);
    std::size_t n = received.size();
    if (framing_.kind == body_kind::length) {
        n = static_cast<std::size_t>(std::min<std::uint64_t>(n, remaining_));
        remaining_ -= n;
        done_ = remaining_ == 0;
    }
    payload_bytes_ += n;
    return {n, {received.data(), n}};
}

bool body_reader::end_of_stream() noexcept {
    if (framing_.kind == body_kind::until_close) done_ = true;
    return done_;
}

// Leading zeros count for nothing but the length of the line (RFC 9112, 7.1: sizes have any number of digits).
void body_reader::size_byte(char c) noexcept {
    if (++line_bytes_ > line_limit_) return fail("a chunk-size line is too long");
    const int value = hex_value(c);
    if (value >= 0) {
        sized_ = true;
        remaining_ = remaining_ * 16 + static_cast<std::uint64_t>(value);
        if (remaining_ > max_chunk) fail("a chunk is too large");
        return;
    }
    line_bytes_ = 0;
    if (!sized_) return fail("a chunk has no size");
    part_ = part::whole;
    state_ = state::extension;
    judge_extension(c);
}

void body_reader::extension_byte(char c) noexcept {
    if (++line_bytes_ > line_limit_) return fail("a chunk extension is too long");
    judge_extension(c);
}

// chunk-ext: nothing of it is forwarded, but it must not hide a line end (RFC 9112, 7.1.1).
void body_reader::judge_extension(char c) noexcept {
    if (c == '\r') return extension_line_end();
    part_ = extension_part_behind(c);
    if (part_ == part::bad) fail("a chunk-size line is malformed");
}

void body_reader::extension_line_end() noexcept {
    const bool whole = part_ == part::whole || part_ == part::name || part_ == part::value;
    const bool padded = from_ == body_of::answer && (part_ == part::padding || part_ == part::name_end);
    if (!whole && !padded) return fail("a chunk-size line ends too early");
    state_ = state::size_lf;
}

body_reader::part body_reader::extension_part_behind(char c) const noexcept {
    const bool blank = c == ' ' || c == '\t';
    const auto token_or_bad = [c](part then) { return is_token({&c, 1}) ? then : part::bad; };
    const auto text_or_bad = [c](part then) { return is_text({&c, 1}) ? then : part::bad; };
    switch (part_) {
        case part::whole:
        case part::padding:
            return c == ';' ? part::name_start : blank ? part::padding : part::bad;
        case part::name_start:
            return blank ? part::name_start : token_or_bad(part::name);
        case part::name:
        case part::name_end:
            if (c == ';') return part::name_start;
            if (c == '=') return part::value_start;
            if (blank) return part::name_end;
            return part_ == part::name ? token_or_bad(part::name) : part::bad;
        case part::value_start:
            if (blank) return part::value_start;
            return c == '"' ? part::quoted : token_or_bad(part::value);
        case part::value:
            if (c == ';') return part::name_start;
            return blank ? part::padding : token_or_bad(part::value);
        case part::quoted:
            return c == '"' ? part::whole : c == '\\' ? part::escaped : text_or_bad(part::quoted);
        case part::escaped:
            return text_or_bad(part::quoted);
        case part::bad:
            break;
    }
    return part::bad;
}

// Fields that would change framing, routing or trust are no trailers (RFC 9110, 6.5.1); they are dropped.
bool body_reader::may_be_trailer(std::string_view name) const noexcept {
    if (identify_field(name) != field_id::other) return false;
    if (stranger_ != nullptr && stranger_->is_identity_header(name)) return false;
    constexpr std::array<std::string_view, 9> forbidden = {"authorization",    "cookie",        "set-cookie",
                                                           "content-range",    "cache-control", "range",
                                                           "www-authenticate", "location",      "proxy-authorization"};
    return std::none_of(forbidden.begin(), forbidden.end(),
                        [name](std::string_view other) { return tracking::equals_ignoring_case(name, other); });
}

void body_reader::trailer_line() noexcept {
    if (line_.empty()) {
        done_ = true;
        return;
    }
    tracking::header_field field;
    const char* problem = parse_field(line_, field);
    if (*problem != '\0') return fail(problem);
    if (may_be_trailer(field.name)) trailers_.append(field.name).append(": ").append(field.value).append("\r\n");
    line_.clear();
}

void body_reader::trailer_byte(char c) noexcept {
    if (++line_bytes_ > line_limit_) return fail("the trailer section is too long");
    if (c != '\n') {
        line_.push_back(c);
        return;
    }
    if (line_.empty() || line_.back() != '\r') return fail("a trailer line ends in LF alone");
    line_.pop_back();
    if (line_.find('\r') != std::string::npos) return fail("a trailer line holds a bare CR");
    trailer_line();
}

body_reader::step body_reader::take_chunked(std::span<char> received) noexcept {
    std::size_t at = 0;
    std::size_t kept = 0;
    while (at < received.size() && !done_ && !failed()) {
        const char c = received[at];
        switch (state_) {
            case state::size:
                ++at;
                size_byte(c);
                break;
            case state::extension:
                ++at;
                extension_byte(c);
                break;
            case state::size_lf:
                ++at;
                if (c != '\n') fail("a chunk-size line holds a bare CR");
                state_ = remaining_ == 0 ? state::trailer : state::data;
                line_bytes_ = 0;
                break;
            case state::data: {
                const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, received.size() - at));
                if (kept != at) std::memmove(received.data() + kept, received.data() + at, n);
                kept += n;
                at += n;
                remaining_ -= n;
                if (remaining_ == 0) state_ = state::data_cr;
                break;
            }
            case state::data_cr:
                ++at;
                if (c != '\r') fail("a chunk is longer than its size");
                state_ = state::data_lf;
                break;
            case state::data_lf:
                ++at;
                if (c != '\n') fail("a chunk does not end in CRLF");
                state_ = state::size;
                sized_ = false;
                break;
            case state::trailer:
                ++at;
                trailer_byte(c);
                break;
        }
    }
    payload_bytes_ += kept;
    return {at, {received.data(), kept}};
}

framed_piece::framed_piece(std::string_view head, std::string_view payload, body_kind framing, const body_reader& body,
                           std::size_t spare) noexcept {
    const bool chunked = framing == body_kind::chunked;
    if (!chunked && !payload.empty() && !head.empty() && head.size() <= spare) {
        char* const to = const_cast<char*>(payload.data()) - head.size();
        std::memcpy(to, head.data(), head.size());
        add({to, head.size() + payload.size()});
        return;
    }
    add(head);
    if (!payload.empty()) {
        if (chunked) add(size_line(payload.size()));
        add(payload);
        if (chunked) add("\r\n");
    }
    if (!chunked || !body.done()) return;
    add("0\r\n");
    add(body.trailers());
    add("\r\n");
}

void framed_piece::add(std::string_view bytes) noexcept {
    if (!bytes.empty()) pieces_[used_++] = piece_of(bytes);
}

// "1a2b\r\n"
std::string_view framed_piece::size_line(std::size_t bytes) noexcept {
    char* const end = digits_.data() + digits_.size();
    char* at = end;
    *--at = '\n';
    *--at = '\r';
    do {
        *--at = "0123456789abcdef"[bytes & 15];
        bytes >>= 4;
    } while (bytes != 0);
    return {at, static_cast<std::size_t>(end - at)};
}

}  // namespace proxy
