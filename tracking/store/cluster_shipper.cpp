#include "tracking/store/cluster_shipper.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <set>
#include <string>
#include <vector>

#include "tracking/store/journal_upkeep.hpp"
#include "tracking/store/shard_journals.hpp"
#include "tracking/store/shards.hpp"

namespace tracking::store {

namespace net = boost::asio;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr auto as_result = net::as_tuple(net::use_awaitable);
constexpr milliseconds find_deadline{4'000};
constexpr std::size_t troubles_max = 20;
constexpr milliseconds pause_min{50}, pause_max{2'000};

}  // namespace

struct cluster_shipper::impl : std::enable_shared_from_this<cluster_shipper::impl> {
    explicit impl(shipper::parts with)
        : part(std::move(with)),
          nap(part.executor),
          tick_timer(part.executor),
          ended(part.executor),
          journals(part.journals, part.metrics) {}

    struct shard {
        conf::settings settings;
        std::unique_ptr<shipper> ship;
    };

    net::awaitable<void> ship();
    net::awaitable<void> tick();
    net::awaitable<bool> find();
    net::awaitable<void> flush_one(shipper& one, milliseconds deadline, std::size_t& open, bool& all);
    void make(std::uint32_t count);
    bool all_connected() const;
    static net::awaitable<void> sleep(net::steady_timer& on, milliseconds length);

    shipper::parts part;
    net::steady_timer nap, tick_timer, ended;
    bool stopping = false;
    std::size_t running = 0;
    std::string problem = "not connected yet";
    std::set<std::string> problems_told;  // each once, however often it is tried
    shard_journals journals;
    std::vector<std::unique_ptr<shard>> shards;  // empty until their number is known
};

net::awaitable<void> cluster_shipper::impl::sleep(net::steady_timer& on, milliseconds length) {
    on.expires_after(length);
    co_await on.async_wait(as_result);
}

// How many shards there are, from the cluster itself. True when it is known.
net::awaitable<bool> cluster_shipper::impl::find() {
    auto url = redis_url::parse(part.redis_url());
    if (auto* wrong = std::get_if<std::string>(&url)) {
        problem = *wrong;
        co_return false;
    }
    const auto& how = part.settings.redis;
    const auto found = co_await find_shards(part.executor, std::get<redis_url>(url), how, how.shards,
                                            time_to_find(find_deadline, how.shards));
    if (const auto* error = std::get_if<redis_error>(&found)) {
        problem = error->what;
        if (!stopping && problems_told.size() < troubles_max && problems_told.insert(problem).second)
            spdlog::warn("redis: {}; records wait in the journal", problem);
        co_return false;
    }
    const auto count = std::get<std::uint32_t>(found);
    if (count != how.shards)
        spdlog::warn("redis: the data set has {} shards, which stay; redis.shards = {} is for new ones", count,
                     how.shards);
    make(count);
    co_return true;
}

void cluster_shipper::impl::make(std::uint32_t count) {
    journals.divide(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        auto& made = *shards.emplace_back(std::make_unique<shard>());
        made.settings = shard_settings(part.settings, i, count);
        made.settings.journal.sync.reset();  // the whole's, below
        made.ship =
            std::make_unique<shipper>(shipper::parts{.executor = part.executor,
                                                     .settings = made.settings,
                                                     .journals = journals.of(i),
                                                     .when = part.when,
                                                     .clock = part.clock,
                                                     .redis_url = part.redis_url,
                                                     .data_set_file = part.data_set_file + "." + std::to_string(i),
                                                     .name = "redis shard " + std::to_string(i),
                                                     .shards = count});
    }
}

net::awaitable<void> cluster_shipper::impl::ship() {
    for (milliseconds pause{0}; !stopping && !co_await find();) {
        pause = std::clamp(pause * 2, pause_min, pause_max);
        if (!stopping) co_await sleep(nap, pause);
    }
    if (stopping) co_return;
    for (auto& one : shards) {
        ++running;
        net::co_spawn(part.executor, one->ship->run(), [self = shared_from_this()](std::exception_ptr) {
            if (--self->running == 0) self->ended.cancel();
        });
    }
    while (running > 0) {
        ended.expires_at(steady_clock::time_point::max());
        co_await ended.async_wait(as_result);
    }
}

bool cluster_shipper::impl::all_connected() const {
    return !shards.empty() &&
           std::all_of(shards.begin(), shards.end(), [](const auto& one) { return one->ship->connected(); });
}

// Keeps the journals' house in order whatever Redis does.
net::awaitable<void> cluster_shipper::impl::tick() {
    journal_upkeep upkeep(part.journals, part.settings);
    while (!stopping) {
        const auto now = steady_clock::now();
        journals.settle();
        upkeep.run(!all_connected(), now);
        if (upkeep.is_time_to_look_ahead(now)) journals.look_ahead(look_ahead_records);
        tick_timer.expires_at(upkeep.next_run(now));  // when the shippers look, too
        co_await tick_timer.async_wait(as_result);
    }
}

net::awaitable<void> cluster_shipper::impl::flush_one(shipper& one, milliseconds deadline, std::size_t& open,
                                                      bool& all) {
    const bool flushed = co_await one.flush(deadline);
    all &= flushed;
    --open;
}

cluster_shipper::cluster_shipper(shipper::parts with) : impl_(std::make_shared<impl>(std::move(with))) {}
cluster_shipper::~cluster_shipper() { stop(); }

net::awaitable<void> cluster_shipper::run() {
    using namespace net::experimental::awaitable_operators;
    const auto self = impl_;  // shared: run() may outlive the shipper for a moment
    co_await (self->ship() && self->tick());
}

net::awaitable<bool> cluster_shipper::flush(milliseconds deadline) {
    const auto self = impl_;
    const auto end = steady_clock::now() + deadline;
    net::steady_timer wait(self->part.executor);
    while (self->shards.empty() && !self->stopping && steady_clock::now() < end)
        co_await impl::sleep(wait, milliseconds{5});
    if (self->shards.empty()) co_return false;
    const auto left = std::max(milliseconds{1}, std::chrono::ceil<milliseconds>(end - steady_clock::now()));
    std::size_t open = self->shards.size();
    bool all = true;
    for (auto& one : self->shards) {
        net::co_spawn(self->part.executor, self->flush_one(*one->ship, left, open, all), [self](std::exception_ptr) {});
    }
    while (open > 0) co_await impl::sleep(wait, milliseconds{2});
    self->journals.settle();
    co_return all;
}

void cluster_shipper::stop() {
    impl_->stopping = true;
    impl_->nap.cancel();
    impl_->tick_timer.cancel();
    for (auto& one : impl_->shards) one->ship->stop();
}

shipper_state cluster_shipper::current() const {
    shipper_state sum{.connected = impl_->all_connected(), .redis = "connected"};
    if (impl_->shards.empty()) sum.redis = impl_->problem;
    std::string away, why;
    for (std::size_t i = 0; i < impl_->shards.size(); ++i) {
        const shipper_state of = impl_->shards[i]->ship->current();
        sum.shipped += of.shipped;
        sum.batches += of.batches;
        sum.refused += of.refused;
        sum.connections_lost += of.connections_lost;
        sum.shipped_for_others += of.shipped_for_others;
        sum.apply_us.add(of.apply_us);
        if (sum.warning.empty()) sum.warning = of.warning;
        if (of.redis == "connected") continue;
        away += (away.empty() ? "" : ", ") + std::to_string(i);
        if (why.empty()) why = of.redis;
    }
    if (!away.empty()) sum.redis = "shard " + away + ": " + why;
    sum.lag = impl_->journals.lag();
    sum.waiting = impl_->journals.waiting();
    return sum;
}

std::unique_ptr<shipping> make_shipping(shipper::parts with) {
    const auto url = redis_url::parse(with.redis_url());
    const auto* known = std::get_if<redis_url>(&url);
    if (known != nullptr && known->form == redis_url::form::cluster)
        return std::make_unique<cluster_shipper>(std::move(with));
    return std::make_unique<shipper>(std::move(with));
}

}  // namespace tracking::store
