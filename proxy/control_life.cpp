// The life of the process, as control leads it: signals, reload, hand-over to a successor, drain. See control.hpp.
#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>

#include "proxy/control.hpp"
#include "proxy/log_thrown.hpp"
#include "proxy/service_manager.hpp"

namespace proxy {
namespace {

namespace net = boost::asio;
using namespace std::chrono_literals;
constexpr auto as_result = net::as_tuple(net::use_awaitable);

constexpr auto final_flush = 5s;  // how long the last records may take to Redis; the journal keeps what is left
constexpr std::chrono::milliseconds last_words =
    1s;  // behind drain_timeout: connections that are only idle are ended in order

}  // namespace

// ---- Signals ----------------------------------------------------------------------------------------------------

void control::await_signal() {
    signals_.async_wait([this](boost::system::error_code ec, int signal) {
        if (ec) return;
        if (signal == SIGHUP) reload();
        if (signal == SIGUSR1) {
            if (const std::string problem = log_.reopen(); !problem.empty())
                spdlog::error("{}; the one that was open stays in use", problem);
        }
        if (signal == SIGUSR2) upgrade();
        if (signal == SIGTERM || signal == SIGINT) stop_signal();
        await_signal();
    });
}

// The second one ends at once; the journal has every record. Somebody who has a successor is ending already, so that
// the first one changes nothing.
void control::stop_signal() {
    if (++stop_signals_ > 1) {
        if (embedded_) embedded_->end_now();
        std::_Exit(1);
    }
    if (!stopping_) start_leaving();
}

// A bad file is refused with its errors, and the old one stays. What a running process cannot change is named.
void control::reload() {
    ++reloads_;
    auto loaded = conf::load(how_.source.file, how_.source.overrides);
    if (const auto* errors = std::get_if<std::vector<conf::config_error>>(&loaded)) {
        for (const auto& error : *errors) spdlog::error("reload refused: {}", error.text());
        reload_succeeded_ = false;
        return;
    }
    auto& fresh = std::get<conf::settings>(loaded);
    const auto fixed = [](const char* key) {
        spdlog::warn("reload: {} is fixed for a process and stays as it was (SIGUSR2 starts a successor)", key);
    };
    if (fresh.listen != settings_.listen) fixed("listen");
    if (fresh.workers != settings_.workers) fixed("workers");
    if (fresh.data_dir != settings_.data_dir) fixed("data_dir");
    if (fresh.timezone != settings_.timezone) fixed("timezone");
    if (fresh.redis != settings_.redis) fixed("redis");
    if (fresh.journal != settings_.journal) fixed("journal");
    if (fresh.track.max_labels != settings_.track.max_labels) fixed("track.max_labels");
    if (fresh.track.max_users != settings_.track.max_users) fixed("track.max_users");
    if (fresh.limits.backlog != settings_.limits.backlog) fixed("limits.backlog");
    if (fresh.admin != settings_.admin) fixed("admin");
    fresh.admin = settings_.admin;
    auto made = make_rules(fresh, key_secret_, rules_.get());
    if (const auto* problem = std::get_if<std::string>(&made)) {
        spdlog::error("reload refused: {}", *problem);
        reload_succeeded_ = false;
        return;
    }
    if (fresh.log_file != settings_.log_file) {
        if (const std::string problem = log_.open(fresh.log_file); !problem.empty()) {
            spdlog::error("reload refused: {}", problem);
            reload_succeeded_ = false;
            return;
        }
        log_.use();
        settings_.log_file = fresh.log_file;
    }
    // Rules and addresses belong together, and resolving may take long.
    upstream_->follow_when_resolved(
        fresh.upstream, fresh.forward.resolve_interval,
        [this, reload = reloads_, by = std::get<std::shared_ptr<const rules>>(std::move(made))] {
            if (reload == reloads_) reload_succeeded_ = true;  // a later one has been refused otherwise
            put_in_force(by);
        });
}

void control::put_in_force(const std::shared_ptr<const rules>& by) {
    rules_ = by;
    record_log_->use(by->settings.track.log);
    settings_.drain_timeout = by->settings.drain_timeout;
    jwks_->follow(by->settings.identity.jwt.jwks_url, by->settings.forward.ca_file);
    use_fetched_keys();  // and with them rules and addresses
    reloaded_ms_ = clock_.wall_ms();
    spdlog::info("configuration reloaded");
}

// ---- A successor ------------------------------------------------------------------------------------------------

void control::upgrade() {
    if (stopping_ || successor_) {
        spdlog::warn("upgrade: {}", stopping_ ? "this process is ending" : "one is under way");
        return;
    }
    successor_ = std::make_unique<successor>(context_.get_executor(),
                                             [this](const std::string& problem) { upgrade_ended(problem); });
    const std::string problem = successor_->start(how_.command, {listening_.to_hand(), journals_->lock_descriptor()});
    if (problem.empty())
        spdlog::info("upgrade: {} starts as process {}", how_.command.program, successor_->pid());
    else
        upgrade_ended(problem);
}

void control::upgrade_ended(const std::string& problem) {
    if (!problem.empty()) {
        spdlog::error("upgrade failed, this process goes on: {}", problem);
        journals_->expect_ended();  // it may have served for a moment
        net::post(context_, [gone = std::shared_ptr<successor>(std::move(successor_))] {});  // it is still calling
        return;
    }
    spdlog::info("upgrade: process {} serves from now on", successor_->pid());
    tell_service_manager("MAINPID=" + std::to_string(successor_->pid()) + "\nREADY=1");
    journals_->name_holder(successor_->pid());
    journals_->let_go_of_lock();  // should the successor die, the next start need not wait until this one has drained
    if (embedded_) embedded_->leave();
    handed_over_ = true;
    if (!stopping_) start_leaving();
}

// ---- Draining ---------------------------------------------------------------------------------------------------

void control::start_leaving() {
    stopping_ = true;
    if (!handed_over_) {
        successor_.reset();  // one that has not come up yet is not to come up
        tell_service_manager("STOPPING=1");
    }
    net::co_spawn(context_, shut_down(), [this](std::exception_ptr thrown) {
        log_if_thrown{}(thrown);
        context_.stop();
    });
}

template <class Done>
net::awaitable<bool> control::until(Done done, std::chrono::milliseconds deadline) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    net::steady_timer pause(context_);
    while (!done()) {
        if (std::chrono::steady_clock::now() >= end) co_return false;
        pause.expires_after(5ms);
        co_await pause.async_wait(as_result);
    }
    co_return true;
}

// Finish what is in flight, then see the records off; the journal keeps what Redis does not take in time.
net::awaitable<void> control::shut_down() {
    spdlog::info("draining");
    listening_.let_go();
    live_->stop();
    verify_->stop();  // who waits for it would hold up the drain
    co_await see_workers_off();
    const bool all = co_await shipper_->flush(final_flush);
    if (!all)
        spdlog::warn("some records are still in the journal; the {} ships them",
                     handed_over_ ? "successor" : "next start");
    record_log_->stop();
    shipper_->stop();
    jwks_->stop();
    upstream_->stop();
    if (embedded_) co_await embedded_->stop();
    for (const auto& one : workers_)
        if (one->ended()) one->join();
    if (!handed_over_) listening_.remove_files();
    std::fflush(nullptr);
    const bool hung = std::any_of(workers_.begin(), workers_.end(), [](const auto& one) { return !one->ended(); });
    if (hung) std::_Exit(0);  // it cannot be joined; nothing of it is left to save
}

net::awaitable<void> control::see_workers_off() {
    const auto ended = [this] {
        return std::all_of(workers_.begin(), workers_.end(), [](const auto& one) { return one->ended(); });
    };
    if (handed_over_) {
        for (const auto& one : workers_) one->hand_over();
        if (co_await until(ended, settings_.drain_timeout)) co_return;
    }
    for (const auto& one : workers_) one->drain();
    if (co_await until(ended, handed_over_ ? last_words : settings_.drain_timeout)) co_return;
    spdlog::warn("drain_timeout is over; open connections are closed");
    for (const auto& one : workers_) one->stop();
    co_await until(ended, 3s);
}

}  // namespace proxy
