// Where the admin tokens come from: the configuration, or a file in data_dir that is made at the first start.
#include <openssl/rand.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "admin-api/api.hpp"
#include "tracking/kept_file.hpp"

namespace admin {

namespace {

constexpr std::size_t token_file_most = 4096;

std::string reason() { return std::strerror(errno); }

// 256 bits as hex: nothing that a shell, a URL or a header would need quoted.
std::string random_token() {
    std::array<unsigned char, 32> bytes;
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return {};
    constexpr std::string_view hex = "0123456789abcdef";
    std::string token;
    for (const unsigned char byte : bytes) {
        token += hex[byte >> 4];
        token += hex[byte & 15];
    }
    return token;
}

std::string trimmed(const std::string& text) {
    constexpr const char* blank = " \t\r\n";
    const auto begin = text.find_first_not_of(blank);
    if (begin == std::string::npos) return {};
    return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

using tokens_or_error = std::pair<std::vector<std::string>, std::string>;

tokens_or_error read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return {{}, path + ": " + reason()};
    std::string text(std::istreambuf_iterator<char>(file), {});
    if (text.size() > token_file_most) return {{}, path + ": is too long for a token"};
    std::string token = trimmed(text);
    if (token.empty()) return {{}, path + ": holds no token; remove it, and a new one is made at the next start"};
    const bool printable = token.find_first_of(" \t\r\n") == std::string::npos;
    if (!printable) return {{}, path + ": must hold one token and nothing else"};
    return {{std::move(token)}, {}};
}

}  // namespace

tokens_or_error load_tokens(const conf::settings& settings) {
    if (!settings.admin.tokens.empty()) return {settings.admin.tokens, {}};
    const std::string path = settings.data_dir + "/admin-token";
    std::error_code failed;
    if (std::filesystem::exists(path, failed)) return read(path);
    std::filesystem::create_directories(settings.data_dir, failed);
    if (failed) return {{}, settings.data_dir + ": " + failed.message()};
    const std::string token = random_token();
    if (token.empty()) return {{}, "the system gave no random bytes for an admin token"};
    if (auto error = tracking::write_kept_file(path, token + '\n'); !error.empty()) return {{}, error};
    return {{token}, {}};
}

}  // namespace admin
