// The query string of an admin request: decoded, each parameter known and given once, or an error that names it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace admin {

struct bad_parameter {
    std::string name;
    std::string why;
};

// `text` with its %XX decoded and nothing else, as a path has them; nullopt when one is malformed.
std::optional<std::string> percent_decoded(std::string_view text);

class query {
public:
    // `text` is what stands behind the '?'.
    static std::variant<query, bad_parameter> parse(std::string_view text, std::span<const std::string_view> known);

    std::optional<std::string_view> get(std::string_view name) const;
    // Digits only, within [least, most]; `otherwise` when not given.
    std::variant<int, bad_parameter> integer(std::string_view name, int least, int most, int otherwise) const;

private:
    std::vector<std::pair<std::string, std::string>> values_;
};

}  // namespace admin
