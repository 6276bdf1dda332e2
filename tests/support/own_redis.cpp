#include "tests/support/own_redis.hpp"

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace tests {

void own_redis::launch() {
    server_.reset();
    std::error_code ignored;
    std::filesystem::remove(socket(), ignored);
    // As whoever runs a Redis should before a start after a crash: else Redis leaves the MULTI of a transaction that is
    // not whole in its file, and applies a part of it at the start after this one.
    const std::string manifest = folder() + "/appendonlydir/appendonly.aof.manifest";
    if (std::filesystem::exists(manifest, ignored))
        static_cast<void>(std::system(("yes | redis-check-aof --fix " + manifest + " > /dev/null 2>&1").c_str()) == 0);
    spawn_options how{{"/usr/bin/redis-server", "--port", "0", "--unixsocket", socket(), "--dir", folder(), "--save",
                       "", "--loglevel", "warning", "--logfile", folder() + "/log", "--appendonly", "yes",
                       "--maxmemory-policy", "noeviction", "--enable-debug-command", "yes"},
                      {},
                      {}};
    how.args.insert(how.args.end(), arguments_.begin(), arguments_.end());
    server_ = std::make_unique<child_process>(how);
}

void own_redis::start() {
    launch();
    const auto answers = [this] {
        try {
            view().command({"PING"});
        } catch (const std::exception& error) {
            return std::string_view(error.what()).find("no redis") == std::string_view::npos;
        }
        return true;
    };
    if (!eventually(answers)) throw std::runtime_error("redis-server does not answer");
}

redis_view own_redis::view() const {
    redis_view made(socket());
    if (!password_.empty()) made.command({"AUTH", password_});
    return made;
}

void own_redis::kill() {
    server_->signal(SIGKILL);
    server_->wait_exit();
    ++deaths_;
}

void own_redis::forget() {
    kill();
    for (const auto& each : std::filesystem::directory_iterator(folder())) std::filesystem::remove_all(each.path());
}

void own_redis::try_run(const std::vector<std::string>& words) const {
    try {
        run(words);
    } catch (const std::exception&) {
        return;
    }
}

}  // namespace tests
