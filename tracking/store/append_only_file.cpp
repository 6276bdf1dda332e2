#include "tracking/store/append_only_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <charconv>
#include <fstream>
#include <optional>

#include "tracking/descriptor.hpp"

namespace tracking::store {
namespace {

namespace fs = std::filesystem;

// The bytes of a file, which may be larger than memory.
class mapped_file {
public:
    explicit mapped_file(const fs::path& path) {
        const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        struct stat about{};
        if (!file || ::fstat(file.get(), &about) != 0 || about.st_size == 0) return;
        size_ = static_cast<std::size_t>(about.st_size);
        data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
        if (data_ == MAP_FAILED) size_ = 0;
    }
    mapped_file(const mapped_file&) = delete;
    mapped_file& operator=(const mapped_file&) = delete;
    ~mapped_file() {
        if (size_ > 0) ::munmap(data_, size_);
    }
    std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

private:
    void* data_ = nullptr;
    std::size_t size_ = 0;
};

// A length behind its mark: "*3\r\n" or "$11\r\n".
std::optional<std::size_t> take_length(std::string_view bytes, std::size_t& at, char mark) {
    if (at >= bytes.size() || bytes[at] != mark) return std::nullopt;
    std::size_t value = 0;
    const char* const end = bytes.data() + bytes.size();
    const auto [stopped, wrong] = std::from_chars(bytes.data() + at + 1, end, value);
    if (wrong != std::errc{} || end - stopped < 2 || stopped[0] != '\r' || stopped[1] != '\n') return std::nullopt;
    at = static_cast<std::size_t>(stopped + 2 - bytes.data());
    return value;
}

// The command's name, and `at` behind the command; nullopt = it is not whole.
std::optional<std::string_view> take_command(std::string_view bytes, std::size_t& at) {
    const auto words = take_length(bytes, at, '*');
    if (!words || *words == 0) return std::nullopt;
    std::string_view name;
    for (std::size_t i = 0; i < *words; ++i) {
        const auto size = take_length(bytes, at, '$');
        if (!size || *size > bytes.size() || bytes.size() - at < *size + 2) return std::nullopt;
        if (i == 0) name = bytes.substr(at, *size);
        at += *size;
        if (bytes.substr(at, 2) != "\r\n") return std::nullopt;
        at += 2;
    }
    return name;
}

// The newest file of changes that the manifest names: "file appendonly.aof.3.incr.aof seq 3 type i".
fs::path newest_changes(const fs::path& folder) {
    std::ifstream manifest(folder / "appendonly.aof.manifest");
    fs::path newest;
    for (std::string line; std::getline(manifest, line);) {
        if (!line.starts_with("file ") || !line.ends_with(" type i")) continue;
        newest = folder / line.substr(5, line.find(' ', 5) - 5);
    }
    return newest;
}

}  // namespace

std::size_t whole_commands(std::string_view bytes) {
    std::size_t whole = 0;
    bool in_transaction = false;
    for (std::size_t at = 0; const auto name = take_command(bytes, at);) {
        if (*name == "MULTI") in_transaction = true;
        if (*name == "EXEC") in_transaction = false;
        if (!in_transaction) whole = at;
    }
    return whole;
}

std::string mend_append_only_file(const fs::path& folder) {
    const fs::path file = newest_changes(folder);
    if (file.empty()) return {};
    const mapped_file mapped(file);
    const std::string_view bytes = mapped.bytes();
    const std::size_t whole = whole_commands(bytes);
    const bool zeros = bytes.find_first_not_of('\0', whole) == std::string::npos;
    if (whole == bytes.size() || (!zeros && bytes.size() - whole > append_only_tail_max)) return {};
    const std::string_view tail = bytes.substr(whole);
    const fs::path aside = file.string() + ".tail";
    if (!zeros && !(std::ofstream(aside, std::ios::binary) << tail).flush()) return {};
    std::error_code failed;
    fs::resize_file(file, whole, failed);
    if (failed) return {};
    return "the last " + std::to_string(bytes.size() - whole) + " bytes of " + file.string() +
           (zeros ? " were zeros and are cut off" : " were no whole commands and are " + aside.string() + " now");
}

}  // namespace tracking::store
