#include "pages/pages.hpp"

#include <algorithm>

#include "pages/bundle.hpp"

namespace pages {

const asset* find_asset(std::string_view name) {
    const auto all = bundled_assets();
    const auto found = std::find_if(all.begin(), all.end(), [&](const asset& one) { return one.name == name; });
    return found == all.end() ? nullptr : &*found;
}

std::string_view form(std::string_view name) {
    for (const auto& [known, text] : bundled_forms()) {
        if (known == name) return text;
    }
    return {};
}

}  // namespace pages
