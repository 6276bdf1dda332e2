// The forms of redis.url, read once for everybody: what is wrong with one is said when the configuration is read, and
// the parts are used where Redis is connected to. Credentials end up in their own fields, never in `text` or in an
// error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "conf/config.hpp"

namespace conf {

//   redis://[user[:password]@]host[:port][/db]        rediss:// = the same over TLS
//   unix:/path[?db=N]
//   redis+sentinel://[user[:password]@]sentinel[:port],...[/]master[/db][?sentinel_user=U&sentinel_password=P]
//   redis+cluster://[user[:password]@]node[:port],...
// The last two over TLS: rediss+sentinel://, rediss+cluster://. In user, password and options %XX stands for a byte.
struct redis_url {
    enum class form : std::uint8_t { one, sentinel, cluster } form = form::one;
    std::string host;  // form::one
    std::uint16_t port = 6379;
    std::string unix_path;
    std::string user, password;
    int db = 0;
    bool tls = false;
    std::vector<endpoint> servers;  // sentinels, or nodes of a cluster to begin with
    std::string master;             // as sentinels call it
    std::string sentinel_user, sentinel_password;
    std::string text;  // without credentials, for messages

    static std::variant<redis_url, std::string> parse(std::string_view text);
};

}  // namespace conf
