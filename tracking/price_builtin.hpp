// The copy of conf/model-prices.json inside the program, for when it is started where that file is not.
#pragma once

#include <string_view>

namespace tracking {

std::string_view builtin_price_file();

}  // namespace tracking
