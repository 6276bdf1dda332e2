// What dashboards that stay open get to see: reads the counters in Redis once a second, while anybody looks, and makes
// one message for all of them when something was committed, by whichever instance. A message is immutable and shared by
// every socket of every worker; who has taken which is the workers' business. Control thread only.
//
// Every message has the absolute figures of its moment, so that one that is missed costs nothing but its turn; only
// `added` and `recentActivity` are what is new since the message before.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "admin-api/figures.hpp"
#include "admin-api/live_views.hpp"
#include "admin-api/places.hpp"
#include "tracking/clock.hpp"
#include "tracking/store/reports.hpp"

namespace admin {

struct live_message {
    enum class kind : std::uint8_t {
        snapshot,  // for those who wait for one
        greeting,  // for those who wait and have heard nothing yet
        delta,     // for those who have all before it
        notice,    // for all
        renewal,   // a snapshot for all
    };
    kind is = kind::delta;
    std::uint64_t order = 0;                    // of its making; a snapshot's is that of the last one whose news it has
    std::shared_ptr<const std::string> frames;  // of WebSocket, as they go out
};

class live_feed {
public:
    struct parts {
        boost::asio::any_io_executor executor;
        const tracking::store::reports& reports;
        const tracking::time_source& clock;
        std::size_t connections_most;
        std::function<void(live_message)> publish;                   // to every worker
        std::function<void(std::size_t worker, live_message)> give;  // to one
    };
    explicit live_feed(parts with);

    // A place for one socket, to be let go of on this thread; null = all are taken. The first one starts the reading.
    std::shared_ptr<void> join();
    // Somebody on this worker waits for a snapshot. It comes at once when the figures are at hand, else when they are.
    void want_snapshot(std::size_t worker);
    void stop();

private:
    boost::asio::awaitable<void> run();
    boost::asio::awaitable<void> look();
    boost::asio::awaitable<maybe_error> read(std::unique_ptr<live_figures>& fresh);
    bool is_same_day(std::int64_t ms) const;
    void redis_answered(bool up);
    void tell_what_changed(const live_figures& before);
    void answer_wanted();
    live_message snapshot();
    live_message news(live_message::kind is, std::string_view json);

    parts with_;
    places places_;
    boost::asio::steady_timer pause_;
    bool running_ = false;
    bool stopped_ = false;
    std::chrono::steady_clock::time_point next_look_{};
    std::unique_ptr<live_figures> figures_;        // as of the last message; null = none are at hand
    std::uint64_t seq_ = 0;                        // of the last figures
    std::uint64_t order_ = 0;                      // of the last news
    std::set<std::size_t> wanting_;                // workers
    std::shared_ptr<const std::string> snapshot_;  // of these figures, once somebody wanted it
    redis_state redis_;
};

}  // namespace admin
