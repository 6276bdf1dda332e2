// The request's side: the few keys of its body, or fields of its form, that say which model was asked for, whether to
// stream, and for whom.
#include <array>

#include "tracking/usage/answer.hpp"
#include "tracking/usage/decoder.hpp"
#include "tracking/usage/form_data.hpp"
#include "tracking/usage/json_scanner.hpp"
#include "tracking/usage/utf8.hpp"

namespace tracking::usage {

namespace {

constexpr std::size_t name_limit = 256;
// Anyone may send a request, so that less is unpacked for one than for an answer.
constexpr decode_limits request_limits{.bytes = 16U << 20U, .ratio = 200, .ratio_after = 1U << 20U};

enum request_key : std::uint16_t { model_key, stream_key, safety_key, user_key, metadata_key, key_count };

const key_tree& request_tree() {
    static const key_tree tree = [] {
        key_tree made;
        made.add("model", interest::word, model_key);
        made.add("stream", interest::scalar, stream_key);
        made.add("safety_identifier", interest::word, safety_key);
        made.add("user", interest::word, user_key);
        made.add("metadata.user_id", interest::word, metadata_key);
        made.seal();
        return made;
    }();
    return tree;
}

}  // namespace

struct request_scanner::impl final : decoded_sink, json_sink, form_sink {
    impl() : scanner(request_tree(), *this), form(*this) {
        facts.model.reserve(name_limit);
        facts.user_claim.reserve(name_limit);
        for (std::string& word : words) word.reserve(name_limit);
    }

    void begin(const target_facts& target, std::string_view content_type, std::string_view content_encoding) noexcept {
        facts.model.assign(target.model);
        facts.user_claim.clear();
        facts.stream = target.streams;
        for (std::string& word : words) word.clear();
        scanner.reset();
        is_form = form.begin(content_type);
        readable = decoding.begin(content_encoding);
    }

    void on_decoded(std::string_view piece) noexcept override {
        if (is_form) {
            form.feed(piece);
        } else {
            scanner.feed(piece);
        }
    }

    // Transcriptions, translations and image edits are asked for with a form.
    void on_field(std::string_view name, std::string_view value) noexcept override {
        if (name == "model") assign_valid_utf8(words[model_key], value, name_limit);
        if (name == "user") assign_valid_utf8(words[user_key], value, name_limit);
        if (name == "stream") facts.stream = facts.stream || value == "true";
    }

    void on_word(node_id at, std::string_view value) noexcept override {
        for (const std::uint16_t key : request_tree().rows(at)) assign_valid_utf8(words[key], value, name_limit);
    }

    void on_bool(node_id at, bool value) noexcept override {
        if (request_tree().rows(at).front() == stream_key) facts.stream = facts.stream || value;
    }

    void on_text(node_id, std::size_t) noexcept override {}
    void on_number(node_id, std::string_view) noexcept override {}
    void on_open(node_id, bool) noexcept override {}
    void on_close(node_id, bool) noexcept override {}

    void finish() noexcept {
        std::string_view model = words[model_key];
        constexpr std::string_view collection = "models/";
        if (model.starts_with(collection)) model.remove_prefix(collection.size());
        if (!model.empty()) facts.model.assign(model);
        for (const request_key key : {safety_key, user_key, metadata_key}) {
            if (facts.user_claim.empty()) facts.user_claim.assign(words[key]);
        }
    }

    request_facts facts;
    json_scanner scanner;
    form_reader form;
    decoder decoding{request_limits};
    std::array<std::string, key_count> words;
    bool is_form = false;
    bool readable = false;
};

request_scanner::request_scanner() : impl_(std::make_unique<impl>()) {}
request_scanner::~request_scanner() = default;

void request_scanner::begin(const target_facts& target, std::string_view content_type,
                            std::string_view content_encoding) noexcept {
    impl_->begin(target, content_type, content_encoding);
}

void request_scanner::feed(std::string_view piece) noexcept {
    if (impl_->readable) impl_->readable = impl_->decoding.feed(piece, *impl_);
}

void request_scanner::finish() noexcept { impl_->finish(); }

void request_scanner::rest() noexcept { impl_->decoding.rest(); }

const request_facts& request_scanner::facts() const noexcept { return impl_->facts; }

}  // namespace tracking::usage
