#include "tracking/usage/body_form.hpp"

#include <algorithm>

#include "tracking/usage/ascii.hpp"
#include "tracking/usage/aws_event_stream.hpp"

namespace tracking::usage {

namespace {

std::string_view media_type(std::string_view content_type) noexcept {
    return trim(content_type.substr(0, content_type.find(';')));
}

// Plain prose; a page, a style sheet or a script under text/ is no generated text.
bool is_prose(std::string_view content_type) noexcept {
    const std::string_view type = media_type(content_type);
    return same_word(type, "text/plain") || same_word(type, "text/markdown") || same_word(type, "text/x-markdown");
}

bool is_digit_or_letter_of_data_stream(char c) noexcept { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'k'); }

}  // namespace

bool is_json_lines(std::string_view content_type) noexcept {
    static constexpr std::array<std::string_view, 8> types{
        "application/x-ndjson",  "application/ndjson",   "application/jsonl",       "application/x-jsonlines",
        "application/jsonlines", "application/json-seq", "application/stream+json", "application/x-json-stream"};
    const std::string_view type = media_type(content_type);
    return std::ranges::any_of(types, [&](std::string_view known) { return same_word(type, known); });
}

bool is_event_stream(std::string_view content_type) noexcept {
    const std::string_view type = media_type(content_type);
    return same_word(type, "text/event-stream") || same_word(type, "application/vnd.amazon.eventstream") ||
           is_json_lines(content_type);
}

void body_sniffer::begin(std::string_view content_type) noexcept {
    events_ = same_word(media_type(content_type), "text/event-stream");
    aws_events_ = same_word(media_type(content_type), "application/vnd.amazon.eventstream");
    fallback_ = is_prose(content_type) ? body_form::text : body_form::unreadable;
    started_ = false;
    held_size_ = 0;
}

body_form body_sniffer::look(std::string_view& piece) noexcept {
    if (events_) return piece.empty() ? body_form::undecided : body_form::events;
    if (aws_events_ && !piece.empty()) {
        aws_events_ = false;
        // A message begins with its length, which is far below what any text would read as.
        if (static_cast<unsigned char>(piece.front()) <= aws_event_stream::longest_message >> 24U) {
            return body_form::aws_events;
        }
    }
    while (!piece.empty()) {
        const char c = piece.front();
        const bool skipped =
            !started_ && (static_cast<unsigned char>(c) <= 0x20 || c == '\xEF' || c == '\xBB' || c == '\xBF');
        if (!skipped) {
            if (!started_ && (c == '{' || c == '[')) return body_form::json;
            if (!started_ && c == '"' && fallback_ != body_form::text) return body_form::json;
            started_ = true;
            held_[held_size_++] = c;
        }
        piece.remove_prefix(1);
        if (skipped) continue;
        const body_form told = decide();
        if (told != body_form::undecided) return told;
    }
    return body_form::undecided;
}

// By what is held: the beginning of an event stream's first line, or none.
body_form body_sniffer::decide() const noexcept {
    static constexpr std::array<std::string_view, 5> fields{"data:", "event:", "id:", "retry:", ":"};
    const std::string_view so_far = held();
    for (const std::string_view field : fields) {
        if (so_far == field) return body_form::events;
        if (field.starts_with(so_far)) return body_form::undecided;
    }
    // The data stream of the Vercel AI SDK 3 and 4: `0:"`, `f:{`, `2:[`
    if (is_digit_or_letter_of_data_stream(so_far[0]) && (so_far.size() < 2 || so_far[1] == ':')) {
        if (so_far.size() < 3) return body_form::undecided;
        if (so_far[2] == '"' || so_far[2] == '{' || so_far[2] == '[') return body_form::events;
    }
    return fallback_;
}

}  // namespace tracking::usage
