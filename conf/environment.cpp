// AIMETER_<SECTION>_<KEY>: the variables of this process that are settings.
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "conf/config.hpp"
#include "conf/keys.hpp"

namespace conf {
namespace {

// Behind AIMETER_: what Kubernetes tells each pod of a Service that is called "aimeter", such as SERVICE_HOST,
// SERVICE_PORT_HTTP or PORT_8080_TCP_ADDR. No key of ours has such a name.
bool is_of_kubernetes(std::string_view name) {
    constexpr std::string_view named_port = "SERVICE_PORT_", numbered_port = "PORT_";
    if (name == "SERVICE_HOST" || name == "SERVICE_PORT" || name == "PORT") return true;
    if (name.starts_with(named_port)) return name.size() > named_port.size();
    if (!name.starts_with(numbered_port)) return false;
    name.remove_prefix(numbered_port.size());
    const std::size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
    name.remove_prefix(digits);
    if (digits == 0 || !(name.starts_with("_TCP") || name.starts_with("_UDP"))) return false;
    name.remove_prefix(4);
    return name.empty() || name == "_ADDR" || name == "_PORT" || name == "_PROTO";
}

}  // namespace

std::vector<override_value> environment_overrides() {
    constexpr std::string_view ours = "AIMETER_", of_tests = "AIMETER_TEST";
    std::vector<override_value> overrides;
    for (char** entry = environ; entry && *entry; ++entry) {
        const std::string_view variable(*entry);
        const auto equals = variable.find('=');
        if (equals == std::string_view::npos || !variable.starts_with(ours) || variable.starts_with(of_tests)) continue;
        const std::string name(variable.substr(0, equals));
        if (is_of_kubernetes(std::string_view(name).substr(ours.size()))) continue;
        override_value given{"environment " + name, name, std::string(variable.substr(equals + 1))};
        for (const key_rule& rule : key_rules())
            if (environment_name(rule.name) == name) given.key = rule.name;
        overrides.push_back(std::move(given));
    }
    return overrides;
}

}  // namespace conf
