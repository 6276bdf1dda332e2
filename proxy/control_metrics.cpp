// What control gathers for a scrape of /metrics: its own state, and what the workers say when they are asked. Bounded
// in time, asks neither Redis nor the upstream. See control.hpp.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>

#include "admin-api/metrics.hpp"
#include "proxy/control.hpp"

namespace proxy {
namespace {

namespace net = boost::asio;
constexpr auto as_result = net::as_tuple(net::use_awaitable);

// A worker answers between two turns of its loop; one that does not is busy or hangs.
constexpr std::chrono::milliseconds worker_answer_within{250};

// Used on control's thread only. A late answer may find it alone.
struct worker_answers {
    std::vector<bool> in_time;
    std::size_t missing = 0;
    net::steady_timer* alarm = nullptr;
};

void add(std::map<std::string, admin::metrics_state::peer*>& to, const worker::figures& of) {
    for (const auto& one : of.peers) {
        const auto known = to.find(one.address);
        if (known == to.end()) continue;  // no longer one of the upstream's; the worker does not know yet
        known->second->requests += one.requests;
        known->second->failures += one.failures;
        known->second->under_way += one.under_way;
        known->second->idle += one.idle;
    }
}

}  // namespace

// Refreshes worker_figures_; which of the workers answered in time.
net::awaitable<std::vector<bool>> control::ask_workers() {
    net::steady_timer alarm(context_, worker_answer_within);
    const auto answers = std::make_shared<worker_answers>();
    answers->in_time.resize(workers_.size());
    answers->alarm = &alarm;
    worker_figures_.resize(workers_.size());
    for (std::size_t i = 0; i < workers_.size(); ++i) {
        if (workers_[i]->ended()) continue;
        ++answers->missing;
        workers_[i]->ask([this, answers, i](worker::figures said) {
            net::post(context_, [this, answers, i, said = std::move(said)]() mutable {
                worker_figures_[i] = std::move(said);
                answers->in_time[i] = true;
                if (--answers->missing == 0 && answers->alarm != nullptr) answers->alarm->cancel();
            });
        });
    }
    if (answers->missing > 0) co_await alarm.async_wait(as_result);
    answers->alarm = nullptr;
    co_return answers->in_time;
}

net::awaitable<admin::metrics_state> control::metrics() {
    const std::vector<bool> in_time = co_await ask_workers();
    admin::metrics_state now;
    now.records = record_metrics_.get();
    now.shipping = shipper_->current();
    now.journal = journals_->current();
    now.journal_size = settings_.journal.size;
    std::map<std::string, admin::metrics_state::peer*> by_address;
    const auto states = upstream_->peers();
    now.peers.reserve(states.size());
    for (const peer_state& one : states) {
        auto& made = now.peers.emplace_back();
        made.address = one.address;
        made.up = !one.failing_since_ms;
        by_address.emplace(one.address, &made);
    }
    for (std::size_t i = 0; i < worker_figures_.size(); ++i) {
        add(by_address, worker_figures_[i]);
        now.workers.push_back({worker_figures_[i].client_connections, in_time[i]});
    }
    now.connections_most = rules_->settings.limits.connections;
    for (auto& [name, at_ms] : certificate_ends(rules_->tls.server))
        now.certificates.push_back({std::move(name), at_ms});
    now.reload_succeeded = reload_succeeded_;
    now.reloaded_ms = reloaded_ms_;
    now.draining = stopping_;
    co_return now;
}

}  // namespace proxy
