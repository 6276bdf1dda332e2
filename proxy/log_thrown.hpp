// What a coroutine of control's threads ends with when something unforeseen was thrown: a line in the log.
#pragma once

#include <spdlog/spdlog.h>

#include <exception>
#include <string_view>

namespace proxy {

// For co_spawn: `who` begins the line.
struct log_if_thrown {
    std::string_view who = "control";
    void operator()(std::exception_ptr thrown) const {
        if (!thrown) return;
        try {
            std::rethrow_exception(thrown);
        } catch (const std::exception& problem) {
            spdlog::error("{}: {}", who, problem.what());
        }
    }
};

}  // namespace proxy
