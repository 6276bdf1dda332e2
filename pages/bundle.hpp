// What bundle.cmake generates (bundle.cpp in the build folder). For pages.cpp alone.
#pragma once

#include <span>
#include <string_view>
#include <utility>

#include "pages/pages.hpp"

namespace pages {

std::span<const asset> bundled_assets();
std::span<const std::pair<std::string_view, std::string_view>> bundled_forms();

}  // namespace pages
