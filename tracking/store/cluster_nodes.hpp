// The nodes of a Redis Cluster: which of them is master of a slot, asked of any that answers; and what the errors of a
// cluster say. Used by redis_client. https://redis.io/docs/reference/cluster-spec/
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tracking/store/redis_connection.hpp"

namespace tracking::store {

// CRC-16 (XMODEM) of the part between the first { and the next }, or of all of it, modulo 16384.
std::uint16_t slot_of(std::string_view key);
// The same without looking for a part: what `CLUSTER KEYSLOT text` says of a text without braces.
std::uint16_t slot_of_text(std::string_view text);

struct node_address {
    std::string host;
    std::uint16_t port = 0;

    std::string text() const { return host + ":" + std::to_string(port); }
    bool operator==(const node_address&) const = default;
};

// "MOVED 3999 127.0.0.1:6381", "ASK ...": where to. A host that is not told is that of the node that answered.
struct redirection {
    bool ask = false;  // for this command alone, behind ASKING
    node_address to;
};
std::optional<redirection> redirection_of(const reply& answer, const node_address& from);
// The cluster is about to change, and the command was not run: TRYAGAIN, CLUSTERDOWN, or a master that still loads.
bool is_passing(const reply& answer);

class cluster_nodes {
public:
    cluster_nodes(const boost::asio::any_io_executor& executor, redis_url url, conf::redis_tls trust);

    // The master of a slot; each node that is known is asked in turn, within its part of the deadline.
    boost::asio::awaitable<std::variant<node_address, redis_error>> master_of(std::uint16_t slot,
                                                                              std::chrono::milliseconds deadline);
    redis_server server(const node_address& at) const;
    std::shared_ptr<redis_connection> make_connection() const;

private:
    void ask_later(const node_address& silent);
    std::optional<node_address> read_slots(const reply& slots, std::uint16_t wanted, const node_address& asked);

    boost::asio::any_io_executor executor_;
    redis_url url_;
    conf::redis_tls trust_;
    std::vector<node_address> known_;  // whoever answered last first; those of the URL stay
};

}  // namespace tracking::store
