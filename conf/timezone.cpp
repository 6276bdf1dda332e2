// Whether a time zone exists on this machine.
#include <date/tz.h>

#include <exception>

#include "conf/readers.hpp"

namespace conf {

std::string known_timezone(std::string_view text) {
    const std::string unknown = R"(unknown time zone; expected an IANA name such as "Europe/Berlin")";
    if (text == "UTC") return {};  // even where no time zone data are installed
    try {
        return !text.empty() && date::locate_zone(text) ? "" : unknown;
    } catch (const std::exception&) {
        return unknown;  // what the library says of it names files of the machine
    }
}

}  // namespace conf
