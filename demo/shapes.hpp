// The wire formats of the providers that the demo service imitates: one generation in, JSON or stream events out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace demo {

struct generation {
    std::string id;
    std::string model;
    std::string text;
    std::int64_t input_tokens = 0;
    std::int64_t output_tokens = 0;  // without the reasoning
    std::int64_t reasoning_tokens = 0;
};

enum class api { gemini, openai, anthropic };

// The whole answer as one JSON text.
std::string unary_body(api shape, const generation& what);

// The answer as the pieces in which it is sent: server-sent events.
std::vector<std::string> gemini_events(const generation& what);
std::vector<std::string> openai_events(const generation& what, bool with_usage);
std::vector<std::string> anthropic_events(const generation& what);
// Gemini without alt=sse: the pieces of one JSON array.
std::vector<std::string> gemini_array(const generation& what);

// An error as that provider words it, for 400, 404, 405, 413, 429, 500 and 503.
std::string error_body(api shape, unsigned status);

}  // namespace demo
