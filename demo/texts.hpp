// What the demo service "generates": a few ready texts for each kind of content. No model is asked.
#pragma once

#include <cstddef>
#include <string_view>

namespace demo {

// One of the texts for that kind of content ("cover-letter"), by `seed`; a general one for kinds unknown here.
std::string_view sample_text(std::string_view kind, std::size_t seed) noexcept;

}  // namespace demo
