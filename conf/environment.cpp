// AIMETER_<SECTION>_<KEY>: the variables of this process that are settings.
#include <unistd.h>

#include <string>
#include <string_view>

#include "conf/config.hpp"
#include "conf/keys.hpp"

namespace conf {

std::vector<override_value> environment_overrides() {
    constexpr std::string_view ours = "AIMETER_", of_tests = "AIMETER_TEST";
    std::vector<override_value> overrides;
    for (char** entry = environ; entry && *entry; ++entry) {
        const std::string_view variable(*entry);
        const auto equals = variable.find('=');
        if (equals == std::string_view::npos || !variable.starts_with(ours) || variable.starts_with(of_tests)) continue;
        const std::string name(variable.substr(0, equals));
        override_value given{"environment " + name, name, std::string(variable.substr(equals + 1))};
        for (const key_rule& rule : key_rules())
            if (environment_name(rule.name) == name) given.key = rule.name;
        overrides.push_back(std::move(given));
    }
    return overrides;
}

}  // namespace conf
