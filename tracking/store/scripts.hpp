// The Lua scripts of this folder, compiled in (CMakeLists.txt makes scripts.cpp of scripts.cpp.in).
#pragma once

#include <string_view>

namespace tracking::store {

extern const std::string_view apply_script;    // apply.lua
extern const std::string_view correct_script;  // correct.lua
extern const std::string_view repair_script;   // repair.lua

}  // namespace tracking::store
