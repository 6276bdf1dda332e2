#include "tracking/store/record_log.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "tracking/clock.hpp"
#include "tracking/ready_stderr.hpp"

namespace tracking::store {
namespace {

constexpr std::size_t records_a_turn = 500;
constexpr std::size_t waiting_max = 1024 * 1024;  // bytes of lines; more wait in the journal

}  // namespace

// Only this process's journals: what a dead process has answered it has logged, or its records tell.
record_log::record_log(parts with) : parts_(with), tick_(with.executor) {
    if (parts_.form != log_form::off) open_readers();
}

void record_log::open_readers() {
    for (const journal::journal_id& id : parts_.journals.journals())
        if (parts_.journals.is_own(id)) readers_.push_back(parts_.journals.read(id));
}

// What was recorded before is printed in the form of before, or not at all; while nobody reads the log, what is behind
// the lines that wait takes the new form.
void record_log::use(log_form form) {
    if (form == parts_.form) return;
    print_new();
    const bool was_off = std::exchange(parts_.form, form) == log_form::off;
    if (form == log_form::off) readers_.clear();
    if (!was_off) return;
    open_readers();
    for (const auto& reader : readers_)
        while (reader->pass(records_a_turn) > 0) {
        }
}

void record_log::print_new() {
    spdlog::default_logger_raw()->flush();  // what the process itself has to say comes first
    const bool json = parts_.form == log_form::json;
    for (const auto& reader : readers_) {
        while (lines_.size() < waiting_max && reader->read(records_a_turn, entries_) > 0) {
            for (const journal::entry& entry : entries_)
                lines_ += (json ? log_json(entry.what) : log_line(entry.what)) + "\n";
            entries_.clear();
        }
    }
    write_ready(lines_);
}

boost::asio::awaitable<void> record_log::run() {
    while (!stopped_) {
        print_new();
        tick_.expires_at(next_look(std::chrono::steady_clock::now()));
        co_await tick_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }
}

void record_log::stop() {
    stopped_ = true;
    tick_.cancel();
    print_new();
}

}  // namespace tracking::store
