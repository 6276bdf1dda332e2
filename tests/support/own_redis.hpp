// A redis-server of the test, beside aimeter and not its child: killed, frozen, started again on the same folder or on
// an older copy of it. Listens on a unix socket, and on request on a port of 127.0.0.1 as well.
#pragma once

#include <signal.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/child_process.hpp"
#include "tests/support/redis_view.hpp"

namespace tests {

class own_redis {
public:
    explicit own_redis(std::vector<std::string> arguments = {}) : arguments_(std::move(arguments)) {}

    void add(const std::vector<std::string>& arguments) {
        arguments_.insert(arguments_.end(), arguments.begin(), arguments.end());
    }
    void launch();  // does not wait
    void start();   // waits until it answers, if only that it is loading
    void kill();
    void freeze() const { server_->signal(SIGSTOP); }
    void thaw() const { server_->signal(SIGCONT); }
    void forget();  // killed, and its files are gone
    int deaths() const { return deaths_; }

    const std::string& folder() const { return folder_.path(); }
    std::string socket() const { return folder_.path() + "/r.sock"; }
    std::string url() const { return "unix:" + socket(); }
    redis_view view() const;
    void log_in_with(const std::string& password) { password_ = password; }
    // One command on a connection of its own; throws what Redis objects.
    std::vector<std::string> run(const std::vector<std::string>& words) const { return view().command(words); }
    // As run(), but what Redis objects is no matter.
    void try_run(const std::vector<std::string>& words) const;

private:
    std::vector<std::string> arguments_;
    temp_dir folder_;
    std::string password_;
    std::atomic<int> deaths_{0};
    std::unique_ptr<child_process> server_;
};

}  // namespace tests
