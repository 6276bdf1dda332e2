// The addresses of values.hpp: listeners, upstreams, web pages, CIDR blocks.
#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "conf/values.hpp"

namespace conf {
namespace {

constexpr std::size_t longest_unix_path = sizeof(sockaddr_un::sun_path) - 1;

template <typename Number>
std::optional<Number> to_number(std::string_view text) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

bool is_ip(int family, std::string_view text) {
    std::array<unsigned char, sizeof(in6_addr)> address{};
    return inet_pton(family, std::string(text).c_str(), address.data()) == 1 && text.find('\0') == text.npos;
}

bool is_host(std::string_view text) {
    if (text.empty() || text.size() > 253) return false;
    const auto of_name = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
               c == '_';
    };
    if (!std::all_of(text.begin(), text.end(), of_name)) return false;
    // What looks like an IPv4 address must be one: the resolver would accept "1.2" as 1.0.0.2.
    const bool numeric = text.find_first_not_of("0123456789.") == std::string_view::npos;
    return !numeric || is_ip(AF_INET, text);
}

parsed<endpoint> unix_endpoint(std::string_view path) {
    if (!path.starts_with('/')) return complaint{"a unix socket needs an absolute path: unix:/path"};
    if (path.size() > longest_unix_path)
        return complaint{"the path of a unix socket has at most " + std::to_string(longest_unix_path) + " bytes"};
    if (path.find('\0') != std::string_view::npos) return complaint{"the path of a unix socket holds a zero byte"};
    endpoint made;
    made.unix_path = path;
    made.text = "unix:" + made.unix_path;
    return made;
}

// "host:port", "[v6]:port"; the port may be left out when there is a default.
parsed<endpoint> host_and_port(std::string_view text, std::optional<std::uint16_t> default_port) {
    endpoint made;
    std::string_view port;
    bool has_port = false;
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == std::string_view::npos) return complaint{"the bracket of the IPv6 address is never closed"};
        made.host = text.substr(1, close - 1);
        if (!is_ip(AF_INET6, made.host)) return complaint{"not an IPv6 address between the brackets"};
        const std::string_view rest = text.substr(close + 1);
        if (!rest.empty() && rest.front() != ':') return complaint{"expected :port behind the bracket"};
        has_port = !rest.empty();
        if (has_port) port = rest.substr(1);
    } else {
        const auto colon = text.rfind(':');
        if (colon != std::string_view::npos && text.find(':') != colon)
            return complaint{"an IPv6 address stands in brackets: [::1]:8080"};
        has_port = colon != std::string_view::npos;
        made.host = text.substr(0, colon);
        if (has_port) port = text.substr(colon + 1);
        if (!is_host(made.host)) return complaint{"not a host name or address"};
    }
    if (!has_port && !default_port) return complaint{"the port is missing: host:port, or :port for every address"};
    const auto number = has_port ? to_number<std::uint16_t>(port) : default_port;
    if (!number) return complaint{"the port must be a number from 0 to 65535"};
    made.port = *number;
    made.text = text;
    return made;
}

struct url_parts {
    std::string_view authority, rest;  // rest begins with the first / ? or #
};

url_parts split_url(std::string_view behind_scheme) {
    const auto end = behind_scheme.find_first_of("/?#");
    if (end == std::string_view::npos) return {behind_scheme, {}};
    return {behind_scheme.substr(0, end), behind_scheme.substr(end)};
}

}  // namespace

parsed<endpoint> parse_server(std::string_view text, std::uint16_t default_port) {
    return host_and_port(text, default_port);
}

parsed<endpoint> parse_listen(std::string_view text) {
    if (text.starts_with("unix:")) return unix_endpoint(text.substr(5));
    if (text.starts_with("https://"))
        return complaint{"where to listen is written without a scheme; tls.cert and tls.key make it https"};
    if (text.find("://") != std::string_view::npos)
        return complaint{"where to listen is written without a scheme: host:port or unix:/path"};
    if (text.starts_with(':') || text.starts_with("*:")) {
        auto every = host_and_port("0.0.0.0" + std::string(text.substr(text.find(':'))), std::nullopt);
        if (auto* made = std::get_if<endpoint>(&every)) made->text = text;
        return every;
    }
    return host_and_port(text, std::nullopt);
}

parsed<endpoint> parse_upstream(std::string_view text) {
    if (text.starts_with("unix:")) return unix_endpoint(text.substr(5));
    const bool https = text.starts_with("https://");
    const auto scheme = text.find("://");
    if (scheme != std::string_view::npos && !https && !text.starts_with("http://"))
        return complaint{"an upstream is http://host:port, https://host:port or unix:/path"};
    const url_parts url = split_url(scheme == std::string_view::npos ? text : text.substr(scheme + 3));
    if (url.authority.find('@') != std::string_view::npos) return complaint{"an upstream has no user and no password"};
    if (!url.rest.empty() && url.rest != "/")
        return complaint{"an upstream has no path: what was asked for is forwarded as it came"};
    std::optional<std::uint16_t> default_port;
    if (scheme != std::string_view::npos) default_port = https ? 443 : 80;
    auto peer = host_and_port(url.authority, default_port);
    if (auto* made = std::get_if<endpoint>(&peer)) {
        if (made->port == 0) return complaint{"the port of an upstream must be from 1 to 65535"};
        made->text = text;
        made->tls = https;
    }
    return peer;
}

parsed<web_url> parse_web_url(std::string_view text) {
    const bool tls = text.starts_with("https://");
    if (!tls && !text.starts_with("http://")) return complaint{"expected https://host/path or http://host/path"};
    const url_parts url = split_url(text.substr(tls ? 8 : 7));
    if (url.authority.find('@') != std::string_view::npos) return complaint{"this URL has no user and no password"};
    const bool visible = std::all_of(url.rest.begin(), url.rest.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    if (!visible) return complaint{"a URL holds visible ASCII only; write other bytes as %XX"};
    if (url.rest.find('#') != std::string_view::npos) return complaint{"a fragment (#) is never sent; leave it out"};
    auto server = host_and_port(url.authority, static_cast<std::uint16_t>(tls ? 443 : 80));
    if (auto* wrong = std::get_if<complaint>(&server)) return std::move(*wrong);
    web_url made{std::move(std::get<endpoint>(server)), std::string(url.rest)};
    if (made.server.port == 0) return complaint{"the port must be from 1 to 65535"};
    made.server.tls = tls;
    if (!made.target.starts_with('/')) made.target.insert(0, 1, '/');
    return made;
}

std::string complaint_about_web_url(std::string_view text) {
    if (text.empty()) return {};
    const auto url = parse_web_url(text);
    const auto* wrong = std::get_if<complaint>(&url);
    return wrong == nullptr ? std::string() : wrong->what;
}

std::string complaint_about_cidr(std::string_view text) {
    const auto slash = text.find('/');
    const std::string_view address = text.substr(0, slash);
    const bool v4 = is_ip(AF_INET, address);
    if (!v4 && !is_ip(AF_INET6, address)) return "expected an address block such as 10.0.0.0/8 or fd00::/8";
    if (slash == std::string_view::npos) return {};
    const auto bits = to_number<std::uint8_t>(text.substr(slash + 1));
    const int most = v4 ? 32 : 128;
    if (!bits || *bits > most) return "the length of the prefix must be from 0 to " + std::to_string(most);
    return {};
}

}  // namespace conf
