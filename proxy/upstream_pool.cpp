#include "proxy/upstream_pool.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace proxy {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr int connect_timeouts_for_all = 2;  // in upstream_connect_timeout: how long a request may look for a peer

// A request that meets the end of its connection may be lost, so that a connection is left well before its peer closes
// it: a second before, or half of what it states when that is less.
milliseconds shortened(milliseconds stated) { return stated - std::min<milliseconds>(1s, stated / 2); }

// The worker is being stopped, or this process or machine has no more: the peer did nothing.
bool is_our_fault(int error) noexcept {
    switch (error) {
        case ECANCELED:
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
        case EADDRNOTAVAIL:
            return true;
        default:
            return false;
    }
}

connect_failure failed_with(int error) { return {.timed_out = error == ETIMEDOUT, .error = error, .problem = {}}; }

}  // namespace

std::string connect_failure::text() const {
    if (!problem.empty()) return problem;
    if (timed_out) return "connecting timed out";
    if (error == 0) return "no address of the upstream is known";
    return std::strerror(error);
}

upstream_pool::upstream_pool(parts with)
    : reactor_(with.in), streams_(with.streams), peers_(with.clock, with.seed, std::move(with.changed)) {}

void upstream_pool::use(const conf::settings& settings, tls_context tls,
                        std::shared_ptr<const upstream_addresses> addresses) {
    limits_ = settings.limits;
    peers_.use(settings.forward);
    if (tls != tls_) {
        tls_ = std::move(tls);
        sessions_.clear();
        drop_if([this](const stream& connection) { return !is_trusted(connection); });
    }
    if (addresses != addresses_) {
        addresses_ = std::move(addresses);
        const auto left = peers_.use(*addresses_);
        for (const idle_connection& one : left) one.connection->leave();
        idle_ -= left.size();
    }
    drop_if([this](const stream&) { return idle_ > limits_.upstream_idle; });
}

bool upstream_pool::choose(peer_turn& turn) {
    if (!turn.is_first() && std::chrono::steady_clock::now() >= turn.until) return false;
    return peers_.choose(turn);
}

std::shared_ptr<stream> upstream_pool::take_idle(const peer_turn& turn) noexcept {
    auto& idle = turn.at().idle;
    if (turn.is_test()) return nullptr;
    // The end of one that was idle before this turn has been noted when the turn began. Only in a long turn, or where
    // all of them were used in this one already, must the kernel be asked.
    const auto known = std::find_if(idle.rbegin(), idle.rend(), [this](const idle_connection& one) {
        return reactor_.turn_is_short() && one.since != reactor_.turn_began() && one.connection->quiet();
    });
    if (known != idle.rend()) {
        std::shared_ptr<stream> kept = std::move(known->connection);
        idle.erase(std::next(known).base());
        --idle_;
        kept->unwatch();
        return kept;
    }
    while (!idle.empty()) {
        std::shared_ptr<stream> kept = std::move(idle.back().connection);
        idle.pop_back();
        --idle_;
        kept->unwatch();
        if (kept->quiet_now()) return kept;
        kept->close();
    }
    return nullptr;
}

task<std::variant<std::shared_ptr<stream>, connect_failure>> upstream_pool::connect(peer_turn& turn) {
    const upstream_address& to = turn.at().address;
    const auto now = std::chrono::steady_clock::now();
    if (turn.is_first()) turn.until = now + connect_timeouts_for_all * limits_.upstream_connect_timeout;
    const auto left = std::chrono::ceil<milliseconds>(turn.until - now);
    const int family = to.unix_path.empty() ? to.socket.ss_family : AF_UNIX;
    const int descriptor = connect_start(to.unix_path, &to.socket, to.length, family);
    std::optional<connect_failure> failed;
    if (descriptor < 0) {
        failed = failed_with(-descriptor);
    } else {
        auto connection = std::make_shared<stream>(reactor_, streams_, descriptor, family);
        failed = co_await establish(*connection, to, std::min(left, limits_.upstream_connect_timeout));
        if (!failed) {
            peers_.connected(turn);
            co_return connection;
        }
        connection->close();
    }
    is_our_fault(failed->error) ? peers_.not_connected(turn) : peers_.connect_failed(turn, failed->text());
    co_return std::move(*failed);
}

// Sees a connection that was started through, to the end of its handshake.
task<std::optional<connect_failure>> upstream_pool::establish(stream& connection, const upstream_address& to,
                                                              milliseconds timeout) {
    const steady_time deadline = std::chrono::steady_clock::now() + timeout;
    const io_error waited = co_await connection.writable(timeout);
    if (waited == io_error::timed_out) co_return failed_with(ETIMEDOUT);
    if (waited != io_error::none) co_return failed_with(ECANCELED);
    const int error = connect_result(connection.descriptor());
    if (error != 0) co_return failed_with(error);
    if (to.tls_name.empty()) co_return std::nullopt;
    co_return co_await greet(connection, to, deadline);
}

task<std::optional<connect_failure>> upstream_pool::greet(stream& connection, const upstream_address& to,
                                                          steady_time deadline) {
    if (!tls_) co_return failed_with(EPROTO);
    auto& kept = sessions_[{to.tls_name, to.port}];
    if (!kept) kept = std::make_shared<tls_session>();
    connection.secure(tls_channel::of_client(*tls_, connection.descriptor(), to.tls_name, kept));
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    const io_error shaken = co_await shake_hands(connection, left);
    if (shaken == io_error::none) co_return std::nullopt;
    const bool late = shaken == io_error::timed_out;
    const std::string why = late ? "it timed out" : connection.tls()->problem();
    connect_failure failure{.timed_out = late, .error = 0, .problem = "TLS handshake with " + to.tls_name + ": " + why};
    co_return failure;
}

// After a reload others may count as the upstream: what was verified by other rules is not used again.
bool upstream_pool::is_trusted(const stream& connection) const noexcept {
    return connection.tls() == nullptr || connection.tls()->context() == tls_.get();
}

void upstream_pool::give_back(const peer_turn& turn, std::shared_ptr<stream> used,
                              std::optional<std::chrono::seconds> stated) {
    peer& at = turn.at();
    const bool quiet = used->quiet() || used->quiet_now();
    if (!quiet || at.gone || idle_ >= limits_.upstream_idle || !is_trusted(*used)) return used->close();
    const auto keep = std::min(limits_.upstream_idle_timeout, stated ? shortened(*stated) : milliseconds::max());
    stream& kept = *used;
    at.idle.push_back({std::move(used), reactor_.turn_began(), reactor_.turn_began() + keep});
    ++idle_;
    // An idle connection has nothing to say: whatever makes it readable (its end, mostly) is its end. Only TLS 1.3 may
    // still send session tickets.
    kept.watch(&upstream_pool::on_idle_event, this);
}

void upstream_pool::on_idle_event(void* pool) noexcept {
    auto& self = *static_cast<upstream_pool*>(pool);
    self.peers_.for_each([&](peer& at) {
        self.idle_ -= std::erase_if(at.idle, [&](const idle_connection& entry) {
            if (entry.connection->quiet()) return false;
            if (entry.connection->tls() != nullptr && entry.connection->quiet_now()) {
                entry.connection->watch(&upstream_pool::on_idle_event, pool);
                return false;
            }
            entry.connection->close();
            return true;
        });
    });
}

std::vector<upstream_pool::peer_figures> upstream_pool::figures() const {
    std::vector<peer_figures> all;
    peers_.for_each([&](const peer& one) {
        all.push_back({one.address.text, one.requests, one.failures, one.under_way, one.idle.size()});
    });
    return all;
}

void upstream_pool::drop_overdue(steady_time now) noexcept {
    peers_.for_each([&](peer& at) {
        idle_ -= std::erase_if(at.idle, [&](const idle_connection& entry) {
            if (now < entry.until) return false;
            entry.connection->leave();
            return true;
        });
    });
}

// `unfit(connection)` is asked with idle_ as it is at that moment.
template <class Unfit>
void upstream_pool::drop_if(Unfit unfit) noexcept {
    peers_.for_each([&](peer& at) {
        std::erase_if(at.idle, [&](const idle_connection& entry) {
            if (!unfit(*entry.connection)) return false;
            entry.connection->leave();
            --idle_;
            return true;
        });
    });
}

void upstream_pool::drop_all() noexcept {
    drop_if([](const stream&) { return true; });
}

}  // namespace proxy
