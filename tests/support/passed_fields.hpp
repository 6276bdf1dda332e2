// For tests of transparency: a head without the fields that an intermediary writes itself; all others must pass as they
// came.
#pragma once

#include <cctype>
#include <set>
#include <string>
#include <vector>

#include "tests/support/http_reader.hpp"

namespace tests {

inline std::vector<std::string> passed_fields(const http_message& message) {
    static const std::set<std::string, std::less<>> own_fields{"host",
                                                               "content-length",
                                                               "transfer-encoding",
                                                               "connection",
                                                               "x-forwarded-for",
                                                               "x-forwarded-proto",
                                                               "x-forwarded-host",
                                                               "x-request-id",
                                                               "via",
                                                               "date",
                                                               "server"};
    std::vector<std::string> out;
    for (const auto& [name, value] : message.fields) {
        std::string lower = name;
        for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        if (!own_fields.contains(lower)) out.push_back(name + ": " + value);
    }
    return out;
}

}  // namespace tests
