#include "proxy/succession.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace proxy {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds start_deadline{60};  // a successor that has said nothing by then is ended
constexpr std::size_t said_most = 4096;             // what it may say, in bytes
constexpr std::string_view ready = "ready\n";
constexpr std::string_view failed = "failed: ";

// Not canonical: a link that points to another release later is what an upgrade is about.
std::string absolute(const fs::path& path) {
    std::error_code failed_to;
    const fs::path whole = fs::absolute(path, failed_to);
    return failed_to ? path.string() : whole.string();
}

std::string found_in_path(std::string_view name) {
    const char* const variable = std::getenv("PATH");
    std::string_view folders = variable != nullptr ? variable : "/usr/local/bin:/usr/bin:/bin";
    while (!folders.empty()) {
        const std::string_view folder = folders.substr(0, folders.find(':'));
        const std::string file = std::string(folder.empty() ? "." : folder) + "/" + std::string(name);
        if (::access(file.c_str(), X_OK) == 0) return absolute(file);
        folders.remove_prefix(std::min(folders.size(), folder.size() + 1));
    }
    return std::string(name);
}

// Everything that the child needs between fork and exec, made before the fork: there it may not allocate.
class child_plan {
public:
    child_plan(const start_command& command, const successor::handed& what, int channel)
        : program_(command.program), words_(command.arguments) {
        std::string names;
        for (const auto& [socket, made_by_aimeter] : what.sockets) {
            handed_.push_back(socket);
            names += std::string(made_by_aimeter ? own_socket_name : given_socket_name) + ":";
        }
        handed_.push_back(what.data_lock);
        handed_.push_back(channel);
        names += std::string(data_lock_name) + ":" + predecessor_name;
        for (char** one = ::environ; *one != nullptr; ++one) settings_.emplace_back(*one);
        settings_.push_back("LISTEN_FDS=" + std::to_string(handed_.size()));
        settings_.push_back("LISTEN_FDNAMES=" + names);
        settings_.push_back(std::string(pid_setting) + std::string(20, '\0'));
        for (std::string& one : words_) arguments_.push_back(one.data());
        for (std::string& one : settings_) environment_.push_back(one.data());
        arguments_.push_back(nullptr);
        environment_.push_back(nullptr);
        // Out of the way of the numbers that they will have.
        const int above = first_handed_descriptor + static_cast<int>(handed_.size());
        for (const int one : handed_) moved_.emplace_back(::fcntl(one, F_DUPFD_CLOEXEC, above));
    }

    bool complete() const {
        return std::all_of(moved_.begin(), moved_.end(), [](const descriptor& one) { return static_cast<bool>(one); });
    }

    // In the child; does not return. What goes wrong is said on the channel.
    [[noreturn]] void run() noexcept {
        char* const number = settings_.back().data() + pid_setting.size();
        std::to_chars(number, number + 19, ::getpid());
        sigset_t none;
        ::sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        int next = first_handed_descriptor;
        for (const descriptor& one : moved_) ::dup2(one.get(), next++);
        const int channel = next - 1;
        ::close_range(static_cast<unsigned>(next), ~0U, 0);
        ::execve(program_.c_str(), arguments_.data(), environment_.data());
        const char* const why = ::strerrordesc_np(errno);
        for (const std::string_view part : {failed, std::string_view("it cannot be run: "),
                                            std::string_view(why != nullptr ? why : "?"), std::string_view("\n")})
            if (::write(channel, part.data(), part.size()) < 0) break;
        ::_exit(127);
    }

private:
    static constexpr std::string_view pid_setting = "LISTEN_PID=";
    const std::string program_;
    std::vector<std::string> words_, settings_;
    std::vector<char*> arguments_, environment_;
    std::vector<int> handed_;
    std::vector<descriptor> moved_;
};

}  // namespace

start_command start_command::of(int argc, char** argv) {
    start_command made;
    for (int i = 0; i < argc; ++i) made.arguments.emplace_back(argv[i]);
    const std::string name = argc > 0 ? argv[0] : "aimeter";
    made.program = name.find('/') != std::string::npos ? absolute(name) : found_in_path(name);
    return made;
}

// ---- The new one's end ------------------------------------------------------------------------------------------

void predecessor::tell(std::string text) noexcept {
    if (!exists()) return;
    // One that has died meanwhile is not told, and need not be.
    ::send(channel_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    channel_ = descriptor();
}

void predecessor::tell_ready() noexcept { tell(std::string(ready)); }

void predecessor::tell_failed(std::string_view why) noexcept {
    std::string line(why.substr(0, said_most - failed.size() - 1));
    for (char& c : line)
        if (c == '\n') c = ';';
    tell(std::string(failed) + line + "\n");
}

// ---- The old one's end ------------------------------------------------------------------------------------------

successor::successor(const boost::asio::any_io_executor& executor, on_done done)
    : channel_(executor),
      deadline_(executor),
      done_(std::move(done)),
      room_(std::make_shared<std::vector<char>>(said_most)) {}

successor::~successor() {
    if (!waiting_) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

std::string successor::start(const start_command& command, const handed& what) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return std::string("socketpair: ") + std::strerror(errno);
    const descriptor theirs(ends[1]);
    channel_.assign(ends[0]);
    child_plan plan(command, what, theirs.get());
    if (!plan.complete()) return "no file descriptors are left";
    pid_ = ::fork();
    if (pid_ < 0) return std::string("fork: ") + std::strerror(errno);
    if (pid_ == 0) plan.run();
    waiting_ = true;
    deadline_.expires_after(start_deadline);
    deadline_.async_wait([this, alive = std::weak_ptr(room_)](boost::system::error_code stopped) {
        if (!stopped && !alive.expired() && waiting_)
            fail("it did not come up within " + std::to_string(start_deadline.count()) + " s");
    });
    listen();
    return {};
}

void successor::listen() {
    channel_.async_read_some(boost::asio::buffer(*room_),
                             [this, alive = std::weak_ptr(room_)](boost::system::error_code ec, std::size_t size) {
                                 const auto room = alive.lock();
                                 if (!room || ec == boost::asio::error::operation_aborted || !waiting_) return;
                                 heard(ec ? std::string_view() : std::string_view(room->data(), size));
                             });
}

// `text` empty = the channel has ended.
void successor::heard(std::string_view text) {
    said_ += text;
    const bool whole = said_.find('\n') != std::string::npos;
    if (!whole && !text.empty() && said_.size() < said_most) return listen();
    if (said_ != ready) {
        const std::string_view line = std::string_view(said_).substr(0, said_.find('\n'));
        return fail(line.starts_with(failed) ? std::string(line.substr(failed.size())) : "");
    }
    waiting_ = false;
    deadline_.cancel();
    done_({});
}

void successor::fail(std::string problem) {
    waiting_ = false;
    deadline_.cancel();
    const std::string end = how_it_ended();
    if (problem.empty()) problem = end;
    channel_.close();
    done_(std::move(problem));
}

// Whatever it is still doing, it is not wanted any more.
std::string successor::how_it_ended() {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, &status, 0);
    }
    if (WIFSIGNALED(status)) return "it was ended by signal " + std::to_string(WTERMSIG(status));
    return "it ended with exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace proxy
