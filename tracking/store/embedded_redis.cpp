#include "tracking/store/embedded_redis.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "tracking/clock.hpp"
#include "tracking/folder_lock.hpp"
#include "tracking/store/append_only_file.hpp"
#include "tracking/store/redis_client.hpp"
#include "tracking/time_slice.hpp"

namespace tracking::store {
namespace {

namespace net = boost::asio;
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using std::chrono::milliseconds;
constexpr auto as_result = net::as_tuple(net::use_awaitable);

constexpr milliseconds look_interval{100};
constexpr milliseconds ping_deadline{2'000};
constexpr milliseconds stop_deadline{5'000};
constexpr milliseconds first_restart{100};
constexpr milliseconds last_restart{2'000};
// Named, because g++ 12 cannot compile an initializer list within a co_await expression.
const command ping{"PING"};
const command which_folder{"CONFIG", "GET", "dir"};
const command about_server{"INFO", "server"};

constexpr int looks_until_ended = 10;  // without a socket
constexpr int looks_until_told = 20;   // a server that is not up after two seconds: say that it is waited for

std::string program_path() {
    const char* path = std::getenv("PATH");
    std::string_view folders = path != nullptr ? path : "";
    for (std::string_view fallback = "/usr/bin:/usr/sbin:/usr/local/bin";; folders = fallback, fallback = {}) {
        while (!folders.empty()) {
            const std::string file = std::string(folders.substr(0, folders.find(':'))) + "/redis-server";
            if (::access(file.c_str(), X_OK) == 0) return file;
            const std::size_t colon = folders.find(':');
            folders = colon == std::string_view::npos ? std::string_view{} : folders.substr(colon + 1);
        }
        if (fallback.empty()) return {};
    }
}

std::string first_line(const fs::path& file) {
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    return line;
}

// A folder of ours where nobody else may put anything.
bool is_private(const fs::path& folder) {
    struct stat is{};
    return ::lstat(folder.c_str(), &is) == 0 && S_ISDIR(is.st_mode) && is.st_uid == ::geteuid() &&
           (is.st_mode & 0077) == 0;
}

// A unix socket's path has room for 107 bytes; a data_dir deeper than that gets its socket in a folder of its own
// under /tmp (mode 0700), whose name is kept beside the data.
std::string choose_socket(const fs::path& folder) {
    const std::string beside = (folder / "redis.sock").string();
    if (beside.size() < sizeof(sockaddr_un::sun_path)) return beside;
    const std::string kept = first_line(folder / "socket");
    if (!kept.empty() && is_private(fs::path(kept).parent_path())) return kept;
    char made[] = "/tmp/aimeter-XXXXXX";
    if (::mkdtemp(made) == nullptr) return {};
    const std::string path = std::string(made) + "/redis.sock";
    std::ofstream(folder / "socket") << path << "\n";
    return path;
}

// A process that serves this socket, as its title says: "redis-server unixsocket:/...". A dead one that nobody has
// reaped has no title.
bool serves(pid_t pid, const std::string& socket) {
    if (pid <= 0) return false;
    std::ifstream in("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
    const std::string title{std::istreambuf_iterator<char>(in), {}};
    return title.find(socket) != std::string::npos;
}

class server final : public embedded_redis {
public:
    server(net::any_io_executor executor, fs::path folder, std::string socket, std::string program)
        : executor_(executor),
          folder_(std::move(folder)),
          socket_(std::move(socket)),
          program_(std::move(program)),
          look_(executor) {}

    net::awaitable<std::variant<std::monostate, std::string>> start() override;
    net::awaitable<void> supervise() override;
    net::awaitable<void> stop() override;
    void end_now() override;
    void leave() override;
    std::string url() const override { return "unix:" + socket_; }
    std::string socket_path() const override { return socket_; }

private:
    net::awaitable<bool> adopt();
    net::awaitable<void> end_server(pid_t pid);
    bool has_socket() const;
    net::awaitable<void> sleep(milliseconds length);
    net::awaitable<std::string> ask(command what);
    net::awaitable<bool> wait_until_up();
    std::string spawn();
    bool running();
    bool in_charge();

    net::any_io_executor executor_;
    const fs::path folder_;
    const std::string socket_;
    const std::string program_;
    net::steady_timer look_;
    pid_t pid_ = 0;       // 0 = none
    bool child_ = false;  // ours to reap; else adopted
    bool stopping_ = false;
    bool left_ = false;
    folder_lock charge_;  // held by the one process that starts, restarts and stops the server
};

net::awaitable<void> server::sleep(milliseconds length) {
    look_.expires_after(length);
    co_await look_.async_wait(as_result);
}

// The text of a reply, or of its last element; "" when there is none.
net::awaitable<std::string> server::ask(command what) {
    auto where = redis_url::parse(url());
    if (!std::holds_alternative<redis_url>(where)) co_return std::string();
    redis_client client(executor_, std::get<redis_url>(where));
    const auto connected = co_await client.connect(ping_deadline);
    if (std::holds_alternative<redis_error>(connected)) co_return std::string();
    const std::vector<command> commands{std::move(what)};
    const auto replies = co_await client.pipeline(commands, ping_deadline);
    if (std::holds_alternative<redis_error>(replies)) co_return std::string();
    const reply& first = std::get<std::vector<reply>>(replies).front();
    co_return first.elements.empty() ? first.text : first.elements.back().text;
}

// The server of an aimeter that died is still there: it is ours when it answers on our socket and works in our folder.
net::awaitable<bool> server::adopt() {
    if (co_await ask(which_folder) != folder_.string()) co_return false;
    const std::string about = co_await ask(about_server);
    const std::size_t at = about.find("process_id:");
    if (at == std::string::npos) co_return false;
    pid_ = std::atoi(about.c_str() + at + 11);
    child_ = false;
    spdlog::info("embedded Redis: found running (pid {})", pid_);
    co_return true;
}

// Two servers must never write one AOF: one of ours that lives but does not answer is ended before another starts.
net::awaitable<void> server::end_server(pid_t pid) {
    if (!serves(pid, socket_)) co_return;
    spdlog::warn("embedded Redis: the server found (pid {}) does not answer; ending it", pid);
    ::kill(pid, SIGTERM);
    for (auto waited = 0ms; serves(pid, socket_) && !stopping_; waited += 10ms) {
        if (waited == stop_deadline) ::kill(pid, SIGKILL);
        co_await sleep(10ms);
    }
}

// The new process shares nothing with ours but the data: own process group (a Ctrl-C is for aimeter, which flushes
// first), no descriptors. Returns an error, or "".
std::string server::spawn() {
    if (const std::string done = mend_append_only_file(folder_ / "appendonlydir"); !done.empty())
        spdlog::warn("embedded Redis: {}; what the journal keeps is shipped again", done);
    const fs::path at = fs::path(socket_).parent_path();
    ::mkdir(at.c_str(), 0700);  // what cleans /tmp may have taken it
    if (!is_private(at)) return "the folder of its socket, " + at.string() + ", is not only ours";
    std::error_code ignored;
    fs::remove(socket_, ignored);
    std::vector<std::string> words = {program_,
                                      "--port",
                                      "0",
                                      "--unixsocket",
                                      socket_,
                                      "--unixsocketperm",
                                      "700",
                                      "--dir",
                                      folder_.string(),
                                      "--daemonize",
                                      "no",
                                      "--logfile",
                                      (folder_ / "redis.log").string(),
                                      "--pidfile",
                                      (folder_ / "redis.pid").string()};
    for (std::string& word : embedded_redis_settings()) words.push_back(std::move(word));
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid < 0) return std::string("fork: ") + std::strerror(errno);
    if (pid == 0) {
        ::setpgid(0, 0);
        sigset_t none;
        ::sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        const int null = ::open("/dev/null", O_RDWR);
        for (int standard = 0; standard < 3; ++standard) ::dup2(null, standard);
        ::close_range(3, ~0U, 0);  // a listening socket that it kept would outlive us
        tracking::run_in_long_slices();
        ::execv(program_.c_str(), arguments.data());
        ::_exit(127);
    }
    pid_ = pid;
    child_ = true;
    return {};
}

bool server::running() {
    if (pid_ == 0) return false;
    if (!child_) return serves(pid_, socket_);
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == 0) return true;
    pid_ = 0;
    return false;
}

// Whoever removed it, nobody can reach the server any more.
bool server::has_socket() const {
    std::error_code unknown;
    return fs::exists(socket_, unknown) || unknown;
}

// A file system without such locks has no second process to be kept apart, either: it would not lock data_dir.
bool server::in_charge() { return !left_ && (charge_.held() || charge_.take(folder_) != EWOULDBLOCK); }

// False = it died, or we are stopping. Loading a large AOF takes its time: it is waited for as long as it lives.
net::awaitable<bool> server::wait_until_up() {
    for (int looks = 0; !stopping_; ++looks) {
        if (!running()) co_return false;
        const std::string answer = co_await ask(ping);
        if (answer == "PONG") co_return true;
        if (looks == looks_until_told)
            spdlog::info("embedded Redis: waiting until it is up ({})", answer.empty() ? "no answer yet" : answer);
        co_await sleep(look_interval);
    }
    co_return false;
}

net::awaitable<std::variant<std::monostate, std::string>> server::start() {
    bool found = co_await adopt();
    while (!found && !in_charge() && !stopping_) {  // a predecessor is still there, and may be starting it
        co_await sleep(look_interval);
        found = co_await adopt();
    }
    if (!found) {
        co_await end_server(std::atoi(first_line(folder_ / "redis.pid").c_str()));
        if (stopping_) co_return "stopped";
        if (std::string problem = spawn(); !problem.empty()) co_return problem;
    }
    if (!co_await wait_until_up())
        co_return "redis-server did not come up; its log is " + (folder_ / "redis.log").string();
    co_return std::monostate{};
}

net::awaitable<void> server::supervise() {
    milliseconds pause = first_restart;
    bool told = false;  // that it is down; once, however often it is tried
    for (int looks_without_socket = 0; !stopping_;) {
        look_.expires_at(tracking::next_look(std::chrono::steady_clock::now(), look_interval));
        co_await look_.async_wait(as_result);
        const bool runs = running();  // a child that ended is reaped in any case
        looks_without_socket = runs && !has_socket() ? looks_without_socket + 1 : 0;
        // Also while it runs: who has adopted it is to keep it from `aimeter verify` and its like, which would
        // otherwise think that it is nobody's.
        const bool ours = in_charge();
        if (stopping_ || !ours || (runs && looks_without_socket < looks_until_ended)) continue;
        if (runs) {
            looks_without_socket = 0;
            if (!std::exchange(told, true))
                spdlog::error(
                    "embedded Redis: its socket {} was removed; it is started anew (records wait in the journal)",
                    socket_);
            co_await end_server(pid_);
            if (running()) continue;
        }
        if (co_await adopt()) continue;  // whoever was in charge before has restarted it
        if (!std::exchange(told, true))
            spdlog::error(
                "embedded Redis: it died; starting it until it is up (records wait in the journal); its log is {}",
                (folder_ / "redis.log").string());
        co_await sleep(pause);
        pause = std::min(2 * pause, last_restart);
        if (stopping_ || left_) continue;
        if (const std::string problem = spawn(); !problem.empty()) spdlog::error("embedded Redis: {}", problem);
        if (co_await wait_until_up()) {
            spdlog::info("embedded Redis: up again (pid {})", pid_);
            pause = first_restart;
            told = false;
        }
    }
}

// SIGTERM lets Redis write and sync its AOF. One that hangs is killed: what it acknowledged is in the page cache.
net::awaitable<void> server::stop() {
    stopping_ = true;
    look_.cancel();
    if (!in_charge() || !running()) co_return;
    ::kill(pid_, SIGTERM);
    net::steady_timer pause(executor_);
    for (auto waited = 0ms; running(); waited += 10ms) {
        if (waited == stop_deadline) {
            spdlog::warn("embedded Redis: it does not stop, and is killed");
            ::kill(pid_, SIGKILL);
        }
        if (waited >= 2 * stop_deadline) break;
        pause.expires_after(10ms);
        co_await pause.async_wait(as_result);
    }
    std::error_code ignored;
    fs::remove(socket_, ignored);
    if (fs::path(socket_).parent_path() != folder_) fs::remove(fs::path(socket_).parent_path(), ignored);
    charge_.release();
}

void server::end_now() {
    stopping_ = true;
    if (!in_charge()) return;
    const pid_t pid = pid_ != 0 ? pid_ : std::atoi(first_line(folder_ / "redis.pid").c_str());
    if ((child_ && pid_ != 0) || serves(pid, socket_)) ::kill(pid, SIGTERM);
    charge_.release();
}

void server::leave() {
    left_ = true;
    charge_.release();
}

}  // namespace

std::variant<std::unique_ptr<embedded_redis>, std::string> embedded_redis::create(net::any_io_executor executor,
                                                                                  std::string data_dir) {
    const std::string program = program_path();
    if (program.empty())
        return "redis-server is not installed: install the package redis-server, or set redis.url to a Redis of your "
               "own";
    std::error_code failed;
    const fs::path folder = fs::absolute(data_dir, failed) / "redis";
    fs::create_directories(folder, failed);
    if (failed) return "cannot create " + folder.string() + ": " + failed.message();
    ::chmod(folder.c_str(), 0700);
    const fs::path real = fs::canonical(folder, failed);
    std::string socket = choose_socket(real);
    if (socket.empty()) return "cannot make a folder for Redis's socket under /tmp";
    return std::make_unique<server>(executor, real, std::move(socket), program);
}

std::vector<std::string> embedded_redis_settings() {
    return {"--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction",
            // Small lists are searched by walking: counters stay so (compact, the usual fields first), histograms and
            // top users do not.
            "--hash-max-listpack-entries", "32", "--zset-max-listpack-entries", "16",
            // The AOF is written anew each time it has doubled; compressing it is half of what that costs.
            "--rdbcompression", "no"};
}

std::string embedded_socket_of(const std::string& data_dir) {
    std::error_code failed;
    const fs::path folder = fs::canonical(fs::path(data_dir) / "redis", failed);
    if (failed) return {};
    const std::string beside = (folder / "redis.sock").string();
    return beside.size() < sizeof(sockaddr_un::sun_path) ? beside : first_line(folder / "socket");
}

}  // namespace tracking::store
