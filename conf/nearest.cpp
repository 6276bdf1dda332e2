#include "conf/nearest.hpp"

#include <algorithm>
#include <limits>

namespace conf {
namespace {

// Longer than any name of ours: what is cut off is equally far from all of them.
constexpr std::size_t compared_bytes = 200;

struct dotted {
    std::string_view parent, last;
};

dotted split(std::string_view key) {
    const auto dot = key.rfind('.');
    if (dot == std::string_view::npos) return {{}, key};
    return {key.substr(0, dot), key.substr(dot + 1)};
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
    a = a.substr(0, compared_bytes);
    b = b.substr(0, compared_bytes);
    std::vector<std::size_t> before(b.size() + 1), previous(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({replaced, previous[j] + 1, row[j - 1] + 1});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before[j - 2] + 1);
        }
        std::swap(before, previous);
        std::swap(previous, row);
    }
    return previous[b.size()];
}

std::string_view nearest_key(std::string_view unknown, const std::vector<std::string_view>& known) {
    const dotted asked = split(unknown);
    std::string_view best;
    auto best_distance = std::numeric_limits<std::size_t>::max();
    for (const std::string_view name : known) {
        const dotted have = split(name);
        // A key that stands in the wrong section is worth a suggestion, one of the same section is worth more.
        const std::size_t moved = edit_distance(asked.last, have.last) + (asked.parent == have.parent ? 0 : 2);
        const std::size_t distance = std::min(edit_distance(unknown, name), moved);
        if (distance < best_distance) {
            best_distance = distance;
            best = name;
        }
    }
    return best;
}

}  // namespace conf
