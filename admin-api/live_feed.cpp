#include "admin-api/live_feed.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "admin-api/figures.hpp"
#include "admin-api/websocket.hpp"

namespace admin {

namespace {

namespace net = boost::asio;
namespace store = tracking::store;
using net::awaitable;
using std::chrono::steady_clock;

constexpr std::chrono::seconds look_every{1};
constexpr std::chrono::milliseconds look_budget{5'000};
// What the overview is compared with, and the month's days that are over, are read anew after this long.
constexpr std::int64_t past_stays_ms = 10'000;
// So long a snapshot says that Redis is up again, for whoever missed the word.
constexpr std::int64_t recovery_is_news_ms = 120'000;

}  // namespace

live_feed::live_feed(parts with) : with_(std::move(with)), places_(with_.connections_most), pause_(with_.executor) {}

std::shared_ptr<void> live_feed::join() {
    auto place = places_.take();
    if (!place || running_ || stopped_) return place;
    running_ = true;
    net::co_spawn(with_.executor, run(), [this](const std::exception_ptr& thrown) {
        if (!thrown) return;  // it may run again already
        running_ = false;
        try {
            std::rethrow_exception(thrown);
        } catch (const std::exception& failure) {
            spdlog::error("live feed: {}", failure.what());
        }
    });
    return place;
}

void live_feed::stop() {
    stopped_ = true;
    pause_.cancel();
}

awaitable<void> live_feed::run() {
    while (places_.taken() > 0 && !stopped_) {
        pause_.expires_at(next_look_);
        co_await pause_.async_wait(net::as_tuple(net::use_awaitable));
        if (stopped_) break;
        next_look_ = tracking::next_look(steady_clock::now(), look_every);
        co_await look();
    }
    figures_.reset();
    snapshot_.reset();
    wanting_.clear();
    redis_ = {};
    running_ = false;
}

awaitable<void> live_feed::look() {
    std::unique_ptr<live_figures> fresh;
    const auto error = co_await read(fresh);
    redis_answered(!error);
    if (error || !fresh) co_return;
    snapshot_.reset();
    const auto before = std::exchange(figures_, std::move(fresh));
    if (before) tell_what_changed(*before);
    answer_wanted();
}

// Null stays null when nothing is new. The totals come first: what is committed after them makes them differ at the
// next look, so that nothing is missed for good, whatever else of it is seen already.
awaitable<maybe_error> live_feed::read(std::unique_ptr<live_figures>& fresh) {
    auto reports = with_.reports.within(look_budget);
    const std::int64_t now_ms = with_.clock.wall_ms();
    std::vector<store::counters> total;
    std::vector<std::string> of_all{"total"};
    if (auto error = unpack(co_await reports.usage(std::move(of_all)), total)) co_return error;
    const bool past_is_old = !is_same_day(now_ms) || now_ms - figures_->past_read_ms >= past_stays_ms;
    if (!past_is_old && total.front() == figures_->total) co_return std::nullopt;

    auto to = figures_ ? std::make_unique<live_figures>(*figures_) : std::make_unique<live_figures>();
    to->total = total.front();
    to->overview.now_ms = now_ms;
    if (auto error = co_await read_present(reports, to->overview)) co_return error;
    if (past_is_old) {
        if (auto error = co_await read_past(reports, to->overview)) co_return error;
        to->past_read_ms = now_ms;
    }
    merge_latency(to->overview);
    if (auto error = co_await read_stats(reports, now_ms, to->stats)) co_return error;
    fresh = std::move(to);
    co_return std::nullopt;
}

// As the figures at hand.
bool live_feed::is_same_day(std::int64_t ms) const {
    const store::calendar& when = with_.reports.when();
    return figures_ && when.day_number(ms) == when.day_number(figures_->overview.now_ms);
}

void live_feed::redis_answered(bool up) {
    if (up == redis_.up) return;
    redis_ = {up, with_.clock.wall_ms()};
    snapshot_.reset();
    with_.publish(news(live_message::kind::notice, state_json(redis_, with_.reports.when())));
}

void live_feed::tell_what_changed(const live_figures& before) {
    const store::calendar& when = with_.reports.when();
    const auto requests = static_cast<std::size_t>(store::counter::requests);
    // A Redis that was emptied or came back from an older state, or a new day: nothing adds up to these figures.
    const bool anew = figures_->total[requests] < before.total[requests] ||
                      when.day_number(figures_->overview.now_ms) != when.day_number(before.overview.now_ms);
    if (!anew && figures_->total == before.total) return;
    ++seq_;
    if (anew) {
        live_message all = snapshot();
        all.is = live_message::kind::renewal;
        all.order = ++order_;
        with_.publish(std::move(all));
    } else {
        with_.publish(news(live_message::kind::delta, delta_json(seq_, before, *figures_, when)));
    }
}

void live_feed::want_snapshot(std::size_t worker) {
    if (figures_) return with_.give(worker, snapshot());
    wanting_.insert(worker);
    if (!redis_.up) with_.give(worker, news(live_message::kind::greeting, state_json(redis_, with_.reports.when())));
}

void live_feed::answer_wanted() {
    for (const std::size_t worker : std::exchange(wanting_, {})) with_.give(worker, snapshot());
}

// With the state of Redis behind it, when that is news.
live_message live_feed::snapshot() {
    if (!snapshot_) {
        const store::calendar& when = with_.reports.when();
        std::string frames;
        websocket::append_frame(frames, websocket::opcode::text, snapshot_json(seq_, *figures_, when));
        const bool news = !redis_.up || with_.clock.wall_ms() - redis_.since_ms < recovery_is_news_ms;
        if (redis_.since_ms != 0 && news)
            websocket::append_frame(frames, websocket::opcode::text, state_json(redis_, when));
        snapshot_ = std::make_shared<const std::string>(std::move(frames));
    }
    return {live_message::kind::snapshot, order_, snapshot_};
}

live_message live_feed::news(live_message::kind is, std::string_view json) {
    std::string frame;
    websocket::append_frame(frame, websocket::opcode::text, json);
    return {is, ++order_, std::make_shared<const std::string>(std::move(frame))};
}

}  // namespace admin
