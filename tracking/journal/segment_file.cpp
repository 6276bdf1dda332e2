#include "tracking/journal/segment_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <new>

namespace tracking::journal {
namespace {

class descriptor {
public:
    explicit descriptor(int fd) : fd_(fd) {}
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }
    bool open() const { return fd_ >= 0; }

private:
    int fd_;
};

// Past RLIMIT_FSIZE the kernel sends SIGXFSZ to the thread before it returns EFBIG; held back here, it is just EFBIG.
class without_sigxfsz {
public:
    without_sigxfsz() {
        sigset_t now;
        ::sigemptyset(&only_);
        ::sigaddset(&only_, SIGXFSZ);
        ::pthread_sigmask(SIG_BLOCK, &only_, &now);
        was_blocked_ = ::sigismember(&now, SIGXFSZ) == 1;
    }
    without_sigxfsz(const without_sigxfsz&) = delete;
    without_sigxfsz& operator=(const without_sigxfsz&) = delete;
    ~without_sigxfsz() {
        if (was_blocked_) return;
        const timespec at_once{};
        ::sigtimedwait(&only_, nullptr, &at_once);
        ::pthread_sigmask(SIG_UNBLOCK, &only_, nullptr);
    }

private:
    sigset_t only_;
    bool was_blocked_ = false;
};

int allocate(int fd, std::uint32_t bytes) {
    const without_sigxfsz guard;
    int error = 0;
    do error = ::posix_fallocate(fd, 0, bytes);
    while (error == EINTR);
    return error;
}

}  // namespace

mapping::~mapping() { ::munmap(data_, size_); }

void mapping::populate(std::uint32_t from, std::uint32_t to) noexcept {
#ifdef MADV_POPULATE_WRITE  // Linux 5.14; before it the writer takes the faults itself
    if (to > size_) to = size_;
    if (from < to) ::madvise(data_ + from, to - from, MADV_POPULATE_WRITE);
#else
    static_cast<void>(from);
    static_cast<void>(to);
#endif
}

std::shared_ptr<mapping> create_segment_file(const std::string& path, std::uint32_t bytes, int& error) noexcept {
    const descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file.open()) {
        error = errno;
        return nullptr;
    }
    error = allocate(file.get(), bytes);
    if (error == 0) {
        void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
        if (at != MAP_FAILED) return std::make_shared<mapping>(static_cast<char*>(at), bytes);
        error = errno;
    }
    ::unlink(path.c_str());
    return nullptr;
}

file_bytes read_file(const std::string& path, std::uint64_t bytes, int& error) {
    const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat about{};
    error = 0;
    if (!file.open() || ::fstat(file.get(), &about) != 0) {
        error = errno;
        return {};
    }
    const auto size = static_cast<std::uint32_t>(
        std::min({bytes, static_cast<std::uint64_t>(about.st_size), std::uint64_t{UINT32_MAX}}));
    const std::shared_ptr<char[]> data(new (std::nothrow) char[std::size_t{size} + 1]);
    if (!data) {
        error = ENOMEM;
        return {};
    }
    std::uint32_t have = 0;
    while (have < size) {
        const ssize_t got = ::pread(file.get(), data.get() + have, size - have, have);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            error = errno;
            return {};
        }
        if (got == 0) break;
        have += static_cast<std::uint32_t>(got);
    }
    return {std::shared_ptr<const char>(data, data.get()), have};
}

bool write_at(const std::string& path, std::uint64_t offset, std::string_view bytes) noexcept {
    const descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    return file.open() && ::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)) ==
                              static_cast<ssize_t>(bytes.size());
}

bool flush_file(const std::string& path) noexcept {
    const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return file.open() && ::fdatasync(file.get()) == 0;
}

void flush_folder(const std::string& path) noexcept {
    const descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.open()) ::fsync(folder.get());
}

std::string segment_name(std::uint32_t number) {
    char text[24];
    return {text, static_cast<std::size_t>(std::snprintf(text, sizeof(text), "%08u.seg", number))};
}

bool segment_number(std::string_view name, std::uint32_t& number) {
    if (name.size() < 12 || !name.ends_with(".seg")) return false;
    const char* end = name.data() + name.size() - 4;
    const auto [at, ec] = std::from_chars(name.data(), end, number);
    return ec == std::errc{} && at == end && number > 0 && segment_name(number) == name;
}

}  // namespace tracking::journal
