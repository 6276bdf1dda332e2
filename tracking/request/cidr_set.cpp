// Sets of address blocks: forward.trusted_proxies. Everything is kept and compared as IPv6, IPv4 in its mapped form.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

#include "tracking/request/identity.hpp"

namespace tracking {

namespace {

constexpr int mapped_bits = 96;

struct parsed_address {
    cidr_set::address bytes{};
    bool is_v4 = false;  // written as IPv4
};

std::optional<parsed_address> parse_address(std::string_view text) noexcept {
    std::array<char, INET6_ADDRSTRLEN + 1> terminated{};
    if (text.empty() || text.size() >= terminated.size()) return std::nullopt;
    std::memcpy(terminated.data(), text.data(), text.size());
    parsed_address result;
    if (inet_pton(AF_INET6, terminated.data(), result.bytes.data()) == 1) return result;
    in_addr v4{};
    if (inet_pton(AF_INET, terminated.data(), &v4) != 1) return std::nullopt;
    result.bytes = {};
    result.bytes[10] = result.bytes[11] = 0xFF;
    std::memcpy(&result.bytes[12], &v4, sizeof v4);
    result.is_v4 = true;
    return result;
}

bool is_mapped(const cidr_set::address& bytes) noexcept {
    return std::all_of(bytes.begin(), bytes.begin() + 10, [](std::uint8_t b) { return b == 0; }) && bytes[10] == 0xFF &&
           bytes[11] == 0xFF;
}

bool same_prefix(const cidr_set::address& a, const cidr_set::address& b, int bits) noexcept {
    const auto whole = static_cast<std::size_t>(bits / 8);
    if (std::memcmp(a.data(), b.data(), whole) != 0) return false;
    const int rest = bits % 8;
    if (rest == 0) return true;
    const auto mask = static_cast<std::uint8_t>(0xFF << (8 - rest));
    return (a[whole] & mask) == (b[whole] & mask);
}

std::string refusal(const std::string& text, std::string_view why) {
    return "\"" + text + "\" is not an address block: " + std::string(why);
}

}  // namespace

std::variant<cidr_set, std::string> cidr_set::parse(const std::vector<std::string>& blocks) {
    cidr_set set;
    for (const std::string& text : blocks) {
        const std::string_view view = text;
        const std::size_t slash = view.find('/');
        const auto address = parse_address(view.substr(0, slash));
        if (!address) return refusal(text, "expected an IPv4 or IPv6 address, with or without /bits");
        const int width = address->is_v4 ? 32 : 128;
        int bits = width;
        if (slash != std::string_view::npos) {
            const std::string_view digits = view.substr(slash + 1);
            const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
            if (error != std::errc{} || end != digits.data() + digits.size() || digits.front() == '-') {
                return refusal(text, "the part after / must be a number of bits");
            }
            if (bits > width) return refusal(text, "at most /" + std::to_string(width));
        }
        set.blocks_.push_back({address->bytes, address->is_v4 ? bits + mapped_bits : bits});
    }
    return set;
}

std::optional<cidr_set::address> cidr_set::parse_peer(std::string_view text) noexcept {
    const auto parsed = parse_address(text.substr(0, text.find('%')));  // without the zone of a link-local address
    return parsed ? std::optional(parsed->bytes) : std::nullopt;
}

bool cidr_set::contains(const address& one) const noexcept {
    // "::/0" speaks of IPv6: it does not reach into the mapped range and trust all of IPv4 by the way.
    const bool v4 = is_mapped(one);
    return std::ranges::any_of(blocks_, [&](const block& each) {
        return (!v4 || each.bits >= mapped_bits) && same_prefix(one, each.base, each.bits);
    });
}

}  // namespace tracking
