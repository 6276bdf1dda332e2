#include "tracking/store/command_redis.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include "tracking/store/keys.hpp"
#include "tracking/store/shards.hpp"

namespace tracking::store {

namespace net = boost::asio;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds deadline{60'000};
constexpr milliseconds find_deadline{5'000};

// Runs a coroutine to its end on the command's own io_context.
template <class T>
T wait_for(net::io_context& on, net::awaitable<T> what) {
    under_way<T> one;
    one.begin(on, std::move(what));
    return one.end(on);
}

net::awaitable<bool> stopped(embedded_redis& which) {
    co_await which.stop();
    co_return true;
}

}  // namespace

bool run_command(const std::function<bool()>& what, std::string& error) {
    try {
        return what();
    } catch (const command_problem& problem) {
        error = problem.what;
    } catch (const std::exception& problem) {
        error = problem.what();
    }
    return false;
}

std::vector<conf::settings> parts_of_command(const conf::settings& settings) {
    const auto url = redis_url::parse(settings.redis.url);
    const auto* known = std::get_if<redis_url>(&url);
    if (known == nullptr || known->form != redis_url::form::cluster) return {settings};
    net::io_context context;
    const auto found = wait_for(context, find_shards(context.get_executor(), *known, settings.redis, 0,
                                                     time_to_find(find_deadline, settings.redis.shards)));
    if (const auto* error = std::get_if<redis_error>(&found)) throw command_problem{error->what};
    std::vector<conf::settings> parts;
    const auto count = std::get<std::uint32_t>(found);
    for (std::uint32_t shard = 0; shard < count; ++shard) parts.push_back(shard_settings(settings, shard, count));
    return parts;
}

command_redis::~command_redis() {
    try {
        if (redis_) redis_->close();
        if (embedded_) wait_for(context_, stopped(*embedded_));
    } catch (...) {  // a server that does not stop is adopted by the next aimeter
    }
}

bool command_redis::try_connect(const std::string& url, std::string& why) {
    auto parsed = redis_url::parse(url);
    if (const auto* wrong = std::get_if<std::string>(&parsed)) throw command_problem{*wrong};
    if (cancelled_) throw command_problem{"cancelled"};
    redis_ = std::make_unique<redis_client>(context_.get_executor(), std::get<redis_url>(std::move(parsed)),
                                            settings_.redis.tls, key_names(settings_.redis.prefix).meta());
    const auto result = wait_for(context_, redis_->connect(milliseconds{5'000}));
    const auto* error = std::get_if<redis_error>(&result);
    if (error) why = error->what;
    return error == nullptr;
}

// The embedded Redis of a running aimeter is asked; when none runs, its server is started for the time of this command.
void command_redis::connect() {
    std::string why;
    if (!settings_.redis.url.empty()) {
        if (!try_connect(settings_.redis.url, why)) throw command_problem{why};
        return;
    }
    const std::string socket = embedded_socket_of(settings_.data_dir);
    if (socket.empty()) throw command_problem{"there is no embedded Redis under " + settings_.data_dir + " yet"};
    if (try_connect("unix:" + socket, why)) return;
    auto made = embedded_redis::create(context_.get_executor(), settings_.data_dir);
    if (const auto* wrong = std::get_if<std::string>(&made)) throw command_problem{*wrong};
    embedded_ = std::get<std::unique_ptr<embedded_redis>>(std::move(made));
    const auto started = wait_for(context_, embedded_->start());
    if (const auto* wrong = std::get_if<std::string>(&started)) throw command_problem{*wrong};
    if (!try_connect(embedded_->url(), why)) throw command_problem{why};
}

void command_redis::check_timezone(const std::string& meta_key) {
    const auto kept = ask({{"HGET", meta_key, "timezone"}});
    if (kept.front().text.empty() || kept.front().text == settings_.timezone) return;
    throw command_problem{"Redis holds data of time zone " + kept.front().text + ", the configuration says " +
                          settings_.timezone};
}

// Sends them, as far as that goes without waiting.
void command_redis::begin(std::vector<command> commands) {
    if (cancelled_) throw command_problem{"cancelled"};
    asked_ = std::move(commands);
    answer_.begin(context_, redis_->pipeline(asked_, deadline));
}

std::vector<reply> command_redis::end() {
    auto answer = answer_.end(context_);
    if (const auto* error = std::get_if<redis_error>(&answer)) throw command_problem{error->what};
    auto& replies = std::get<std::vector<reply>>(answer);
    for (const auto& one : replies) {
        if (one.is_error()) throw command_problem{one.text};
    }
    return std::move(replies);
}

std::vector<reply> command_redis::ask(std::vector<command> commands) {
    begin(std::move(commands));
    return end();
}

void command_redis::begin_at_once(std::vector<command> commands) {
    commands.insert(commands.begin(), {"MULTI"});
    commands.push_back({"EXEC"});
    begin(std::move(commands));
}

std::vector<reply> command_redis::end_at_once() {
    auto replies = end();
    auto& results = replies.back().elements;
    if (results.size() + 2 != asked_.size()) throw command_problem{"Redis did not run the transaction"};
    return std::move(results);
}

std::vector<reply> command_redis::ask_at_once(std::vector<command> commands) {
    begin_at_once(std::move(commands));
    return end_at_once();
}

void command_redis::cancel() {
    cancelled_ = true;
    net::post(context_, [this] {
        if (redis_) redis_->close();
    });
}

}  // namespace tracking::store
