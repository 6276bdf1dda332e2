// Reads what a generation's request and answer say of themselves while their bytes pass by: model, tokens, finish
// reason, error, first token. Sans-IO, called by the relay on a worker's thread with each piece of a body as it
// arrives; it keeps only the fields it wants and never holds a body. Whatever the bytes are, it neither fails nor
// throws: a tap that meets nonsense switches itself off and reports what it knew until then.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tracking/units.hpp"
#include "tracking/usage/head_counts.hpp"

namespace tracking::usage {

// What the host and the target of a request say before any byte of a body.
struct target_facts {
    std::string_view provider;  // of the host, else of the path ("openai", "vertex", ...); "" = neither tells; static
    std::string model;          // that the path names (Gemini, Vertex, Bedrock, Azure deployments)
    bool streams = false;       // the path asks for a streamed answer
    bool billable = true;       // false for operations that a provider does not bill: count tokens, files, batches
    bool generates = true;      // false for these, and for paths that look like files or batches: nothing is estimated
};
target_facts read_target(std::string_view host, std::string_view target);

// What is known before the first byte of the answer's body.
struct answer_head {
    std::string_view content_type;
    std::string_view content_encoding;
    int status = 200;
    std::string_view provider;  // see target_facts
    bool is_head_request = false;
    head_counts counts = {};  // taken when the body says nothing
};

struct usage_facts {
    std::string provider;                               // from host, path or shape; "" = not told
    std::string model;                                  // the model that answered; "" = not told
    std::string finish_reason;                          // the provider's own word, lower-cased
    std::string error_message;                          // cut at 300 bytes at a UTF-8 boundary; "" = none
    bool error_event = false;                           // an error object or event inside the body, whatever the status
    std::optional<std::int64_t> input_tokens;           // all prompt tokens, cached and written ones included
    std::optional<std::int64_t> cached_tokens;          // part of input_tokens
    std::optional<std::int64_t> cache_write_tokens;     // part of input_tokens, all retentions
    std::optional<std::int64_t> cache_write_1h_tokens;  // part of cache_write_tokens
    std::optional<std::int64_t> output_tokens;          // all generated tokens, reasoning included
    std::optional<std::int64_t> reasoning_tokens;       // part of output_tokens
    std::optional<std::int64_t> audio_input_tokens;     // part of input_tokens
    std::optional<std::int64_t> image_input_tokens;     // part of input_tokens
    std::optional<std::int64_t> audio_output_tokens;    // part of output_tokens
    std::optional<std::int64_t> image_output_tokens;    // part of output_tokens
    unit_counts units;                                  // what is billed beside tokens
    std::string service_tier;                           // under which it was served: "", "batch", "priority", "flex"
    std::optional<std::int64_t> reported_cost_pico;     // the provider's own figure
    bool cached_flag = false;  // a body flag (cached, fromCache, ...) says that a response cache answered
    std::string cached_flag_name;
    bool stream = false;           // SSE, NDJSON or a JSON array of chunks
    std::uint64_t text_bytes = 0;  // visible text, reasoning and tool-call bytes seen (for estimates)
    // The part of text_bytes that came behind the last usage figures: what a stream that is cut short leaves uncounted.
    std::uint64_t uncounted_text_bytes = 0;
    bool contradictory = false;  // numbers that were negative, fractional, huge or strings
};

class answer_scanner {
public:
    answer_scanner();
    ~answer_scanner();
    answer_scanner(const answer_scanner&) = delete;
    answer_scanner& operator=(const answer_scanner&) = delete;

    // Starts a new answer; the object is reused request after request without allocating in the steady state.
    void begin(const answer_head& head) noexcept;
    // True when this piece held the first event with text, reasoning or a tool call.
    bool feed(std::string_view piece) noexcept;
    // The body ended (completely or not): normalises the counts, gives back what decoding needed.
    void finish() noexcept;
    const usage_facts& facts() const noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

// The request body: model asked for, stream flag, the user it claims. Bounded like the answer's scanner.
struct request_facts {
    std::string model;       // body "model"; else from the path (Gemini, Vertex, Bedrock, Azure deployments)
    std::string user_claim;  // OpenAI safety_identifier/user, Anthropic metadata.user_id
    bool stream = false;
};

class request_scanner {
public:
    request_scanner();
    ~request_scanner();
    request_scanner(const request_scanner&) = delete;
    request_scanner& operator=(const request_scanner&) = delete;

    void begin(const target_facts& target, std::string_view content_type, std::string_view content_encoding) noexcept;
    void feed(std::string_view piece) noexcept;
    // May be called before the body's end, for what is known until then.
    void finish() noexcept;
    // No more of the body will come: gives back what only decoding needs.
    void rest() noexcept;
    const request_facts& facts() const noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

// The provider whose own API this host is; "" = none.
std::string_view provider_of_host(std::string_view host) noexcept;

}  // namespace tracking::usage
