#include "tracking/usage/json_scanner.hpp"

#include <algorithm>
#include <cstring>

#include "tracking/usage/byte_scan.hpp"

namespace tracking::usage {

namespace {

bool in_number(char c) noexcept {
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

}  // namespace

void json_scanner::reset() noexcept {
    state_ = state::value;
    node_ = key_tree::root;
    depth_ = 0;
}

void json_scanner::feed(std::string_view bytes) noexcept {
    const char* p = bytes.data();
    const char* const end = p + bytes.size();
    while (p != end) {
        if (state_ <= state::next) {  // between tokens
            p = skip_blank(p, end);
            if (p == end) return;
        }
        switch (state_) {
            case state::value:
                p = read_value(p, end);
                break;
            case state::element:
                p = read_element(p, end);
                break;
            case state::member:
                p = read_member(p, end);
                break;
            case state::key:
                p = read_key(p, end);
                break;
            case state::colon:
                p = read_colon(p, end);
                break;
            case state::next:
                p = read_next(p, end);
                break;
            case state::key_text:
                p = read_key_text(p, end);
                break;
            case state::string:
                p = read_string(p, end);
                break;
            case state::number:
                p = read_number(p, end);
                break;
            case state::literal:
                p = read_literal(p, end);
                break;
            case state::skip_string:
            case state::skip_escape:
            case state::skip:
                p = skip(p, end);
                break;
            case state::broken:
                return;
        }
    }
}

const char* json_scanner::read_value(const char* p, const char* end) noexcept {
    switch (*p) {
        case '"':
            return begin_string(p + 1, end);
        case '{':
        case '[':
            return open_container(p, end);
        case 't':
            literal_ = "true";
            break;
        case 'f':
            literal_ = "false";
            break;
        case 'n':
            literal_ = "null";
            break;
        default:
            if (*p == '-' || (*p >= '0' && *p <= '9')) return begin_number(p, end);
            state_ = state::broken;
            return p;
    }
    literal_at_ = 0;
    state_ = state::literal;
    return read_literal(p, end);
}

void json_scanner::end_value() noexcept {
    if (depth_ == 0) {
        node_ = key_tree::root;
        state_ = state::value;
    } else {
        state_ = state::next;
    }
}

// ---- Objects and arrays -----------------------------------------------------------------------------------------

const char* json_scanner::open_container(const char* p, const char* end) noexcept {
    const bool array = *p == '[';
    const bool leads_on = array ? tree_.element(node_) != key_tree::none : tree_.has_children(node_);
    if ((leads_on || wants(interest::open)) && depth_ < frames_.size()) {
        frames_[depth_++] = {node_, array};
        state_ = array ? state::element : state::member;
        return p + 1;
    }
    skip_depth_ = 0;
    state_ = state::skip;
    return skip(p, end);
}

const char* json_scanner::close_container(const char* p, bool was_open) noexcept {
    const frame& top = frames_[depth_ - 1U];
    if (*p != (top.array ? ']' : '}')) {
        state_ = state::broken;
        return p;
    }
    if (was_open && (tree_.interests(top.node) & interest::open) != 0) sink_.on_close(top.node, top.array);
    --depth_;
    end_value();
    return p + 1;
}

const char* json_scanner::read_element(const char* p, const char* end) noexcept {
    if (*p == ']') return close_container(p, false);
    const frame& top = frames_[depth_ - 1U];
    if ((tree_.interests(top.node) & interest::open) != 0) sink_.on_open(top.node, top.array);
    node_ = tree_.element(top.node);
    state_ = state::value;
    return read_value(p, end);
}

const char* json_scanner::read_member(const char* p, const char* end) noexcept {
    if (*p == '}') return close_container(p, false);
    const frame& top = frames_[depth_ - 1U];
    if (*p == '"' && (tree_.interests(top.node) & interest::open) != 0) sink_.on_open(top.node, top.array);
    return read_key(p, end);
}

const char* json_scanner::read_next(const char* p, const char* end) noexcept {
    if (*p != ',') return close_container(p, true);
    const frame& top = frames_[depth_ - 1U];
    ++p;
    if (top.array) {
        node_ = tree_.element(top.node);
        state_ = state::value;
        return p;
    }
    state_ = state::key;
    return p != end && *p == '"' ? read_key(p, end) : p;
}

const char* json_scanner::read_key(const char* p, const char* end) noexcept {
    if (*p != '"') {
        state_ = state::broken;
        return p;
    }
    ++p;
    const char* mark = find_string_mark(p, end);
    if (mark == end || *mark != '"') {
        string_.begin(true);
        state_ = state::key_text;
        return read_key_text(p, end);
    }
    node_ = tree_.child(frames_[depth_ - 1U].node, std::string_view(p, static_cast<std::size_t>(mark - p)));
    state_ = state::colon;
    p = mark + 1;
    return p == end ? p : read_colon(p, end);
}

const char* json_scanner::read_key_text(const char* p, const char* end) noexcept {
    p = string_.read(p, end);
    if (!string_.done()) return p;
    node_ = tree_.child(frames_[depth_ - 1U].node, string_.kept());
    state_ = state::colon;
    return p;
}

const char* json_scanner::read_colon(const char* p, const char* end) noexcept {
    if (*p == ':') {
        state_ = state::value;
        ++p;
        return p != end && !is_blank(*p) ? read_value(p, end) : p;
    }
    if (!is_blank(*p)) state_ = state::broken;
    return p;
}

// ---- Scalars ----------------------------------------------------------------------------------------------------

const char* json_scanner::begin_string(const char* p, const char* end) noexcept {
    if (!wants(interest::word | interest::text)) {
        skip_depth_ = 0;
        state_ = state::skip_string;
        return skip(p, end);
    }
    const char* mark = find_string_mark(p, end);
    const auto size = static_cast<std::size_t>(mark - p);
    const bool fits = size <= string_reader::room || !wants(interest::word);  // a text is only measured
    if (mark == end || *mark != '"' || !fits) {
        string_.begin(wants(interest::word));
        state_ = state::string;
        return read_string(p, end);
    }
    if (wants(interest::text) && size != 0) sink_.on_text(node_, size);
    if (wants(interest::word)) sink_.on_word(node_, std::string_view(p, size));
    end_value();
    return mark + 1;
}

const char* json_scanner::read_string(const char* p, const char* end) noexcept {
    p = string_.read(p, end);
    const std::size_t bytes = string_.take_count();
    if (bytes != 0 && wants(interest::text)) sink_.on_text(node_, bytes);
    if (!string_.done()) return p;
    if (wants(interest::word)) sink_.on_word(node_, string_.kept());
    end_value();
    return p;
}

const char* json_scanner::begin_number(const char* p, const char* end) noexcept {
    const char* stop = p;
    while (stop != end && in_number(*stop)) ++stop;
    if (stop != end) {
        end_number(std::string_view(p, static_cast<std::size_t>(stop - p)));
        return stop;
    }
    token_size_ = 0;
    token_cut_ = false;
    state_ = state::number;
    return read_number(p, end);
}

const char* json_scanner::read_number(const char* p, const char* end) noexcept {
    const char* stop = p;
    while (stop != end && in_number(*stop)) ++stop;
    const auto size = static_cast<std::size_t>(stop - p);
    const std::size_t used = std::min(size, token_.size() - token_size_);
    std::memcpy(token_.data() + token_size_, p, used);
    token_size_ = static_cast<std::uint8_t>(token_size_ + used);
    token_cut_ = token_cut_ || used < size;
    if (stop != end) end_number(token_cut_ ? std::string_view() : std::string_view(token_.data(), token_size_));
    return stop;
}

void json_scanner::end_number(std::string_view token) noexcept {
    if (token.size() > token_.size()) token = {};  // the same answer whether or not the number was cut
    if (wants(interest::scalar)) sink_.on_number(node_, token);
    end_value();
}

const char* json_scanner::read_literal(const char* p, const char* end) noexcept {
    while (p != end && literal_at_ < literal_.size()) {
        if (*p != literal_[literal_at_]) {
            state_ = state::broken;
            return p;
        }
        ++p;
        ++literal_at_;
    }
    if (literal_at_ < literal_.size()) return p;
    if (literal_ != "null" && wants(interest::scalar)) sink_.on_bool(node_, literal_ == "true");
    end_value();
    return p;
}

// ---- What nobody wants ------------------------------------------------------------------------------------------

const char* json_scanner::skip(const char* p, const char* end) noexcept {
    const char* const begin = p;
    const bool count = wants(interest::raw);
    const node_id node = node_;
    bool inside = true;
    while (p != end && inside) {
        p = state_ == state::skip ? skip_in_container(p, end) : skip_in_string(p, end);
        inside = state_ == state::skip || state_ == state::skip_string || state_ == state::skip_escape;
    }
    if (count && p != begin) sink_.on_text(node, static_cast<std::size_t>(p - begin));
    return p;
}

const char* json_scanner::skip_in_container(const char* p, const char* end) noexcept {
    while (true) {
        p = find_structure(p, end);
        if (p == end) return p;
        const char c = *p++;
        if (c == '"') {
            state_ = state::skip_string;
            return p;
        }
        const bool opens = (c & 0x02) != 0;  // '{' and '[' have this bit, '}' and ']' do not
        if (opens) {
            ++skip_depth_;
        } else if (--skip_depth_ == 0) {
            end_value();
            return p;
        }
    }
}

const char* json_scanner::skip_in_string(const char* p, const char* end) noexcept {
    if (state_ == state::skip_escape) {
        state_ = state::skip_string;
        return p + 1;
    }
    p = find_string_mark(p, end);
    if (p == end) return p;
    if (*p == '\\') {
        state_ = state::skip_escape;
    } else if (skip_depth_ != 0) {
        state_ = state::skip;
    } else {
        end_value();
    }
    return p + 1;
}

}  // namespace tracking::usage
