#include "tracking/usage/findings.hpp"

#include <algorithm>
#include <limits>

#include "tracking/usage/ascii.hpp"
#include "tracking/usage/json_number.hpp"
#include "tracking/usage/utf8.hpp"

namespace tracking::usage {

namespace {

constexpr std::size_t error_limit = 300;
constexpr std::size_t model_limit = 256;
constexpr std::size_t word_limit = 64;

// Resource names hold more than the model: models/X, publishers/google/models/X, projects/P/.../models/X.
std::string_view bare_model(std::string_view name) noexcept {
    constexpr std::string_view collection = "models/";
    if (name.starts_with(collection)) return name.substr(collection.size());
    if (!name.starts_with("publishers/") && !name.starts_with("projects/")) return name;
    const std::size_t at = name.rfind("/models/");
    return at == std::string_view::npos ? name : name.substr(at + 1 + collection.size());
}

bool is_figure(want kind) noexcept {
    return kind == want::count || kind == want::output_count || kind == want::pico_usd || kind == want::list_sum ||
           kind == want::list_pick || kind == want::millis;
}

maybe_count parse_figure(want kind, std::string_view token) noexcept {
    constexpr std::int64_t nano_per_milli = 1'000'000'000;
    if (kind == want::pico_usd) return parse_pico(token);
    if (kind != want::millis) return parse_count(token);
    const maybe_count pico = parse_pico(token);
    if (!pico) return std::nullopt;
    return *pico / nano_per_milli + (*pico % nano_per_milli >= nano_per_milli / 2 ? 1 : 0);
}

// Adds to what the same list said before, instead of replacing it.
bool adds_up(want kind) noexcept {
    return kind == want::list_sum || kind == want::list_match || kind == want::list_count || kind == want::list_pick;
}

struct tier_word {
    std::string_view theirs;  // lower case
    std::string_view tier;
};
constexpr auto tier_words = std::to_array<tier_word>({
    {"batch", "batch"},
    {"flex", "flex"},
    {"on_demand_flex", "flex"},
    {"priority", "priority"},
    {"on_demand_priority", "priority"},
});

}  // namespace

void clear(usage_facts& facts) noexcept {
    facts.provider.clear();
    facts.model.clear();
    facts.finish_reason.clear();
    facts.error_message.clear();
    facts.error_event = false;
    for (auto* count :
         {&facts.input_tokens, &facts.cached_tokens, &facts.cache_write_tokens, &facts.cache_write_1h_tokens,
          &facts.output_tokens, &facts.reasoning_tokens, &facts.reported_cost_pico, &facts.audio_input_tokens,
          &facts.image_input_tokens, &facts.audio_output_tokens, &facts.image_output_tokens}) {
        count->reset();
    }
    facts.units = {};
    facts.service_tier.clear();
    facts.cached_flag = false;
    facts.cached_flag_name.clear();
    facts.stream = false;
    facts.text_bytes = 0;
    facts.uncounted_text_bytes = 0;
    facts.contradictory = false;
}

class findings::view final : public found_values {
public:
    view(const findings& from, std::size_t shape) noexcept : from_(from), shape_(shape) {}

    std::optional<std::int64_t> count(std::uint8_t slot) const noexcept override {
        const std::uint8_t at = from_.table_.value(shape_, slot);
        if (at == no_value || from_.stamps_[at] == 0) return std::nullopt;
        return from_.figures_[at];
    }
    std::string_view status() const noexcept override { return from_.status_word_; }
    bool signed_shape() const noexcept override { return from_.signs_.test(shape_); }

private:
    const findings& from_;
    std::size_t shape_;
};

findings::findings(usage_facts& facts) : table_(shape_table::get()), facts_(facts) {
    facts_.provider.reserve(word_limit);
    facts_.model.reserve(model_limit);
    facts_.finish_reason.reserve(word_limit);
    facts_.error_message.reserve(error_limit);
    facts_.cached_flag_name.reserve(word_limit);
    error_word_.reserve(word_limit);
    maybe_error_.reserve(error_limit);
    status_word_.reserve(word_limit);
    element_name_.reserve(word_limit);
    facts_.service_tier.reserve(word_limit);
}

void findings::begin(int status) noexcept {
    clear(facts_);
    status_ = status;
    documents_ = 0;
    in_array_ = false;
    token_seen_ = false;
    token_told_ = false;
    failed_ = false;
    repeats_ = false;
    counted_ = false;
    text_ = 0;
    error_word_.clear();
    maybe_error_.clear();
    scope_ = key_tree::none;
    std::fill_n(stamps_.begin(), table_.value_count(), 0);
    signs_.reset();
    has_figure_.reset();
    model_guessed_ = false;
    status_word_.clear();
    element_name_.clear();
    element_number_at_ = key_tree::none;
}

// ---- Documents and events ---------------------------------------------------------------------------------------

void findings::begin_document() noexcept {
    end_document();  // an event stream may have cut the one before
    ++documents_;
    scope_ = key_tree::none;
    error_word_.clear();
    maybe_error_.clear();
}

void findings::end_document() noexcept {
    if (failed_ || status_ >= 400) settle_error();
    if (repeats_) text_ = 0;
    facts_.text_bytes += text_;
    facts_.uncounted_text_bytes = counted_ ? 0 : facts_.uncounted_text_bytes + text_;
    text_ = 0;
    counted_ = false;
    repeats_ = false;
    failed_ = false;
}

void findings::settle_error() noexcept {
    if (failed_) facts_.error_event = true;
    if (!facts_.error_message.empty()) return;
    const std::string_view text = trim(without_cut_character(maybe_error_));
    assign_valid_utf8(facts_.error_message, text.empty() ? std::string_view(error_word_) : text, error_limit);
}

void findings::end_event(std::string_view name) noexcept {
    // "3" is the error of the Vercel AI SDK's data stream.
    if (name == "error" || name == "3") {
        failed_ = true;
        repeats_ = true;  // its text is the message
    }
    end_document();
    scope_ = key_tree::none;
    maybe_error_.clear();
    error_word_.clear();
}

void findings::on_plain_text(std::string_view piece, std::size_t blanks) noexcept {
    if (status_ < 400) {
        text_ += blanks + piece.size();
        token_seen_ = true;
    }
    if (maybe_error_.size() < error_limit) {
        maybe_error_.append(piece.substr(0, error_limit - maybe_error_.size()));
    }
}

bool findings::take_first_token() noexcept {
    if (!token_seen_ || token_told_) return false;
    token_told_ = true;
    return true;
}

// ---- What the scanner tells -------------------------------------------------------------------------------------

void findings::on_open(node_id at, bool array) noexcept {
    if (at == key_tree::root) {
        if (array) {
            in_array_ = true;
        } else {
            begin_document();
        }
        return;
    }
    for (const std::uint16_t number : table_.tree().rows(at)) {
        const shape_table::row& row = table_.at(number);
        const bool scopes = row.kind == want::scope || (row.kind == want::list_scope && array);
        if (scopes && scope_ == key_tree::none) {
            scope_ = at;
            staged_count_ = 0;
            is_staged_.reset();
        } else if (row.kind == want::error) {
            failed_ = true;
        } else if (row.kind == want::sign) {
            signs_.set(row.shape);
        } else if (row.kind == want::list_element) {
            element_name_.clear();
            element_number_at_ = key_tree::none;
        }
    }
}

void findings::on_close(node_id at, bool array) noexcept {
    if (at == key_tree::root && !array) end_document();
    if (at == scope_) close_scope();
}

void findings::on_text(node_id at, std::size_t bytes) noexcept {
    (void)at;  // every text counts alike
    if (status_ >= 400) return;
    text_ += bytes;
    token_seen_ = true;
}

void findings::on_word(node_id at, std::string_view value) noexcept {
    for (const std::uint16_t number : table_.tree().rows(at)) take_word(table_.at(number), value);
}

void findings::take_word(const shape_table::row& row, std::string_view value) noexcept {
    const bool empty = value.empty();
    switch (row.kind) {
        case want::count:
        case want::pico_usd:
        case want::list_sum:
        case want::list_pick:
        case want::millis:
            facts_.contradictory = true;
            break;
        case want::list_match:
            if (value == row.wish->equals) keep(row, 1);
            break;
        case want::list_count:
            if (!empty) keep(row, 1);
            break;
        case want::list_name:
            assign_valid_utf8(element_name_, value, word_limit);
            pair_element();
            break;
        case want::event_count:
            if (row.wish->equals.empty() ? !empty : value == row.wish->equals) count_event(row.value);
            break;
        case want::tier:
            take_tier(value);
            break;
        case want::sign:
            if (row.wish->equals.empty() ? !empty : value == row.wish->equals) signs_.set(row.shape);
            break;
        case want::model:
        case want::model_guess:
            take_model(value, row.kind == want::model_guess);
            break;
        case want::finish:
            take_finish(value);
            break;
        case want::status:
            assign_valid_utf8(status_word_, value, word_limit);
            break;
        case want::type:
            take_type(value);
            break;
        case want::signal:
            if (!empty && status_ < 400) token_seen_ = true;
            break;
        case want::error:
            if (!empty) failed_ = true;
            break;
        case want::error_text:
            if (facts_.error_message.empty()) assign_valid_utf8(facts_.error_message, value, error_limit);
            break;
        case want::error_word:
            if (error_word_.empty()) assign_valid_utf8(error_word_, value, word_limit);
            break;
        case want::maybe_error:
        case want::document:
            if (maybe_error_.empty()) assign_valid_utf8(maybe_error_, value, error_limit);
            break;
        default:
            break;
    }
}

void findings::take_model(std::string_view value, bool guess) noexcept {
    value = bare_model(value);
    if (value.empty() || (guess && !model_guessed_ && !facts_.model.empty())) return;
    assign_valid_utf8(facts_.model, value, model_limit);
    model_guessed_ = guess;
}

void findings::take_type(std::string_view value) noexcept {
    if (value == "error") failed_ = true;
    if (value.ends_with(".done")) repeats_ = true;
}

// The last one told holds: a request asks for "auto" and is told at its end what it got.
void findings::take_tier(std::string_view value) noexcept {
    const auto known = std::ranges::find_if(tier_words, [&](const tier_word& w) { return same_word(value, w.theirs); });
    facts_.service_tier.assign(known == tier_words.end() ? std::string_view{} : known->tier);
}

void findings::take_finish(std::string_view value) noexcept {
    if (value.empty()) return;
    assign_valid_utf8(facts_.finish_reason, value, word_limit);
    std::ranges::transform(facts_.finish_reason, facts_.finish_reason.begin(), lower);
}

void findings::on_number(node_id at, std::string_view token) noexcept {
    for (const std::uint16_t number : table_.tree().rows(at)) {
        const shape_table::row& row = table_.at(number);
        if (row.kind == want::sign && row.wish->equals.empty()) signs_.set(row.shape);
        if (row.kind == want::finish) {
            const maybe_count index = parse_count(token);
            const auto known = static_cast<std::int64_t>(row.wish->names.size());
            if (index) take_finish(*index < known ? row.wish->names[static_cast<std::size_t>(*index)] : token);
        } else if (is_figure(row.kind)) {
            const maybe_count figure = parse_figure(row.kind, token);
            if (!figure) {
                facts_.contradictory = true;
            } else if (row.kind == want::list_pick) {
                element_number_ = *figure;
                element_number_at_ = at;
            } else {
                keep(row, *figure);
            }
        }
    }
    if (element_number_at_ == at) pair_element();
}

void findings::on_bool(node_id at, bool value) noexcept {
    for (const std::uint16_t number : table_.tree().rows(at)) {
        const shape_table::row& row = table_.at(number);
        if (row.kind == want::truth) keep(row, value ? 1 : 0);
        if (is_figure(row.kind)) facts_.contradictory = true;
        if (row.kind == want::sign && row.wish->equals.empty()) signs_.set(row.shape);
        if (row.kind == want::error && value) failed_ = true;
        if (row.kind == want::cached_flag && value) {
            facts_.cached_flag = true;
            facts_.cached_flag_name.assign(row.wish->path);
        }
    }
}

// ---- Numbers ----------------------------------------------------------------------------------------------------

// Both the name and the number of a list's element are known: it counts where its name is asked for.
void findings::pair_element() noexcept {
    if (element_number_at_ == key_tree::none || element_name_.empty()) return;
    for (const std::uint16_t number : table_.tree().rows(element_number_at_)) {
        const shape_table::row& row = table_.at(number);
        if (row.kind == want::list_pick && same_word(element_name_, row.wish->equals)) keep(row, element_number_);
    }
    element_number_at_ = key_tree::none;
}

void findings::count_event(std::uint8_t value) noexcept {
    const std::int64_t before = stamps_[value] == 0 ? 0 : figures_[value];
    commit(value, before + 1);
}

void findings::keep(const shape_table::row& row, std::int64_t value) noexcept {
    if (scope_ == key_tree::none) return commit(row.value, value);
    const bool add = adds_up(row.kind);
    if (!is_staged_.test(row.value)) {
        is_staged_.set(row.value);
        staged_[staged_count_++] = row.value;
        staged_figures_[row.value] = value;
    } else {
        staged_figures_[row.value] = add ? *plus(staged_figures_[row.value], value) : value;
    }
}

// A later document replaces what an earlier one said; within one, the top level wins over what lies below another key.
void findings::commit(std::uint8_t value, std::int64_t figure) noexcept {
    const bool top = scope_ == key_tree::none || table_.tree().level(scope_) == 1;
    const std::uint64_t stamp = documents_ * 2 + (top ? 1 : 0);
    if (stamp < stamps_[value]) return;
    stamps_[value] = std::max<std::uint64_t>(stamp, 1);
    figures_[value] = figure;
    has_figure_ |= table_.wanted_by(value);
    counted_ = counted_ || table_.counts_output(value);
}

void findings::close_scope() noexcept {
    for (std::size_t i = 0; i < staged_count_; ++i) commit(staged_[i], staged_figures_[staged_[i]]);
    scope_ = key_tree::none;
}

// ---- Conclusions ------------------------------------------------------------------------------------------------

void findings::conclude() noexcept {
    end_document();
    const auto shapes = all_shapes();
    take_usage();
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        const bool speaks = signs_.test(i) || (shapes[i]->provider.empty() && has_figure_.test(i));
        if (speaks && shapes[i]->complete != nullptr) shapes[i]->complete(view(*this, i), facts_);
        if (signs_.test(i) && facts_.provider.empty()) facts_.provider.assign(shapes[i]->provider);
    }
}

// The usage of a shape whose signs were seen; else of the first that finds its counts.
void findings::take_usage() noexcept {
    if (has_figure_.none()) return;
    const auto shapes = all_shapes();
    for (const bool need_sign : {true, false}) {
        for (std::size_t i = 0; i < shapes.size(); ++i) {
            if (shapes[i]->has_usage == nullptr || !has_figure_.test(i) || (need_sign && !signs_.test(i))) continue;
            const view found(*this, i);
            if (shapes[i]->has_usage(found)) return shapes[i]->usage(found, facts_);
        }
    }
}

}  // namespace tracking::usage
