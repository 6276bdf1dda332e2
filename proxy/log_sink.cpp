#include "proxy/log_sink.hpp"

#include "tracking/ready_stderr.hpp"

namespace proxy {
namespace {

constexpr std::size_t waiting_max = 64 * 1024;  // bytes

}  // namespace

void log_sink::keep(const spdlog::details::log_msg& line) {
    spdlog::memory_buf_t text;
    formatter_->format(line, text);
    if (waiting_.size() + text.size() <= waiting_max)
        waiting_.append(text.data(), text.size());
    else
        ++dropped_;
}

void log_sink::sink_it_(const spdlog::details::log_msg& line) {
    flush_();
    if (dropped_ > 0) {  // they come in order
        ++dropped_;
        return;
    }
    keep(line);
    tracking::write_ready(waiting_);
}

void log_sink::flush_() {
    if (!waiting_.empty()) tracking::write_ready(waiting_);
    if (dropped_ == 0 || !waiting_.empty()) return;
    const std::string words = std::to_string(dropped_) + " lines of the log were dropped: stderr did not take them";
    dropped_ = 0;
    keep({"aimeter", spdlog::level::warn, words});
    tracking::write_ready(waiting_);
}

}  // namespace proxy
