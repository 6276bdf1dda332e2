// The Redis of a command such as `aimeter verify`: the configured one, the embedded one of a running aimeter, or the
// embedded server started for the time of the command. Blocking; failures are thrown as command_problem and end in the
// command.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
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

class command_redis {
public:
    explicit command_redis(const conf::settings& settings) : settings_(settings) {}
    ~command_redis();  // stops the server that connect() started

    void connect();
    // Throws when Redis holds data of another time zone than the configured one: days would begin elsewhere.
    void check_timezone(const std::string& meta_key);
    std::vector<reply> ask(const std::vector<command>& commands);
    // The answers of all commands at one moment (MULTI); errors among them are replies, since a key may hold anything.
    std::vector<reply> ask_at_once(std::vector<command> commands);
    // From another thread: what is under way or comes then ends in a problem.
    void cancel();

private:
    bool try_connect(const std::string& url, std::string& why);

    const conf::settings& settings_;
    boost::asio::io_context context_;
    std::atomic<bool> cancelled_ = false;  // set by the thread that cancels
    std::unique_ptr<redis_client> redis_;
    std::unique_ptr<embedded_redis> embedded_;  // only when this command started it
};

}  // namespace tracking::store
