// Ids of stream entries: "1700000000000-5", the time of Redis in ms and a number within it. Pure.
#pragma once

#include <charconv>
#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tracking::store {

struct stream_id {
    std::uint64_t ms = 0;
    std::uint64_t number = 0;
    auto operator<=>(const stream_id&) const = default;

    // Both parts, in full; nullopt for anything else.
    static std::optional<stream_id> parse(std::string_view text) {
        const auto dash = text.find('-');
        if (dash == std::string_view::npos) return std::nullopt;
        const auto whole = [](std::string_view part, std::uint64_t& into) {
            const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), into);
            return !part.empty() && error == std::errc{} && end == part.data() + part.size();
        };
        stream_id id;
        if (!whole(text.substr(0, dash), id.ms) || !whole(text.substr(dash + 1), id.number)) return std::nullopt;
        return id;
    }
};

}  // namespace tracking::store
