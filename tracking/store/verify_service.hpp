// What `aimeter verify` says, for the running process: one audit at a time, on a thread of its own with a connection of
// its own, so that neither control nor Redis waits for it. All calls on control's thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "conf/config.hpp"
#include "tracking/store/audit_report.hpp"

namespace tracking::store {

struct audit_running {
    std::int64_t started_ms = 0, entries_read = 0;
    int passes = 0;  // over the streams, that have ended
};
struct audit_failed {
    std::string what;
};
using audit_answer = std::variant<audit_report, audit_running, audit_failed>;

class verify_service {
public:
    struct parts {
        boost::asio::any_io_executor executor;
        const conf::settings& settings;
        std::function<std::string()> redis_url;  // of the Redis in use, the embedded one included
        std::chrono::milliseconds deadline = std::chrono::minutes(30);  // of one audit
    };
    explicit verify_service(parts with);
    ~verify_service();  // ends an audit that is under way, within a moment

    // Begins an audit, or joins the one under way, and waits for its end, `patience` at most. An audit that ended while
    // nobody waited any more is answered to the next caller, who then gets it at once.
    boost::asio::awaitable<audit_answer> ask(std::chrono::milliseconds patience);
    void stop();

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace tracking::store
