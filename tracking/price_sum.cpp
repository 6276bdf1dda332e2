#include "tracking/price_sum.hpp"

#include <algorithm>
#include <initializer_list>
#include <limits>

namespace tracking {
namespace {

std::int64_t at_least_0(std::int64_t count) { return std::max<std::int64_t>(count, 0); }

// whole - parts, not below 0; the parts may exceed what an int64 holds.
std::int64_t rest_of(std::int64_t whole, std::initializer_list<std::int64_t> parts) {
    wide rest = whole;
    for (const std::int64_t part : parts) rest -= part;
    return rest < 0 ? 0 : static_cast<std::int64_t>(rest);
}

class adder {
public:
    explicit adder(const rate_card& rates) : rates_(rates) {}

    // The first of `choices` that has a price is what such a token costs.
    void add(std::string_view name, std::int64_t tokens, std::initializer_list<rate> choices) {
        if (tokens == 0) return;
        const auto* priced = std::find_if(choices.begin(), choices.end(), [&](rate r) { return rates_.has(r); });
        if (priced == choices.end()) {
            complete_ = false;
            return;
        }
        price_line& line = sum_.lines[sum_.used++];
        line = {name, tokens, rates_.pico(*priced)};
        sum_.pico += line.total();
    }

    std::optional<price_sum> finish() {
        if (!complete_) return std::nullopt;
        constexpr auto most = std::numeric_limits<std::int64_t>::max();
        const wide nano = (sum_.pico + 500) / 1000;
        sum_.saturated = nano > most;
        sum_.nano = sum_.saturated ? most : static_cast<std::int64_t>(nano);
        return sum_;
    }

private:
    const rate_card& rates_;
    price_sum sum_;
    bool complete_ = true;
};

}  // namespace

std::optional<price_sum> sum_up(const rate_card& rates, const token_counts& counts) {
    const std::int64_t input = at_least_0(counts.input), output = at_least_0(counts.output);
    const std::int64_t cached = at_least_0(counts.cached);
    const std::int64_t written_1h = at_least_0(counts.cache_write_1h);
    const std::int64_t written = rest_of(at_least_0(counts.cache_write), {written_1h});
    const std::int64_t audio_in = at_least_0(counts.audio_input), audio_out = at_least_0(counts.audio_output);
    const std::int64_t reasoning = at_least_0(counts.reasoning);

    adder sum(rates);
    sum.add("input", rest_of(input, {cached, written, written_1h, audio_in}), {rate::in});
    sum.add("cached input", cached, {rate::cache_read, rate::in});
    sum.add("cache write", written, {rate::cache_write, rate::in});
    sum.add("cache write 1h", written_1h, {rate::cache_write_1h, rate::cache_write, rate::in});
    sum.add("audio input", audio_in, {rate::audio_in, rate::in});
    sum.add("output", rest_of(output, {reasoning, audio_out}), {rate::out});
    sum.add("reasoning", reasoning, {rate::reasoning, rate::out});
    sum.add("audio output", audio_out, {rate::audio_out, rate::out});
    return sum.finish();
}

}  // namespace tracking
