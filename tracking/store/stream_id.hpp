// Ids of stream entries: "1700000000000-5", the time of Redis in ms and a number within it; among those of several
// shards of a cluster "1700000000000-5.3", behind the dot the shard. Pure.
#pragma once

#include <charconv>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tracking::store {

struct stream_id {
    std::uint64_t ms = 0;
    std::uint64_t number = 0;
    std::uint32_t shard = 0;
    auto operator<=>(const stream_id&) const = default;

    std::string text() const { return std::to_string(ms) + "-" + std::to_string(number); }  // as Redis has it

    // All parts, in full; nullopt for anything else.
    static std::optional<stream_id> parse(std::string_view text) {
        const auto dash = text.find('-');
        if (dash == std::string_view::npos) return std::nullopt;
        const auto dot = text.find('.', dash);
        const auto whole = [](std::string_view part, auto& into) {
            const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), into);
            return !part.empty() && error == std::errc{} && end == part.data() + part.size();
        };
        stream_id id;
        if (!whole(text.substr(0, dash), id.ms)) return std::nullopt;
        if (!whole(text.substr(0, dot).substr(dash + 1), id.number)) return std::nullopt;
        if (dot != std::string_view::npos && !whole(text.substr(dot + 1), id.shard)) return std::nullopt;
        return id;
    }
};

}  // namespace tracking::store
