// Sums over hashes and states of streams as they were at one moment: asks snapshot.lua. Used by verify.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "tracking/store/message_pack.hpp"
#include "tracking/store/redis_client.hpp"

namespace tracking::store {

// What to ask; the answers come in the same order.
class snapshot_questions {
public:
    std::size_t hash(const std::string& key, const std::vector<std::string>& fields);
    // All buckets of a kind of label under a period's key ("aimeter:usage:month:2026-11").
    std::size_t labels(const std::string& period_key, const std::string& kind, const std::vector<std::string>& fields);
    std::size_t stream(const std::string& key);
    command script() const;

private:
    message_pack pack_;
    std::size_t count_ = 0;
};

struct stream_state {
    std::int64_t added = 0, length = 0;
    std::string last_id;
};

class snapshot {
public:
    snapshot() = default;
    explicit snapshot(reply answers) : answers_(std::move(answers)) {}
    std::int64_t hashes(std::size_t question) const;             // how many of them exist
    std::vector<std::int64_t> sums(std::size_t question) const;  // of the fields, in the order asked
    stream_state stream(std::size_t question) const;

private:
    const reply* answer(std::size_t question) const;
    reply answers_;
};

}  // namespace tracking::store
