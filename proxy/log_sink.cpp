#include "proxy/log_sink.hpp"

#include <utility>

#include "tracking/ready_stderr.hpp"

namespace proxy {

// False = nothing of it was written.
bool log_sink::take(const spdlog::details::log_msg& line) {
    spdlog::memory_buf_t formatted;
    formatter_->format(line, formatted);
    std::string text(formatted.data(), formatted.size());
    const std::size_t whole = text.size();
    if (!tracking::write_ready(text) || text.size() == whole) return false;
    begun_ = std::move(text);
    return true;
}

void log_sink::sink_it_(const spdlog::details::log_msg& line) {
    tracking::write_ready(begun_);
    if (begun_.empty() && dropped_ > 0) {
        const std::string words = std::to_string(dropped_) + " lines of the log were dropped: stderr did not take them";
        if (take({line.logger_name, spdlog::level::warn, words})) dropped_ = 0;
    }
    if (!begun_.empty() || dropped_ > 0 || !take(line)) ++dropped_;
}

}  // namespace proxy
