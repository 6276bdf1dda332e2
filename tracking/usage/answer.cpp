// The chain through which an answer's bytes go: decoder, then by the body's form either the event stream or straight,
// then the JSON scanner, then the findings.
#include "tracking/usage/answer.hpp"

#include "tracking/usage/bedrock_events.hpp"
#include "tracking/usage/body_form.hpp"
#include "tracking/usage/byte_scan.hpp"
#include "tracking/usage/decoder.hpp"
#include "tracking/usage/event_stream.hpp"
#include "tracking/usage/findings.hpp"
#include "tracking/usage/json_scanner.hpp"
#include "tracking/usage/utf8.hpp"

namespace tracking::usage {

namespace {

constexpr std::size_t error_limit = 300;  // of usage_facts::error_message

}  // namespace

struct answer_scanner::impl final : decoded_sink, event_sink {
    impl() : found(facts), scanner(shape_table::get().tree(), found), events(*this) {}

    void begin(const answer_head& head) noexcept {
        found.begin(head.status);
        facts.provider.assign(head.provider);
        sniffer.begin(head.content_type);
        scanner.reset();
        events.reset();
        if (aws_events) aws_events->reset();
        data = event_data::unknown;
        blanks = 0;
        json_lines = is_json_lines(head.content_type);
        form = body_form::undecided;
        counts = head.counts;
        // A HEAD answer describes a body that never comes.
        if (!decoding.begin(head.content_encoding) || head.is_head_request) form = body_form::unreadable;
    }

    void feed(std::string_view piece) noexcept {
        if (form != body_form::unreadable && !decoding.feed(piece, *this)) form = body_form::unreadable;
    }

    void on_decoded(std::string_view piece) noexcept override {
        if (form == body_form::undecided) {
            form = sniffer.look(piece);
            if (form == body_form::undecided) return;
            pass_on(sniffer.held());
        }
        pass_on(piece);
    }

    void pass_on(std::string_view piece) noexcept {
        if (piece.empty()) return;
        switch (form) {
            case body_form::json:
                scanner.feed(piece);
                break;
            case body_form::events:
                events.feed(piece);
                break;
            case body_form::aws_events:
                if (!aws_events) aws_events = std::make_unique<bedrock_events>(*this);
                aws_events->feed(piece);
                break;
            case body_form::text:
                found.on_plain_text(piece);
                break;
            default:
                break;
        }
    }

    // An event's data is JSON, or text as it is (`data: Hello`).
    void on_event_data(std::string_view piece) noexcept override {
        if (data == event_data::unknown) {
            const char* const end = piece.data() + piece.size();
            const char* const first = skip_blank(piece.data(), end);
            blanks += static_cast<std::size_t>(first - piece.data());
            if (first == end) return;
            piece = {first, static_cast<std::size_t>(end - first)};
            data = *first == '{' || *first == '[' || *first == '"' ? event_data::json : event_data::text;
        }
        if (data == event_data::json) {
            scanner.feed(piece);
        } else {
            found.on_plain_text(piece, blanks);
            blanks = 0;
        }
    }

    void on_event_end(std::string_view name) noexcept override {
        found.end_event(name);
        if (form == body_form::aws_events && name == "error" && facts.error_message.empty()) {
            assign_valid_utf8(facts.error_message, aws_events->error(), error_limit);
        }
        scanner.reset();
        data = event_data::unknown;
        blanks = 0;
    }

    void finish() noexcept {
        if (form == body_form::undecided) {
            form = sniffer.give_up();
            pass_on(sniffer.held());
        }
        if (form == body_form::events) events.finish();
        decoding.rest();
        found.conclude();
        take_counts_of_head();
        facts.stream = form == body_form::events || form == body_form::aws_events || json_lines ||
                       found.has_array_of_chunks() || (found.documents() > 1 && !found.in_array());
    }

    // What the head says is all that was generated, whatever of the body came.
    void take_counts_of_head() noexcept {
        if (facts.input_tokens || facts.output_tokens || (!counts.input_tokens && !counts.output_tokens)) return;
        facts.output_tokens = counts.output_tokens;
        facts.cached_tokens = counts.cached_tokens;
        facts.cache_write_tokens = counts.cache_write_tokens;
        facts.input_tokens = counts.input_tokens;
        if (facts.input_tokens) {
            facts.input_tokens = plus(facts.input_tokens, plus(facts.cached_tokens, facts.cache_write_tokens));
        }
        if (facts.output_tokens) facts.uncounted_text_bytes = 0;
    }

    enum class event_data : std::uint8_t { unknown, json, text };

    usage_facts facts;
    findings found;
    json_scanner scanner;
    event_stream events;
    std::unique_ptr<bedrock_events> aws_events;  // 3 KB, made when the first body needs it
    body_sniffer sniffer;
    decoder decoding;
    head_counts counts;
    body_form form = body_form::unreadable;
    event_data data = event_data::unknown;
    std::size_t blanks = 0;  // white space before it could be told what an event's data is
    bool json_lines = false;
};

answer_scanner::answer_scanner() : impl_(std::make_unique<impl>()) {}
answer_scanner::~answer_scanner() = default;

void answer_scanner::begin(const answer_head& head) noexcept { impl_->begin(head); }

bool answer_scanner::feed(std::string_view piece) noexcept {
    impl_->feed(piece);
    return impl_->found.take_first_token();
}

void answer_scanner::finish() noexcept { impl_->finish(); }

const usage_facts& answer_scanner::facts() const noexcept { return impl_->facts; }

}  // namespace tracking::usage
