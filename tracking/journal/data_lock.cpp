#include "tracking/journal/data_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <thread>

namespace tracking::journal {
namespace {

std::string lock_path(const std::string& data_dir) { return data_dir + "/lock"; }

std::string why(int error) { return std::generic_category().message(error); }

std::string read_holder(int fd) {
    std::string text(64, '\0');
    const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
}

bool make_folder(const std::string& path, int& error) {
    std::error_code ec;
    if (std::filesystem::is_directory(path, ec)) return true;
    const auto parent = std::filesystem::path(path).parent_path();
    if (!parent.empty()) std::filesystem::create_directories(parent, ec);
    if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return true;
    error = errno;
    return false;
}

}  // namespace

data_lock::~data_lock() { let_go(); }

// Closed, not unlocked: that would take it from all who have it open.
void data_lock::let_go() noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

std::string data_lock::take(const std::string& data_dir) {
    int error = 0;
    if (!make_folder(data_dir, error)) return "data_dir " + data_dir + " cannot be created: " + why(error);
    fd_ = ::open(lock_path(data_dir).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd_ < 0) return "data_dir " + data_dir + " is not writable: " + why(errno);
    // A few tries: whoever held it may be ending at this moment.
    for (int tried = 0; ::flock(fd_, LOCK_EX | LOCK_NB) != 0; ++tried) {
        if (errno == EINTR) continue;
        if (errno != EWOULDBLOCK) return "data_dir " + data_dir + " cannot be locked: " + why(errno);
        if (tried == 5) {
            const std::string text = read_holder(fd_);
            const std::string pid = text.substr(0, text.find('\n'));
            return "data_dir " + data_dir + " is locked by another aimeter (pid " + (pid.empty() ? "?" : pid) + ")";
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    name_holder(::getpid());
    return {};
}

std::string data_lock::take_over(const std::string& data_dir, int descriptor) {
    fd_ = descriptor;
    struct stat held{}, wanted{};
    const bool same = ::fstat(descriptor, &held) == 0 && ::stat(lock_path(data_dir).c_str(), &wanted) == 0 &&
                      held.st_dev == wanted.st_dev && held.st_ino == wanted.st_ino;
    if (same) return {};
    return "data_dir " + data_dir + " is not that of the running process, which takes a restart to change";
}

// What cannot be written here is only missed by messages.
void data_lock::name_holder(pid_t process) const {
    const std::string text = std::to_string(process) + "\n";
    if (::ftruncate(fd_, 0) == 0) static_cast<void>(::pwrite(fd_, text.data(), text.size(), 0) < 0);
}

}  // namespace tracking::journal
