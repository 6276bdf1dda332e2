#include "conf/redis_url.hpp"

#include <algorithm>
#include <charconv>

#include "conf/values.hpp"

namespace conf {
namespace {

constexpr std::uint16_t redis_port = 6379, sentinel_port = 26379;
constexpr int most_databases = 65'535;
using problem = std::string;  // empty = none

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

problem read_database(std::string_view text, int& into) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    const bool fine = error == std::errc{} && end == text.data() + text.size() && into >= 0 && into <= most_databases;
    return fine ? problem() : "the number of the database must be from 0 to 65535";
}

// [user[:password]@]: a password may hold any character, so the last @ ends it, as browsers and redis-cli have it.
void take_credentials(std::string_view& rest, redis_url& url) {
    const auto at = rest.rfind('@');
    if (at == std::string_view::npos) return;
    const auto credentials = rest.substr(0, at);
    rest.remove_prefix(at + 1);
    const auto colon = credentials.find(':');
    url.user = percent_decoded(credentials.substr(0, colon));
    if (colon != std::string_view::npos) url.password = percent_decoded(credentials.substr(colon + 1));
}

problem read_server(std::string_view text, std::uint16_t default_port, endpoint& into) {
    auto read = parse_server(text, default_port);
    if (const auto* wrong = std::get_if<complaint>(&read)) return "the host of Redis: " + wrong->what;
    into = std::get<endpoint>(std::move(read));
    return into.port != 0 ? problem() : "the port of Redis must be from 1 to 65535";
}

std::string with_port(const endpoint& server) {
    const bool v6 = server.host.find(':') != std::string::npos;
    return (v6 ? "[" + server.host + "]" : server.host) + ":" + std::to_string(server.port);
}

problem read_servers(std::string_view list, std::uint16_t default_port, redis_url& url) {
    while (true) {
        const auto comma = list.find(',');
        endpoint one;
        if (problem wrong = read_server(list.substr(0, comma), default_port, one); !wrong.empty()) return wrong;
        url.text += (url.servers.empty() ? "" : ",") + with_port(one);
        url.servers.push_back(std::move(one));
        if (comma == std::string_view::npos) return {};
        list.remove_prefix(comma + 1);
    }
}

problem read_unix(std::string_view rest, redis_url& url) {
    if (rest.starts_with("//")) rest.remove_prefix(2);
    const auto question = rest.find('?');
    const auto socket = parse_listen("unix:" + std::string(rest.substr(0, question)));
    if (const auto* wrong = std::get_if<complaint>(&socket)) return wrong->what;
    url.unix_path = std::get<endpoint>(socket).unix_path;
    url.text = "unix:" + url.unix_path;
    if (question == std::string_view::npos) return {};
    const auto option = rest.substr(question + 1);
    if (!option.starts_with("db=")) return "the only option of a unix socket is ?db=N";
    return read_database(option.substr(3), url.db);
}

problem read_one(std::string_view rest, redis_url& url) {
    take_credentials(rest, url);
    const auto slash = rest.find_first_of("/?#");
    endpoint server;
    if (problem wrong = read_server(rest.substr(0, slash), redis_port, server); !wrong.empty()) return wrong;
    url.host = server.host;
    url.port = server.port;
    url.text += with_port(server);
    if (slash == std::string_view::npos) return {};
    if (rest[slash] != '/') return "expected /db behind the host of Redis";
    if (slash + 1 == rest.size()) return {};
    if (problem wrong = read_database(rest.substr(slash + 1), url.db); !wrong.empty()) return wrong;
    if (url.db != 0) url.text += "/" + std::to_string(url.db);
    return {};
}

problem read_sentinel_options(std::string_view options, redis_url& url) {
    while (!options.empty()) {
        const auto end = std::min(options.find('&'), options.size());
        const auto option = options.substr(0, end);
        options.remove_prefix(std::min(end + 1, options.size()));
        const auto equals = option.find('=');
        const auto name = option.substr(0, equals);
        const auto value =
            equals == std::string_view::npos ? std::string() : percent_decoded(option.substr(equals + 1));
        if (name == "sentinel_user") {
            url.sentinel_user = value;
        } else if (name == "sentinel_password") {
            url.sentinel_password = value;
        } else {
            return "the options of sentinels are sentinel_user and sentinel_password";
        }
    }
    return {};
}

problem read_sentinel(std::string_view rest, redis_url& url) {
    take_credentials(rest, url);
    const auto question = rest.find('?');
    if (question != std::string_view::npos) {
        if (problem wrong = read_sentinel_options(rest.substr(question + 1), url); !wrong.empty()) return wrong;
        rest = rest.substr(0, question);
    }
    const auto slash = rest.find('/');
    if (problem wrong = read_servers(rest.substr(0, slash), sentinel_port, url); !wrong.empty()) return wrong;
    const auto path = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
    const auto second = path.find('/');
    url.master = path.substr(0, second);
    const bool named = std::all_of(url.master.begin(), url.master.end(), [](char c) { return c > ' ' && c < 0x7f; });
    if (url.master.empty() || !named) return "behind the sentinels stands /NAME of the master that they watch";
    url.text += "/" + url.master;
    if (second == std::string_view::npos) return {};
    return read_database(path.substr(second + 1), url.db);
}

problem read_cluster(std::string_view rest, redis_url& url) {
    take_credentials(rest, url);
    const auto slash = rest.find_first_of("/?#");
    if (slash != std::string_view::npos && rest.substr(slash) != "/")
        return "a cluster has one database: nothing stands behind its nodes";
    return read_servers(rest.substr(0, slash), redis_port, url);
}

}  // namespace

std::variant<redis_url, std::string> redis_url::parse(std::string_view text) {
    redis_url url;
    const auto read = [&](problem wrong) -> std::variant<redis_url, std::string> {
        if (!wrong.empty()) return wrong;
        return std::move(url);
    };
    if (text.starts_with("unix:")) return read(read_unix(text.substr(5), url));
    const auto end = text.find("://");
    const auto scheme = text.substr(0, end);
    const auto rest = end == std::string_view::npos ? std::string_view() : text.substr(end + 3);
    url.tls = scheme.starts_with("rediss");
    url.text = std::string(scheme) + "://";
    if (scheme == "redis" || scheme == "rediss") return read(read_one(rest, url));
    if (scheme == "redis+sentinel" || scheme == "rediss+sentinel") {
        url.form = form::sentinel;
        return read(read_sentinel(rest, url));
    }
    if (scheme == "redis+cluster" || scheme == "rediss+cluster") {
        url.form = form::cluster;
        return read(read_cluster(rest, url));
    }
    return "expected redis://host:port/db, rediss://, redis+sentinel://, redis+cluster:// or unix:/path";
}

std::string complaint_about_redis_url(std::string_view text) {
    if (text.empty()) return {};
    const auto url = redis_url::parse(text);
    const auto* wrong = std::get_if<std::string>(&url);
    return wrong == nullptr ? std::string() : *wrong;
}

}  // namespace conf
