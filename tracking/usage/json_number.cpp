#include "tracking/usage/json_number.hpp"

#include <limits>

namespace tracking::usage {

namespace {

struct decimal {
    std::string_view whole;     // without sign
    std::string_view fraction;  // without point
    std::int64_t exponent = 0;
    bool negative = false;
};

std::string_view take_digits(std::string_view& from) noexcept {
    std::size_t n = 0;
    while (n < from.size() && from[n] >= '0' && from[n] <= '9') ++n;
    const std::string_view digits = from.substr(0, n);
    from.remove_prefix(n);
    return digits;
}

bool take(std::string_view& from, char c) noexcept {
    if (from.empty() || from[0] != c) return false;
    from.remove_prefix(1);
    return true;
}

// The exponent's value, cut where it makes no difference any more (a token is short, so its digits are few).
std::int64_t exponent_value(std::string_view digits, bool negative) noexcept {
    std::int64_t value = 0;
    for (const char c : digits) {
        if (value < 1'000'000) value = value * 10 + (c - '0');
    }
    return negative ? -value : value;
}

// By the grammar of RFC 8259, section 6.
std::optional<decimal> split(std::string_view token) noexcept {
    decimal d;
    d.negative = take(token, '-');
    d.whole = take_digits(token);
    if (d.whole.empty() || (d.whole.size() > 1 && d.whole[0] == '0')) return std::nullopt;
    if (take(token, '.')) {
        d.fraction = take_digits(token);
        if (d.fraction.empty()) return std::nullopt;
    }
    if (take(token, 'e') || take(token, 'E')) {
        const bool minus = take(token, '-');
        if (!minus) take(token, '+');
        const std::string_view digits = take_digits(token);
        if (digits.empty()) return std::nullopt;
        d.exponent = exponent_value(digits, minus);
    }
    if (!token.empty()) return std::nullopt;
    return d;
}

bool is_zero(const decimal& d) noexcept {
    return d.whole == "0" && d.fraction.find_first_not_of('0') == std::string_view::npos;
}

struct scaled {
    std::int64_t value = 0;
    bool exact = true;     // no digit other than 0 lies behind the point
    bool half_up = false;  // the first digit behind the point is 5 or more
};

// The integer part of d * 10^shift; nullopt beyond int64.
std::optional<scaled> scale(const decimal& d, std::int64_t shift) noexcept {
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    scaled result;
    const auto count = static_cast<std::int64_t>(d.whole.size() + d.fraction.size());
    const std::int64_t point = static_cast<std::int64_t>(d.whole.size()) + d.exponent + shift;
    for (std::int64_t i = 0; i < point || i < count; ++i) {
        int digit = 0;
        if (i < static_cast<std::int64_t>(d.whole.size())) {
            digit = d.whole[static_cast<std::size_t>(i)] - '0';
        } else if (i < count) {
            digit = d.fraction[static_cast<std::size_t>(i) - d.whole.size()] - '0';
        }
        if (i < point) {
            if (result.value > (most - digit) / 10) return std::nullopt;
            result.value = result.value * 10 + digit;
        } else {
            if (digit != 0) result.exact = false;
            if (i == point && digit >= 5) result.half_up = true;
        }
    }
    return result;
}

// What nearly every count is: up to 18 digits.
std::optional<std::int64_t> plain_count(std::string_view token) noexcept {
    if (token.empty() || token.size() > 18 || (token[0] == '0' && token.size() > 1)) return std::nullopt;
    std::int64_t value = 0;
    for (const char c : token) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + (c - '0');
    }
    return value;
}

}  // namespace

std::optional<std::int64_t> parse_count(std::string_view token) noexcept {
    if (const auto plain = plain_count(token)) return plain;
    const std::optional<decimal> d = split(token);
    if (!d) return std::nullopt;
    if (is_zero(*d)) return 0;
    if (d->negative) return std::nullopt;
    const std::optional<scaled> value = scale(*d, 0);
    if (!value || !value->exact) return std::nullopt;
    return value->value;
}

std::optional<std::int64_t> parse_pico(std::string_view token) noexcept {
    const std::optional<decimal> d = split(token);
    if (!d) return std::nullopt;
    if (is_zero(*d)) return 0;
    if (d->negative) return std::nullopt;
    const std::optional<scaled> value = scale(*d, 12);
    if (!value) return std::nullopt;
    if (!value->half_up) return value->value;
    if (value->value == std::numeric_limits<std::int64_t>::max()) return std::nullopt;
    return value->value + 1;
}

}  // namespace tracking::usage
