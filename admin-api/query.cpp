// Query strings as HTML forms and URLSearchParams write them: '&' between, '+' is a space, %XX.
#include "admin-api/query.hpp"

#include <algorithm>
#include <charconv>

namespace admin {

namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<std::string> decode(std::string_view text, bool plus_is_space = true) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_space) {
            out += ' ';
        } else if (text[i] != '%') {
            out += text[i];
        } else {
            const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0) return std::nullopt;
            out += static_cast<char>(high * 16 + low);
            i += 2;
        }
    }
    return out;
}

// A name from the outside, short enough to be said back.
std::string shown(std::string_view name) { return std::string(name.substr(0, 64)); }

}  // namespace

std::optional<std::string> percent_decoded(std::string_view text) { return decode(text, false); }

std::variant<query, bad_parameter> query::parse(std::string_view text, std::span<const std::string_view> known) {
    query made;
    while (!text.empty()) {
        const auto end = std::min(text.find('&'), text.size());
        const auto piece = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (piece.empty()) continue;
        const auto equals = std::min(piece.find('='), piece.size());
        const auto name = decode(piece.substr(0, equals));
        if (!name) return bad_parameter{shown(piece.substr(0, equals)), "has a malformed %XX in its name"};
        if (std::find(known.begin(), known.end(), *name) == known.end()) {
            return bad_parameter{shown(*name), "is not a parameter of this route"};
        }
        if (made.get(*name)) return bad_parameter{*name, "is given more than once"};
        auto value = decode(equals < piece.size() ? piece.substr(equals + 1) : std::string_view{});
        if (!value) return bad_parameter{*name, "has a malformed %XX in its value"};
        if (value->empty()) return bad_parameter{*name, "is empty"};
        made.values_.emplace_back(*name, std::move(*value));
    }
    return made;
}

std::optional<std::string_view> query::get(std::string_view name) const {
    for (const auto& [key, value] : values_) {
        if (key == name) return value;
    }
    return std::nullopt;
}

std::variant<int, bad_parameter> query::integer(std::string_view name, int least, int most, int otherwise) const {
    const auto text = get(name);
    if (!text) return otherwise;
    int number = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    const bool digits = text->front() >= '0' && text->front() <= '9';
    if (!digits || error != std::errc{} || end != text->data() + text->size() || number < least || number > most) {
        return bad_parameter{std::string(name),
                             "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most)};
    }
    return number;
}

}  // namespace admin
