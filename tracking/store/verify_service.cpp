#include "tracking/store/verify_service.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <mutex>
#include <thread>

#include "tracking/clock.hpp"
#include "tracking/store/audit_shards.hpp"

namespace tracking::store {

namespace net = boost::asio;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

using ended = std::variant<audit_report, audit_failed>;

// One audit on its thread. What both threads touch: the atomics, and the way to the connection, under the mutex.
class running_audit {
public:
    running_audit(conf::settings settings, milliseconds deadline, std::function<void(ended)> done)
        : settings_(std::move(settings)),
          until_(steady_clock::now() + deadline),
          thread_([this, done = std::move(done)] { done(run()); }) {}
    ~running_audit() {
        cancel();
        thread_.join();
    }
    void cancel() {
        cancelled_ = true;
        const std::lock_guard hold(mutex_);
        if (redis_ != nullptr) redis_->cancel();
    }
    audit_running progress() const { return {started_ms_, entries_, passes_}; }

private:
    ended run();
    void step(std::int64_t entries, int passes);
    void show(command_redis* redis) {
        const std::lock_guard hold(mutex_);
        redis_ = redis;
        if (redis_ != nullptr && cancelled_) redis_->cancel();
    }

    const conf::settings settings_;
    const steady_clock::time_point until_;
    const std::int64_t started_ms_ = system_time().wall_ms();
    std::atomic<bool> cancelled_ = false;
    std::atomic<std::int64_t> entries_ = 0;
    std::atomic<int> passes_ = 0;
    std::mutex mutex_;
    command_redis* redis_ = nullptr;
    std::thread thread_;  // the last member: it uses all others
};

ended running_audit::run() {
    constexpr int behind_all_else = 19;
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), behind_all_else);  // of this thread alone, on Linux
    std::optional<audit_report> report;
    std::string error;
    run_command(
        [&] {
            const audit_options how{.step = [this](auto entries, int passes) { step(entries, passes); }};
            report = audit_all(settings_, how, [this](command_redis* redis) { show(redis); });
            return true;
        },
        error);
    if (!report) return audit_failed{error};
    report->started_ms = started_ms_;
    return std::move(*report);
}

void running_audit::step(std::int64_t entries, int passes) {
    entries_ = entries;
    passes_ = passes;
    if (cancelled_) throw command_problem{"aimeter is stopping"};
    if (steady_clock::now() > until_) throw command_problem{"the audit took too long"};
}

}  // namespace

struct verify_service::impl {
    explicit impl(parts with) : part(std::move(with)) {}

    void begin(const std::shared_ptr<impl>& self);
    void take(ended what);

    parts part;
    bool stopped = false;
    std::unique_ptr<running_audit> audit;
    std::optional<ended> result;  // that nobody was told
    struct waiting {
        explicit waiting(const net::any_io_executor& on) : timer(on) {}
        net::steady_timer timer;
        std::optional<ended> told;
    };
    std::list<std::shared_ptr<waiting>> waiters;
};

void verify_service::impl::begin(const std::shared_ptr<impl>& self) {
    conf::settings settings = part.settings;
    settings.redis.url = part.redis_url();
    audit = std::make_unique<running_audit>(std::move(settings), part.deadline,
                                            [weak = std::weak_ptr(self), on = part.executor](ended what) {
                                                net::post(on, [weak, what = std::move(what)]() mutable {
                                                    if (const auto self = weak.lock()) self->take(std::move(what));
                                                });
                                            });
}

void verify_service::impl::take(ended what) {
    audit.reset();
    if (waiters.empty()) result = std::move(what);
    for (const auto& one : waiters) {
        one->told = what;
        one->timer.cancel();
    }
    waiters.clear();
}

verify_service::verify_service(parts with) : impl_(std::make_shared<impl>(std::move(with))) {}
verify_service::~verify_service() { stop(); }

void verify_service::stop() {
    impl_->stopped = true;
    impl_->audit.reset();
    for (const auto& one : impl_->waiters) one->timer.cancel();
    impl_->waiters.clear();
}

net::awaitable<audit_answer> verify_service::ask(milliseconds patience) {
    const auto self = impl_;
    if (self->stopped) co_return audit_failed{"aimeter is stopping"};
    const auto answer = [](ended what) {
        return std::visit([](auto& one) -> audit_answer { return std::move(one); }, what);
    };
    if (self->result) {
        ended what = std::move(*self->result);
        self->result.reset();
        co_return answer(std::move(what));
    }
    if (!self->audit) self->begin(self);
    const auto place = std::make_shared<impl::waiting>(self->part.executor);
    self->waiters.push_back(place);
    place->timer.expires_after(patience);
    co_await place->timer.async_wait(net::as_tuple(net::use_awaitable));
    self->waiters.remove(place);
    if (place->told) co_return answer(std::move(*place->told));
    if (!self->audit) co_return audit_failed{"aimeter is stopping"};
    co_return self->audit->progress();
}

}  // namespace tracking::store
