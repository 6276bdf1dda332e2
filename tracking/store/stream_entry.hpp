// An entry of the streams, as XRANGE answers it, read back: its fields, and the record that it was made of. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "tracking/record.hpp"
#include "tracking/store/redis_client.hpp"

namespace tracking::store {

// A plain decimal USD figure of at most 9 places, in nano-USD; 0 for what is none.
std::int64_t nano_of(std::string_view usd);

// The value of a field of an entry; "" = it has none.
std::string_view field_of_entry(const reply& entry, std::string_view name);
std::string_view id_of_entry(const reply& entry);

// Into `to`, from an entry of the usage stream, all that is counted of a record (count(), labels, user, histograms):
// not its id, and not the texts that no counter looks at.
void read_counted(const reply& entry, record& to);

// Whether an entry of the analytics stream says what the usage stream's says.
bool same_record(const reply& usage, const reply& analytics);

// Entry ids are "ms-sequence", and compare as numbers.
struct entry_id {
    std::uint64_t ms = 0, sequence = 0;
    static entry_id parse(std::string_view text);  // 0-0 for what is none
    std::string text() const;
    auto operator<=>(const entry_id&) const = default;
};

}  // namespace tracking::store
