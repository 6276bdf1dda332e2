#include "tracking/request/target_path.hpp"

#include <algorithm>

namespace tracking {

namespace {

int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// %XX decoded once.
std::string percent_decoded(std::string_view text) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%' && i + 2 < text.size()) {
            const int high = hex_value(text[i + 1]);
            const int low = hex_value(text[i + 2]);
            if (high >= 0 && low >= 0) {
                c = static_cast<char>(high << 4 | low);
                i += 2;
            }
        }
        decoded.push_back(c);
    }
    return decoded;
}

}  // namespace

std::string_view path_of(std::string_view target) noexcept {
    if (!target.starts_with('/')) {
        const std::size_t authority = target.find("://");
        if (authority != std::string_view::npos && authority < target.find_first_of("/?#\\")) {
            const std::size_t end = target.find_first_of("/?#\\", authority + 3);
            target.remove_prefix(std::min(end, target.size()));
            if (!target.starts_with('/') && !target.starts_with('\\')) return "/";
        }
    }
    return target.substr(0, target.find_first_of("?#"));
}

bool is_plain_path(std::string_view path) noexcept {
    if (!path.starts_with('/')) return false;
    char before = '\0';
    for (const char c : path) {
        switch (c) {
            case '%':
            case '\\':
            case ';':
                return false;
            case '/':
            case '.':
                if (before == '/') return false;
                break;
            default:
                break;
        }
        before = c;
    }
    return true;
}

std::string decoded_path(std::string_view path) {
    std::string decoded = percent_decoded(path);
    std::ranges::replace(decoded, '\\', '/');
    return decoded;
}

std::string resolved_path(std::string_view decoded) {
    std::string path;
    path.reserve(decoded.size() + 1);
    bool open = true;  // the path ends where a segment ended with "/", or in a dot segment
    while (!decoded.empty()) {
        const std::size_t slash = decoded.find('/');
        std::string_view segment = decoded.substr(0, slash);
        open = slash != std::string_view::npos;
        decoded.remove_prefix(open ? slash + 1 : decoded.size());
        segment = segment.substr(0, segment.find(';'));
        if (segment == "..") {
            path.resize(std::min(path.rfind('/'), path.size()));
            open = true;
        } else if (segment == ".") {
            open = true;
        } else if (!segment.empty()) {
            path.push_back('/');
            path.append(segment);
        }
    }
    if (path.empty() || open) path.push_back('/');
    return path;
}

std::string query_member(std::string_view target, std::string_view name) {
    target = target.substr(0, target.find('#'));
    const std::size_t query = target.find('?');
    if (query == std::string_view::npos) return {};
    std::string_view rest = target.substr(query + 1);
    while (!rest.empty()) {
        const std::string_view member = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(member.size() + 1, rest.size()));
        if (member.size() > name.size() && member.starts_with(name) && member[name.size()] == '=') {
            return percent_decoded(member.substr(name.size() + 1));
        }
    }
    return {};
}

}  // namespace tracking
