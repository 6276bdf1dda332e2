// Writes JSON text piece by piece, for the views. Knows no field names. Money and milliseconds are written from their
// integers as plain decimals, so that no figure passes through a binary fraction; text that is not valid UTF-8 comes
// out with U+FFFD in its place, so that the result always is JSON, whatever a client sent as its name.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace admin {

struct usd {
    std::int64_t nano;
};
struct millis {
    std::int64_t us;
};

class json_writer {
public:
    void open(char bracket);   // '{' or '['
    void close(char bracket);  // '}' or ']'
    void key(std::string_view name);

    void value(std::string_view text);
    void value(const std::string& text) { value(std::string_view(text)); }
    void value(const char* text) { value(std::string_view(text)); }
    void value(bool flag);
    void value(double number);  // shortest form that reads back as the same number; null when not finite
    void value(usd money);
    void value(millis duration);
    void value(std::nullopt_t);
    void value(std::integral auto number) { integer(static_cast<std::int64_t>(number)); }
    template <class T>
    void value(const std::optional<T>& maybe) {
        if (maybe) {
            value(*maybe);
        } else {
            value(std::nullopt);
        }
    }
    void decimal(std::string_view digits);              // a JSON number that is already text
    void raw(std::string_view json) { decimal(json); }  // any value that is already JSON

    template <class T>
    void field(std::string_view name, const T& what) {
        key(name);
        value(what);
    }

    std::string take() { return std::move(out_); }

private:
    void integer(std::int64_t number);
    void separate();

    std::string out_;
    bool first_ = true;  // no comma before the next item
};

// `text` is a number as JSON writes it (digits, one point, no exponent).
bool is_plain_decimal(std::string_view text);

// `text` with each ill-formed UTF-8 sequence as U+FFFD.
std::string valid_utf8(std::string_view text);

}  // namespace admin
