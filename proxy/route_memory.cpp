#include "proxy/route_memory.hpp"

#include <functional>

namespace proxy {
namespace {

constexpr std::size_t places = 256;
constexpr std::size_t key_bytes_max = 512;  // longer ones are looked at each time

route look_at(const tracking::route_rules& by, std::string_view host, std::string_view path) {
    route found{.tracked = by.tracks_path(path),
                .content_type = by.content_type(path),
                .feature = {},
                .said = tracking::usage::read_target(host, path)};
    found.feature = by.feature(found.content_type);
    return found;
}

}  // namespace

const route& route_memory::find(const tracking::route_rules& by, std::string_view host, std::string_view target) {
    const std::string_view path = target.substr(0, target.find('?'));
    if (host.size() + path.size() > key_bytes_max) return unkept_ = look_at(by, host, path);
    if (entries_.empty()) entries_.resize(places);
    const std::hash<std::string_view> hash;
    entry& place = entries_[(hash(path) ^ (hash(host) << 1)) % places];
    if (place.path != path || place.host != host || path.empty())
        place = {std::string(host), std::string(path), look_at(by, host, path)};
    return place.known;
}

}  // namespace proxy
