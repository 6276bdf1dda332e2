#include "proxy/control.hpp"

#include <fcntl.h>
#include <openssl/rand.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "tracking/kept_file.hpp"

namespace proxy {
namespace {

namespace net = boost::asio;
using namespace std::chrono_literals;
constexpr auto as_result = net::as_tuple(net::use_awaitable);

constexpr auto final_flush = 5s;  // how long the last records may take to Redis; the journal keeps what is left

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

void log_if_thrown(std::exception_ptr thrown) {
    if (!thrown) return;
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception& problem) {
        spdlog::error("control: {}", problem.what());
    }
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
    if (const auto* problem = std::get_if<std::string>(&identity)) return "identity: " + *problem;
    auto prices = tracking::price_catalogue::load(settings.pricing);
    if (const auto* problem = std::get_if<std::string>(&prices)) return "pricing: " + *problem;
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

control::control(conf::settings settings, config_source source)
    : signals_(context_, SIGTERM, SIGINT, SIGHUP), settings_(std::move(settings)), source_(std::move(source)) {
    signals_.add(SIGUSR1);
    std::signal(SIGPIPE, SIG_IGN);
}

control::~control() = default;

std::variant<std::unique_ptr<control>, std::string> control::create(conf::settings settings, config_source source) {
    std::unique_ptr<control> made(new control(std::move(settings), std::move(source)));
    if (std::string problem = made->open_parts(); !problem.empty()) return problem;
    return made;
}

std::string control::open_parts() {
    std::vector<conf::endpoint> wanted = settings_.listen;
    if (settings_.admin.listen) wanted.push_back(*settings_.admin.listen);
    for (const conf::endpoint& where : wanted)
        if (std::string problem = taken_by_another(where); !problem.empty()) return problem;
    auto journals = tracking::journal::directory::open({.data_dir = settings_.data_dir,
                                                        .size = settings_.journal.size,
                                                        .keep_ms = settings_.journal.keep.count(),
                                                        .writers = worker_count(settings_)});
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
    labels_ = std::make_unique<label_bounds>(settings_.track.max_labels, *calendar_);
    keys_ = std::make_unique<key_names>(settings_.redis.prefix);
    std::string url = settings_.redis.url;
    if (url.empty()) {
        auto made = embedded_redis::create(context_.get_executor(), settings_.data_dir);
        if (auto* problem = std::get_if<std::string>(&made)) return std::move(*problem);
        embedded_ = std::get<std::unique_ptr<embedded_redis>>(std::move(made));
        url = embedded_->url();
    }
    auto parsed = redis_url::parse(url);
    if (auto* problem = std::get_if<std::string>(&parsed)) return "redis.url: " + *problem;
    report_client_ = std::make_unique<redis_client>(context_.get_executor(), std::get<redis_url>(parsed));
    reports_ = std::make_unique<reports>(*report_client_, *keys_, *calendar_);
    shipper_ = std::make_unique<shipper>(shipper::parts{.executor = context_.get_executor(),
                                                        .settings = settings_,
                                                        .journals = *journals_,
                                                        .when = *calendar_,
                                                        .clock = clock_,
                                                        .redis_url = [url] { return url; },
                                                        .data_set_file = settings_.data_dir + "/data-set"});
    record_log_ = std::make_unique<record_log>(
        record_log::parts{.executor = context_.get_executor(), .form = settings_.track.log, .journals = *journals_});
    auto [tokens, problem] = admin::load_tokens(settings_);
    if (!problem.empty()) return problem;
    api_ = std::make_unique<admin::api>(admin::api::parts{
        .settings = settings_, .tokens = std::move(tokens), .reports = *reports_, .clock = clock_, .health = [this] {
            return health();
        }});
    return {};
}

// Every worker has its own socket for a TCP address; a unix socket is one, shared by duplicated descriptors.
std::string control::open_listener_for_all(conf::endpoint& where, listener_role role,
                                           std::vector<opened_listeners>& of_workers) {
    int shared = -1;
    for (opened_listeners& of_worker : of_workers) {
        if (shared >= 0) {
            of_worker.push_back({::fcntl(shared, F_DUPFD_CLOEXEC, 0), role});
            continue;
        }
        auto opened = open_listener(where);
        if (auto* problem = std::get_if<std::string>(&opened)) return std::move(*problem);
        of_worker.push_back({std::get<int>(opened), role});
        if (!where.unix_path.empty()) shared = std::get<int>(opened);
    }
    return {};
}

std::string control::open_listeners(std::vector<opened_listeners>& of_workers) {
    listening_ = settings_.listen;
    for (conf::endpoint& where : listening_)
        if (std::string problem = open_listener_for_all(where, listener_role::proxy, of_workers); !problem.empty())
            return problem;
    if (!settings_.admin.listen) return {};
    conf::endpoint where = *settings_.admin.listen;
    std::string problem = open_listener_for_all(where, listener_role::admin, of_workers);
    if (problem.empty()) spdlog::info("admin endpoints: listening on {}", address_text(where));
    return problem;
}

std::string control::open_workers() {
    std::vector<opened_listeners> descriptors(worker_count(settings_));
    if (std::string problem = open_listeners(descriptors); !problem.empty()) return problem;
    const auto ask = [this](admin::request what, std::function<void(admin::response)> done) {
        answer_admin(std::move(what), std::move(done));
    };
    for (std::uint32_t i = 0; i < descriptors.size(); ++i) {
        const auto peer_changed = [this, i](peer_change what) {
            net::post(context_, [this, i, what = std::move(what)] { upstream_->note(i, what); });
        };
        workers_.push_back(std::make_unique<worker>(worker::options{.journal = journals_->writer_of(i),
                                                                    .clock = clock_,
                                                                    .open_connections = open_connections_,
                                                                    .labels = *labels_,
                                                                    .ask_control = ask,
                                                                    .peer_changed = peer_changed,
                                                                    .by = rules_,
                                                                    .upstream = upstream_->addresses(),
                                                                    .listeners = std::move(descriptors[i])}));
    }
    return {};
}

// ---- Serving ----------------------------------------------------------------------------------------------------

int control::run() {
    net::co_spawn(context_, run_store(), log_if_thrown);
    net::co_spawn(context_, record_log_->run(), log_if_thrown);
    await_signal();
    for (const auto& one : workers_) one->start();
    for (const conf::endpoint& where : listening_)
        std::printf("aimeter ready: listening on %s\n", address_text(where).c_str());
    std::fflush(stdout);
    context_.run();
    return 0;
}

net::awaitable<void> control::run_store() {
    if (embedded_) {
        auto started = co_await embedded_->start();
        if (const auto* problem = std::get_if<std::string>(&started)) spdlog::error("embedded Redis: {}", *problem);
        net::co_spawn(context_, embedded_->supervise(), log_if_thrown);
    }
    co_await shipper_->run();
}

// Called on a worker's thread; `done` posts back to it.
void control::answer_admin(admin::request what, std::function<void(admin::response)> done) {
    net::post(context_, [this, what = std::move(what), done = std::move(done)]() mutable {
        net::co_spawn(context_, api_->handle(std::move(what)),
                      [done = std::move(done)](std::exception_ptr thrown, admin::response answer) {
                          log_if_thrown(thrown);
                          if (thrown) answer = {.status = 500, .headers = {}, .body = {}};
                          done(std::move(answer));
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

// ---- Signals ----------------------------------------------------------------------------------------------------

void control::await_signal() {
    signals_.async_wait([this](boost::system::error_code ec, int signal) {
        if (ec) return;
        if (signal == SIGHUP) reload();
        if (signal == SIGTERM || signal == SIGINT) {
            if (stopping_) std::_Exit(1);  // the second one ends at once; the journal has every record
            stopping_ = true;
            net::co_spawn(context_, shut_down(), [this](std::exception_ptr thrown) {
                log_if_thrown(thrown);
                context_.stop();
            });
        }
        await_signal();
    });
}

// A bad file is refused with its errors, and the old one stays. What a running process cannot change is named.
void control::reload() {
    auto loaded = conf::load(source_.file, source_.overrides);
    if (const auto* errors = std::get_if<std::vector<conf::config_error>>(&loaded)) {
        for (const auto& error : *errors) spdlog::error("reload refused: {}", error.text());
        return;
    }
    auto& fresh = std::get<conf::settings>(loaded);
    const auto fixed = [](const char* key) {
        spdlog::warn("reload: {} is fixed for a process and stays as it was", key);
    };
    if (fresh.listen != settings_.listen) fixed("listen");
    if (fresh.workers != settings_.workers) fixed("workers");
    if (fresh.data_dir != settings_.data_dir) fixed("data_dir");
    if (fresh.timezone != settings_.timezone) fixed("timezone");
    if (fresh.redis != settings_.redis) fixed("redis");
    if (fresh.journal != settings_.journal) fixed("journal");
    if (fresh.admin != settings_.admin) fixed("admin");
    fresh.admin = settings_.admin;
    auto made = make_rules(fresh, key_secret_, rules_.get());
    if (const auto* problem = std::get_if<std::string>(&made)) {
        spdlog::error("reload refused: {}", *problem);
        return;
    }
    rules_ = std::get<std::shared_ptr<const rules>>(made);
    upstream_->follow(fresh.upstream, fresh.forward.resolve_interval);
    jwks_->follow(fresh.identity.jwt.jwks_url, fresh.forward.ca_file);
    use_fetched_keys();  // and with them rules and addresses
    spdlog::info("configuration reloaded");
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
    const auto ended = [this] {
        return std::all_of(workers_.begin(), workers_.end(), [](const auto& one) { return one->ended(); });
    };
    for (const auto& one : workers_) one->drain();
    if (!co_await until(ended, settings_.drain_timeout)) {
        spdlog::warn("drain_timeout is over; open connections are closed");
        for (const auto& one : workers_) one->stop();
        co_await until(ended, 3s);
    }
    const bool all = co_await shipper_->flush(final_flush);
    if (!all) spdlog::warn("some records are still in the journal; the next start ships them");
    record_log_->stop();
    shipper_->stop();
    jwks_->stop();
    upstream_->stop();
    if (embedded_) co_await embedded_->stop();
    for (const auto& one : workers_)
        if (one->ended()) one->join();
    for (const conf::endpoint& where : listening_)
        if (!where.unix_path.empty()) ::unlink(where.unix_path.c_str());
    std::fflush(nullptr);
    if (!ended()) std::_Exit(0);  // a worker that hangs cannot be joined; nothing of it is left to save
}

}  // namespace proxy
