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

// Tokens of the input by what they are charged as; no token is in two of them.
struct input_split {
    std::int64_t plain = 0, cached = 0, written = 0, written_1h = 0;
    std::int64_t audio = 0, image = 0;
    std::int64_t cached_audio = 0, written_audio = 0;
};

// Audio and images that the prompt cache served or stored are told twice, as what they are and as cached. How many
// they are nobody says, but parts that exceed their whole must overlap: so many are charged once, as cached.
input_split split_input(const token_counts& counts) {
    input_split split;
    const std::int64_t input = at_least_0(counts.input);
    split.cached = at_least_0(counts.cached);
    split.written_1h = at_least_0(counts.cache_write_1h);
    split.written = rest_of(at_least_0(counts.cache_write), {split.written_1h});
    split.audio = at_least_0(counts.audio_input);
    split.image = at_least_0(counts.image_input);

    wide excess =
        static_cast<wide>(split.cached) + split.written + split.written_1h + split.audio + split.image - input;
    const auto overlap = [&excess](std::int64_t& media, std::int64_t of_cache) {
        if (excess <= 0) return std::int64_t{0};
        const std::int64_t most = std::min(media, of_cache);
        const auto both = static_cast<std::int64_t>(std::min<wide>(most, excess));
        excess -= both;
        media -= both;
        return both;
    };
    split.cached_audio = overlap(split.audio, split.cached);
    split.cached -= split.cached_audio;
    split.written_audio = overlap(split.audio, split.written);
    split.written -= split.written_audio;
    overlap(split.image, split.cached);  // an image has no cached price of its own: it stays among the cached
    overlap(split.image, split.written);
    split.plain = rest_of(input, {split.cached, split.written, split.written_1h, split.audio, split.image,
                                  split.cached_audio, split.written_audio});
    return split;
}

class adder {
public:
    explicit adder(const chosen_rates& by, const billed_usage& usage) : by_(by), usage_(usage) {}

    std::optional<price_sum> sum() {
        const auto& counts = usage_.tokens;
        tokens_told_ = counts.input > 0 || counts.output > 0 || counts.cached > 0 || counts.cache_write > 0 ||
                       counts.cache_write_1h > 0 || counts.reasoning > 0 || counts.audio_input > 0 ||
                       counts.audio_output > 0 || counts.image_input > 0 || counts.image_output > 0;
        if (by_.by_token) add_tokens();
        add_units();
        if (!complete_ || !(by_.by_token || unit_charged_)) return std::nullopt;
        constexpr auto most = std::numeric_limits<std::int64_t>::max();
        const wide nano = (sum_.pico + 500) / 1000;
        sum_.saturated = nano > most;
        sum_.nano = sum_.saturated ? most : static_cast<std::int64_t>(nano);
        return sum_;
    }

private:
    const chosen_rates& by_;
    const billed_usage& usage_;
    price_sum sum_;
    bool complete_ = true;
    bool tokens_told_ = false;
    bool unit_charged_ = false;
    bool images_are_tokens_ = false;  // the tokens of the images were told, and charged

    // The first of `choices` that has a price is what such a token costs.
    void add(std::string_view name, std::int64_t tokens, std::initializer_list<rate> choices) {
        if (tokens == 0) return;
        const auto* priced = std::find_if(choices.begin(), choices.end(), [&](rate r) { return by_.rates.has(r); });
        if (priced == choices.end()) {
            complete_ = false;
            return;
        }
        put({name, "tokens", tokens, by_.rates.pico(*priced), static_cast<wide>(tokens) * by_.rates.pico(*priced)});
    }

    void put(const price_line& line) {
        sum_.lines[sum_.used++] = line;
        sum_.pico += line.total;
    }

    void add_tokens() {
        const input_split in = split_input(usage_.tokens);
        add("input", in.plain, {rate::in});
        add("cached input", in.cached, {rate::cache_read, rate::in});
        add("cache write", in.written, {rate::cache_write, rate::in});
        add("cache write 1h", in.written_1h, {rate::cache_write_1h, rate::cache_write, rate::in});
        add("audio input", in.audio, {rate::audio_in, rate::in});
        add("cached audio", in.cached_audio, {rate::audio_cache_read, rate::cache_read, rate::in});
        add("written audio", in.written_audio, {rate::audio_cache_write, rate::cache_write, rate::in});
        add("image input", in.image, {rate::image_tok_in, rate::in});

        const std::int64_t output = at_least_0(usage_.tokens.output);
        const std::int64_t reasoning = at_least_0(usage_.tokens.reasoning);
        const std::int64_t audio = at_least_0(usage_.tokens.audio_output);
        const std::int64_t image = image_tokens(rest_of(output, {reasoning, audio}));
        // Images that are charged by the piece are not charged by their tokens as well.
        const bool by_piece = !images_are_tokens_ && by_.units.has(unit_rate::image) && usage_.units.images;
        add("output", rest_of(output, {reasoning, audio, image}), {rate::out});
        add("reasoning", reasoning, {rate::reasoning, rate::out});
        add("audio output", audio, {rate::audio_out, rate::out});
        if (!by_piece) add("image output", image, {rate::image_tok_out, rate::out});
    }

    // How many output tokens are images: as told; where nobody says it, all that may be when the model charges for
    // image tokens and not for images, or charges all its output as images.
    std::int64_t image_tokens(std::int64_t most) {
        const std::int64_t told = at_least_0(usage_.tokens.image_output);
        const rate_card& rates = by_.rates;
        if (!rates.has(rate::image_tok_out)) return told;
        images_are_tokens_ = told > 0 || (most > 0 && rates.pico(rate::out) == rates.pico(rate::image_tok_out));
        if (told > 0) return told;
        const bool has_images = usage_.units.images.value_or(0) > 0 && !by_.units.has(unit_rate::image);
        return has_images ? most : 0;
    }

    void add_units() {
        const unit_counts& units = usage_.units;
        const bool audio_is_tokens = by_.by_token && (usage_.tokens.audio_input > 0 || usage_.tokens.audio_output > 0);
        if (!audio_is_tokens) add_seconds(units.audio_ms);
        if (!images_are_tokens_) add_pieces("images", unit_rate::image, units.images);
        add_pieces("pages", unit_rate::page, units.pages);
        add_pieces("search units", unit_rate::search_unit, units.search_units);
        add_pieces("characters", unit_rate::character, units.characters);
        // No token says anything of a search: without a price for it the whole is unknown.
        if (units.web_searches.value_or(0) > 0 && !by_.units.has(unit_rate::web_search)) complete_ = false;
        add_pieces("web searches", unit_rate::web_search, units.web_searches);
        if (by_.units.has(unit_rate::request)) charge("request", "request", unit_rate::request, 1);
    }

    void add_pieces(std::string_view name, unit_rate which, std::optional<std::int64_t> told) {
        if (told && is_priced(which, *told)) charge(name, name, which, at_least_0(*told));
    }

    void add_seconds(std::optional<std::int64_t> ms) {
        if (!ms || !is_priced(unit_rate::audio_second, *ms)) return;
        const std::int64_t pico = by_.units.pico(unit_rate::audio_second);
        const std::int64_t count = at_least_0(*ms);
        unit_charged_ = true;
        if (count > 0) put({"audio", "ms", count, pico, (static_cast<wide>(count) * pico + 500) / 1000});
    }

    // What has no price of its own is in the price of the tokens, where those were told; otherwise it is unknown.
    bool is_priced(unit_rate which, std::int64_t count) {
        if (by_.units.has(which)) return true;
        if (count > 0 && !(by_.by_token && tokens_told_)) complete_ = false;
        return false;
    }

    void charge(std::string_view name, std::string_view unit, unit_rate which, std::int64_t count) {
        unit_charged_ = true;
        const std::int64_t pico = by_.units.pico(which);
        if (count > 0) put({name, unit, count, pico, static_cast<wide>(count) * pico});
    }
};

}  // namespace

std::optional<price_sum> sum_up(const chosen_rates& by, const billed_usage& usage) { return adder(by, usage).sum(); }

std::optional<std::int64_t> plain_sum(const price_entry& entry, const billed_usage& usage) {
    const auto& [input, cached, written, written_1h, output, reasoning, audio_in, audio_out, image_in, image_out] =
        usage.tokens;
    const bool one_set = entry.by_token && entry.tiers.count == 0 && entry.services.count == 0 && entry.units == 0;
    const bool others = (written | written_1h | audio_in | audio_out | image_in | image_out) != 0;
    const bool in_order = 0 <= cached && cached <= input && 0 <= reasoning && reasoning <= output;
    if (!one_set || others || !in_order || usage.units.any()) return std::nullopt;

    const rate_card& rates = entry.rates;
    if (!rates.has(rate::in) || !rates.has(rate::out)) return std::nullopt;
    const auto pico_of = [&rates](rate own, rate otherwise) { return rates.pico(rates.has(own) ? own : otherwise); };
    std::int64_t pico = 500;  // it is rounded half up
    const auto add = [&pico](std::int64_t tokens, std::int64_t each) {
        std::int64_t product = 0;
        return !__builtin_mul_overflow(tokens, each, &product) && !__builtin_add_overflow(pico, product, &pico);
    };
    const bool fits = add(input - cached, rates.pico(rate::in)) && add(cached, pico_of(rate::cache_read, rate::in)) &&
                      add(output - reasoning, rates.pico(rate::out)) &&
                      add(reasoning, pico_of(rate::reasoning, rate::out));
    if (!fits) return std::nullopt;
    return pico / 1000;
}

}  // namespace tracking
