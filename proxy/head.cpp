#include "proxy/head.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace proxy {
namespace {

// RFC 9110, 5.6.2: tchar.
constexpr std::array<bool, 256> make_token_table() {
    std::array<bool, 256> table{};
    for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
    for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = true;
    for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = true;
    for (const char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'})
        table[static_cast<unsigned char>(c)] = true;
    return table;
}
constexpr std::array<bool, 256> token_table = make_token_table();

bool is_token_char(char c) noexcept { return token_table[static_cast<unsigned char>(c)]; }

bool is_control(char c) noexcept {
    const auto u = static_cast<unsigned char>(c);
    return (u < 0x20 && u != '\t') || u == 0x7f;
}

std::uint64_t eight_bytes(const char* at) noexcept {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, at, sizeof bytes);
    return bytes;
}

// Whether one of eight bytes is below 0x20 or 0x7f, HTAB included; each test borrows into the top bit of its byte.
bool may_hold_control(std::uint64_t bytes) noexcept {
    constexpr std::uint64_t each = 0x0101010101010101;
    const std::uint64_t deleted = bytes ^ (each * 0x7f);
    const std::uint64_t below = (bytes - each * 0x20) & ~bytes;
    return ((below | ((deleted - each) & ~deleted)) & (each * 0x80)) != 0;
}

// A request target holds visible ASCII; a fragment never reaches a server (RFC 9112, 3.2).
bool is_target(std::string_view text) noexcept {
    for (const char c : text) {
        const auto u = static_cast<unsigned char>(c);
        if (u <= 0x20 || u >= 0x7f || c == '#') return false;
    }
    return !text.empty();
}

std::string_view trim(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// "HTTP/1.1" -> 1; -1 = not an HTTP version, -2 = one that is not spoken here.
int minor_of(std::string_view version) noexcept {
    const bool shaped = version.size() == 8 && version.substr(0, 5) == "HTTP/" && version[6] == '.' &&
                        version[5] >= '0' && version[5] <= '9' && version[7] >= '0' && version[7] <= '9';
    if (!shaped) return -1;
    if (version[5] != '1') return -2;
    return version[7] == '0' ? 0 : 1;  // a higher minor version is spoken to as 1.1 (RFC 9110, 2.5)
}

// Whether a token is this word, of lower-case letters, digits and dashes, in any case. No other character of a token
// becomes one of those by the bit that tells the cases apart.
template <std::size_t N>
bool is_word(std::string_view token, const char (&word)[N]) noexcept {
    constexpr std::size_t length = N - 1;
    constexpr std::uint64_t lower = 0x2020202020202020;
    if (token.size() != length) return false;
    if constexpr (length >= 8) {
        const auto same = [&](std::size_t at) {
            return (eight_bytes(token.data() + at) | lower) == eight_bytes(word + at);
        };
        for (std::size_t at = 0; at + 8 <= length; at += 8)
            if (!same(at)) return false;
        return same(length - 8);
    } else {
        for (std::size_t at = 0; at < length; ++at)
            if ((token[at] | 0x20) != word[at]) return false;
        return true;
    }
}

// By name alone, in any case.
field_id identify_plain(std::string_view name) noexcept {
    switch (name.size()) {
        case 2:
            return is_word(name, "te") ? field_id::te : field_id::other;
        case 4:
            return is_word(name, "host") ? field_id::host : is_word(name, "date") ? field_id::date : field_id::other;
        case 6:
            return is_word(name, "cookie")   ? field_id::cookie
                   : is_word(name, "expect") ? field_id::expect
                                             : field_id::other;
        case 7:
            return is_word(name, "upgrade")   ? field_id::upgrade
                   : is_word(name, "trailer") ? field_id::trailer
                                              : field_id::other;
        case 10:
            return is_word(name, "connection")   ? field_id::connection
                   : is_word(name, "keep-alive") ? field_id::keep_alive
                                                 : field_id::other;
        case 12:
            return is_word(name, "content-type")   ? field_id::content_type
                   : is_word(name, "max-forwards") ? field_id::max_forwards
                   : is_word(name, "x-request-id") ? field_id::x_request_id
                                                   : field_id::other;
        case 14:
            return is_word(name, "content-length")   ? field_id::content_length
                   : is_word(name, "http2-settings") ? field_id::http2_settings
                                                     : field_id::other;
        case 15:
            return is_word(name, "x-forwarded-for") ? field_id::x_forwarded_for : field_id::other;
        case 16:
            return is_word(name, "content-encoding")   ? field_id::content_encoding
                   : is_word(name, "x-forwarded-host") ? field_id::x_forwarded_host
                   : is_word(name, "proxy-connection") ? field_id::proxy_connection
                                                       : field_id::other;
        case 17:
            return is_word(name, "transfer-encoding")   ? field_id::transfer_encoding
                   : is_word(name, "x-forwarded-proto") ? field_id::x_forwarded_proto
                                                        : field_id::other;
        default:
            return field_id::other;
    }
}

}  // namespace

bool is_token(std::string_view text) noexcept {
    for (const char c : text)
        if (!is_token_char(c)) return false;
    return !text.empty();
}

bool is_text(std::string_view text) noexcept {
    while (text.size() >= 8) {
        if (may_hold_control(eight_bytes(text.data())) && std::any_of(text.begin(), text.begin() + 8, is_control))
            return false;
        text.remove_prefix(8);
    }
    return std::none_of(text.begin(), text.end(), is_control);
}

bool is_vouched_for(field_id id) noexcept {
    switch (id) {
        case field_id::content_length:
        case field_id::host:
        case field_id::transfer_encoding:
        case field_id::x_forwarded_for:
        case field_id::x_forwarded_host:
        case field_id::x_forwarded_proto:
        case field_id::x_request_id:
            return true;
        default:
            return false;
    }
}

field_id identify_field(std::string_view name) noexcept {
    const field_id plain = identify_plain(name);
    constexpr std::size_t longest = 17;  // of the names that are vouched for
    if (plain != field_id::other || name.size() > longest || name.find('_') == std::string_view::npos) return plain;
    std::array<char, longest> dashed;
    std::replace_copy(name.begin(), name.end(), dashed.begin(), '_', '-');
    return is_vouched_for(identify_plain({dashed.data(), name.size()})) ? field_id::disguised : field_id::other;
}

void message_head::add(const tracking::header_field& field) {
    const field_id id = identify_field(field.name);
    fields.push_back(field);
    ids.push_back(id);
    known |= 1U << static_cast<unsigned>(id);
}

void message_head::clear() noexcept {
    fields.clear();
    ids.clear();
    known = 0;
}

std::size_t message_head::find(field_id id, std::size_t from) const noexcept {
    if (!has(id)) return fields.size();
    for (std::size_t i = from; i < ids.size(); ++i)
        if (ids[i] == id) return i;
    return fields.size();
}

std::string_view message_head::value(field_id id) const noexcept {
    const std::size_t at = find(id);
    return at < fields.size() ? fields[at].value : std::string_view{};
}

const char* parse_field(std::string_view line, tracking::header_field& into) noexcept {
    if (line.front() == ' ' || line.front() == '\t') return "a field line is folded";
    std::size_t colon = 0;
    while (colon < line.size() && is_token_char(line[colon])) ++colon;
    if (colon == line.size()) return "a field line has no colon";
    if (line[colon] != ':') {
        return line[colon] == ' ' || line[colon] == '\t' ? "white space before the colon of a field"
                                                         : "a field name has an invalid character";
    }
    if (colon == 0) return "a field has no name";
    const std::string_view value = line.substr(colon + 1);
    if (!is_text(value)) return "a field value has a control character";
    into = {line.substr(0, colon), trim(value)};
    return "";
}

template <class Head>
void head_parser<Head>::reset() noexcept {
    *this = {};
}

template <class Head>
head_status head_parser<Head>::refuse(const char* problem, head_status status) noexcept {
    problem_ = problem;
    return status;
}

// `line`: what there is of the line that passes the limit.
template <class Head>
head_status head_parser<Head>::refuse_length(std::string_view line) noexcept {
    if (have_start_line_) return refuse("the head is too large", head_status::too_large);
    if (line.find(' ') == std::string_view::npos) return refuse("the method is too long");
    return refuse("the request line is too long", head_status::target_too_long);
}

template <>
head_status request_parser::start_line(std::string_view line, request_head& into) noexcept {
    std::size_t space = 0;
    while (space < line.size() && is_token_char(line[space])) ++space;
    if (space == 0 || space == line.size() || line[space] != ' ') return refuse("the method is malformed");
    into.method = line.substr(0, space);
    std::string_view rest = line.substr(space + 1);
    const std::size_t second = rest.find(' ');
    if (second == std::string_view::npos) return refuse("the request line has no version");
    into.target = rest.substr(0, second);
    if (!is_target(into.target)) return refuse("the request target has an invalid character");
    const int minor = minor_of(rest.substr(second + 1));
    if (minor == -2) return refuse("the HTTP version is not supported", head_status::version_unsupported);
    if (minor < 0) return refuse("the HTTP version is malformed");
    into.minor_version = minor;
    return head_status::complete;
}

template <>
head_status response_parser::start_line(std::string_view line, response_head& into) noexcept {
    const int minor = minor_of(line.substr(0, 8));
    if (minor < 0) return refuse("the status line has no HTTP/1 version");
    into.minor_version = minor;
    if (line.size() < 12 || line[8] != ' ') return refuse("the status line is malformed");
    into.status = 0;
    for (std::size_t i = 9; i < 12; ++i) {
        if (line[i] < '0' || line[i] > '9') return refuse("the status is not a number");
        into.status = into.status * 10 + (line[i] - '0');
    }
    if (into.status < 100) return refuse("the status is below 100");
    if (line.size() > 12 && line[12] != ' ') return refuse("the status has more than three digits");
    into.reason = line.size() > 13 ? line.substr(13) : std::string_view{};
    if (!is_text(into.reason)) return refuse("the reason phrase has a control character");
    return head_status::complete;
}

template <class Head>
head_status head_parser<Head>::field_line(std::string_view line, Head& into, const head_limits& limits) noexcept {
    if (into.fields.size() >= limits.fields) return refuse("too many fields", head_status::too_large);
    tracking::header_field field;
    const char* problem = parse_field(line, field);
    if (*problem != '\0') return refuse(problem);
    into.add(field);
    return head_status::complete;
}

template <class Head>
head_status head_parser<Head>::feed(std::string_view received, Head& into, const head_limits& limits) noexcept {
    if (received.data() != base_) {
        reset();
        base_ = received.data();
        into.clear();
    }
    for (;;) {
        const void* found = std::memchr(received.data() + scanned_, '\n', received.size() - scanned_);
        const std::size_t end = found == nullptr
                                    ? received.size()
                                    : static_cast<std::size_t>(static_cast<const char*>(found) - received.data());
        if (end >= limits.bytes) {
            return refuse_length(received.substr(position_, limits.bytes - position_));
        }
        if (found == nullptr) {
            // A line that can never become valid is refused now, not at the deadline.
            if (!have_start_line_ && received.size() > position_ && received[position_] != '\r' &&
                !is_token_char(received[position_]))
                return refuse("the message does not begin with a start line");
            scanned_ = received.size();
            return head_status::incomplete;
        }
        if (end == position_ || received[end - 1] != '\r') return refuse("a line ends in LF alone");
        const std::string_view line = received.substr(position_, end - 1 - position_);
        position_ = scanned_ = end + 1;
        if (line.empty() && have_start_line_) return head_status::complete;
        if (line.empty()) {
            // RFC 9112, 2.2: a server should ignore at least one empty line before the request line.
            if (++empty_lines_ > limits.empty_lines) return refuse("the message begins with empty lines");
            continue;
        }
        const head_status status = have_start_line_ ? field_line(line, into, limits) : start_line(line, into);
        if (status != head_status::complete) return status;
        have_start_line_ = true;
    }
}

template class head_parser<request_head>;
template class head_parser<response_head>;

}  // namespace proxy
