#include "proxy/meter.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "tracking/request/target_path.hpp"
#include "tracking/usage/json_number.hpp"

namespace proxy {
namespace {

using tracking::cost_source;
using tracking::equals_ignoring_case;
using tracking::outcome;
using tracking::usage_source;

constexpr std::size_t label_bytes = 128;
constexpr std::size_t message_bytes = 300;

// A text from outside, fit for a label or a message: bounded, without control characters, cut between characters.
void assign_clean(std::string& to, std::string_view from, std::size_t most) {
    if (to == from) return;  // it was said before the request went out, and is said again
    if (from.size() > most) {
        std::size_t end = most;
        while (end > 0 && (static_cast<unsigned char>(from[end]) & 0xc0) == 0x80) --end;
        from = from.substr(0, end);
    }
    to.assign(from);
    for (char& c : to)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
}

std::optional<std::int64_t> count_of(std::string_view digits) {
    std::int64_t value = 0;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (ec != std::errc{} || end != digits.data() + digits.size() || value < 0) return std::nullopt;
    return value;
}

std::int64_t sum(std::int64_t a, std::int64_t b) noexcept {
    std::int64_t total = 0;
    return __builtin_add_overflow(a, b, &total) ? std::numeric_limits<std::int64_t>::max() : total;
}

std::int64_t nano_of_pico(std::int64_t pico) noexcept { return sum(pico, 500) / 1000; }

// "0.00045312345" USD -> nano-USD, rounded half up; nullopt when it is not a plain, non-negative decimal.
std::optional<std::int64_t> nano_of_plain_usd(std::string_view text) {
    const std::size_t point = text.find('.');
    const std::string_view whole = text.substr(0, point);
    const std::string_view part = point == std::string_view::npos ? std::string_view{} : text.substr(point + 1);
    const auto digits_only = [](std::string_view digits) {
        return std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
    };
    if (text.empty() || !digits_only(whole) || !digits_only(part) || whole.size() > 9 ||
        whole.size() + part.size() == 0)
        return std::nullopt;
    std::int64_t nano = whole.empty() ? 0 : *count_of(whole);
    for (std::size_t i = 0; i < 9; ++i) nano = nano * 10 + (i < part.size() ? part[i] - '0' : 0);
    if (part.size() > 9 && part[9] >= '5') ++nano;
    return nano;
}

// Small figures come with an exponent: 4e-05 from Python, 4e-7 from JavaScript.
std::optional<std::int64_t> nano_of_usd(std::string_view text) {
    if (const auto plain = nano_of_plain_usd(text)) return plain;
    const auto pico = tracking::usage::parse_pico(text);
    return pico ? std::optional(nano_of_pico(*pico)) : std::nullopt;
}

std::optional<bool> truth_of(std::string_view value) {
    const auto is = [value](std::string_view word) { return equals_ignoring_case(value, word); };
    if (is("1") || is("true") || is("yes") || is("hit")) return true;
    if (is("0") || is("false") || is("no") || is("miss")) return false;
    return std::nullopt;
}

// What some models are billed by without any tokens. (A web search is always made for an answer that has some.)
bool billed_alone(const tracking::unit_counts& units) {
    const auto some = [](const std::optional<std::int64_t>& count) { return count.value_or(0) > 0; };
    return some(units.audio_ms) || some(units.images) || some(units.pages) || some(units.search_units) ||
           some(units.characters);
}

// A stream that arrived whole, but told of its failure in place of its last usage.
bool failed_in_stream(const exchange_end& how, const tracking::usage::usage_facts& facts) {
    return how.result == outcome::ok && how.delivered && how.status >= 200 && how.status < 300 && facts.stream &&
           facts.error_event;
}

std::int64_t micros(steady_time from, steady_time to) noexcept {
    return std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::microseconds>(to - from).count());
}

// Google takes an API key as ?key=K, too.
std::string query_key(const meter::arrival& what) {
    const std::string_view provider = what.way.said.provider;
    return provider == "gemini" || provider == "vertex" ? tracking::query_member(what.head.target, "key")
                                                        : std::string();
}

}  // namespace

void meter::stated_facts::clear() {
    for (std::string* text : {&provider, &model, &content_type, &feature, &user_id, &plan, &error}) text->clear();
    input_tokens = output_tokens = cost_nano = std::nullopt;
    cached = std::nullopt;
    failed = false;
}

std::int64_t meter::micros_since_arrival(steady_time at) const noexcept { return micros(received_, at); }

void meter::begin(const rules& by, const arrival& what, tracking::identity_rules::memory& seen_tokens,
                  scanner_pools& scanners) {
    rules_ = &by;
    scanners_ = &scanners;
    record_.clear();
    stated_.clear();
    counted_ = {};
    cache_ = {};
    ticket_ = 0;
    answered_ = asked_stream_ = sent_known_ = forwarded_ = false;
    received_ = last_upstream_ = what.received;
    record_.id = tracking::make_uuid7(what.received_us);
    record_.request_id.assign(what.request_id);
    record_.ts_ms = what.received_us / 1000;

    by.identity->identify(what.head.view(), what.peer_trusted, record_.ts_ms, seen_tokens, who_,
                          by.identity->wants_api_keys() ? query_key(what) : std::string());
    record_.user_id = who_.user_id;
    record_.clerk_user_id = who_.clerk_user_id;
    record_.plan = who_.plan;
    record_.user_from = who_.from;

    provider_ = what.way.said.provider;
    billable_ = what.way.said.billable;
    generates_ = what.way.said.generates;
    is_head_ = what.head.method == "HEAD";
    record_.content_type = what.way.content_type;
    record_.feature = what.way.feature;
    request_ = scanners.requests.take();
    request_->begin(what.way.said, what.head.value(field_id::content_type),
                    what.head.value(field_id::content_encoding));
}

void meter::request_whole() {
    if (!request_) return;
    take_asked();
    request_->rest();
    request_.reset();
}

// What the request says of itself, as far as it was read.
void meter::take_asked() {
    if (!request_) return;
    request_->finish();
    const auto& asked = request_->facts();
    assign_clean(record_.requested_model, asked.model, label_bytes);
    assign_clean(record_.user_claim, asked.user_claim, 256);
    asked_stream_ = asked.stream;
}

void meter::forward(tracking::journal::writer& journal, label_bounds& labels) {
    if (forwarded_) return;
    forwarded_ = true;
    // What the begin frame says is what an interruption would leave: the money may have been spent.
    take_names();
    generates_ ? estimate() : nothing_billed();
    labels.fold_so_far(record_);
    ticket_ = journal.begin(record_);
}

void meter::request_sent(steady_time now) noexcept {
    sent_ = now;
    last_upstream_ = now;
    sent_known_ = true;
}

void meter::read_facts(const response_head& head) {
    for (const auto& [name, value] : head.fields) {
        counted_.take(name, value);
        if (name.size() < 9 || !equals_ignoring_case(name.substr(0, 5), "x-ai-")) continue;
        const auto is = [rest = name.substr(5)](std::string_view fact) { return equals_ignoring_case(rest, fact); };
        if (is("provider")) assign_clean(stated_.provider, value, label_bytes);
        if (is("model")) assign_clean(stated_.model, value, label_bytes);
        if (is("content-type")) assign_clean(stated_.content_type, value, label_bytes);
        if (is("feature")) assign_clean(stated_.feature, value, label_bytes);
        if (is("user-id")) assign_clean(stated_.user_id, value, 256);
        if (is("plan")) assign_clean(stated_.plan, value, label_bytes);
        if (is("error")) assign_clean(stated_.error, value, message_bytes);
        if (is("input-tokens")) stated_.input_tokens = count_of(value);
        if (is("output-tokens")) stated_.output_tokens = count_of(value);
        if (is("cost-usd")) stated_.cost_nano = nano_of_usd(value);
        if (is("cached")) stated_.cached = truth_of(value);
        if (is("success")) stated_.failed = value == "0" || equals_ignoring_case(value, "false");
    }
    if (!stated_.error.empty()) stated_.failed = true;
}

void meter::answer_head(const response_head& head) {
    answered_ = true;
    read_facts(head);
    cache_ = rules_->caches.judge(head.view(), !provider_.empty());
    answer_ = scanners_->answers.take();
    answer_->begin({.content_type = head.value(field_id::content_type),
                    .content_encoding = head.value(field_id::content_encoding),
                    .status = head.status,
                    .provider = provider_,
                    .is_head_request = is_head_,
                    .counts = counted_});
}

void meter::answer_body(std::string_view piece, steady_time now) noexcept {
    if (piece.empty()) return;
    last_upstream_ = now;
    if (!record_.ttft_us) record_.ttft_us = micros_since_arrival(now);
    if (answer_->feed(piece) && !record_.first_token_us) record_.first_token_us = micros_since_arrival(now);
}

// Provider, models and user, in the order of trust: the application's own word, the bytes, the defaults.
void meter::take_names() {
    take_asked();
    const auto& pricing = rules_->settings.pricing;
    const std::string_view shape = answered_ ? std::string_view(facts().provider) : std::string_view{};
    const std::string_view answering = answered_ ? std::string_view(facts().model) : std::string_view{};
    assign_clean(record_.provider,
                 !stated_.provider.empty() ? std::string_view(stated_.provider)
                 : !provider_.empty()      ? provider_
                 : !shape.empty()          ? shape
                                           : std::string_view(pricing.default_provider),
                 label_bytes);
    assign_clean(record_.ai_model,
                 !stated_.model.empty()             ? std::string_view(stated_.model)
                 : !answering.empty()               ? answering
                 : !record_.requested_model.empty() ? std::string_view(record_.requested_model)
                                                    : std::string_view(pricing.default_model),
                 label_bytes);
    if (!stated_.content_type.empty()) {
        record_.content_type = stated_.content_type;
        record_.feature = rules_->routes.feature(stated_.content_type);
    }
    if (!stated_.feature.empty()) record_.feature = stated_.feature;
    if (!stated_.user_id.empty()) {
        record_.user_id = stated_.user_id;
        record_.user_from = tracking::user_source::app;
    }
    if (!stated_.plan.empty()) record_.plan = stated_.plan;
    record_.stream = asked_stream_ || (answered_ && facts().stream);
}

void meter::take_usage(bool cut_short) {
    record_.usage_from = usage_source::none;
    record_.tokens_used = std::nullopt;
    record_.estimated = false;
    if (!answered_) return;
    const auto& facts = this->facts();
    record_.input_tokens = stated_.input_tokens ? stated_.input_tokens : facts.input_tokens;
    record_.output_tokens = stated_.output_tokens ? stated_.output_tokens : facts.output_tokens;
    record_.cached_tokens = facts.cached_tokens;
    record_.cache_write_tokens = facts.cache_write_tokens;
    record_.cache_write_1h_tokens = facts.cache_write_1h_tokens;
    record_.reasoning_tokens = facts.reasoning_tokens;
    record_.audio_input_tokens = facts.audio_input_tokens;
    record_.image_input_tokens = facts.image_input_tokens;
    record_.audio_output_tokens = facts.audio_output_tokens;
    record_.image_output_tokens = facts.image_output_tokens;
    record_.units = facts.units;
    record_.service_tier = facts.service_tier;
    if (facts.contradictory) add_flag(record_, tracking::record_flag::usage_conflict);
    if (stated_.input_tokens || stated_.output_tokens) {
        record_.usage_from = usage_source::headers;
    } else if (record_.input_tokens || record_.output_tokens) {
        record_.usage_from = usage_source::body;
    }
    // An answer cut short: its final usage never came, but the text that was sent was generated. That of a response
    // cache was not, and what it saved is not guessed.
    if (cut_short && generates_ && !record_.cached && record_.usage_from != usage_source::headers &&
        facts.uncounted_text_bytes > 0) {
        const auto unseen = static_cast<std::int64_t>((facts.uncounted_text_bytes + 3) / 4);
        record_.output_tokens = sum(record_.output_tokens.value_or(0), unseen);
        record_.usage_from = usage_source::estimated;
        record_.estimated = true;
    }
    if (record_.input_tokens || record_.output_tokens)
        record_.tokens_used = sum(record_.input_tokens.value_or(0), record_.output_tokens.value_or(0));
}

void meter::take_outcome(const exchange_end& how) {
    record_.result = how.result;
    record_.status = how.result == outcome::client_abort ? 499 : how.status;
    const bool fine_status = (how.status >= 200 && how.status < 400) || how.status == 101;
    const bool told_failure = answered_ && (facts().error_event || stated_.failed);
    record_.success = how.result == outcome::ok && how.delivered && fine_status && !told_failure;
    if (how.result == outcome::ok && !record_.success) record_.result = outcome::error;
    if (answered_) record_.finish_reason = facts().finish_reason;
    if (!stated_.error.empty()) {
        record_.error_message = stated_.error;
    } else if (answered_ && !facts().error_message.empty()) {
        assign_clean(record_.error_message, facts().error_message, message_bytes);
    } else if (!how.problem.empty()) {
        assign_clean(record_.error_message, how.problem, message_bytes);
    }
}

tracking::billed_usage meter::usage_to_price() const {
    const auto count = [](const std::optional<std::int64_t>& told) { return told.value_or(0); };
    return {.tokens = {.input = count(record_.input_tokens),
                       .cached = count(record_.cached_tokens),
                       .cache_write = count(record_.cache_write_tokens),
                       .cache_write_1h = count(record_.cache_write_1h_tokens),
                       .output = count(record_.output_tokens),
                       .reasoning = count(record_.reasoning_tokens),
                       .audio_input = count(record_.audio_input_tokens),
                       .audio_output = count(record_.audio_output_tokens),
                       .image_input = count(record_.image_input_tokens),
                       .image_output = count(record_.image_output_tokens)},
            .units = record_.units,
            .service_tier = record_.service_tier};
}

std::optional<tracking::price_quote> meter::quote() const {
    const tracking::billed_usage usage = usage_to_price();
    const bool direct = !provider_.empty();
    // Bedrock bills by the id in the path, which says the region too, whatever the model calls itself.
    const bool path_bills = provider_ == "bedrock" && stated_.model.empty() && !record_.requested_model.empty();
    const std::string& first = path_bills ? record_.requested_model : record_.ai_model;
    const std::string& second = path_bills ? record_.ai_model : record_.requested_model;
    auto found = rules_->prices->price(record_.provider, first, usage, direct);
    if (!found && !second.empty() && second != first)
        found = rules_->prices->price(record_.provider, second, usage, direct);
    return found;
}

void meter::estimate() {
    const auto& pricing = rules_->settings.pricing;
    record_.tokens_used = pricing.default_tokens;
    record_.cost_nano = pricing.default_cost_nano;
    record_.cost_from = cost_source::estimated;
    record_.usage_from = usage_source::estimated;
    record_.estimated = true;
}

// False = no price for this is known.
bool meter::take_price() {
    auto found = quote();
    if (!found) return false;
    if (found->saturated) add_flag(record_, tracking::record_flag::cost_capped);
    record_.cost_nano = found->nano;
    record_.cost_from = cost_source::catalogue;
    record_.price_id = found->price_id;
    return true;
}

void meter::nothing_billed() {
    record_.input_tokens = record_.output_tokens = record_.tokens_used = 0;
    for (auto part : {&tracking::record::cached_tokens, &tracking::record::cache_write_tokens,
                      &tracking::record::cache_write_1h_tokens, &tracking::record::reasoning_tokens,
                      &tracking::record::audio_input_tokens, &tracking::record::image_input_tokens,
                      &tracking::record::audio_output_tokens, &tracking::record::image_output_tokens})
        record_.*part = std::nullopt;
    record_.units = {};
    record_.estimated = false;
    record_.cost_nano = 0;
    record_.cost_from = cost_source::none;
}

void meter::take_cache(int status) {
    if (!answered_ || status >= 400) return;
    const auto& facts = this->facts();
    const bool header_says = cache_.answer >= tracking::cache_answer::weak_hit;
    record_.cached = stated_.cached.value_or(header_says || facts.cached_flag);
    if (stated_.cached) {
        if (record_.cached) record_.cache_rule = "x-ai-cached";
    } else if (header_says) {
        record_.cache_rule = cache_.rule;
    } else if (facts.cached_flag) {
        record_.cache_rule = "body:" + facts.cached_flag_name;
    }
    if (cache_.contradicted) add_flag(record_, tracking::record_flag::cache_conflict);
}

// The application's own figure, else that of the provider.
std::optional<std::int64_t> meter::reported_cost() const {
    if (stated_.cost_nano || !answered_ || !facts().reported_cost_pico) return stated_.cost_nano;
    return nano_of_pico(*facts().reported_cost_pico);
}

// What a cached answer would have cost, as far as anything tells.
void meter::take_saved() {
    record_.saved_tokens = record_.tokens_used;
    record_.saved_nano = reported_cost();
    if (record_.saved_nano || !(record_.tokens_used || billed_alone(record_.units))) return;
    if (const auto found = quote()) {
        record_.saved_nano = found->nano;
        record_.price_id = found->price_id;
    }
}

// The first that applies: a response cache, nothing billable, a figure that was told, the catalogue, an estimate.
void meter::take_cost(const exchange_end& how) {
    record_.price_id.clear();
    if (record_.cached) {
        take_saved();
        nothing_billed();
        record_.cost_from = cost_source::cache;
        return;
    }
    const bool told = record_.tokens_used || billed_alone(record_.units);
    const std::optional<std::int64_t> reported = reported_cost();
    const bool generated = generates_ && record_.success && how.status >= 200 && how.status < 300;
    if (!billable_ || (!reported && !told && !generated)) {
        nothing_billed();
        record_.usage_from = usage_source::none;
    } else if (reported) {
        record_.cost_nano = reported;
        record_.cost_from = cost_source::reported;
    } else if (told && take_price()) {
        // Images or seconds alone are usage where something is billed by them; an application's list of links is none.
        if (record_.usage_from == usage_source::none) record_.usage_from = usage_source::body;
    } else if (record_.tokens_used) {
        record_.cost_nano = std::nullopt;
        record_.cost_from = cost_source::unknown;
    } else if (generated) {
        estimate();
    } else {
        nothing_billed();
    }
}

void meter::end(const exchange_end& how, steady_time now, tracking::journal::writer& journal, label_bounds& labels) {
    if (answered_) answer_->finish();
    label_bounds::unfold(record_);
    request_whole();
    take_names();
    take_outcome(how);
    take_cache(how.status);
    const bool aborted = how.result == outcome::client_abort || how.result == outcome::upstream_abort;
    take_usage(aborted || (answered_ && failed_in_stream(how, facts())));
    take_cost(how);
    record_.duration_us = micros_since_arrival(now);
    if (sent_known_) record_.upstream_us = micros(sent_, last_upstream_);
    labels.fold(record_, record_.ts_ms + *record_.duration_us / 1000);
    journal.end(ticket_, record_);
    answer_.reset();
}

}  // namespace proxy
