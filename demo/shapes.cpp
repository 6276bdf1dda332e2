#include "demo/shapes.hpp"

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace demo {

namespace {

using json = nlohmann::ordered_json;

constexpr int created = 1'763'000'000;  // the OpenAI shape states a time; nobody reads this one

// A few words at a time, with the spaces that join them.
std::vector<std::string> in_pieces(const std::string& text) {
    constexpr int words = 3;
    std::vector<std::string> pieces(1);
    int spaces = 0;
    for (const char c : text) {
        pieces.back().push_back(c);
        if (c == ' ' && ++spaces % words == 0) pieces.emplace_back();
    }
    if (pieces.back().empty()) pieces.pop_back();
    return pieces;
}

std::string event(const json& data) { return "data: " + data.dump() + "\n\n"; }
std::string named_event(const json& data) { return "event: " + data["type"].get<std::string>() + "\n" + event(data); }

json gemini_usage(const generation& what, std::int64_t output_so_far) {
    json usage{{"promptTokenCount", what.input_tokens}, {"candidatesTokenCount", output_so_far}};
    if (what.reasoning_tokens > 0) usage["thoughtsTokenCount"] = what.reasoning_tokens;
    usage["totalTokenCount"] = what.input_tokens + output_so_far + what.reasoning_tokens;
    return usage;
}

json gemini_chunk(const generation& what, const std::string& text, std::int64_t output_so_far, bool last) {
    json candidate{{"content", {{"parts", json::array({{{"text", text}}})}, {"role", "model"}}}, {"index", 0}};
    if (last) candidate["finishReason"] = "STOP";
    return {{"candidates", json::array({candidate})},
            {"usageMetadata", gemini_usage(what, output_so_far)},
            {"modelVersion", what.model},
            {"responseId", what.id}};
}

std::vector<json> gemini_chunks(const generation& what) {
    std::vector<json> chunks;
    const std::vector<std::string> pieces = in_pieces(what.text);
    const auto count = static_cast<std::int64_t>(pieces.size());
    for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t so_far = what.output_tokens * (i + 1) / count;
        chunks.push_back(gemini_chunk(what, pieces[static_cast<std::size_t>(i)], so_far, i + 1 == count));
    }
    return chunks;
}

json openai_usage(const generation& what) {
    const std::int64_t output = what.output_tokens + what.reasoning_tokens;
    return {{"prompt_tokens", what.input_tokens},
            {"completion_tokens", output},
            {"total_tokens", what.input_tokens + output},
            {"completion_tokens_details", {{"reasoning_tokens", what.reasoning_tokens}}}};
}

json openai_chunk(const generation& what, json delta, json finish_reason) {
    json choice{{"index", 0}, {"delta", std::move(delta)}, {"finish_reason", std::move(finish_reason)}};
    return {{"id", "chatcmpl-" + what.id},
            {"object", "chat.completion.chunk"},
            {"created", created},
            {"model", what.model},
            {"choices", json::array({std::move(choice)})}};
}

json openai_completion(const generation& what) {
    const json message{{"role", "assistant"}, {"content", what.text}};
    const json choice{{"index", 0}, {"message", message}, {"finish_reason", "stop"}};
    return {{"id", "chatcmpl-" + what.id}, {"object", "chat.completion"},      {"created", created},
            {"model", what.model},         {"choices", json::array({choice})}, {"usage", openai_usage(what)}};
}

json anthropic_message(const generation& what, json content, json stop_reason, std::int64_t output_tokens) {
    return {{"id", "msg_" + what.id},
            {"type", "message"},
            {"role", "assistant"},
            {"model", what.model},
            {"content", std::move(content)},
            {"stop_reason", std::move(stop_reason)},
            {"stop_sequence", nullptr},
            {"usage",
             {{"input_tokens", what.input_tokens},
              {"cache_creation_input_tokens", 0},
              {"cache_read_input_tokens", 0},
              {"output_tokens", output_tokens}}}};
}

struct error_words {
    unsigned status;
    const char* google;
    const char* openai;
    const char* anthropic;
    const char* message;
};
constexpr error_words errors[] = {
    {400, "INVALID_ARGUMENT", "invalid_request_error", "invalid_request_error", "Invalid JSON payload received."},
    {404, "NOT_FOUND", "invalid_request_error", "not_found_error", "There is nothing at this path."},
    {405, "UNIMPLEMENTED", "invalid_request_error", "invalid_request_error", "This path takes another method."},
    {413, "INVALID_ARGUMENT", "invalid_request_error", "request_too_large", "The request body is too large."},
    {429, "RESOURCE_EXHAUSTED", "insufficient_quota", "rate_limit_error",
     "You exceeded your current quota, please check your plan and billing details."},
    {503, "UNAVAILABLE", "server_error", "overloaded_error", "The model is overloaded. Please try again later."},
    {500, "INTERNAL", "server_error", "api_error", "An internal error has occurred."},
};

}  // namespace

std::string unary_body(api shape, const generation& what) {
    if (shape == api::openai) return openai_completion(what).dump();
    if (shape == api::anthropic) {
        const json content = json::array({{{"type", "text"}, {"text", what.text}}});
        return anthropic_message(what, content, "end_turn", what.output_tokens + what.reasoning_tokens).dump();
    }
    return gemini_chunk(what, what.text, what.output_tokens, true).dump();
}

std::vector<std::string> gemini_events(const generation& what) {
    std::vector<std::string> events;
    for (const json& chunk : gemini_chunks(what)) events.push_back(event(chunk));
    return events;
}

std::vector<std::string> gemini_array(const generation& what) {
    std::vector<std::string> pieces;
    for (const json& chunk : gemini_chunks(what)) pieces.push_back((pieces.empty() ? "[" : ",\r\n") + chunk.dump());
    pieces.emplace_back("]");
    return pieces;
}

std::vector<std::string> openai_events(const generation& what, bool with_usage) {
    std::vector<std::string> events;
    events.push_back(event(openai_chunk(what, {{"role", "assistant"}, {"content", ""}}, nullptr)));
    for (const std::string& piece : in_pieces(what.text)) {
        events.push_back(event(openai_chunk(what, {{"content", piece}}, nullptr)));
    }
    events.push_back(event(openai_chunk(what, json::object(), "stop")));
    if (with_usage) {
        json last = openai_chunk(what, json::object(), nullptr);
        last["choices"] = json::array();
        last["usage"] = openai_usage(what);
        events.push_back(event(last));
    }
    events.emplace_back("data: [DONE]\n\n");
    return events;
}

std::vector<std::string> anthropic_events(const generation& what) {
    const std::int64_t output = what.output_tokens + what.reasoning_tokens;
    std::vector<std::string> events;
    events.push_back(
        named_event({{"type", "message_start"}, {"message", anthropic_message(what, json::array(), nullptr, 1)}}));
    events.push_back(named_event(
        {{"type", "content_block_start"}, {"index", 0}, {"content_block", {{"type", "text"}, {"text", ""}}}}));
    for (const std::string& piece : in_pieces(what.text)) {
        events.push_back(named_event(
            {{"type", "content_block_delta"}, {"index", 0}, {"delta", {{"type", "text_delta"}, {"text", piece}}}}));
    }
    events.push_back(named_event({{"type", "content_block_stop"}, {"index", 0}}));
    events.push_back(named_event({{"type", "message_delta"},
                                  {"delta", {{"stop_reason", "end_turn"}, {"stop_sequence", nullptr}}},
                                  {"usage", {{"output_tokens", output}}}}));
    events.push_back(named_event({{"type", "message_stop"}}));
    return events;
}

std::string error_body(api shape, unsigned status) {
    const error_words* words = std::end(errors) - 1;
    for (const error_words& each : errors) {
        if (each.status == status) words = &each;
    }
    if (shape == api::openai) {
        const json error{
            {"message", words->message}, {"type", words->openai}, {"param", nullptr}, {"code", words->openai}};
        return json{{"error", error}}.dump();
    }
    if (shape == api::anthropic) {
        const json error{{"type", words->anthropic}, {"message", words->message}};
        return json{{"type", "error"}, {"error", error}}.dump();
    }
    const json error{{"code", status}, {"message", words->message}, {"status", words->google}};
    return json{{"error", error}}.dump();
}

}  // namespace demo
