// Where the log's lines go while aimeter serves: stderr, as far as it takes them at once. A worker or control that
// logs never waits for whoever reads the log; what is not taken is dropped and counted, and the next line that gets
// through is led by one that says how many there were. Any thread.
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <cstdint>
#include <mutex>
#include <string>

namespace proxy {

class log_sink final : public spdlog::sinks::base_sink<std::mutex> {
protected:
    void sink_it_(const spdlog::details::log_msg& line) override;
    void flush_() override {}

private:
    bool take(const spdlog::details::log_msg& line);

    std::string begun_;  // what is left of a line that was taken in part
    std::uint64_t dropped_ = 0;
};

}  // namespace proxy
