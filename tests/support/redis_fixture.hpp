// A real redis-server of a test: on a unix socket in a short folder under /tmp, no TCP port, stopped and removed with
// the object. It can be killed, frozen and started again on the same folder; `run` speaks to it over a connection of
// its own that the code under test does not share.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tracking/store/redis_client.hpp"

struct redisContext;

namespace tests {

class redis_fixture {
public:
    struct options {
        bool append_only = false;  // AOF everysec: survives a kill
        std::vector<std::string> arguments{};
        std::string config{};  // lines of a configuration file; a sentinel needs one that it may write to
    };
    redis_fixture();
    explicit redis_fixture(options how);
    ~redis_fixture();
    redis_fixture(const redis_fixture&) = delete;
    redis_fixture& operator=(const redis_fixture&) = delete;

    void start();     // after kill(); waits until it answers
    void kill();      // SIGKILL
    void freeze();    // SIGSTOP
    void unfreeze();  // SIGCONT

    std::string url() const { return "unix:" + socket_; }
    const std::string& socket() const { return socket_; }
    const std::string& dir() const { return dir_; }
    pid_t pid() const { return pid_; }
    bool frozen() const { return frozen_; }

    tracking::store::reply run(const std::vector<std::string>& words);
    std::int64_t number(const std::vector<std::string>& words);  // an integer reply, or a text that is one; absent = 0
    std::string text(const std::vector<std::string>& words);
    std::map<std::string, std::string> hash(const std::string& key);
    struct entry {
        std::string id;
        std::map<std::string, std::string> fields;
    };
    std::vector<entry> stream(const std::string& key);

private:
    void disconnect();
    void wait_until_it_answers();

    options how_;
    std::string dir_, socket_;
    pid_t pid_ = -1;
    bool frozen_ = false;
    redisContext* connection_ = nullptr;
};

}  // namespace tests
