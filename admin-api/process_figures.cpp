#include "admin-api/process_figures.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

namespace admin {

namespace {

// Since Linux 6.2 the folder's size is the number of its entries; before, they are counted.
std::int64_t count_open_files() {
    struct stat of{};
    if (::stat("/proc/self/fd", &of) == 0 && of.st_size > 0) return of.st_size;
    std::int64_t count = -1;  // the one by which the folder is read
    std::error_code ec;
    for (std::filesystem::directory_iterator at("/proc/self/fd", ec), end; !ec && at != end; at.increment(ec)) ++count;
    return count < 0 ? 0 : count;
}

// When the machine was started, in seconds since the epoch; 0 = not known.
std::int64_t boot_time() {
    std::ifstream in("/proc/stat");
    for (std::string word; in >> word;) {
        std::int64_t seconds = 0;
        if (word == "btime" && in >> seconds) return seconds;
    }
    return 0;
}

}  // namespace

std::optional<process_figures> read_process_figures() {
    std::ifstream file("/proc/self/stat");
    std::string text;
    if (!std::getline(file, text)) return std::nullopt;
    const auto name_end = text.rfind(')');  // the name may hold anything
    if (name_end == std::string::npos) return std::nullopt;
    std::istringstream in(text.substr(name_end + 1));
    std::string skipped;
    const auto skip = [&](int fields) {
        while (fields-- > 0) in >> skipped;
    };
    std::int64_t user = 0, system = 0, start = 0, virtual_bytes = 0, pages = 0;  // times in clock ticks
    skip(11);
    in >> user >> system;
    skip(6);
    in >> start >> virtual_bytes >> pages;
    if (!in) return std::nullopt;

    const std::int64_t tick_ms = 1000 / ::sysconf(_SC_CLK_TCK);
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    process_figures now;
    now.cpu_ms = (user + system) * tick_ms;
    now.resident_bytes = pages * ::sysconf(_SC_PAGESIZE);
    now.virtual_bytes = virtual_bytes;
    now.start_ms = boot_time() * 1000 + start * tick_ms;
    now.open_files = count_open_files();
    now.files_most = static_cast<std::int64_t>(files.rlim_cur);
    return now;
}

}  // namespace admin
