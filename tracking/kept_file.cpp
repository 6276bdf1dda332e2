#include "tracking/kept_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <system_error>

namespace tracking {
namespace {

bool write_whole(int file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(file, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return ::fsync(file) == 0;
}

std::string failure(const std::string& path) {
    return "cannot write " + path + ": " + std::generic_category().message(errno);
}

}  // namespace

std::optional<std::string> read_kept_file(const std::string& path, std::size_t bytes_max) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return std::nullopt;
    std::string text(bytes_max + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad()) return std::nullopt;
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.size() > bytes_max) return std::nullopt;
    return text;
}

std::string write_kept_file(const std::string& path, std::string_view text) {
    const std::string fresh = path + ".new";
    ::unlink(fresh.c_str());
    const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) return failure(fresh);
    const std::string problem = write_whole(file, text) ? std::string() : failure(fresh);
    ::close(file);
    if (!problem.empty()) return problem;
    return std::rename(fresh.c_str(), path.c_str()) == 0 ? std::string() : failure(path);
}

}  // namespace tracking
