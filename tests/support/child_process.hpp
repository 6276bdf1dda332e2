// A child process of a test: spawned with its output captured, signalled, waited for, and killed with the test.
// The test process adopts what its children leave behind (an embedded redis-server survives a killed proxy) and
// reaps it, as an init would.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/sockets.hpp"

namespace tests {

struct spawn_options {
    std::vector<std::string> args;           // args[0] is the program
    std::map<std::string, std::string> env;  // on top of this process's own
    std::string working_dir;                 // "" = this one's
    bool err_is_read = true;                 // false: stderr fills up until read_err()
};

// SIGSTOP to a child; returns when all its threads stand still. SIGCONT lets them go on.
void stop_process(pid_t child);

class child_process {
public:
    explicit child_process(const spawn_options& options);
    ~child_process();  // SIGKILL when it still runs
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;

    pid_t pid() const { return pid_; }
    void signal(int number) const;
    bool running();
    // The exit code, 128 + the signal that ended it, or nullopt when it still runs after this time.
    std::optional<int> wait_exit(milliseconds within = patience);

    std::string out() const;
    std::string err() const;
    void fill_err() const;  // a stderr that nobody reads yet, up to its last byte
    void read_err();
    bool wait_out(std::string_view text, milliseconds within = patience) const;
    bool wait_output_end(milliseconds within = patience) const;  // it has ended, and out() and err() are complete
    bool wait_err(std::string_view text, milliseconds within = patience) const;

private:
    void capture(const descriptor& from, std::string& to);
    bool wait_text(const std::string& in, std::string_view text, milliseconds within) const;

    pid_t pid_ = -1;
    std::optional<int> exit_code_;
    descriptor out_pipe_, err_pipe_, unread_err_;
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    std::string out_, err_;
    bool out_ended_ = false, err_ended_ = false;
    event over_;
    std::thread out_reader_, err_reader_;
};

// A field of /proc/<pid>/status in KiB: "VmRSS", "VmHWM"; 0 when the process is gone.
long memory_kib(pid_t pid, std::string_view field);
// Processes that this test's children left behind.
std::vector<pid_t> adopted_children();
void kill_adopted_children();

// A folder under /tmp, short enough for socket paths; removed with everything in it.
class temp_dir {
public:
    temp_dir();
    ~temp_dir();
    temp_dir(const temp_dir&) = delete;
    temp_dir& operator=(const temp_dir&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

}  // namespace tests
