#include "tests/support/http_reader.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace tests {
namespace {

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

bool add_field(std::string_view line, field_list& to) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    to.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
    return true;
}

std::string word(const std::string& line, int which) {
    std::size_t from = 0;
    for (; which > 0; --which) {
        from = line.find(' ', from);
        if (from == std::string::npos) return {};
        ++from;
    }
    return line.substr(from, line.find(' ', from) - from);
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    const auto same = [](char x, char y) {
        return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
    };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
}

int http_message::status() const {
    if (!start_line.starts_with("HTTP/")) return 0;
    int code = 0;
    const std::string text = word(start_line, 1);
    std::from_chars(text.data(), text.data() + text.size(), code);
    return code;
}

std::string http_message::method() const { return word(start_line, 0); }
std::string http_message::target() const { return word(start_line, 1); }

std::optional<std::string> http_message::field(std::string_view name) const {
    for (const auto& [key, value] : fields) {
        if (equals_ignoring_case(key, name)) return value;
    }
    return std::nullopt;
}

std::vector<std::string> http_message::all(std::string_view name) const {
    std::vector<std::string> out;
    for (const auto& [key, value] : fields) {
        if (equals_ignoring_case(key, name)) out.push_back(value);
    }
    return out;
}

std::size_t http_reader::feed(std::string_view bytes) {
    std::size_t used = 0;
    while (used < bytes.size() && !done() && !failed()) {
        switch (state_) {
            case state::head:
                message_.raw_head.push_back(bytes[used++]);
                if (message_.raw_head.ends_with("\r\n\r\n")) take_head();
                break;
            case state::fixed:
            case state::until_eof:
            case state::chunk_data: {
                std::size_t take = bytes.size() - used;
                if (state_ != state::until_eof) take = std::min<std::uint64_t>(take, left_);
                message_.body.append(bytes.substr(used, take));
                used += take;
                if (state_ == state::until_eof) break;
                left_ -= take;
                if (left_ == 0 && state_ == state::fixed) finish();
                if (left_ == 0 && state_ == state::chunk_data) state_ = state::chunk_end;
                break;
            }
            default:
                if (take_line(bytes, used)) on_line();
        }
    }
    return used;
}

bool http_reader::take_line(std::string_view bytes, std::size_t& used) {
    const auto end = bytes.find('\n', used);
    const auto to = end == std::string_view::npos ? bytes.size() : end + 1;
    line_.append(bytes.substr(used, to - used));
    used = to;
    if (end == std::string_view::npos) return false;
    if (!line_.ends_with("\r\n")) {
        fail("a line of the chunked framing without CR");
        return false;
    }
    line_.resize(line_.size() - 2);
    return true;
}

void http_reader::on_line() {
    const std::string line = std::exchange(line_, {});
    if (state_ == state::chunk_end) {
        if (!line.empty()) return fail("bytes after a chunk: " + line);
        state_ = state::chunk_size;
    } else if (state_ == state::chunk_size) {
        const char* const end = line.data() + line.size();
        const auto [stop, error] = std::from_chars(line.data(), end, left_, 16);
        if (error != std::errc{} || (stop != end && *stop != ';' && *stop != ' ')) return fail("chunk size: " + line);
        state_ = left_ == 0 ? state::trailers : state::chunk_data;
    } else if (line.empty()) {
        finish();
    } else if (!add_field(line, message_.trailers)) {
        fail("trailer: " + line);
    }
}

void http_reader::take_head() {
    std::string_view rest = message_.raw_head;
    rest.remove_suffix(2);
    bool first = true;
    while (!rest.empty()) {
        const auto end = rest.find("\r\n");
        const auto line = rest.substr(0, end);
        rest.remove_prefix(end + 2);
        if (first) message_.start_line = line;
        if (!first && !add_field(line, message_.fields)) return fail("field: " + std::string(line));
        first = false;
    }
    choose_framing();
}

void http_reader::choose_framing() {
    const int status = message_.status();
    if (kind_ == kind::response_to_head || (status >= 100 && status < 200) || status == 204 || status == 304) {
        return finish();
    }
    if (message_.field("transfer-encoding")) {
        if (message_.field("content-length")) return fail("Transfer-Encoding and Content-Length");
        if (!equals_ignoring_case(*message_.field("transfer-encoding"), "chunked")) return fail("transfer coding");
        message_.chunked = true;
        state_ = state::chunk_size;
        return;
    }
    if (const auto length = message_.field("content-length")) {
        if (message_.count("content-length") > 1) return fail("two Content-Length fields");
        const auto [stop, error] = std::from_chars(length->data(), length->data() + length->size(), left_);
        if (error != std::errc{} || stop != length->data() + length->size()) return fail("Content-Length: " + *length);
        state_ = state::fixed;
        if (left_ == 0) finish();
        return;
    }
    if (kind_ == kind::request) return finish();
    state_ = state::until_eof;
}

void http_reader::end_of_input(bool clean) {
    if (state_ == state::until_eof && clean) finish();
}

void http_reader::finish() {
    state_ = state::done;
    message_.complete = true;
}

void http_reader::fail(std::string why) { failure_ = std::move(why); }

http_message parse_message(std::string_view bytes, http_reader::kind of) {
    http_reader reader(of);
    reader.feed(bytes);
    return std::move(reader.message());
}

}  // namespace tests
