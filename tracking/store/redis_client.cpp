#include "tracking/store/redis_client.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>

#include "tracking/store/cluster_nodes.hpp"
#include "tracking/store/redis_connection.hpp"
#include "tracking/store/sentinels.hpp"

namespace tracking::store {

namespace net = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr auto as_result = net::as_tuple(net::use_awaitable);
constexpr milliseconds watch_pause{1'000};     // between two questions to the sentinels
constexpr milliseconds watch_deadline{1'000};  // of one question
constexpr milliseconds cluster_pause{50};      // before a command that a changing cluster did not run is sent again
constexpr milliseconds least_time{100};        // for it to be answered then

redis_server server_of(const redis_url& url) {
    return {.host = url.host,
            .port = url.port,
            .unix_path = url.unix_path,
            .tls = url.tls,
            .user = url.user,
            .password = url.password,
            .db = url.db,
            .must_be_master = url.form == redis_url::form::sentinel,
            .text = url.text};
}

}  // namespace

struct redis_client::impl : std::enable_shared_from_this<redis_client::impl> {
    // shared_ptr: coroutines that still run keep it when the client is destroyed before them.
    impl(const net::any_io_executor& on, redis_url to, const conf::redis_tls& trust, std::string_view key)
        : executor(on),
          url(std::move(to)),
          by(trust),
          connection(std::make_shared<redis_connection>(on, trust)),
          watching(on) {
        if (url.form != redis_url::form::cluster) return;
        nodes = std::make_shared<cluster_nodes>(on, url, trust);
        slot = slot_of(key);
    }

    net::any_io_executor executor;
    redis_url url;
    conf::redis_tls by;
    std::shared_ptr<redis_connection> connection;
    // Made anew for each opening: the watch over the connection before may still be asking those of then.
    std::shared_ptr<sentinels> watchers;
    net::steady_timer watching;
    std::uint64_t opened = 0;              // tells the watch over an earlier connection from that over this one
    std::shared_ptr<cluster_nodes> nodes;  // null = this is no cluster
    std::uint16_t slot = 0;
    std::uint64_t moves = 0, closings = 0;

    // Whose turn it is: a pipeline is one write and its replies, never mixed with another's.
    struct waiter {
        explicit waiter(const net::any_io_executor& on) : wake(on, net::steady_timer::time_point::max()) {}
        net::steady_timer wake;
        bool granted = false;
    };
    bool busy = false;
    std::deque<std::shared_ptr<waiter>> queue;

    net::awaitable<bool> take_turn();
    void pass_turn();
    void close();

    net::awaitable<nothing_or_error> open(milliseconds deadline);
    net::awaitable<nothing_or_error> open_master(milliseconds deadline);
    static net::awaitable<void> watch(std::shared_ptr<impl> self, std::shared_ptr<sentinels> asked, std::uint64_t over);
    net::awaitable<nothing_or_error> open_slot(milliseconds deadline);
    net::awaitable<nothing_or_error> follow(const node_address& to, milliseconds deadline);
    net::awaitable<nothing_or_error> ask_elsewhere(const std::vector<command>& commands,
                                                   const std::vector<std::size_t>& which, const node_address& at,
                                                   milliseconds deadline, std::vector<reply>& replies);
    net::awaitable<replies_or_error> exchange_on_cluster(const std::vector<command>& commands, milliseconds deadline);
};

namespace {

// Gives the turn back when the coroutine ends, whichever way.
template <class Impl>
struct turn_holder {
    std::shared_ptr<Impl> of;
    ~turn_holder() { of->pass_turn(); }
};

}  // namespace

net::awaitable<bool> redis_client::impl::take_turn() {
    if (!busy) {
        busy = true;
        co_return true;
    }
    auto place = std::make_shared<waiter>(executor);
    queue.push_back(place);
    co_await place->wake.async_wait(as_result);
    if (!place->granted) std::erase(queue, place);
    co_return place->granted;
}

void redis_client::impl::pass_turn() {
    if (queue.empty()) {
        busy = false;
        return;
    }
    auto next = queue.front();
    queue.pop_front();
    next->granted = true;
    next->wake.cancel();
}

void redis_client::impl::close() {
    ++opened;
    ++closings;
    connection->close();
    watching.cancel();
    if (watchers) watchers->close();
}

net::awaitable<nothing_or_error> redis_client::impl::open(milliseconds deadline) {
    if (url.form == redis_url::form::sentinel) co_return co_await open_master(deadline);
    if (url.form == redis_url::form::one) co_return co_await connection->open(server_of(url), deadline);
    co_return co_await open_slot(deadline);
}

// The master's own word (ROLE) counts, too: a sentinel may be late.
net::awaitable<nothing_or_error> redis_client::impl::open_master(milliseconds deadline) {
    const auto end = steady_clock::now() + deadline;
    const auto mine = ++opened;
    watching.cancel();
    if (watchers) watchers->close();
    const auto asked = watchers = std::make_shared<sentinels>(executor, url, by);
    auto found = co_await asked->find_master(deadline / 2);
    if (const auto* error = std::get_if<redis_error>(&found)) co_return *error;
    const auto& master = std::get<master_address>(found);
    redis_server to = server_of(url);
    to.host = master.host;
    to.port = master.port;
    to.text = url.text + " (" + master.text() + ")";
    const auto left = std::chrono::ceil<milliseconds>(end - steady_clock::now());
    auto result = co_await connection->open(std::move(to), std::max(left, milliseconds{1}));
    if (std::holds_alternative<redis_error>(result)) co_return result;
    if (mine != opened) {  // closed meanwhile
        connection->close();
        co_return redis_error{url.text + ": closed"};
    }
    net::co_spawn(executor, watch(shared_from_this(), asked, mine), net::detached);
    co_return result;
}

// A master that was replaced may go on accepting what nobody will keep (it was cut off from the sentinels, not from
// us).
net::awaitable<void> redis_client::impl::watch(std::shared_ptr<impl> self, std::shared_ptr<sentinels> asked,
                                               std::uint64_t over) {
    const master_address ours{self->connection->server().host, self->connection->server().port};
    while (true) {
        self->watching.expires_after(watch_pause);
        co_await self->watching.async_wait(as_result);
        if (self->opened != over || !self->connection->ready()) co_return;
        const bool replaced = co_await asked->agree_on_another(ours, watch_deadline);
        if (self->opened != over) co_return;
        if (replaced) co_return self->close();
    }
}

// ---- Cluster -------------------------------------------------------------------------------------------------------

net::awaitable<nothing_or_error> redis_client::impl::open_slot(milliseconds deadline) {
    const auto end = steady_clock::now() + deadline;
    const auto before = closings;
    auto found = co_await nodes->master_of(slot, deadline);
    if (const auto* error = std::get_if<redis_error>(&found)) co_return *error;
    const auto left = std::chrono::ceil<milliseconds>(end - steady_clock::now());
    auto result =
        co_await connection->open(nodes->server(std::get<node_address>(found)), std::max(left, milliseconds{1}));
    if (before == closings) co_return result;
    connection->close();  // closed meanwhile
    co_return redis_error{url.text + ": closed"};
}

// The slot is said to be elsewhere now. Who says so may be late, too: then whoever knows is asked.
net::awaitable<nothing_or_error> redis_client::impl::follow(const node_address& to, milliseconds deadline) {
    const auto end = steady_clock::now() + deadline;
    const auto before = closings;
    ++moves;
    auto result = co_await connection->open(nodes->server(to), deadline / 2);
    if (before != closings) {
        connection->close();
        co_return redis_error{url.text + ": closed"};
    }
    if (std::holds_alternative<std::monostate>(result)) co_return result;
    const auto left = std::chrono::ceil<milliseconds>(end - steady_clock::now());
    co_return co_await open_slot(std::max(left, milliseconds{1}));
}

// Commands about keys that have already gone to where their slot is going. When the answer does not come, nobody knows
// whether they were run.
net::awaitable<nothing_or_error> redis_client::impl::ask_elsewhere(const std::vector<command>& commands,
                                                                   const std::vector<std::size_t>& which,
                                                                   const node_address& at, milliseconds deadline,
                                                                   std::vector<reply>& replies) {
    const auto other = nodes->make_connection();
    const auto opened = co_await other->open(nodes->server(at), deadline / 2);
    if (std::holds_alternative<redis_error>(opened)) co_return std::monostate{};  // nothing was run: asked again
    std::vector<command> asking;
    for (const auto i : which) {
        asking.push_back({"ASKING"});
        asking.push_back(commands[i]);
    }
    auto answered = co_await other->exchange(asking, deadline);
    other->close();
    if (auto* error = std::get_if<redis_error>(&answered)) co_return std::move(*error);
    auto& answers = std::get<std::vector<reply>>(answered);
    for (std::size_t i = 0; i < which.size(); ++i) replies[which[i]] = std::move(answers[2 * i + 1]);
    co_return std::monostate{};
}

// An answer of these kinds says that the command was not run: sending it again cannot do it twice.
net::awaitable<replies_or_error> redis_client::impl::exchange_on_cluster(const std::vector<command>& commands,
                                                                         milliseconds deadline) {
    const auto end = steady_clock::now() + deadline;
    const auto before = closings;
    const auto left = [end] {
        return std::max(milliseconds{1}, std::chrono::ceil<milliseconds>(end - steady_clock::now()));
    };
    auto first = co_await connection->exchange(commands, deadline);
    if (std::holds_alternative<redis_error>(first)) co_return first;
    auto replies = std::get<std::vector<reply>>(std::move(first));
    const bool transaction = !commands.empty() && commands.front().front() == "MULTI";
    for (bool first_try = true;; first_try = false) {
        const node_address here{connection->server().host, connection->server().port};
        std::optional<node_address> moved, gone;
        std::vector<std::size_t> again, asked;
        for (std::size_t i = 0; i < replies.size(); ++i) {
            const auto to = redirection_of(replies[i], here);
            if (!to && !is_passing(replies[i])) continue;
            again.push_back(i);
            if (to && to->ask) asked.push_back(i);
            if (to) (to->ask ? gone : moved) = to->to;
        }
        if (again.empty()) co_return replies;
        // A transaction cannot follow its keys one by one. Nothing of it was run: it waits until all are in one place.
        if (gone && !transaction) {
            auto result = co_await ask_elsewhere(commands, asked, *gone, left(), replies);
            if (auto* error = std::get_if<redis_error>(&result)) {
                close();
                co_return std::move(*error);
            }
            std::erase_if(again,
                          [&](std::size_t i) { return !redirection_of(replies[i], here) && !is_passing(replies[i]); });
            if (again.empty()) co_return replies;
        }
        // What the cluster says is told, rather than that there was no time for another answer.
        if (steady_clock::now() + cluster_pause + least_time >= end) co_return replies;
        if (transaction) {
            again.resize(commands.size());
            for (std::size_t i = 0; i < again.size(); ++i) again[i] = i;
        }
        if (!moved || !first_try) {
            net::steady_timer wait(executor, cluster_pause);
            co_await wait.async_wait(as_result);
        }
        if (before != closings) co_return redis_error{url.text + ": closed"};
        if (moved) {
            auto opened = co_await follow(*moved, left());
            if (auto* error = std::get_if<redis_error>(&opened)) co_return std::move(*error);
        }
        std::vector<command> rest;
        for (const auto i : again) rest.push_back(commands[i]);
        auto next = co_await connection->exchange(rest, left());
        if (std::holds_alternative<redis_error>(next)) co_return next;
        auto& fresh = std::get<std::vector<reply>>(next);
        for (std::size_t i = 0; i < again.size(); ++i) replies[again[i]] = std::move(fresh[i]);
    }
}

redis_client::redis_client(net::any_io_executor executor, redis_url url, conf::redis_tls trust, std::string_view key)
    : impl_(std::make_shared<impl>(executor, std::move(url), trust, key)) {}

redis_client::redis_client(const redis_client& sibling, std::string_view key)
    : impl_(std::make_shared<impl>(sibling.impl_->executor, sibling.impl_->url, sibling.impl_->by, key)) {
    impl_->nodes = sibling.impl_->nodes;
}

redis_client::~redis_client() { close(); }

net::awaitable<nothing_or_error> redis_client::connect(milliseconds deadline) {
    const auto self = impl_;
    if (!co_await self->take_turn()) co_return redis_error{self->url.text + ": cancelled"};
    const turn_holder<impl> turn{self};
    if (self->connection->ready()) co_return std::monostate{};
    co_return co_await self->open(deadline);
}

bool redis_client::connected() const { return impl_->connection->ready(); }

std::uint64_t redis_client::moves() const { return impl_->moves; }

void redis_client::close() { impl_->close(); }

net::awaitable<replies_or_error> redis_client::pipeline(const std::vector<command>& commands, milliseconds deadline) {
    const auto self = impl_;
    if (!co_await self->take_turn()) co_return redis_error{self->url.text + ": cancelled"};
    const turn_holder<impl> turn{self};
    if (!self->connection->ready()) co_return redis_error{self->url.text + ": not connected"};
    if (self->nodes) co_return co_await self->exchange_on_cluster(commands, deadline);
    const auto connection = self->connection;
    co_return co_await connection->exchange(commands, deadline);
}

}  // namespace tracking::store
