// Who sent a request, and how that was learnt: verified JWT, header from a trusted proxy, API key, or nobody.
// Immutable once built (workers share one snapshot); verified tokens are remembered in a bounded cache per worker.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "conf/config.hpp"
#include "tracking/record.hpp"
#include "tracking/request/head_view.hpp"

namespace tracking {

struct identity {
    std::string user_id;
    std::string clerk_user_id;  // set by a verified JWT only
    std::string plan;
    user_source from = user_source::anonymous;
};

class key_set;

class identity_rules {
public:
    // `key_secret` keys the HMAC that turns an API key into a user id. The string is an error (JWKS unreadable, ...).
    // The keys of jwks_url are not here yet: with_fetched().
    static std::variant<std::shared_ptr<const identity_rules>, std::string> load(
        const conf::identity_settings& settings, std::string key_secret);
    ~identity_rules();

    // The same rules with these keys of jwks_url in the place of any former ones; null = none are there yet. `wanted`
    // (may be null) is set when a token names a key that is in none of the sets: it may be in a newer one. Workers set
    // it and control clears it; nothing else is ordered by it.
    std::shared_ptr<const identity_rules> with_fetched(const std::shared_ptr<const key_set>& keys,
                                                       std::shared_ptr<std::atomic<bool>> wanted) const;

    // A worker's memory of tokens already verified (signature work is tens of microseconds). One per worker.
    class memory;
    std::unique_ptr<memory, void (*)(memory*)> make_memory() const;

    // `peer_trusted`: the TCP peer is one of forward.trusted_proxies. `now_ms`: wall clock. `query_key`: the API key in
    // the target's query, where the provider takes one there and `wants_api_keys()`.
    void identify(const head_view& head, bool peer_trusted, std::int64_t now_ms, memory& seen, identity& into,
                  std::string_view query_key = {}) const;
    bool wants_api_keys() const noexcept;

    // The configured identity and plan headers: removed from requests of untrusted peers before forwarding.
    bool is_identity_header(std::string_view name) const noexcept;

private:
    identity_rules();
    struct impl;
    std::unique_ptr<impl> impl_;
};

// A set of CIDR blocks, e.g. forward.trusted_proxies.
class cidr_set {
public:
    using address = std::array<std::uint8_t, 16>;  // IPv4 as ::ffff:a.b.c.d

    static std::variant<cidr_set, std::string> parse(const std::vector<std::string>& blocks);
    // "203.0.113.9", "::1", "::ffff:127.0.0.1", "fe80::1%eth0"; nullopt when it is none.
    static std::optional<address> parse_peer(std::string_view text) noexcept;
    bool contains(const address& one) const noexcept;

private:
    struct block {
        address base;
        int bits;
    };
    std::vector<block> blocks_;
};

}  // namespace tracking
