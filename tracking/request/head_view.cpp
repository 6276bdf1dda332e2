#include "tracking/request/head_view.hpp"

namespace tracking {

namespace {
constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (lower(a[i]) != lower(b[i])) return false;
    }
    return true;
}

std::string_view head_view::get(std::string_view name) const noexcept {
    for (const header_field& field : fields) {
        if (equals_ignoring_case(field.name, name)) return field.value;
    }
    return {};
}

bool head_view::has(std::string_view name) const noexcept {
    for (const header_field& field : fields) {
        if (equals_ignoring_case(field.name, name)) return true;
    }
    return false;
}

}  // namespace tracking
