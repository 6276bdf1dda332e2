// Control's side of the upstream: resolves the peers' names again and again, hears from the workers which peers fail
// (a line in the log for each change), and says in /readyz whether the upstream is there. Control's thread only.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "proxy/peers.hpp"
#include "proxy/upstream_addresses.hpp"
#include "tracking/clock.hpp"

namespace proxy {

struct peer_state {
    std::string address;                           // upstream_address::text
    std::optional<std::int64_t> failing_since_ms;  // of the first of the workers that leave it out now
    std::string last_error;                        // "" = none so far
};

class upstream_watch {
public:
    // resolve_upstream(), or what a test has in its place; it may block.
    using resolver =
        std::function<upstream_addresses(const std::vector<conf::endpoint>& peers, const upstream_addresses& before)>;
    // `changed` is called when addresses() has become another set, but not for the
    // calls below. The watch must outlive the executor's last run.
    upstream_watch(boost::asio::any_io_executor executor, resolver resolve, const tracking::time_source& clock,
                   std::function<void()> changed);

    // These are the peers from now on. Resolves them before it returns, and every `interval` from then on.
    void follow(const std::vector<conf::endpoint>& peers, std::chrono::milliseconds interval);
    // The same while others are served, who wait for no name: calls `then` when addresses() are those of these peers,
    // at once when the peers are the same. Ends what an earlier call still waits for, whose `then` is not called any
    // more.
    void follow_when_resolved(const std::vector<conf::endpoint>& peers, std::chrono::milliseconds interval,
                              std::function<void()> then);
    void stop();

    const std::shared_ptr<const upstream_addresses>& addresses() const noexcept { return addresses_; }
    void note(std::size_t worker, const peer_change& what);
    std::vector<peer_state> peers() const;

    // Opens and closes a connection, to the first address that takes one: those that do not fail are asked first.
    // The text is "reachable", or why the last one was not.
    boost::asio::awaitable<std::pair<bool, std::string>> reach() const;

private:
    struct news {
        std::set<std::size_t> left_out_by;  // workers
        std::int64_t since_ms = 0;
        std::string last_error;
    };
    void resolve_after(std::chrono::milliseconds pause);
    void resolve_now();
    void begin(const std::vector<conf::endpoint>& peers, std::chrono::milliseconds interval, upstream_addresses found);
    void take(upstream_addresses found);
    void report_problem(const upstream_addresses& found);
    bool is_failing(const std::string& address) const;
    std::chrono::milliseconds pause() const;

    boost::asio::any_io_executor executor_;
    const resolver resolve_;
    const tracking::time_source& clock_;
    const std::function<void()> changed_;
    boost::asio::steady_timer timer_;
    std::vector<conf::endpoint> peers_;
    std::chrono::milliseconds interval_{};
    std::shared_ptr<const upstream_addresses> addresses_ = std::make_shared<upstream_addresses>();
    std::map<std::string, news> news_;  // by address; of addresses_ alone
    std::string problem_;               // of the last time
    std::chrono::steady_clock::time_point resolved_{};
    bool resolving_ = false;
    bool stopped_ = false;
    std::uint64_t round_ = 0;               // of follow(); what an earlier one asked for is not taken
    boost::asio::thread_pool resolver_{1};  // getaddrinfo blocks; last, so that it is joined first
};

}  // namespace proxy
