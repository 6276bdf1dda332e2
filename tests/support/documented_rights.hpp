// The rights that docs/redis-deployments.md gives to aimeter's user of Redis.
#pragma once

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace tests {

// The rule as the documentation has it: ACL SETUSER and the words behind it.
inline std::vector<std::string> documented_rule() {
    std::ifstream file(AIMETER_SOURCE_DIR "/docs/redis-deployments.md");
    std::string line, rule;
    while (std::getline(file, line)) {
        if (line.find("ACL SETUSER aimeter") == std::string::npos && rule.empty()) continue;
        if (!rule.empty() && !line.starts_with("         ")) break;
        rule += line + " ";
    }
    std::vector<std::string> words;
    std::istringstream in(rule);
    for (std::string word; in >> word;)
        if (word != "\\" && word != "redis-cli") words.push_back(word);
    return words;
}

}  // namespace tests
