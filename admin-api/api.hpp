// The admin JSON endpoints over the Redis views: requests in, responses out; opens no socket of its own towards
// clients. owns() is pure and called by workers for routing; handle() runs on the control thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/config.hpp"
#include "tracking/clock.hpp"
#include "tracking/store/verify_service.hpp"

namespace tracking::store {
class reports;
}

namespace admin {

struct request {
    std::string method;
    std::string target;                                        // path and query as sent
    std::vector<std::pair<std::string, std::string>> headers;  // names lower-case
    std::string body;
    std::string peer;  // address of the TCP peer, for throttling
};

// The rest of a body that is made piece by piece, each when the one before has been written. It lives on the control
// thread: a worker asks for pieces through control, one at a time, and what it lets go of ends there.
class body_source {
public:
    struct piece {
        std::string bytes;    // may be empty: ask again
        bool last = false;    // nothing follows
        bool failed = false;  // nothing can follow, and the body is not whole; the log says why
    };
    virtual ~body_source() = default;
    virtual boost::asio::awaitable<piece> next() = 0;
};

struct response {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers;  // without Content-Length, Date and Connection
    std::string body;                   // of a HEAD request too: the connection leaves it out and states its length
    std::shared_ptr<body_source> rest;  // what follows `body`; null = nothing
    std::shared_ptr<void> live_place;   // with 101: the connection is a live socket, for as long as this is held
};

// What /readyz says beyond Redis; filled by the process that owns workers and journal.
struct health {
    bool upstream_reachable = false;
    std::string upstream;  // what was tried and what happened
    struct peer {
        std::string address;
        std::string failing_since;  // RFC 3339; "" = no worker leaves it out
        std::string last_error;     // "" = none so far
    };
    std::vector<peer> peers;
    bool journal_writable = false;
    std::string journal_problem;  // why it is not writable
    std::uint64_t journal_bytes = 0;
    std::uint64_t journal_lag = 0;  // records not yet in Redis
    std::uint64_t journal_lost = 0;
    bool redis_connected = false;
    std::string redis;          // "connected", or the last error
    std::string redis_warning;  // connected, but exactness cannot be promised; "" = it can
    bool draining = false;
};

// Whether `target` (path and query) is one of the admin routes under `settings.path` or one of the dashboard's pages
// and assets under `settings.ui_path`, whatever the method.
// With `own_listener`, /healthz, /readyz and /metrics at the root belong to it too.
bool owns(const conf::admin_settings& settings, std::string_view target, bool own_listener = false);

struct metrics_state;
// The pages' login (session_cookie.hpp). It is for us alone: below the two prefixes, where browsers send it, it is
// taken out of requests that go to the application.
inline constexpr std::string_view session_cookie_name = "aimeter_session";
// The name, when `target` lies where the cookie is sent to; else "". Pure; called by workers.
std::string_view session_cookie_below(const conf::admin_settings& settings, std::string_view target);
class live_feed;

class api {
public:
    struct parts {
        const conf::settings& settings;
        std::vector<std::string> tokens;
        tracking::store::reports& reports;
        const tracking::time_source& clock;
        std::function<boost::asio::awaitable<admin::health>()> health;
        std::function<boost::asio::awaitable<metrics_state>()> metrics{};  // of this moment; none = /metrics is 404
        tracking::store::verify_service* verify = nullptr;                 // null: /ai/verify answers 503
        live_feed* live = nullptr;                                         // null = there is no /ai/live
    };
    explicit api(parts with);
    ~api();

    boost::asio::awaitable<response> handle(request what);

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

// admin.tokens, or the token in data_dir/admin-token, made there (mode 0600) when the file does not exist yet.
// The second string is an error.
std::pair<std::vector<std::string>, std::string> load_tokens(const conf::settings& settings);

}  // namespace admin
