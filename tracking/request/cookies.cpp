#include "tracking/request/cookies.hpp"

#include <algorithm>

namespace tracking {

namespace {

std::string_view trimmed(std::string_view text) noexcept {
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    return text;
}

}  // namespace

bool next_cookie(std::string_view& rest, cookie& into) noexcept {
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(';'), rest.size());
        const std::string_view pair = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const std::size_t equals = pair.find('=');
        if (equals == std::string_view::npos) continue;
        into.name = trimmed(pair.substr(0, equals));
        into.value = trimmed(pair.substr(equals + 1));
        if (into.value.size() >= 2 && into.value.front() == '"' && into.value.back() == '"') {
            into.value = into.value.substr(1, into.value.size() - 2);
        }
        return true;
    }
    return false;
}

bool is_session_cookie(std::string_view name, std::string_view wanted) noexcept {
    constexpr std::size_t suffix = 8;
    if (wanted.empty() || !name.starts_with(wanted)) return false;
    name.remove_prefix(wanted.size());
    if (name.empty()) return true;
    if (name.size() != suffix + 1 || name.front() != '_') return false;
    return std::ranges::all_of(name.substr(1), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

}  // namespace tracking
