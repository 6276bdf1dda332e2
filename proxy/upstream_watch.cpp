#include "proxy/upstream_watch.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace proxy {
namespace {

namespace net = boost::asio;
using namespace std::chrono_literals;
using std::chrono::milliseconds;
constexpr auto as_result = net::as_tuple(net::use_awaitable);

constexpr milliseconds while_unknown = 1s;  // between two questions while there is no address at all
constexpr milliseconds while_failing = 5s;  // while a peer fails: it may have moved
constexpr milliseconds least_pause = 1s;    // however often peers begin to fail
constexpr auto reach_deadline = 1s;

net::generic::stream_protocol::endpoint endpoint_of(const upstream_address& to) {
    if (to.unix_path.empty()) return {&to.socket, to.length};
    return net::local::stream_protocol::endpoint(to.unix_path);
}

net::awaitable<boost::system::error_code> try_connect(net::any_io_executor executor, const upstream_address& to) {
    // Shared with the timer's handler, which may be on its way when both end in the same turn.
    const auto socket = std::make_shared<net::generic::stream_protocol::socket>(executor);
    net::steady_timer deadline(executor, reach_deadline);
    deadline.async_wait([socket](boost::system::error_code stopped) {
        boost::system::error_code ignored;
        if (!stopped) socket->close(ignored);
    });
    const auto [ec] = co_await socket->async_connect(endpoint_of(to), as_result);
    deadline.cancel();
    co_return ec;
}

}  // namespace

upstream_watch::upstream_watch(net::any_io_executor executor, resolver resolve, const tracking::time_source& clock,
                               std::function<void()> changed)
    : executor_(executor),
      resolve_(std::move(resolve)),
      clock_(clock),
      changed_(std::move(changed)),
      timer_(executor) {}

// ---- Names ------------------------------------------------------------------------------------------------------

void upstream_watch::follow(const std::vector<conf::endpoint>& peers, milliseconds interval) {
    ++round_;
    begin(peers, interval, resolve_(peers, *addresses_));
}

void upstream_watch::follow_when_resolved(const std::vector<conf::endpoint>& peers, milliseconds interval,
                                          std::function<void()> then) {
    ++round_;
    timer_.cancel();
    if (peers == peers_) {
        interval_ = interval;
        resolve_now();
        return then();
    }
    resolving_ = true;
    net::post(resolver_,
              [this, round = round_, peers, interval, before = addresses_, then = std::move(then)]() mutable {
                  auto found = resolve_(peers, *before);
                  net::post(executor_,
                            [this, round, peers, interval, found = std::move(found), then = std::move(then)]() mutable {
                                if (round != round_ || stopped_) return;
                                begin(peers, interval, std::move(found));
                                then();
                            });
              });
}

void upstream_watch::begin(const std::vector<conf::endpoint>& peers, milliseconds interval, upstream_addresses found) {
    peers_ = peers;
    interval_ = interval;
    resolving_ = false;
    report_problem(found);
    if (found.all.empty())
        spdlog::warn("the upstream has no address yet ({}); requests are answered 502 until it has", found.problem);
    take(std::move(found));
}

void upstream_watch::stop() {
    stopped_ = true;
    timer_.cancel();
}

milliseconds upstream_watch::pause() const {
    if (addresses_->all.empty()) return while_unknown;
    const bool failing =
        std::any_of(news_.begin(), news_.end(), [](const auto& one) { return !one.second.left_out_by.empty(); });
    return failing ? std::min(interval_, while_failing) : interval_;
}

void upstream_watch::resolve_after(milliseconds pause) {
    if (stopped_ || resolving_) return;
    timer_.expires_at(std::max(clock_.steady(), resolved_ + pause));
    timer_.async_wait([this](boost::system::error_code replaced) {
        if (!replaced && !stopped_) resolve_now();
    });
}

void upstream_watch::resolve_now() {
    resolving_ = true;
    net::post(resolver_, [this, round = round_, peers = peers_, before = addresses_] {
        auto found = resolve_(peers, *before);
        net::post(executor_, [this, round, found = std::move(found)]() mutable {
            if (round != round_ || stopped_) return;
            resolving_ = false;
            report_problem(found);
            const bool others = !found.all.empty() && !same_addresses(found, *addresses_);
            if (!others) found = *addresses_;
            take(std::move(found));
            if (others) changed_();
        });
    });
}

void upstream_watch::take(upstream_addresses found) {
    resolved_ = clock_.steady();
    if (!same_addresses(found, *addresses_)) {
        addresses_ = std::make_shared<const upstream_addresses>(std::move(found));
        std::map<std::string, news> kept;
        for (const upstream_address& one : addresses_->all)
            if (auto known = news_.extract(one.text)) kept.insert(std::move(known));
        news_ = std::move(kept);
    }
    resolve_after(pause());
}

// One line when it changes, not for each time.
void upstream_watch::report_problem(const upstream_addresses& found) {
    if (found.problem == problem_) return;
    problem_ = found.problem;
    if (problem_.empty())
        spdlog::info("the upstream's names resolve again");
    else
        spdlog::warn("resolving the upstream: {}; what was known stays in use", problem_);
}

// ---- Health -----------------------------------------------------------------------------------------------------

void upstream_watch::note(std::size_t worker, const peer_change& what) {
    const auto& all = addresses_->all;
    if (std::none_of(all.begin(), all.end(), [&](const auto& one) { return one.text == what.address; })) return;
    news& of = news_[what.address];
    const bool was_failing = !of.left_out_by.empty();
    if (!what.problem) {
        of.left_out_by.erase(worker);
        if (was_failing && of.left_out_by.empty()) spdlog::info("upstream {}: back", what.address);
        return;
    }
    of.left_out_by.insert(worker);
    of.last_error = *what.problem;
    if (was_failing) return;
    of.since_ms = clock_.wall_ms();
    const bool alone = all.size() == 1;
    spdlog::warn("upstream {}: {}; {}", what.address, of.last_error,
                 alone ? "it is asked on, being the only one" : "left out until it is back");
    resolve_after(least_pause);
}

bool upstream_watch::is_failing(const std::string& address) const {
    const auto known = news_.find(address);
    return known != news_.end() && !known->second.left_out_by.empty();
}

std::vector<peer_state> upstream_watch::peers() const {
    std::vector<peer_state> states;
    for (const upstream_address& one : addresses_->all) {
        peer_state state{.address = one.text, .failing_since_ms = {}, .last_error = {}};
        if (const auto known = news_.find(one.text); known != news_.end()) {
            state.last_error = known->second.last_error;
            if (is_failing(one.text)) state.failing_since_ms = known->second.since_ms;
        }
        states.push_back(std::move(state));
    }
    return states;
}

net::awaitable<std::pair<bool, std::string>> upstream_watch::reach() const {
    const auto addresses = addresses_;
    std::vector<const upstream_address*> order;
    for (const upstream_address& one : addresses->all) order.push_back(&one);
    std::stable_partition(order.begin(), order.end(), [this](const auto* one) { return !is_failing(one->text); });
    std::string last = problem_.empty() ? "no address is known" : problem_;
    for (const upstream_address* to : order) {
        const auto ec = co_await try_connect(executor_, *to);
        if (!ec) co_return std::pair(true, std::string("reachable"));
        last = ec == net::error::operation_aborted ? "connecting timed out" : ec.message();
    }
    co_return std::pair(false, last);
}

}  // namespace proxy
