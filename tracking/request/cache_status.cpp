#include "tracking/request/cache_status.hpp"

#include <algorithm>
#include <charconv>

namespace tracking {

namespace {

bool is_alpha(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_lower(char c) noexcept { return c >= 'a' && c <= 'z'; }
bool contains(std::string_view set, char c) noexcept { return set.find(c) != std::string_view::npos; }

struct bare_item {
    enum class kind { token, string, number, boolean, bytes } type = kind::token;
    std::string_view text;  // a string's without quotes, still escaped
    bool is_true() const noexcept { return type == kind::boolean && text == "1"; }
    bool is_token(std::string_view word) const noexcept { return type == kind::token && text == word; }
};

// RFC 8941, section 4.2, as far as a list of items with parameters goes. Each function takes what it read off the
// front and is false where the text is no structured field.
class reader {
public:
    explicit reader(std::string_view text) noexcept : rest_(text) {}

    bool at_end() const noexcept { return rest_.empty(); }
    void skip(std::string_view set) noexcept {
        while (!rest_.empty() && contains(set, rest_.front())) rest_.remove_prefix(1);
    }
    bool take(char c) noexcept {
        if (!rest_.starts_with(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }

    bool key(std::string_view& into) noexcept {
        if (rest_.empty() || (!is_lower(rest_.front()) && rest_.front() != '*')) return false;
        into = take_while([](char c) { return is_lower(c) || is_digit(c) || contains("_-.*", c); });
        return true;
    }

    bool item(bare_item& into) noexcept {
        if (rest_.empty()) return false;
        const char first = rest_.front();
        if (first == '"') return string(into);
        if (first == '?') return boolean(into);
        if (first == ':') return bytes(into);
        if (first == '-' || is_digit(first)) return number(into);
        if (!is_alpha(first) && first != '*') return false;
        into.type = bare_item::kind::token;
        into.text = take_while([](char c) { return is_alpha(c) || is_digit(c) || contains("!#$%&'*+-.^_`|~:/", c); });
        return true;
    }

private:
    template <class Test>
    std::string_view take_while(Test test) noexcept {
        const auto end = std::ranges::find_if_not(rest_, test);
        const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        rest_.remove_prefix(taken.size());
        return taken;
    }

    bool string(bare_item& into) noexcept {
        for (std::size_t i = 1; i < rest_.size(); ++i) {
            const char c = rest_[i];
            if (c == '"') {
                into = {bare_item::kind::string, rest_.substr(1, i - 1)};
                rest_.remove_prefix(i + 1);
                return true;
            }
            if (c < 0x20 || c > 0x7E) return false;
            if (c == '\\') {
                ++i;
                if (i == rest_.size() || !contains("\"\\", rest_[i])) return false;
            }
        }
        return false;
    }

    bool boolean(bare_item& into) noexcept {
        if (rest_.size() < 2 || !contains("01", rest_[1])) return false;
        into = {bare_item::kind::boolean, rest_.substr(1, 1)};
        rest_.remove_prefix(2);
        return true;
    }

    bool bytes(bare_item& into) noexcept {
        const std::size_t end = rest_.find(':', 1);
        if (end == std::string_view::npos) return false;
        into = {bare_item::kind::bytes, rest_.substr(1, end - 1)};
        rest_.remove_prefix(end + 1);
        return true;
    }

    bool number(bare_item& into) noexcept {
        const std::string_view from = rest_;
        take('-');
        if (rest_.empty() || !is_digit(rest_.front())) return false;
        take_while(is_digit);
        if (take('.') && (rest_.empty() || take_while(is_digit).empty())) return false;
        into = {bare_item::kind::number, from.substr(0, from.size() - rest_.size())};
        return true;
    }

    std::string_view rest_;
};

struct member {
    bool hit = false;
    bool collapsed = false;
    bare_item fwd;
    bare_item fwd_status;

    void set(std::string_view key, const bare_item& value) noexcept {
        if (key == "hit") hit = value.is_true();
        if (key == "collapsed") collapsed = value.is_true();
        if (key == "fwd") fwd = value;
        if (key == "fwd-status") fwd_status = value;
    }

    cache_answer answer() const noexcept {
        if (hit || collapsed) return cache_answer::hit;
        if (fwd.is_token("bypass")) return cache_answer::bypass;
        if (fwd.is_token("stale")) {
            // Asked whether it still holds, the origin said so: the answer came from the cache.
            const bool held = fwd_status.type == bare_item::kind::number && fwd_status.text == "304";
            return held ? cache_answer::hit : cache_answer::miss;
        }
        for (const std::string_view reason : {"miss", "uri-miss", "vary-miss", "request", "method", "partial"}) {
            if (fwd.is_token(reason)) return cache_answer::miss;
        }
        return cache_answer::none;
    }
};

bool read_parameters(reader& from, member& into) noexcept {
    while (from.take(';')) {
        from.skip(" ");
        std::string_view key;
        bare_item value{bare_item::kind::boolean, "1"};
        if (!from.key(key) || (from.take('=') && !from.item(value))) return false;
        into.set(key, value);
    }
    return true;
}

}  // namespace

cache_answer cache_status_answer(std::string_view value) noexcept {
    reader list(value);
    cache_answer best = cache_answer::none;
    list.skip(" ");
    while (!list.at_end()) {
        bare_item cache;
        member parameters;
        if (!list.item(cache) || !read_parameters(list, parameters)) return cache_answer::none;
        best = std::max(best, parameters.answer());
        list.skip(" \t");
        if (list.at_end()) return best;
        if (!list.take(',')) return cache_answer::none;
        list.skip(" \t");
        if (list.at_end()) return cache_answer::none;  // a comma and nothing after it
    }
    return best;
}

}  // namespace tracking
