#include "tracking/store/counting.hpp"

#include <limits>

namespace tracking::store {

namespace {

constexpr std::size_t error_label_bytes = 160;

struct sums {
    counters values{};
    std::int64_t& operator[](counter which) { return values[static_cast<std::size_t>(which)]; }
};

}  // namespace

ending ending_of(const record& what) {
    switch (what.result) {
        case outcome::blocked:
            return ending::blocked;
        case outcome::client_abort:
            return ending::aborted;
        case outcome::ok:
            return what.success ? ending::success : ending::error;
        case outcome::error:
        case outcome::upstream_abort:
        case outcome::interrupted:
            break;
    }
    return ending::error;
}

counters count(const record& what) {
    sums of;
    const ending end = ending_of(what);
    const std::int64_t cost = what.cost_nano.value_or(0);
    of[counter::requests] = 1;
    of[counter::success] = end == ending::success;
    of[counter::errors] = end == ending::error;
    of[counter::blocked] = end == ending::blocked;
    of[counter::aborted] = end == ending::aborted;
    of[counter::cached] = what.cached;
    of[counter::estimated] = what.estimated;
    of[counter::unpriced] = what.cost_from == cost_source::unknown;
    of[counter::identified] = what.user_from != user_source::anonymous;
    of[counter::usage_known] = what.usage_from == usage_source::body || what.usage_from == usage_source::headers;
    of[counter::input_tokens] = what.input_tokens.value_or(0);
    of[counter::output_tokens] = what.output_tokens.value_or(0);
    of[counter::cached_tokens] = what.cached_tokens.value_or(0);
    of[counter::cache_write_tokens] = what.cache_write_tokens.value_or(0);
    of[counter::reasoning_tokens] = what.reasoning_tokens.value_or(0);
    of[counter::tokens_used] = what.tokens_used.value_or(0);
    of[counter::saved_tokens] = what.saved_tokens.value_or(0);
    of[counter::cost_nano] = cost;
    of[counter::saved_nano] = what.saved_nano.value_or(0);
    of[counter::wasted_nano] = end == ending::error || end == ending::aborted ? cost : 0;
    if (what.upstream_us) {  // durations are told of requests that reached the upstream
        of[counter::duration_us] = what.duration_us.value_or(0);
        of[counter::duration_count] = what.duration_us.has_value();
        of[counter::ttft_us] = what.ttft_us.value_or(0);
        of[counter::ttft_count] = what.ttft_us.has_value();
    }
    return of.values;
}

std::int64_t saturating_sum(std::int64_t a, std::int64_t b) {
    std::int64_t sum = 0;
    if (!__builtin_add_overflow(a, b, &sum)) return sum;
    return a < 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
}

void add(counters& to, const counters& what) {
    for (std::size_t i = 0; i < counter_count; ++i) to[i] = saturating_sum(to[i], what[i]);
}

std::string error_label(const record& what) {
    if (what.error_message.empty()) {
        if (what.result != outcome::error && what.result != outcome::ok) return std::string(to_string(what.result));
        return what.status == 0 ? "no answer" : "status " + std::to_string(what.status);
    }
    std::string label = what.error_message.substr(0, error_label_bytes);
    if (label.size() < what.error_message.size()) {  // not in the middle of a UTF-8 sequence
        std::size_t end = label.size();
        while (end > 0 && (static_cast<unsigned char>(what.error_message[end]) & 0xC0) == 0x80) --end;
        if (end > 0) label.resize(end);
    }
    return label;
}

}  // namespace tracking::store
