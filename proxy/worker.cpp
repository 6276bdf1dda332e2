#include "proxy/worker.hpp"

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <random>
#include <string_view>

#include "proxy/errors.hpp"
#include "proxy/write_all.hpp"
#include "tracking/time_slice.hpp"

namespace proxy {
namespace {

// The resolution of all deadlines.
constexpr std::chrono::milliseconds tick_interval{50};

// Control's snapshot under a reference count of this worker's own, so that requests of different workers do not count
// on the same cache line.
std::shared_ptr<const rules> own_count(std::shared_ptr<const rules> shared) {
    const rules* raw = shared.get();
    return {raw, [shared = std::move(shared)](const rules*) {}};
}

// The record of a fatal alert, internal_error (RFC 8446, 6): as a server sends it before anything is agreed upon.
constexpr std::string_view tls_alert_no_room("\x15\x03\x03\x00\x02\x02\x50", 7);
constexpr std::size_t turned_away_most = 64;
constexpr std::chrono::milliseconds turned_away_time{1'000};

// False = the client has ended its side, or the socket broke.
bool discard_some(stream& from) {
    std::array<char, 4096> nowhere;
    const io_result got = from.try_read(nowhere);
    return got || got.error == io_error::would_block;
}

}  // namespace

worker::worker(options with)
    : ended_requests_(with.journal, with.labels),
      upstream_({.in = reactor_,
                 .streams = streams_,
                 .clock = with.clock,
                 .seed = std::random_device{}(),
                 .changed = std::move(with.peer_changed)}),
      live_(reactor_, std::move(with.want_snapshot)),
      parts_{.streams = streams_,
             .buffers = buffers_,
             .upstream = upstream_,
             .meters = meters_,
             .scanners = scanners_,
             .ended = ended_requests_,
             .heads = heads_,
             .routes = routes_,
             .journal = with.journal,
             .clock = with.clock,
             .open_connections = with.open_connections,
             .labels = with.labels,
             .ask_control = {},
             .next_piece = {},
             .live = live_,
             .in_force = own_count(with.by),
             .seen_tokens = with.by->identity->make_memory()} {
    upstream_.use(with.by->settings, with.by->tls.client, std::move(with.upstream));
    parts_.ask_control = [this, ask = std::move(with.ask_control)](admin::request what,
                                                                   std::function<void(admin::response)> done) {
        ask(std::move(what), [this, done = std::move(done)](admin::response answer) mutable {
            reactor_.post([done = std::move(done), answer = std::move(answer)]() mutable { done(std::move(answer)); });
        });
    };
    parts_.next_piece = [this, ask = std::move(with.next_piece)](std::shared_ptr<admin::body_source> of,
                                                                 std::function<void(admin::body_source::piece)> done) {
        ask(std::move(of), [this, done = std::move(done)](admin::body_source::piece one) mutable {
            reactor_.post([done = std::move(done), one = std::move(one)]() mutable { done(std::move(one)); });
        });
    };
    for (const auto& [descriptor, role, shared] : with.listeners) {
        const auto accepted = [this, role = role](int connection, int family, std::string peer) {
            accept(connection, family, {std::move(peer), role});
        };
        listeners_.push_back(std::make_unique<listener>(reactor_, descriptor, shared, accepted));
    }
}

worker::~worker() = default;

void worker::start() {
    for (const auto& one : listeners_) one->start();
    thread_ = std::thread([this] { run(); });
}

void worker::run() {
    ::pthread_setname_np(::pthread_self(), "worker");  // for top -H and profilers
    sigset_t all;                                      // signals are control's
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    tracking::run_in_usual_slices();  // whatever control's are
    reactor_.run(tick_interval, [this](steady_time now) { tick(now); }, [this] { ended_requests_.close_all(); });
    ended_.store(true, std::memory_order_release);
}

void worker::join() {
    if (thread_.joinable()) thread_.join();
}

void worker::accept(int descriptor, int family, accepted_from from) {
    auto client = std::make_shared<stream>(reactor_, streams_, descriptor, family);
    const std::uint32_t open = parts_.open_connections.fetch_add(1, std::memory_order_relaxed) + 1;
    if (open > parts_.in_force->settings.limits.connections) {
        parts_.open_connections.fetch_sub(1, std::memory_order_relaxed);
        turn_away(std::move(client));
        return;
    }
    if (SSL_CTX* const by = parts_.in_force->tls.server.get(); by != nullptr)
        client->secure(tls_channel::of_server(*by, descriptor));
    run_session(parts_, std::move(client), std::move(from), sessions_, &worker::session_ended, this);
}

// Over limits.connections. In TLS an alert in place of the handshake, which would cost more than the request. Closing
// with unread bytes would send RST, which can take the answer away before it is read (RFC 9112, 9.6); so the client has
// a moment to read it, unless there are too many to be polite to.
detached worker::turn_away(std::shared_ptr<stream> client) {
    const bool tls = parts_.in_force->tls.server != nullptr;
    const std::string answer =
        tls ? std::string(tls_alert_no_room) : problem_response(503, "too many connections", {}, false, false);
    const iovec whole = piece_of(answer);
    client->try_write({&whole, 1});
    client->shutdown_send();
    if (turned_away_ < turned_away_most) {
        ++turned_away_;
        const auto end = std::chrono::steady_clock::now() + turned_away_time;
        for (auto left = turned_away_time; left.count() > 0 && discard_some(*client);) {
            if (co_await client->readable(left) != io_error::none) break;
            left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        }
        --turned_away_;
    }
    client->close();
    if (parts_.draining) end_when_idle();
}

void worker::session_ended(void* self) {
    auto& me = *static_cast<worker*>(self);
    me.parts_.open_connections.fetch_sub(1, std::memory_order_relaxed);
    if (me.parts_.draining) me.end_when_idle();
}

void worker::tick(steady_time now) {
    streams_.expire_overdue(now);
    upstream_.drop_overdue(now);
    for (const auto& one : listeners_) one->resume();
}

void worker::use(std::shared_ptr<const rules> by, std::shared_ptr<const upstream_addresses> upstream) {
    reactor_.post([this, by = std::move(by), upstream = std::move(upstream)] {
        upstream_.use(by->settings, by->tls.client, upstream);
        if (by.get() == parts_.in_force.get()) return;
        parts_.in_force = own_count(by);
        parts_.seen_tokens = by->identity->make_memory();
        routes_.forget_all();
    });
}

void worker::ask(std::function<void(figures)> done) {
    reactor_.post([this, done = std::move(done)] { done({sessions_.size(), upstream_.figures()}); });
}

void worker::publish(admin::live_message what) {
    reactor_.post([this, what = std::move(what)] { live_.publish(what); });
}

void worker::drain() {
    reactor_.post([this] {
        // First, so that sessions of clients that were queued wait as usual, and those that have asked are told apart.
        // (Over TLS they have not asked before their handshake, and are ended.)
        for (const auto& one : listeners_) one->stop();
        parts_.draining = true;
        parts_.idle_may_ask = false;
        const std::vector<session*> now(sessions_.begin(), sessions_.end());
        for (session* one : now)
            if (sessions_.contains(one)) one->drain();
        live_.leave();
        end_when_idle();
    });
}

void worker::hand_over() {
    reactor_.post([this] {
        parts_.draining = parts_.idle_may_ask = true;
        for (const auto& one : listeners_) one->leave();
        live_.leave();
        end_when_idle();
    });
}

void worker::end_when_idle() {
    if (!sessions_.empty() || turned_away_ > 0) return;
    upstream_.drop_all();
    reactor_.stop();
}

void worker::stop() {
    reactor_.post([this] {
        parts_.draining = true;
        for (const auto& one : listeners_) one->stop();
        streams_.close_all();
        end_when_idle();
    });
}

}  // namespace proxy
