#include "proxy/forward.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace proxy {
namespace {

using tracking::equals_ignoring_case;

constexpr std::string_view line_end = "\r\n";

void write_field(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append(line_end);
}

void write_number(std::string& out, std::string_view name, std::uint64_t number) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    write_field(out, name, {digits, static_cast<std::size_t>(end - digits)});
}

// The fields that go on as they came. Lines that stand next to each other in the received head, and are written the way
// in which we write them ourselves, are copied together.
class kept_lines {
public:
    explicit kept_lines(std::string& out) noexcept : out_(out) {}
    void keep(const tracking::header_field& field) {
        if (!is_canonical(field)) {
            flush();
            return write_field(out_, field.name, field.value);
        }
        if (field.name.data() != end_) {
            flush();
            begin_ = field.name.data();
        }
        end_ = field.value.data() + field.value.size() + 2;
    }
    // Before anything else is written.
    void flush() {
        out_.append(begin_, end_);
        begin_ = end_ = nullptr;
    }

private:
    // "Name: value", and the line's end right behind: in a head that was parsed, a CR is followed by its LF.
    static bool is_canonical(const tracking::header_field& field) noexcept {
        const char* const colon = field.name.data() + field.name.size();
        return !field.value.empty() && field.value.data() == colon + 2 && colon[1] == ' ' &&
               field.value.data()[field.value.size()] == '\r';
    }

    std::string& out_;
    const char* begin_ = nullptr;
    const char* end_ = nullptr;
};

bool is_hop_by_hop(field_id id) noexcept {
    switch (id) {
        case field_id::connection:
        case field_id::http2_settings:
        case field_id::keep_alive:
        case field_id::proxy_connection:
        case field_id::te:
        case field_id::upgrade:
            return true;
        default:
            return false;
    }
}

// Fields that a Connection field names are for this hop only. What the proxy vouches for (framing, Host, who asked) is
// not the sender's to take away.
class named_fields {
public:
    explicit named_fields(const message_head& head, const tracking::identity_rules* identity = nullptr) noexcept
        : head_(head), identity_(identity), any_(head.has(field_id::connection)) {}
    bool has(std::size_t field) const noexcept {
        if (!any_ || is_vouched_for(head_.ids[field])) return false;
        const std::string_view name = head_.fields[field].name;
        return connection_names(head_, name) && (identity_ == nullptr || !identity_->is_identity_header(name));
    }

private:
    const message_head& head_;
    const tracking::identity_rules* identity_;
    bool any_;
};

// Writes the body's framing where the received head had its own, so that the order of fields stays.
class framing_fields {
public:
    framing_fields(std::string& out, kept_lines& kept, const body_framing& body) noexcept
        : out_(out), kept_(kept), body_(body) {}
    // At a Content-Length. One that reads as we would write it stays where it is.
    void write_length(const tracking::header_field& field) {
        const bool as_we_write = body_.kind == body_kind::length && parse_length(field.value) == body_.length &&
                                 (field.value.front() != '0' || field.value.size() == 1);
        if (written_ || !as_we_write) return write_once(field.name, "Transfer-Encoding");
        written_ = true;
        kept_.keep(field);
    }
    void write_once(std::string_view length_name, std::string_view coding_name) {
        if (written_) return;
        written_ = true;
        kept_.flush();
        if (body_.kind == body_kind::length) write_number(out_, length_name, body_.length);
        if (body_.kind == body_kind::chunked) write_field(out_, coding_name, "chunked");
    }

private:
    std::string& out_;
    kept_lines& kept_;
    const body_framing& body_;
    bool written_ = false;
};

// The cookies of a field but for `own`; without any left, no field.
void write_other_cookies(std::string& out, kept_lines& kept, const tracking::header_field& field,
                         std::string_view own) {
    std::string others;
    bool found = false;
    for (std::string_view rest = field.value; !rest.empty();) {
        const std::size_t end = std::min(rest.find(';'), rest.size());
        std::string_view pair = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        pair.remove_prefix(std::min(pair.find_first_not_of(" \t"), pair.size()));
        if (pair.starts_with(own) && pair.substr(own.size()).starts_with('=')) {
            found = true;
        } else if (!pair.empty()) {
            others.append(others.empty() ? "" : "; ").append(pair);
        }
    }
    if (!found) return kept.keep(field);
    kept.flush();
    if (!others.empty()) write_field(out, field.name, others);
}

void write_forwarded(std::string& out, const request_head& head, const request_origin& origin) {
    out.append("X-Forwarded-For: ");
    bool any = false;
    for (std::size_t i = 0; i < head.fields.size(); ++i) {
        if (head.ids[i] != field_id::x_forwarded_for || head.fields[i].value.empty()) continue;
        out.append(any ? ", " : "").append(head.fields[i].value);
        any = true;
    }
    out.append(any ? ", " : "").append(origin.peer.empty() ? "unix:" : origin.peer).append("\r\n");
    if (!origin.peer_trusted || !head.has(field_id::x_forwarded_proto))
        write_field(out, "X-Forwarded-Proto", origin.scheme);
    if (!origin.peer_trusted || !head.has(field_id::x_forwarded_host)) {
        const auto absolute = split_absolute(head.target);
        const std::string_view host = absolute ? absolute->authority : head.value(field_id::host);
        if (!host.empty()) write_field(out, "X-Forwarded-Host", host);
    }
}

void write_request_line(std::string& out, const request_head& head) {
    out.append(head.method).append(" ");
    if (const auto absolute = split_absolute(head.target)) {
        // RFC 9112, 3.2.4: OPTIONS without a path asks about the server itself.
        const bool no_path = absolute->path.empty() || absolute->path.front() != '/';
        if (no_path) out.append(absolute->path.empty() && head.method == "OPTIONS" ? "*" : "/");
        out.append(absolute->path);
    } else {
        out.append(head.target);
    }
    out.append(" HTTP/1.1\r\n");
}

// Host as it goes upstream (RFC 9112, 3.2.2: an absolute target overrides the Host field).
std::string_view host_to_send(const request_head& head, const request_origin& origin) {
    if (!origin.preserve_host) return origin.upstream_host;
    if (const auto absolute = split_absolute(head.target)) return absolute->authority;
    const std::string_view host = head.value(field_id::host);
    return host.empty() ? origin.upstream_host : host;
}

// Whether the client takes trailers; its other codings concern this hop only (RFC 9110, 10.1.4).
bool takes_trailers(const request_head& head) noexcept {
    bool takes = false;
    for (std::size_t at = head.find(field_id::te); at < head.fields.size(); at = head.find(field_id::te, at + 1)) {
        for_each_member(head.fields[at].value, [&takes](std::string_view member) {
            takes = takes || equals_ignoring_case(member, "trailers");
        });
    }
    return takes;
}

}  // namespace

std::string_view usable_request_id(const request_head& head) noexcept {
    const std::size_t at = head.find(field_id::x_request_id);
    if (at == head.fields.size() || head.find(field_id::x_request_id, at + 1) < head.fields.size()) return {};
    const std::string_view id = head.fields[at].value;
    const bool fit = !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view("._:/+=@-").find(c) != std::string_view::npos;
    });
    return fit ? id : std::string_view{};
}

std::string_view wanted_upgrade(const request_head& head) noexcept {
    if (head.minor_version == 0 || !head.has(field_id::upgrade) || !connection_names(head, "upgrade")) return {};
    const std::string_view protocol = head.value(field_id::upgrade);
    bool h2c = false;
    for_each_member(protocol,
                    [&](std::string_view member) { h2c = h2c || equals_ignoring_case(member.substr(0, 3), "h2c"); });
    return h2c ? std::string_view{} : protocol;
}

std::size_t write_request_head(std::string& out, const request_head& head, const body_framing& body,
                               const request_origin& origin) {
    write_request_line(out, head);
    const named_fields named(head, origin.identity);
    kept_lines kept(out);
    framing_fields framing(out, kept, body);
    std::size_t host_at = std::string::npos;
    const auto write_host = [&](std::string_view name) {
        const std::string_view host = host_to_send(head, origin);
        write_field(out, name, host);
        if (host.data() == origin.upstream_host.data()) host_at = out.size() - host.size() - line_end.size();
    };
    if (!head.has(field_id::host)) write_host("Host");
    const std::string_view request_id = usable_request_id(head);
    for (std::size_t i = 0; i < head.fields.size(); ++i) {
        const auto& field = head.fields[i];
        switch (head.ids[i]) {
            case field_id::host:
                if (host_to_send(head, origin).data() == field.value.data()) break;
                kept.flush();
                write_host(field.name);
                continue;
            case field_id::content_length:
                framing.write_length(field);
                continue;
            case field_id::transfer_encoding:
                framing.write_once("Content-Length", field.name);
                continue;
            case field_id::disguised:
            case field_id::x_forwarded_for:
                continue;
            case field_id::cookie:
                if (!origin.own_cookie.empty() && !named.has(i)) {
                    write_other_cookies(out, kept, field, origin.own_cookie);
                    continue;
                }
                break;
            case field_id::x_forwarded_host:
            case field_id::x_forwarded_proto:
                if (!origin.peer_trusted) continue;
                break;
            case field_id::x_request_id:
                if (request_id.empty()) continue;
                break;
            case field_id::expect:
                if (head.minor_version == 0) continue;  // ignored, since no 100 can be sent (RFC 9110, 10.1.1)
                break;
            case field_id::max_forwards:
                if (const auto hops = parse_length(field.value); hops.value_or(0) > 0 && head.method == "OPTIONS") {
                    kept.flush();
                    write_number(out, field.name, *hops - 1);
                    continue;
                }
                break;
            default:
                if (is_hop_by_hop(head.ids[i])) continue;
        }
        if (named.has(i)) continue;
        if (!origin.peer_trusted && origin.identity != nullptr && origin.identity->is_identity_header(field.name))
            continue;
        kept.keep(field);
    }
    framing.write_once("Content-Length", "Transfer-Encoding");
    kept.flush();
    write_forwarded(out, head, origin);
    if (request_id.empty()) write_field(out, "X-Request-Id", origin.request_id);
    if (const std::string_view protocol = wanted_upgrade(head); !protocol.empty()) {
        write_field(out, "Connection", "Upgrade");
        write_field(out, "Upgrade", protocol);
    } else if (takes_trailers(head)) {
        write_field(out, "Connection", "TE");
        write_field(out, "TE", "trailers");
    }
    out.append(line_end);
    return host_at;
}

bool is_fact_header(std::string_view name) noexcept {
    if (name.size() < 9 || !equals_ignoring_case(name.substr(0, 5), "x-ai-")) return false;
    constexpr std::array<std::string_view, 12> facts = {"provider", "model",        "input-tokens", "output-tokens",
                                                        "cost-usd", "content-type", "feature",      "cached",
                                                        "user-id",  "plan",         "success",      "error"};
    return std::any_of(facts.begin(), facts.end(),
                       [rest = name.substr(5)](std::string_view fact) { return equals_ignoring_case(rest, fact); });
}

void write_response_head(std::string& out, const response_head& head, const response_form& form) {
    const char status[] = {static_cast<char>('0' + head.status / 100 % 10),
                           static_cast<char>('0' + head.status / 10 % 10), static_cast<char>('0' + head.status % 10),
                           ' '};
    out.append("HTTP/1.1 ").append(status, sizeof status).append(head.reason).append("\r\n");
    const named_fields named(head);
    kept_lines kept(out);
    framing_fields framing(out, kept, form.body);
    // The length that a HEAD or a 304 answer states is that of a body which is not sent (RFC 9110, 8.6).
    const bool states_length = form.to_head || head.status == 304;
    for (std::size_t i = 0; i < head.fields.size(); ++i) {
        const auto& field = head.fields[i];
        if (head.ids[i] == field_id::content_length) {
            if (states_length) {
                kept.keep(field);
            } else {
                framing.write_length(field);
            }
            continue;
        }
        if (head.ids[i] == field_id::transfer_encoding) {
            framing.write_once("Content-Length", field.name);
            continue;
        }
        if (is_hop_by_hop(head.ids[i]) || named.has(i)) continue;
        if (form.strip_facts && is_fact_header(field.name)) continue;
        kept.keep(field);
    }
    framing.write_once("Content-Length", "Transfer-Encoding");
    kept.flush();
    if (!form.date.empty()) write_field(out, "Date", form.date);
    if ((head.status == 101 || head.status == 426) && head.has(field_id::upgrade)) {
        write_field(out, "Connection", "Upgrade");
        write_field(out, "Upgrade", head.value(field_id::upgrade));
    }
    if (!form.keep_alive && head.status >= 200) {
        write_field(out, "Connection", "close");
    } else if (form.client_minor == 0 && head.status >= 200) {
        write_field(out, "Connection", "keep-alive");
    }
    out.append("\r\n");
}

}  // namespace proxy
