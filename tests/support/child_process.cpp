#include "tests/support/child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>

namespace tests {
namespace {

// The children that this process started itself; every other child is an adopted one.
struct registry {
    std::mutex mutex;
    std::set<pid_t> own;
};

registry& own_children() {
    static registry one;
    return one;
}

std::vector<pid_t> all_children() {
    std::vector<pid_t> out;
    std::error_code ignored;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
        std::ifstream in(task.path() / "children");
        for (pid_t pid = 0; in >> pid;) out.push_back(pid);
    }
    return out;
}

// Dead adopted children are reaped at once: a supervisor must not find its dead server "alive" as a zombie.
void reap_adopted() {
    auto& known = own_children();
    for (;;) {
        {
            const std::lock_guard lock(known.mutex);
            for (const pid_t pid : all_children()) {
                if (!known.own.contains(pid)) ::waitpid(pid, nullptr, WNOHANG);
            }
        }
        std::this_thread::sleep_for(milliseconds(20));
    }
}

void become_reaper() {
    static std::once_flag once;
    std::call_once(once, [] {
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        std::thread(reap_adopted).detach();
    });
}

std::array<descriptor, 2> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    return {descriptor(ends[0]), descriptor(ends[1])};
}

std::vector<std::string> environment(const std::map<std::string, std::string>& extra) {
    std::vector<std::string> out;
    for (char** one = ::environ; *one != nullptr; ++one) {
        const std::string entry = *one;
        if (entry.starts_with("AIMETER_")) continue;  // settings of the caller, or of the tests themselves
        if (!extra.contains(entry.substr(0, entry.find('=')))) out.push_back(entry);
    }
    for (const auto& [name, value] : extra) out.push_back(name + "=" + value);
    return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    out.reserve(texts.size() + 1);
    for (auto& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

}  // namespace

void stop_process(pid_t child) {
    siginfo_t how{};
    ::kill(child, SIGSTOP);
    ::waitid(P_PID, static_cast<id_t>(child), &how, WSTOPPED | WNOWAIT);
}

child_process::child_process(const spawn_options& options) {
    become_reaper();
    auto out = make_pipe();
    auto err = make_pipe();
    auto args = options.args;
    auto env = environment(options.env);
    const auto argv = pointers(args);
    const auto envp = pointers(env);
    const pid_t parent = ::getpid();
    const std::lock_guard lock(own_children().mutex);
    pid_ = ::fork();
    if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (pid_ == 0) {
        // Only async-signal-safe calls here: the parent has threads.
        ::dup2(out[1].get(), STDOUT_FILENO);
        ::dup2(err[1].get(), STDERR_FILENO);
        if (!options.working_dir.empty() && ::chdir(options.working_dir.c_str()) != 0) ::_exit(126);
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(126);
        ::execve(argv[0], argv.data(), envp.data());
        ::_exit(127);
    }
    own_children().own.insert(pid_);
    out_pipe_ = std::move(out[0]);
    err_pipe_ = std::move(err[0]);
    out_reader_ = std::thread([this] { capture(out_pipe_, out_); });
    unread_err_ = std::move(err[1]);
    if (options.err_is_read) read_err();
}

void child_process::fill_err() const {
    // Opened anew, since the child's own end is to go on waiting when it is full.
    const std::string name = "/proc/self/fd/" + std::to_string(unread_err_.get());
    const descriptor filler(::open(name.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    while (::write(filler.get(), "\n", 1) == 1) {
    }
}

void child_process::read_err() {
    unread_err_ = descriptor();  // the child's end is then the last one
    err_reader_ = std::thread([this] { capture(err_pipe_, err_); });
}

child_process::~child_process() {
    if (running()) {
        signal(SIGKILL);
        wait_exit();
    }
    over_.set();  // a grandchild may hold the pipes open
    out_reader_.join();
    if (err_reader_.joinable()) err_reader_.join();
}

void child_process::capture(const descriptor& from, std::string& to) {
    std::array<char, 4096> piece;
    for (;;) {
        std::array<pollfd, 2> polled{{{from.get(), POLLIN, 0}, {over_.fd(), POLLIN, 0}}};
        ::poll(polled.data(), polled.size(), -1);
        const auto got = polled[0].revents != 0 ? ::read(from.get(), piece.data(), piece.size()) : 0;
        const std::lock_guard lock(mutex_);
        if (got > 0) to.append(piece.data(), static_cast<std::size_t>(got));
        if (got <= 0) (&from == &out_pipe_ ? out_ended_ : err_ended_) = true;
        changed_.notify_all();
        if (got <= 0) return;
    }
}

void child_process::signal(int number) const {
    if (!exit_code_) ::kill(pid_, number);
}

bool child_process::running() { return !wait_exit(milliseconds(0)).has_value(); }

std::optional<int> child_process::wait_exit(milliseconds within) {
    const auto ended = [this] {
        int status = 0;
        if (exit_code_ || ::waitpid(pid_, &status, WNOHANG) != pid_) return exit_code_.has_value();
        exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        const std::lock_guard lock(own_children().mutex);
        own_children().own.erase(pid_);
        return true;
    };
    eventually(ended, within);
    return exit_code_;
}

std::string child_process::out() const {
    const std::lock_guard lock(mutex_);
    return out_;
}

std::string child_process::err() const {
    const std::lock_guard lock(mutex_);
    return err_;
}

bool child_process::wait_text(const std::string& in, std::string_view text, milliseconds within) const {
    std::unique_lock lock(mutex_);
    const auto found = [&] { return in.find(text) != std::string::npos; };
    changed_.wait_for(lock, within, [&] { return found() || out_ended_; });
    return found();
}

bool child_process::wait_output_end(milliseconds within) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, within, [&] { return out_ended_ && err_ended_; });
}

bool child_process::wait_out(std::string_view text, milliseconds within) const { return wait_text(out_, text, within); }
bool child_process::wait_err(std::string_view text, milliseconds within) const { return wait_text(err_, text, within); }

long memory_kib(pid_t pid, std::string_view field) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with(field) && line.size() > field.size() && line[field.size()] == ':') {
            return std::strtol(line.c_str() + field.size() + 1, nullptr, 10);
        }
    }
    return 0;
}

std::vector<pid_t> adopted_children() {
    const std::lock_guard lock(own_children().mutex);
    std::vector<pid_t> out;
    for (const pid_t pid : all_children()) {
        if (!own_children().own.contains(pid)) out.push_back(pid);
    }
    return out;
}

void kill_adopted_children() {
    for (const pid_t pid : adopted_children()) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
}

temp_dir::temp_dir() {
    std::string pattern = "/tmp/aimeter-test-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::system_error(errno, std::generic_category(), "mkdtemp");
    path_ = pattern;
}

temp_dir::~temp_dir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace tests
