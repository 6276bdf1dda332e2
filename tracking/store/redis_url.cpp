// redis:// and unix: addresses. Credentials end up in their own fields and never in `text` or an error.
#include <charconv>

#include "tracking/store/redis_client.hpp"

namespace tracking::store {

namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

std::string percent_decoded(std::string_view from) {
    std::string to;
    for (std::size_t i = 0; i < from.size(); ++i) {
        if (from[i] == '%' && i + 2 < from.size() && hex_value(from[i + 1]) >= 0 && hex_value(from[i + 2]) >= 0) {
            to += static_cast<char>(hex_value(from[i + 1]) * 16 + hex_value(from[i + 2]));
            i += 2;
        } else {
            to += from[i];
        }
    }
    return to;
}

template <class Number>
bool read_number(std::string_view from, Number most, Number& to) {
    const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), to);
    return error == std::errc{} && end == from.data() + from.size() && to <= most;
}

std::variant<redis_url, std::string> parse_unix(std::string_view rest) {
    redis_url url;
    const auto question = rest.find('?');
    url.unix_path = rest.substr(0, question);
    if (url.unix_path.empty() || url.unix_path.front() != '/') return "a unix: address needs an absolute path";
    if (question != std::string_view::npos) {
        const auto query = rest.substr(question + 1);
        if (!query.starts_with("db=") || !read_number(query.substr(3), 1'000'000, url.db) || url.db < 0) {
            return "behind the ? of a unix: address only db=N is known";
        }
    }
    url.text = "unix:" + url.unix_path;
    return url;
}

// [user[:password]@]
void take_credentials(std::string_view& rest, redis_url& url) {
    const auto at = rest.rfind('@');
    if (at == std::string_view::npos) return;
    const auto credentials = rest.substr(0, at);
    rest.remove_prefix(at + 1);
    const auto colon = credentials.find(':');
    if (colon == std::string_view::npos) {
        url.user = percent_decoded(credentials);
    } else {
        url.user = percent_decoded(credentials.substr(0, colon));
        url.password = percent_decoded(credentials.substr(colon + 1));
    }
}

std::variant<redis_url, std::string> parse_tcp(std::string_view rest) {
    redis_url url;
    take_credentials(rest, url);
    const auto slash = rest.find('/');
    if (slash != std::string_view::npos) {
        const auto db = rest.substr(slash + 1);
        if (!db.empty() && (!read_number(db, 1'000'000, url.db) || url.db < 0)) {
            return "behind the / of a redis:// address stands the number of a database";
        }
        rest = rest.substr(0, slash);
    }
    std::string_view port;
    if (rest.starts_with('[')) {
        const auto close = rest.find(']');
        if (close == std::string_view::npos) return "the [ of an IPv6 address is not closed";
        url.host = rest.substr(1, close - 1);
        port = rest.substr(close + 1);
        if (!port.empty() && port.front() != ':') return "behind the ] of an IPv6 address stands :port";
    } else {
        const auto colon = rest.rfind(':');
        url.host = rest.substr(0, colon);
        if (colon != std::string_view::npos) port = rest.substr(colon);
    }
    if (url.host.empty()) url.host = "127.0.0.1";
    if (!port.empty()) {
        unsigned number = 0;
        if (!read_number(port.substr(1), 65535U, number) || number == 0) return "the port is not a number of 1-65535";
        url.port = static_cast<std::uint16_t>(number);
    }
    const bool v6 = url.host.find(':') != std::string::npos;
    url.text = "redis://" + (v6 ? "[" + url.host + "]" : url.host) + ":" + std::to_string(url.port);
    if (url.db != 0) url.text += "/" + std::to_string(url.db);
    return url;
}

}  // namespace

std::variant<redis_url, std::string> redis_url::parse(std::string_view text) {
    if (text.starts_with("unix:")) return parse_unix(text.substr(text.starts_with("unix://") ? 7 : 5));
    if (text.starts_with("redis://")) return parse_tcp(text.substr(8));
    for (const std::string_view scheme : {"rediss://", "redis+sentinel://", "redis+cluster://"}) {
        if (text.starts_with(scheme)) {
            return std::string(scheme) + " is not supported; use redis://host:port or unix:/path";
        }
    }
    return "a Redis address is redis://[user:password@]host:port/db or unix:/path";
}

}  // namespace tracking::store
