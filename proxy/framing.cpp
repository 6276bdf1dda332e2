#include "proxy/framing.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <limits>

namespace proxy {
namespace {

using tracking::equals_ignoring_case;

framing_verdict refuse(int status, const char* problem) noexcept { return {{}, status, problem}; }

bool is_hex(char c) noexcept { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// Within the brackets; neither a zone (RFC 9844) nor an address of a future version is known here.
bool is_ipv6(std::string_view text) noexcept {
    std::array<char, INET6_ADDRSTRLEN> terminated{};
    if (text.size() >= terminated.size()) return false;
    std::copy(text.begin(), text.end(), terminated.begin());
    in6_addr ignored{};
    return ::inet_pton(AF_INET6, terminated.data(), &ignored) == 1;
}

// reg-name, which an IPv4 address is, too.
bool is_host_name(std::string_view text) noexcept {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool escape = c == '%' && i + 2 < text.size() && is_hex(text[i + 1]) && is_hex(text[i + 2]);
        const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           std::string_view("-._~!$&'()*+,;=").find(c) != std::string_view::npos;
        if (!escape && !plain) return false;
    }
    return !text.empty();
}

// Empty, or one that TCP has.
bool is_port(std::string_view text) noexcept {
    std::uint32_t number = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return false;
        number = number * 10 + static_cast<std::uint32_t>(c - '0');
        if (number > 65'535) return false;
    }
    return true;
}

// host [":" port] of RFC 3986, 3.2. No user information, no path, no white space.
bool is_authority(std::string_view text) noexcept {
    if (!text.starts_with('[')) {
        const std::size_t colon = text.find(':');
        return is_host_name(text.substr(0, colon)) &&
               (colon == std::string_view::npos || is_port(text.substr(colon + 1)));
    }
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos || !is_ipv6(text.substr(1, close - 1))) return false;
    const std::string_view rest = text.substr(close + 1);
    return rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
}

const char* host_problem(const request_head& head) noexcept {
    const std::size_t first = head.find(field_id::host);
    if (first == head.fields.size()) return head.minor_version == 0 ? "" : "the Host field is missing";
    if (head.find(field_id::host, first + 1) < head.fields.size()) return "there are two Host fields";
    if (!is_authority(head.fields[first].value)) return "the Host field is malformed";
    return "";
}

// Every field is compared with every option of Connection: an endless list would cost a request tens of milliseconds.
constexpr std::ptrdiff_t max_connection_options = 64;

bool names_too_many_options(const message_head& head) noexcept {
    std::ptrdiff_t options = 0;
    for (std::size_t at = head.find(field_id::connection); at < head.fields.size();
         at = head.find(field_id::connection, at + 1)) {
        const std::string_view list = head.fields[at].value;
        options += 1 + std::count(list.begin(), list.end(), ',');
    }
    return options > max_connection_options;
}

// The verdict over Connection, Transfer-Encoding and Content-Length that both directions share; `unknown` is the status
// for a transfer coding that is well-formed and not spoken here.
framing_verdict check_framing(const message_head& head, int unknown) noexcept {
    if (names_too_many_options(head)) return refuse(400, "Connection names too many options");
    const std::size_t none = head.fields.size();
    const std::size_t coding = head.find(field_id::transfer_encoding);
    const std::size_t length = head.find(field_id::content_length);
    if (coding < none) {
        if (head.minor_version == 0) return refuse(400, "Transfer-Encoding in an HTTP/1.0 message");
        if (length < none) return refuse(400, "both Transfer-Encoding and Content-Length");
        if (head.find(field_id::transfer_encoding, coding + 1) < none)
            return refuse(400, "two Transfer-Encoding fields");
        const std::string_view value = head.fields[coding].value;
        if (equals_ignoring_case(value, "chunked")) return {{body_kind::chunked, 0}, 0, ""};
        bool tokens = !value.empty();
        int chunked = 0;
        std::string_view last;
        for_each_member(value, [&](std::string_view member) {
            tokens = tokens && is_token(member);
            chunked += equals_ignoring_case(member, "chunked") ? 1 : 0;
            last = member;
        });
        // "gzip, chunked" is a coding that we do not know; "chunked, chunked" or "chunked, gzip" are attempts to be
        // read in two ways.
        if (!tokens) return refuse(400, "Transfer-Encoding is malformed");
        if (chunked > 1) return refuse(400, "chunked is applied twice");
        if (chunked == 1 && !equals_ignoring_case(last, "chunked"))
            return refuse(400, "chunked is not the last transfer coding");
        return refuse(unknown, "the transfer coding is not known");
    }
    if (length < none) {
        if (head.find(field_id::content_length, length + 1) < none) return refuse(400, "two Content-Length fields");
        const auto bytes = parse_length(head.fields[length].value);
        if (!bytes) return refuse(400, "Content-Length is malformed");
        return {{body_kind::length, *bytes}, 0, ""};
    }
    return {};
}

const char* target_problem(const request_head& head) noexcept {
    if (head.target.front() == '/') return "";
    if (head.target == "*") return head.method == "OPTIONS" ? "" : "the target * belongs to OPTIONS";
    const auto absolute = split_absolute(head.target);
    if (!absolute) return "the request target is malformed";
    return is_authority(absolute->authority) ? "" : "the target's authority is malformed";
}

}  // namespace

std::optional<std::uint64_t> parse_length(std::string_view digits) noexcept {
    if (digits.empty() || digits.size() > 19) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : digits) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
    return value;
}

std::optional<absolute_target> split_absolute(std::string_view target) noexcept {
    if (target.empty() || target.front() == '/') return std::nullopt;
    std::size_t scheme = 0;
    if (equals_ignoring_case(target.substr(0, 7), "http://")) scheme = 7;
    if (equals_ignoring_case(target.substr(0, 8), "https://")) scheme = 8;
    if (scheme == 0) return std::nullopt;
    const std::string_view rest = target.substr(scheme);
    const std::size_t end = rest.find_first_of("/?");
    if (end == std::string_view::npos) return absolute_target{rest, {}};
    return absolute_target{rest.substr(0, end), rest.substr(end)};
}

bool connection_names(const message_head& head, std::string_view option) noexcept {
    bool named = false;
    for (std::size_t at = head.find(field_id::connection); at < head.fields.size();
         at = head.find(field_id::connection, at + 1)) {
        for_each_member(head.fields[at].value,
                        [&](std::string_view member) { named = named || equals_ignoring_case(member, option); });
    }
    return named;
}

bool wants_keep_alive(const message_head& head) noexcept {
    if (connection_names(head, "close")) return false;
    return head.minor_version >= 1 || connection_names(head, "keep-alive");
}

std::optional<std::chrono::seconds> stated_keep_alive(const message_head& head) noexcept {
    constexpr std::string_view name = "timeout=";
    constexpr std::uint64_t a_day = 86'400;
    std::optional<std::chrono::seconds> stated;
    for_each_member(head.value(field_id::keep_alive), [&](std::string_view member) {
        if (!equals_ignoring_case(member.substr(0, name.size()), name)) return;
        if (const auto seconds = parse_length(member.substr(name.size())))
            stated = std::chrono::seconds(std::min(*seconds, a_day));
    });
    return stated;
}

bool may_go_no_further(const request_head& head) noexcept {
    return head.method == "OPTIONS" && parse_length(head.value(field_id::max_forwards)) == 0;
}

framing_verdict check_request(const request_head& head) noexcept {
    if (head.method == "CONNECT") return refuse(405, "CONNECT is not served by a reverse proxy");
    if (head.method == "TRACE") return refuse(405, "TRACE is not served");
    if (const char* problem = target_problem(head); *problem != '\0') return refuse(400, problem);
    if (const char* problem = host_problem(head); *problem != '\0') return refuse(400, problem);
    return check_framing(head, 501);
}

framing_verdict check_response(const response_head& head, bool to_head) noexcept {
    framing_verdict verdict = check_framing(head, 502);
    if (verdict.refusal != 0) return refuse(502, verdict.problem);
    const bool bodiless = to_head || head.status < 200 || head.status == 204 || head.status == 304;
    if (bodiless) return {{body_kind::none, 0}, 0, ""};
    const bool framed = head.has(field_id::transfer_encoding) || head.has(field_id::content_length);
    if (!framed) verdict.body.kind = body_kind::until_close;
    return verdict;
}

}  // namespace proxy
