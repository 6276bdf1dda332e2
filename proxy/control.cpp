#include "proxy/control.hpp"

#include <openssl/rand.h>
#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>
#include <thread>

#include "admin-api/metrics.hpp"
#include "proxy/log_thrown.hpp"
#include "proxy/service_manager.hpp"
#include "tracking/clock.hpp"
#include "tracking/kept_file.hpp"
#include "tracking/time_slice.hpp"

namespace proxy {
namespace {

namespace net = boost::asio;

constexpr std::chrono::milliseconds journal_look_interval{500};

// 32 random bytes in `path`, made once: API keys stay the same users over restarts. The result is an error, or empty.
std::string kept_secret(const std::string& path, std::string& into) {
    constexpr std::size_t bytes = 32;
    if (const auto kept = tracking::read_kept_file(path, 2 * bytes); kept && kept->size() >= bytes) {
        into = kept->substr(0, bytes);
        return {};
    }
    into.resize(bytes);
    if (RAND_bytes(reinterpret_cast<unsigned char*>(into.data()), static_cast<int>(into.size())) != 1)
        return "no random bytes to be had";
    return tracking::write_kept_file(path, into);
}

std::uint32_t worker_count(const conf::settings& settings) {
    if (settings.workers != 0) return settings.workers;
    return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace

std::variant<std::shared_ptr<const rules>, std::string> make_rules(const conf::settings& settings,
                                                                   const std::string& key_secret, const rules* before) {
    auto trusted = tracking::cidr_set::parse(settings.forward.trusted_proxies);
    if (const auto* problem = std::get_if<std::string>(&trusted)) return "forward.trusted_proxies: " + *problem;
    auto identity = tracking::identity_rules::load(settings.identity, key_secret);
    if (const auto* problem = std::get_if<std::string>(&identity)) return *problem;
    auto prices = tracking::price_catalogue::load(settings.pricing);
    if (const auto* problem = std::get_if<std::string>(&prices)) return "pricing.catalogue: " + *problem;
    auto tls = make_tls(settings, before != nullptr ? before->tls : tls_contexts{});
    if (const auto* problem = std::get_if<std::string>(&tls)) return *problem;
    return std::make_shared<const rules>(rules{
        settings, tracking::route_rules(settings.track, settings.features), tracking::cache_rules(settings.cache),
        std::get<tracking::cidr_set>(std::move(trusted)),
        std::get<std::shared_ptr<const tracking::identity_rules>>(identity),
        std::get<std::shared_ptr<const tracking::price_catalogue>>(prices), host_header_of(settings.upstream.front()),
        tracking::usage::provider_of_host(settings.upstream.front().host).empty() ? std::string()
                                                                                  : settings.upstream.front().host,
        std::get<tls_contexts>(std::move(tls))});
}

// ---- Building the parts -----------------------------------------------------------------------------------------

control::control(conf::settings settings, startup how)
    : signals_(context_, SIGTERM, SIGINT, SIGHUP), settings_(std::move(settings)), how_(std::move(how)) {
    signals_.add(SIGUSR1);
    signals_.add(SIGUSR2);
    std::signal(SIGPIPE, SIG_IGN);
}

control::~control() = default;

std::variant<std::unique_ptr<control>, std::string> control::create(conf::settings settings, startup how) {
    std::unique_ptr<control> made(new control(std::move(settings), std::move(how)));
    if (std::string problem = made->open_parts(); !problem.empty()) return problem;
    return made;
}

std::string control::open_parts() {
    if (std::string problem = log_.open(settings_.log_file); !problem.empty()) return problem;
    if (std::string problem = listening_.plan(settings_, std::move(how_.inherited.sockets)); !problem.empty())
        return problem;
    auto journals = tracking::journal::directory::open({.data_dir = settings_.data_dir,
                                                        .size = settings_.journal.size,
                                                        .keep_ms = settings_.journal.keep.count(),
                                                        .writers = worker_count(settings_),
                                                        .data_lock = how_.inherited.data_lock.release()});
    if (auto* problem = std::get_if<std::string>(&journals)) return std::move(*problem);
    journals_ = std::get<std::unique_ptr<tracking::journal::directory>>(std::move(journals));
    if (std::string problem = kept_secret(settings_.data_dir + "/key-secret", key_secret_); !problem.empty())
        return problem;
    auto made = make_rules(settings_, key_secret_);
    if (auto* problem = std::get_if<std::string>(&made)) return std::move(*problem);
    rules_ = std::get<std::shared_ptr<const rules>>(made);
    jwks_ = std::make_unique<jwks_refresher>(context_.get_executor(), settings_.data_dir + "/jwks.json",
                                             [this] { use_fetched_keys(); });
    jwks_->follow(settings_.identity.jwt.jwks_url, settings_.forward.ca_file);
    upstream_ =
        std::make_unique<upstream_watch>(context_.get_executor(), resolve_upstream, clock_, [this] { tell_workers(); });
    upstream_->follow(settings_.upstream, settings_.forward.resolve_interval);
    use_fetched_keys();
    if (std::string problem = open_store(); !problem.empty()) return problem;
    return open_workers();
}

std::string control::open_store() {
    using namespace tracking::store;
    auto zone = calendar::open(settings_.timezone);
    if (auto* problem = std::get_if<std::string>(&zone)) return std::move(*problem);
    calendar_ = std::make_unique<calendar>(std::get<calendar>(std::move(zone)));
    labels_ = std::make_unique<label_bounds>(settings_.track, *calendar_);
    std::string url = settings_.redis.url;
    if (url.empty()) {
        auto made = embedded_redis::create(context_.get_executor(), settings_.data_dir);
        if (auto* problem = std::get_if<std::string>(&made)) return std::move(*problem);
        embedded_ = std::get<std::unique_ptr<embedded_redis>>(std::move(made));
        url = embedded_->url();
        embedded_starting_ = true;
    }
    auto parsed = redis_url::parse(url);
    if (auto* problem = std::get_if<std::string>(&parsed)) return "redis.url: " + *problem;
    report_redis_ =
        std::make_shared<report_redis>(context_.get_executor(), std::get<redis_url>(parsed), settings_.redis);
    reports_ = std::make_unique<reports>(report_redis_, *calendar_);
    record_metrics_ = std::make_unique<record_metrics>(settings_.admin.metrics_series);
    shipper_ = make_shipping(shipper::parts{.executor = context_.get_executor(),
                                            .settings = settings_,
                                            .journals = *journals_,
                                            .when = *calendar_,
                                            .clock = clock_,
                                            .redis_url = [url] { return url; },
                                            .redis_starts = [this] { return embedded_starting_; },
                                            .data_set_file = settings_.data_dir + "/data-set",
                                            .metrics = record_metrics_.get()});
    verify_ = std::make_unique<verify_service>(verify_service::parts{
        .executor = context_.get_executor(), .settings = settings_, .redis_url = [url] { return url; }});
    record_log_ = std::make_unique<record_log>(
        record_log::parts{.executor = context_.get_executor(), .form = settings_.track.log, .journals = *journals_});
    auto [tokens, problem] = admin::load_tokens(settings_);
    if (!problem.empty()) return problem;
    live_ = std::make_unique<admin::live_feed>(admin::live_feed::parts{
        .executor = context_.get_executor(),
        .reports = *reports_,
        .clock = clock_,
        .connections_most = settings_.admin.live_connections,
        .publish =
            [this](const admin::live_message& what) {
                for (const auto& one : workers_) one->publish(what);
            },
        .give = [this](std::size_t worker, const admin::live_message& what) { workers_[worker]->publish(what); }});
    api_ = std::make_unique<admin::api>(admin::api::parts{.settings = settings_,
                                                          .tokens = std::move(tokens),
                                                          .reports = *reports_,
                                                          .clock = clock_,
                                                          .health = [this] { return health(); },
                                                          .metrics = [this] { return metrics(); },
                                                          .verify = verify_.get(),
                                                          .live = live_.get()});
    return {};
}

std::string control::open_workers() {
    const std::uint32_t count = worker_count(settings_);
    if (std::string problem = listening_.open(count, settings_.limits.backlog); !problem.empty()) return problem;
    const auto ask = [this](admin::request what, std::function<void(admin::response)> done) {
        answer_admin(std::move(what), std::move(done));
    };
    const auto next_piece = [this](std::shared_ptr<admin::body_source> of,
                                   std::function<void(admin::body_source::piece)> done) {
        this->next_piece(std::move(of), std::move(done));
    };
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto want_snapshot = [this, i] { net::post(context_, [this, i] { live_->want_snapshot(i); }); };
        const auto peer_changed = [this, i](peer_change what) {
            net::post(context_, [this, i, what = std::move(what)] { upstream_->note(i, what); });
        };
        workers_.push_back(std::make_unique<worker>(worker::options{.journal = journals_->writer_of(i),
                                                                    .clock = clock_,
                                                                    .open_connections = open_connections_,
                                                                    .labels = *labels_,
                                                                    .ask_control = ask,
                                                                    .next_piece = next_piece,
                                                                    .want_snapshot = want_snapshot,
                                                                    .peer_changed = peer_changed,
                                                                    .by = rules_,
                                                                    .upstream = upstream_->addresses(),
                                                                    .listeners = listening_.duplicates_for(i, count)}));
    }
    return {};
}

// ---- Serving ----------------------------------------------------------------------------------------------------

int control::run(predecessor before) {
    log_.use();
    if (embedded_) net::co_spawn(context_, run_embedded(), log_if_thrown{});
    net::co_spawn(context_, shipper_->run(), log_if_thrown{});
    net::co_spawn(context_, record_log_->run(), log_if_thrown{});
    net::co_spawn(context_, watch_journal(), log_if_thrown{});
    await_signal();
    for (const auto& one : workers_) one->start();
    tracking::run_in_long_slices();
    for (const conf::endpoint& where : listening_.addresses(listener_role::admin))
        spdlog::info("admin endpoints: listening on {}", address_text(where));
    for (const conf::endpoint& where : listening_.addresses(listener_role::proxy))
        std::printf("aimeter ready: listening on %s\n", address_text(where).c_str());
    std::fflush(stdout);
    if (!before.exists()) tell_service_manager("READY=1");  // else the predecessor speaks for us
    before.tell_ready();
    context_.run();
    return 0;
}

// Loading much takes the server its time; the shipper looks after the journals meanwhile.
net::awaitable<void> control::run_embedded() {
    const auto started = co_await embedded_->start();
    if (const auto* problem = std::get_if<std::string>(&started)) spdlog::error("embedded Redis: {}", *problem);
    embedded_starting_ = false;
    co_await embedded_->supervise();
}

// What a worker lets go of ends on this thread.
template <class T>
std::shared_ptr<T> control::ending_here(std::shared_ptr<T> what) {
    if (!what) return what;
    T* const raw = what.get();
    return {raw, [this, what = std::move(what)](T*) mutable { net::post(context_, [gone = std::move(what)] {}); }};
}

// Until the context ends.
net::awaitable<void> control::watch_journal() {
    net::steady_timer pause(context_);
    while (true) {
        journal_log_.look(journals_->current());
        pause.expires_at(tracking::next_look(std::chrono::steady_clock::now(), journal_look_interval));
        co_await pause.async_wait(net::as_tuple(net::use_awaitable));
    }
}

// Called on a worker's thread; `done` posts back to it.
void control::answer_admin(admin::request what, std::function<void(admin::response)> done) {
    net::post(context_, [this, what = std::move(what), done = std::move(done)]() mutable {
        net::co_spawn(context_, api_->handle(std::move(what)),
                      [this, done = std::move(done)](std::exception_ptr thrown, admin::response answer) {
                          log_if_thrown{}(thrown);
                          if (thrown) answer.status = 500;
                          answer.rest = ending_here(std::move(answer.rest));
                          answer.live_place = ending_here(std::move(answer.live_place));
                          done(std::move(answer));
                      });
    });
}

void control::next_piece(std::shared_ptr<admin::body_source> of, std::function<void(admin::body_source::piece)> done) {
    net::post(context_, [this, of = std::move(of), done = std::move(done)]() mutable {
        admin::body_source& source = *of;
        net::co_spawn(
            context_, source.next(),
            [of = std::move(of), done = std::move(done)](std::exception_ptr thrown, admin::body_source::piece piece) {
                log_if_thrown{}(thrown);
                if (thrown) piece.failed = true;
                done(std::move(piece));
            });
    });
}

net::awaitable<admin::health> control::health() {
    admin::health now;
    std::tie(now.upstream_reachable, now.upstream) = co_await upstream_->reach();
    for (const peer_state& one : upstream_->peers())
        now.peers.push_back(
            {one.address, one.failing_since_ms ? calendar_->rfc3339(*one.failing_since_ms) : "", one.last_error});
    const auto journal = journals_->current();
    const auto shipping = shipper_->current();
    now.journal_writable = journal.writable;
    now.journal_bytes = journal.bytes;
    now.journal_lost = journal.lost;
    now.journal_lag = shipping.lag;
    now.redis_connected = shipping.connected;
    now.redis = shipping.redis;
    now.redis_warning = shipping.warning;
    now.journal_problem = journal.problem;
    now.draining = stopping_;
    co_return now;
}

// The rules in force, with the keys of jwks_url as they now are, become those of every worker.
void control::use_fetched_keys() {
    auto fresh = std::make_shared<rules>(*rules_);
    fresh->identity = fresh->identity->with_fetched(jwks_->keys(), jwks_->wanted());
    rules_ = std::move(fresh);
    tell_workers();
}

void control::tell_workers() {
    for (const auto& one : workers_) one->use(rules_, upstream_->addresses());
}

}  // namespace proxy
