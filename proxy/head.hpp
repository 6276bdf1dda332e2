// A strict, incremental parser of HTTP/1.1 message heads (RFC 9112) over bytes that stay where they are: fields are
// views of the connection's buffer, in their order, so that the head can be forwarded from the original bytes.
// It refuses what the grammar does not allow (bare LF or CR, obs-fold, NUL, white space before a colon, ...) at the
// first line that shows it. Sans-IO; used by session (requests) and exchange (answers); never copies, never throws.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tracking/request/head_view.hpp"

namespace proxy {

// Fields that the proxy itself acts on; everything else is `other`.
enum class field_id : std::uint8_t {
    other,
    connection,
    content_encoding,
    content_length,
    content_type,
    cookie,
    date,
    disguised,  // "X_Forwarded_For": an interface like CGI cannot tell it from one we vouch for (RFC 3875, 4.1.18)
    expect,
    host,
    http2_settings,
    keep_alive,
    max_forwards,
    proxy_connection,
    te,
    trailer,
    transfer_encoding,
    upgrade,
    x_forwarded_for,
    x_forwarded_host,
    x_forwarded_proto,
    x_request_id,
};
field_id identify_field(std::string_view name) noexcept;  // of a token, in any case
// The fields that the upstream must be able to trust: framing, Host, X-Forwarded-*, X-Request-Id.
bool is_vouched_for(field_id id) noexcept;

struct message_head {
    std::vector<tracking::header_field> fields;
    std::vector<field_id> ids;  // of the field with the same index
    std::uint32_t known = 0;  // a bit for each id that a field has: most questions are about fields that are not there
    int minor_version = 1;    // HTTP/1.x; 0 or 1

    tracking::head_view view() const noexcept { return {fields}; }
    // Index of the first field with this id at or behind `from`; fields.size() when there is none.
    std::size_t find(field_id id, std::size_t from = 0) const noexcept;
    bool has(field_id id) const noexcept { return (known >> static_cast<unsigned>(id) & 1U) != 0; }
    std::string_view value(field_id id) const noexcept;  // of the first; empty when there is none
    void add(const tracking::header_field& field);
    void clear() noexcept;
};

struct request_head : message_head {
    std::string_view method;
    std::string_view target;  // as sent
};

struct response_head : message_head {
    int status = 0;
    std::string_view reason;
};

enum class head_status : std::uint8_t {
    complete,
    incomplete,
    malformed,            // 400, from the upstream 502
    target_too_long,      // 414
    too_large,            // 431
    version_unsupported,  // 505
};

struct head_limits {
    std::size_t bytes = 32 * 1024;
    std::size_t fields = 256;
    int empty_lines = 2;  // before the start line
};

// Parses one head. feed() takes everything received so far, from the head's first byte on, and goes on where it left
// off; when the bytes have moved since the last call it starts again by itself.
template <class Head>
class head_parser {
public:
    void reset() noexcept;
    head_status feed(std::string_view received, Head& into, const head_limits& limits) noexcept;
    std::size_t length() const noexcept { return position_; }          // of the complete head, with leading empty lines
    const char* problem() const noexcept { return problem_; }          // what was malformed, for people
    bool has_start_line() const noexcept { return have_start_line_; }  // which was good, whatever came behind it

private:
    head_status refuse(const char* problem, head_status status = head_status::malformed) noexcept;
    head_status refuse_length(std::string_view line) noexcept;
    head_status start_line(std::string_view line, Head& into) noexcept;
    head_status field_line(std::string_view line, Head& into, const head_limits& limits) noexcept;

    const char* base_ = nullptr;
    std::size_t position_ = 0;  // of the first line not yet parsed
    std::size_t scanned_ = 0;   // no line end before here
    bool have_start_line_ = false;
    int empty_lines_ = 0;
    const char* problem_ = "";
};

using request_parser = head_parser<request_head>;
using response_parser = head_parser<response_head>;

// A trailer section or a single field line, by the same rules: "" when the line is a valid field, else the problem.
const char* parse_field(std::string_view line, tracking::header_field& into) noexcept;

bool is_token(std::string_view text) noexcept;
// Visible characters, obs-text, SP and HTAB alone, as in field values and reason phrases (RFC 9110, 5.5).
bool is_text(std::string_view text) noexcept;
// Calls visit(member) for each element of a comma-separated list, without white space; empty elements are skipped.
template <class Visit>
void for_each_member(std::string_view list, Visit visit) {
    while (!list.empty()) {
        const std::size_t comma = list.find(',');
        std::string_view member = list.substr(0, comma);
        while (!member.empty() && (member.front() == ' ' || member.front() == '\t')) member.remove_prefix(1);
        while (!member.empty() && (member.back() == ' ' || member.back() == '\t')) member.remove_suffix(1);
        if (!member.empty()) visit(member);
        if (comma == std::string_view::npos) return;
        list.remove_prefix(comma + 1);
    }
}

}  // namespace proxy
