// What the keys of Redis must hold, counted again from the entries of the usage stream: the expectation of the audit.
// Bounded: it holds a share of the keys only, those whose group's hash has certain low bits, and gives half of them up
// when it grows past its limit; the rest is for another pass over the stream. No I/O.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "tracking/store/batch_parts.hpp"
#include "tracking/store/hyperloglog.hpp"
#include "tracking/store/key_parts.hpp"
#include "tracking/store/keys.hpp"

namespace tracking::store {

// A share of all keys: the groups whose hash ends in `value`, `bits` bits long.
struct key_share {
    unsigned bits = 0;
    std::uint64_t value = 0;
    bool has(std::uint64_t hash) const { return (hash & ((std::uint64_t{1} << bits) - 1)) == value; }
    bool has(std::string_view text) const { return has(std::hash<std::string_view>{}(text)); }
};

using user_sums = user_bucket;
using analytics_sums = std::array<std::int64_t, 5>;

// A name that is kept once, however many keys have it among their members. Of a name_pool, which outlives it.
class interned {
public:
    explicit interned(const std::string& kept) : text_(&kept) {}
    const std::string& text() const { return *text_; }
    operator std::string_view() const { return *text_; }

private:
    const std::string* text_;
};

class name_pool {
public:
    interned intern(std::string_view name);
    std::size_t bytes() const { return bytes_; }  // roughly

private:
    std::unordered_set<std::string, text_hash, std::equal_to<>> names_;
    std::size_t bytes_ = 0;
};

struct same_text {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const { return a == b; }
};
// Of histograms, statuses, zsets; labels of a set count 1. Most of what an audit holds: a member takes some 28 bytes.
using named_sums = boost::unordered_flat_map<interned, std::int64_t, text_hash, same_text>;

// The field names of what is kept as numbers in a fixed order.
std::span<const std::string_view> fields_of(content which);  // bucket, analytics, user; else empty

struct expected_key {
    key_parts what;
    std::variant<counters, analytics_sums, user_sums, named_sums, hyperloglog> values;
    bool seen = false;          // it was found in Redis and compared
    bool too_many = false;      // more error messages than are counted apart
    std::uint64_t touched = 0;  // the latest page of entries that added to it

    std::vector<std::int64_t> numbers() const;  // of bucket, analytics, user: in the order of fields_of()
};

class recount {
public:
    // `limit`: bytes, roughly; `now`: seconds, so that periods whose keys have expired are left out.
    recount(const key_names& keys, std::string prefix, const calendar& when, key_share which, std::size_t limit,
            std::int64_t now);

    // Adds entries of the usage stream, then call settle(): they are gathered for a page at a time.
    void add(const record& what) { page_.count_in(what); }
    // `beside`: bytes that the caller holds for this share, and of which it gives up as much.
    void settle(bool may_shrink, std::size_t beside);

    const key_share& share() const { return share_; }
    // Shares that were given up since the last call.
    std::vector<key_share> take_given_up() { return std::exchange(given_up_, {}); }

    std::unordered_map<std::string, expected_key>& keys() { return keys_; }
    // The key's expectation; made (nothing is expected of it) when the name is one of ours and of this share.
    expected_key* find(const std::string& key);
    std::uint64_t pages() const { return pages_count_; }
    std::size_t bytes() const { return bytes_ + pool_.bytes(); }

private:
    expected_key& slot(std::string key, content holds, std::string_view period, std::string_view kind = {},
                       std::string_view label = {});
    template <class Sums>
    Sums& sums(std::string key, content holds, std::string_view period, std::string_view kind = {},
               std::string_view label = {});
    void add_bucket(std::string key, std::string_view period, const counters& values, std::string_view kind = {},
                    std::string_view label = {});
    void add_analytics(std::string_view period, const counters& values);
    void add_named(std::string key, content holds, std::string_view period, std::string_view name, std::int64_t count,
                   std::string_view kind = {}, std::string_view label = {});
    void add_minutes();
    void add_day(const day_bucket& day);
    void add_month(const day_bucket& day);
    void add_users(const day_bucket& day);
    void add_errors(const day_bucket& day);
    void give_up_half();
    void release_names();

    const key_names& names_;
    const std::string prefix_;
    period_sums page_;
    key_share share_;
    std::vector<key_share> given_up_;
    const std::size_t limit_;
    const std::int64_t now_;
    std::unordered_map<std::string, expected_key> keys_;
    name_pool pool_;
    std::size_t bytes_ = 0;
    std::uint64_t pages_count_ = 1;
};

}  // namespace tracking::store
