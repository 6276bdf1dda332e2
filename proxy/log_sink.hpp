// Where the log's lines go while aimeter serves: stderr, as far as it takes them at once. A worker or control that
// logs never waits for whoever reads the log, be it a pipe or a socket: lines wait here, up to a bound. What comes
// behind it is dropped and counted, and a line says how many there were. Any thread.
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <cstdint>
#include <mutex>
#include <string>

namespace proxy {

class log_sink final : public spdlog::sinks::base_sink<std::mutex> {
protected:
    void sink_it_(const spdlog::details::log_msg& line) override;
    void flush_() override;  // tries again what waits

private:
    void keep(const spdlog::details::log_msg& line);

    std::string waiting_;
    std::uint64_t dropped_ = 0;  // since what waits was written
};

}  // namespace proxy
