// Settings, or the errors, of a configuration given as a text. For tests that include it once.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "conf/config.hpp"

namespace conf {

inline settings good(const std::string& text, const std::vector<override_value>& overrides = {}) {
    auto loaded = load_text(text, "t.toml", overrides);
    if (const auto* wrong = std::get_if<std::vector<config_error>>(&loaded)) {
        for (const config_error& error : *wrong) ADD_FAILURE() << text << "\n" << error.text();
        return {};
    }
    return std::get<settings>(loaded);
}

inline std::vector<std::string> bad(const std::string& text, const std::vector<override_value>& overrides = {}) {
    const auto loaded = load_text(text, "t.toml", overrides);
    std::vector<std::string> texts;
    if (const auto* wrong = std::get_if<std::vector<config_error>>(&loaded))
        for (const config_error& error : *wrong) texts.push_back(error.text());
    return texts;
}

inline override_value flag(std::string key, std::string value) {
    return {"command line", std::move(key), std::move(value)};
}

}  // namespace conf
