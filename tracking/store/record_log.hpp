// The log line of each tracked request (contract, section 6), on stderr: read from the journals behind the writers, so
// that a request never waits for a terminal and lines appear whatever Redis does. One write for all lines of a tick.
// Control thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <vector>

#include "conf/config.hpp"
#include "tracking/journal/journal.hpp"

namespace tracking::store {

class record_log {
public:
    using log_form = conf::track_settings::log_form;
    struct parts {
        boost::asio::any_io_executor executor;
        log_form form;
        journal::directory& journals;
    };
    explicit record_log(parts with);

    boost::asio::awaitable<void> run();  // until stop()
    void use(log_form form);             // for what is recorded from now on
    void stop();                         // prints what is still waiting

private:
    void open_readers();
    void print_new();

    parts parts_;
    boost::asio::steady_timer tick_;
    std::vector<std::unique_ptr<journal::reader>> readers_;
    std::vector<journal::entry> entries_;
    std::string lines_;
    bool stopped_ = false;
};

}  // namespace tracking::store
