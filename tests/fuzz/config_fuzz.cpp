// Any bytes as a configuration file, and as the value of an override: settings or errors, never a crash.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "conf/config.hpp"
#include "conf/keys.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto of_file = conf::load_text(text, "fuzz.toml", {});
    if (const auto* errors = std::get_if<1>(&of_file))
        if (errors->empty()) std::abort();
    if (size == 0) return 0;
    const auto rules = conf::key_rules();
    const std::string key(rules[data[0] % rules.size()].name);
    static_cast<void>(conf::load_text({}, "", {{"fuzz", key, std::string(text.substr(1))}}));
    return 0;
}
