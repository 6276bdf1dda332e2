// What one record adds to the counters of a bucket (contract, section 5). Pure; used wherever records become numbers.
#pragma once

#include <cstdint>
#include <string>

#include "tracking/record.hpp"
#include "tracking/store/keys.hpp"

namespace tracking::store {

// The four ends of a request, disjoint and exhaustive: requests is their sum.
enum class ending : std::uint8_t { success, error, blocked, aborted };
ending ending_of(const record& what);

counters count(const record& what);

std::int64_t saturating_sum(std::int64_t a, std::int64_t b);
inline void add_to(std::int64_t& sum, std::int64_t value) { sum = saturating_sum(sum, value); }
void add(counters& to, const counters& what);

// The member of the day's errors: the provider's message, cut, or what is known in its place.
std::string error_label(const record& what);

}  // namespace tracking::store
