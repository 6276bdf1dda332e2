#include "conf/values.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace conf {
namespace {

constexpr std::string_view digits = "0123456789";

struct quantity {
    std::uint64_t number;
    std::string_view unit;
};

// "30 s" and "30s" are both accepted; signs and fractions are not.
std::optional<quantity> split_quantity(std::string_view text) {
    quantity found{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), found.number);
    if (error != std::errc()) return std::nullopt;
    found.unit = text.substr(static_cast<std::size_t>(end - text.data()));
    if (found.unit.starts_with(' ')) found.unit.remove_prefix(1);
    return found;
}

template <typename Unit, std::size_t N>
std::optional<std::uint64_t> factor_of(std::string_view unit,
                                       const std::array<std::pair<Unit, std::uint64_t>, N>& all) {
    for (const auto& [name, factor] : all)
        if (unit == name) return factor;
    return std::nullopt;
}

// 10 * into + digit, within the range of a non-negative int64.
bool append_digit(std::int64_t& into, char digit) {
    return !__builtin_mul_overflow(into, 10, &into) && !__builtin_add_overflow(into, digit - '0', &into);
}

}  // namespace

parsed<milliseconds> parse_duration(std::string_view text) {
    static constexpr std::array<std::pair<std::string_view, std::uint64_t>, 5> units{
        {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
    const auto found = split_quantity(text);
    if (!found) return complaint{R"(expected a duration such as "500ms", "30s", "10m" or "1h")"};
    if (found->unit.empty()) return complaint{"a duration needs its unit: ms, s, m, h or d"};
    const auto factor = factor_of(found->unit, units);
    if (!factor) return complaint{"unknown unit of time; use ms, s, m, h or d"};
    std::int64_t total = 0;
    if (__builtin_mul_overflow(found->number, *factor, &total)) return complaint{"this duration is too long"};
    return milliseconds(total);
}

parsed<std::uint64_t> parse_size(std::string_view text) {
    static constexpr std::uint64_t kib = 1024, mib = kib * 1024, gib = mib * 1024;
    static constexpr std::array<std::pair<std::string_view, std::uint64_t>, 8> units{
        {{"", 1}, {"B", 1}, {"KB", kib}, {"KiB", kib}, {"MB", mib}, {"MiB", mib}, {"GB", gib}, {"GiB", gib}}};
    const auto found = split_quantity(text);
    if (!found) {
        if (const auto plain = parse_integer(text); const auto* number = std::get_if<std::int64_t>(&plain))
            if (*number >= 0) return static_cast<std::uint64_t>(*number);
        return complaint{R"(expected a size in bytes, such as 65536 or "64MB")"};
    }
    const auto factor = factor_of(found->unit, units);
    if (!factor && text.find('_') != std::string_view::npos)
        if (const auto plain = parse_integer(text); const auto* number = std::get_if<std::int64_t>(&plain))
            return static_cast<std::uint64_t>(*number);
    if (!factor) return complaint{"unknown unit of size; use KB, MB or GB (powers of 1024)"};
    std::uint64_t total = 0;
    if (__builtin_mul_overflow(found->number, *factor, &total)) return complaint{"this size is too large"};
    return total;
}

parsed<std::int64_t> parse_integer(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    const bool misplaced = text.empty() || text.front() == '_' || text.back() == '_' ||
                           text.find("__") != std::string_view::npos ||
                           text.find_first_not_of("0123456789_") != std::string_view::npos;
    if (misplaced) return complaint{"expected a whole number"};
    std::int64_t total = 0;
    for (const char digit : text)
        if (digit != '_' && !append_digit(total, digit)) return complaint{"this number is too large"};
    return negative ? -total : total;
}

parsed<std::int64_t> parse_decimal(std::string_view text, int places) {
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    const auto point = text.find('.');
    const std::string_view whole = text.substr(0, point);
    std::string_view fraction = point == std::string_view::npos ? std::string_view{} : text.substr(point + 1);
    const bool malformed = whole.empty() || whole.find_first_not_of(digits) != std::string_view::npos ||
                           fraction.find_first_not_of(digits) != std::string_view::npos ||
                           (point != std::string_view::npos && fraction.empty());
    if (malformed) return complaint{"expected a plain decimal number such as 0.0006"};
    while (fraction.ends_with('0')) fraction.remove_suffix(1);
    if (fraction.size() > static_cast<std::size_t>(places))
        return complaint{"at most " + std::to_string(places) + " places after the point are kept exactly"};
    std::int64_t total = 0;
    for (const char digit : whole)
        if (!append_digit(total, digit)) return complaint{"this number is too large"};
    for (std::size_t i = 0; i < static_cast<std::size_t>(places); ++i)
        if (!append_digit(total, i < fraction.size() ? fraction[i] : '0')) return complaint{"this number is too large"};
    return negative ? -total : total;
}

parsed<std::int64_t> decimal_of(double number, int places) {
    if (!std::isfinite(number)) return complaint{"expected a finite number"};
    std::array<char, 512> room{};  // the longest shortest form of a double takes some 330 characters
    const auto [end, error] = std::to_chars(room.data(), room.data() + room.size(), number, std::chars_format::fixed);
    if (error != std::errc()) return complaint{"this number is too large"};
    const std::string_view shortest(room.data(), static_cast<std::size_t>(end - room.data()));
    int significant = 0;
    for (const char c : shortest)
        if (c >= '0' && c <= '9' && (significant > 0 || c != '0')) ++significant;
    // The shortest form of a float is what was typed if that had at most digits10 digits.
    if (significant > std::numeric_limits<double>::digits10 && shortest.find('.') != std::string_view::npos)
        return complaint{"more digits than a float keeps; write the number as a text, in quotes"};
    return parse_decimal(shortest, places);
}

}  // namespace conf
