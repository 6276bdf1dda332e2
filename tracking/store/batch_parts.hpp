// What a batch holds while it fills: inside of batch, shared by batch.cpp (filling) and batch_command.cpp (packing).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tracking/store/batch.hpp"
#include "tracking/store/counting.hpp"
#include "tracking/store/message_pack.hpp"
#include "tracking/store/periods.hpp"

namespace tracking::store {

struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <class Value>
using by_text = std::unordered_map<std::string, Value, text_hash, std::equal_to<>>;
using bucket_counts = std::map<int, std::int64_t>;

inline constexpr std::array<std::string_view, 5> label_kinds{"feature", "model", "provider", "plan", "variant"};
inline constexpr std::size_t feature_kind = 0;

struct label_bucket {
    counters values{};
    bucket_counts latency;  // of features only
};

struct user_bucket {
    std::int64_t requests = 0, errors = 0, tokens = 0, cost = 0;
    std::string plan;  // the latest one that was told
};

struct day_bucket {
    std::string day, month;
    std::int64_t expires, users_expire;
    counters values{};
    std::array<by_text<label_bucket>, label_kinds.size()> labels;
    by_text<user_bucket> users;
    bucket_counts latency, statuses;
    by_text<std::int64_t> errors;
};

struct minute_bucket {
    minute_names names;
    counters values{};
    std::size_t day;  // index of its day
};

// Entries with the same set of fields share one list of names.
struct entry_shape {
    std::uint64_t fields;  // bit i = usage_fields()[i] is set
    std::vector<std::string_view> names;
};

// What records add to the counters of their periods. Also what the audit counts the stream's entries with.
struct period_sums {
    explicit period_sums(const calendar& when) : minute_names_of(when) {}

    void clear();
    void count_in(const record& what);
    minute_bucket& minute_of(std::int64_t ms);

    minute_cache minute_names_of;
    std::vector<minute_bucket> minutes;
    std::vector<day_bucket> days;
    std::size_t latest_minute = 0;
};

// Where a record's entry stands in batch::impl::entries.
struct packed_entry {
    std::uint64_t moment;  // see moment_of()
    std::size_t begin, end;
};

struct batch::impl : period_sums {
    impl(const key_names& with, const calendar& when) : period_sums(when), keys(with) {}

    void clear();
    share& share_of(const journal::journal_id& of, std::uint64_t behind);
    void add_entry(const record& what);
    std::size_t shape_of(std::uint64_t fields);

    const key_names& keys;
    std::vector<batch::share> shares;
    std::size_t latest_share = 0;
    std::size_t records = 0;
    std::int64_t latest_ts = 0;  // of all records, ms
    std::vector<entry_shape> shapes;
    message_pack entries;  // in the order of reading: journal after journal
    std::vector<packed_entry> places;
    message_pack scratch;  // one entry's values
};

}  // namespace tracking::store
