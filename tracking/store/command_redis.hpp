// The Redis of a command such as `aimeter verify`: the configured one, the embedded one of a running aimeter, or the
// embedded server started for the time of the command. Blocking; failures are thrown as command_problem and end in the
// command.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "conf/config.hpp"
#include "tracking/store/embedded_redis.hpp"
#include "tracking/store/redis_client.hpp"

namespace tracking::store {

struct command_problem {
    std::string what;
};

// Runs what a command does; false when it says so, or when it ends in a problem, which is then told in `error`.
bool run_command(const std::function<bool()>& what, std::string& error);

// What a command is to go through: the settings themselves, or on a cluster those of each shard. Throws
// command_problem.
std::vector<conf::settings> parts_of_command(const conf::settings& settings);

// A coroutine on the command's own io_context, begun and later waited for; what is done between is the caller's.
template <class T>
class under_way {
public:
    // As far as it goes without waiting.
    void begin(boost::asio::io_context& on, boost::asio::awaitable<T> what) {
        result_.reset();
        thrown_ = nullptr;
        boost::asio::co_spawn(on, std::move(what), [this](std::exception_ptr error, T value) {
            thrown_ = std::move(error);
            result_ = std::move(value);
        });
        on.restart();
        on.poll();
    }
    T end(boost::asio::io_context& on) {
        on.restart();
        while (!result_ && on.run_one() > 0) {
        }
        if (thrown_) std::rethrow_exception(thrown_);
        if (!result_) throw command_problem{"interrupted"};
        return std::move(*result_);
    }

private:
    std::optional<T> result_;
    std::exception_ptr thrown_;
};

class command_redis {
public:
    explicit command_redis(const conf::settings& settings) : settings_(settings) {}
    ~command_redis();  // stops the server that connect() started

    void connect();
    // Throws when Redis holds data of another time zone than the configured one: days would begin elsewhere.
    void check_timezone(const std::string& meta_key);
    std::vector<reply> ask(std::vector<command> commands);
    // The answers of all commands at one moment (MULTI); errors among them are replies, since a key may hold anything.
    std::vector<reply> ask_at_once(std::vector<command> commands);
    // The same in two halves, so that Redis works while the caller does something else. No other call comes between.
    void begin_at_once(std::vector<command> commands);
    std::vector<reply> end_at_once();
    // From another thread: what is under way or comes then ends in a problem.
    void cancel();

private:
    bool try_connect(const std::string& url, std::string& why);
    void begin(std::vector<command> commands);
    std::vector<reply> end();

    const conf::settings& settings_;
    boost::asio::io_context context_;
    std::atomic<bool> cancelled_ = false;  // set by the thread that cancels
    std::unique_ptr<redis_client> redis_;
    std::unique_ptr<embedded_redis> embedded_;  // only when this command started it
    std::vector<command> asked_;
    under_way<std::variant<std::vector<reply>, redis_error>> answer_;
};

}  // namespace tracking::store
