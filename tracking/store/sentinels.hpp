// The sentinels of redis.url: who is master now? Each is asked in turn, within its part of the deadline, over a
// connection that is kept. Used by redis_client. https://redis.io/docs/reference/sentinel-clients/
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "tracking/store/redis_connection.hpp"

namespace tracking::store {

struct master_address {
    std::string host;
    std::uint16_t port = 0;

    std::string text() const { return host + ":" + std::to_string(port); }
    bool operator==(const master_address&) const = default;
    bool operator<(const master_address& other) const {
        return std::tie(host, port) < std::tie(other.host, other.port);
    }
};

class sentinels {
public:
    sentinels(const boost::asio::any_io_executor& executor, const redis_url& url, const conf::redis_tls& trust);

    // The address that a majority names, else the one that most name; the error says what each sentinel answered.
    boost::asio::awaitable<std::variant<master_address, redis_error>> find_master(std::chrono::milliseconds deadline);
    // True when a majority names one other address: a sentinel that is cut off from the others must not move us.
    boost::asio::awaitable<bool> agree_on_another(master_address than, std::chrono::milliseconds deadline);
    void close();

private:
    struct one {
        redis_server server;
        std::shared_ptr<redis_connection> connection;
    };
    struct votes {
        std::map<master_address, std::size_t> of;
        std::string problems;
    };
    boost::asio::awaitable<std::variant<master_address, redis_error>> ask(one& whom,
                                                                          std::chrono::milliseconds deadline);
    boost::asio::awaitable<votes> poll(std::chrono::milliseconds deadline);
    bool majority(std::size_t count) const { return count > all_.size() / 2; }

    std::string master_, text_;
    std::vector<one> all_;
};

}  // namespace tracking::store
