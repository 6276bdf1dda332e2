// The control thread: everything that is not on a request's way. Ships the journals, supervises the embedded Redis,
// answers admin requests that workers pass on, feeds their live sockets, resolves the upstream anew, fetches keys,
// reloads, drains and hands over to a successor (these three: control_life.cpp). Runs on the main thread; workers are
// reached by posting, and reach it by posting.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "admin-api/api.hpp"
#include "admin-api/live_feed.hpp"
#include "conf/config.hpp"
#include "proxy/journal_log.hpp"
#include "proxy/jwks_refresher.hpp"
#include "proxy/listening_sockets.hpp"
#include "proxy/log_output.hpp"
#include "proxy/meter.hpp"
#include "proxy/succession.hpp"
#include "proxy/upstream_watch.hpp"
#include "proxy/worker.hpp"
#include "tracking/journal/journal.hpp"
#include "tracking/store/cluster_shipper.hpp"
#include "tracking/store/embedded_redis.hpp"
#include "tracking/store/record_log.hpp"
#include "tracking/store/reports.hpp"
#include "tracking/store/verify_service.hpp"

namespace proxy {

// How the configuration was found, to find it again at SIGHUP.
struct config_source {
    std::string file;
    std::vector<conf::override_value> overrides;
};

// How the process was started, and what it was handed.
struct startup {
    config_source source;
    start_command command;
    inheritance inherited;
};

class control {
public:
    // Builds every part in order; the string says what is wrong (port taken, data_dir locked, ...).
    static std::variant<std::unique_ptr<control>, std::string> create(conf::settings settings, startup how);
    ~control();

    // Prints the ready line, tells `before` that it may go, serves until SIGTERM or SIGINT or until a successor serves,
    // drains; returns the exit code.
    int run(predecessor before);

private:
    control(conf::settings settings, startup how);
    std::string open_parts();
    std::string open_store();
    std::string open_workers();

    void answer_admin(admin::request what, std::function<void(admin::response)> done);
    void next_piece(std::shared_ptr<admin::body_source> of, std::function<void(admin::body_source::piece)> done);
    template <class T>
    std::shared_ptr<T> ending_here(std::shared_ptr<T> what);
    boost::asio::awaitable<admin::health> health();
    boost::asio::awaitable<admin::metrics_state> metrics();
    boost::asio::awaitable<std::vector<bool>> ask_workers();
    boost::asio::awaitable<void> run_embedded();
    boost::asio::awaitable<void> watch_journal();
    void use_fetched_keys();
    void tell_workers();
    void await_signal();
    void reload();
    void put_in_force(const std::shared_ptr<const rules>& by);
    void stop_signal();
    void upgrade();
    void upgrade_ended(const std::string& problem);
    void start_leaving();
    boost::asio::awaitable<void> shut_down();
    boost::asio::awaitable<void> see_workers_off();
    template <class Done>
    boost::asio::awaitable<bool> until(Done done, std::chrono::milliseconds deadline);

    boost::asio::io_context context_{1};
    boost::asio::signal_set signals_;
    conf::settings settings_;
    startup how_;
    log_output log_;
    tracking::system_time clock_;
    std::string key_secret_;
    std::shared_ptr<const rules> rules_;
    std::unique_ptr<jwks_refresher> jwks_;
    std::unique_ptr<upstream_watch> upstream_;
    std::unique_ptr<tracking::journal::directory> journals_;
    journal_log journal_log_;
    std::unique_ptr<tracking::store::calendar> calendar_;
    std::unique_ptr<label_bounds> labels_;
    std::unique_ptr<tracking::store::embedded_redis> embedded_;
    bool embedded_starting_ = false;
    std::shared_ptr<tracking::store::report_redis> report_redis_;
    std::unique_ptr<tracking::store::reports> reports_;
    std::unique_ptr<tracking::store::record_metrics> record_metrics_;
    std::unique_ptr<tracking::store::shipping> shipper_;
    std::unique_ptr<tracking::store::verify_service> verify_;
    std::unique_ptr<tracking::store::record_log> record_log_;
    std::unique_ptr<admin::live_feed> live_;
    std::unique_ptr<admin::api> api_;
    std::atomic<std::uint32_t> open_connections_ = 0;
    std::vector<std::unique_ptr<worker>> workers_;
    std::vector<worker::figures> worker_figures_;  // what each said last
    listening_sockets listening_;
    std::unique_ptr<successor> successor_;  // from SIGUSR2 on, until it has failed
    std::uint64_t reloads_ = 0;             // asked for
    bool reload_succeeded_ = true;
    std::int64_t reloaded_ms_ = clock_.wall_ms();  // when the settings in force were read
    bool stopping_ = false;
    bool handed_over_ = false;  // the successor serves
    int stop_signals_ = 0;
};

// The rules that follow from settings (catalogue, keys, patterns loaded); the string is the error. `before`: the rules
// that they replace.
std::variant<std::shared_ptr<const rules>, std::string> make_rules(const conf::settings& settings,
                                                                   const std::string& key_secret,
                                                                   const rules* before = nullptr);

}  // namespace proxy
