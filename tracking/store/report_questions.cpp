// The part of reports that asks: in bounded pipelines, with deadlines, one Redis or all shards of a cluster side by
// side.
#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "tracking/store/reports.hpp"

namespace tracking::store {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// One pipeline takes Redis a few ms; for this long it is taken to hang.
constexpr milliseconds answer_within{2'000};
// Of several shards that are asked at once, each gets this part of a chunk: this process holds all of their replies.
constexpr std::size_t chunk_part = 4;
constexpr std::size_t small_chunk = 8;  // which stays whole

struct asking_on {
    explicit asking_on(report_redis::connection& one) : on(one) { ++on.asking; }
    ~asking_on() { --on.asking; }
    asking_on(const asking_on&) = delete;
    asking_on& operator=(const asking_on&) = delete;
    report_redis::connection& on;
};

}  // namespace

// Into a place of the caller's: a variant as the result of a race would be merged with the race's own.
boost::asio::awaitable<void> reports::exchange(report_redis::connection& with, const std::vector<command>& commands,
                                               milliseconds left, answer<std::vector<reply>>& into) {
    const asking_on it_is(with);
    const auto connected = co_await with.client.connect(left);
    if (const auto* error = std::get_if<redis_error>(&connected)) {
        into = *error;
        co_return;
    }
    into = co_await with.client.pipeline(commands, left);
}

// The client's own deadline starts when its turn comes; the race also bounds the wait behind other reports.
boost::asio::awaitable<answer<std::vector<reply>>> reports::ask(report_redis::connection& whom,
                                                                const std::vector<command>& commands) {
    using namespace boost::asio::experimental::awaitable_operators;
    const auto now = steady_clock::now();
    const auto until = std::min(until_, now + answer_within);
    if (now >= until) co_return redis_error{"the time for one report is over"};
    const auto left = std::chrono::ceil<milliseconds>(until - now);
    answer<std::vector<reply>> result;
    boost::asio::steady_timer alarm(co_await boost::asio::this_coro::executor, until);
    const auto first =
        co_await (exchange(whom, commands, left, result) || alarm.async_wait(boost::asio::use_awaitable));
    if (first.index() == 1) {
        co_return redis_error{"Redis did not answer within " + std::to_string(left.count()) + " ms"};
    }
    co_return result;
}

// On a cluster the number of shards is asked once.
boost::asio::awaitable<std::optional<redis_error>> reports::learn_shards() {
    const auto left = std::min(until_ - steady_clock::now(), steady_clock::duration(answer_within));
    if (left <= steady_clock::duration::zero()) co_return redis_error{"the time for one report is over"};
    co_return co_await redis_->learn(std::chrono::ceil<milliseconds>(left));
}

boost::asio::awaitable<std::optional<redis_error>> reports::each(std::size_t count, std::size_t chunk,
                                                                 const make_command& make, const take_reply& take,
                                                                 const std::string* user) {
    if (redis_->is_cluster()) {
        if (redis_->shards().empty()) {
            if (auto error = co_await learn_shards()) co_return error;
        }
        std::vector<report_redis::shard*> asked;
        for (const auto& one : redis_->shards()) {
            if (user == nullptr || redis_->holds(*one, *user)) asked.push_back(one.get());
        }
        co_return co_await each_of(asked, count, chunk, make, take);
    }
    auto& only = *redis_->shards().front();
    for (std::size_t done = 0; done < count;) {
        std::vector<command> commands;
        for (std::size_t i = done; i < std::min(done + chunk, count); ++i) commands.push_back(make(only.keys, i));
        const auto result = co_await ask(only.freest(), commands);
        if (const auto* error = std::get_if<redis_error>(&result)) co_return *error;
        for (const auto& one : std::get<std::vector<reply>>(result)) {
            if (one.is_error()) co_return redis_error{"Redis refused " + commands.front().front() + ": " + one.text};
            take(done++, one);
        }
    }
    co_return std::nullopt;
}

// What is under way for a chunk. Shared: who does not answer in time is cancelled, and comes to its end a little later.
struct reports::gathering {
    gathering(const boost::asio::any_io_executor& on, std::shared_ptr<report_redis> from, std::size_t shards)
        : redis(std::move(from)),
          commands(shards),
          results(shards),
          ended(shards),
          stop(shards),
          open(shards),
          alarm(on) {}

    std::shared_ptr<report_redis> redis;
    std::vector<std::vector<command>> commands;
    std::vector<answer<std::vector<reply>>> results;
    std::vector<char> ended;
    std::vector<boost::asio::cancellation_signal> stop;
    std::size_t open;
    boost::asio::steady_timer alarm;
};

boost::asio::awaitable<std::optional<redis_error>> reports::each_of(const std::vector<report_redis::shard*>& shards,
                                                                    std::size_t count, std::size_t chunk,
                                                                    const make_command& make, const take_reply& take) {
    const auto executor = co_await boost::asio::this_coro::executor;
    const std::size_t most = shards.size() > 1 ? std::max(chunk / chunk_part, std::min(chunk, small_chunk)) : chunk;
    for (std::size_t done = 0; done < count; done += most) {
        const auto now = steady_clock::now();
        const auto until = std::min(until_, now + answer_within);
        if (now >= until) co_return redis_error{"the time for one report is over"};
        const auto left = std::chrono::ceil<milliseconds>(until - now);
        const auto all = std::make_shared<gathering>(executor, redis_, shards.size());
        all->alarm.expires_at(until);
        for (std::size_t s = 0; s < shards.size(); ++s) {
            all->results[s] = redis_error{"Redis did not answer within " + std::to_string(left.count()) + " ms"};
            for (std::size_t i = done; i < std::min(done + most, count); ++i)
                all->commands[s].push_back(make(shards[s]->keys, i));
            auto asking = exchange(shards[s]->freest(), all->commands[s], left, all->results[s]);
            auto done_with = boost::asio::bind_cancellation_slot(all->stop[s].slot(), [all, s](std::exception_ptr) {
                all->ended[s] = 1;
                if (--all->open == 0) all->alarm.cancel();
            });
            boost::asio::co_spawn(executor, std::move(asking), std::move(done_with));
        }
        if (all->open > 0) co_await all->alarm.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
        for (std::size_t s = 0; s < shards.size(); ++s)  // what waits for its turn at a node that hangs
            if (all->ended[s] == 0) all->stop[s].emit(boost::asio::cancellation_type::terminal);
        for (std::size_t s = 0; s < shards.size(); ++s) {
            if (const auto* error = std::get_if<redis_error>(&all->results[s]))
                co_return redis_->named(*shards[s], *error);
            std::size_t i = done;
            for (const auto& one : std::get<std::vector<reply>>(all->results[s])) {
                if (one.is_error())
                    co_return redis_->named(*shards[s],
                                            {"Redis refused " + all->commands[s].front().front() + ": " + one.text});
                take(i++, one);
            }
        }
    }
    co_return std::nullopt;
}

}  // namespace tracking::store
