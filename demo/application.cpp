#include "demo/application.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "demo/shapes.hpp"
#include "demo/texts.hpp"

namespace demo {

namespace {

using json = nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds delay_max{10'000};
constexpr std::size_t asked_max = 10'000;
constexpr std::size_t model_bytes_max = 100;

enum class form {
    gemini,         // the provider's answer handed through, as many small applications do
    headers,        // the application's own shape, with the facts in X-AI-* fields
    usage_in_body,  // the application's own shape, with a usage object inside
    no_usage,       // the application's own shape and nothing said of tokens
    chat            // a stream of OpenAI chunks
};

struct feature {
    std::string_view path;
    std::string_view kind;
    form shape;
    std::string_view model;
    bool thinks = false;
    bool cached = false;  // the same question is answered from a cache
};

constexpr std::array<feature, 7> features{{
    {"/api/ai/generate-experience-description", "experience-description", form::gemini, "gemini-2.0-flash-exp", false,
     true},
    {"/api/ai/generate-project-description", "project-description", form::gemini, "gemini-2.0-flash-exp", false, true},
    {"/api/ai/tailored-bullets", "tailored-bullets", form::gemini, "gemini-2.5-flash", true, false},
    {"/api/ai/job-match", "job-match", form::headers, "gemini-2.5-pro", false, false},
    {"/api/ai/cover-letter", "cover-letter", form::usage_in_body, "gpt-4o-mini", false, true},
    {"/api/ai/skill-gap", "skill-gap", form::no_usage, "gemini-2.0-flash-exp", false, false},
    {"/api/ai/chat", "chat", form::chat, "gpt-4o-mini", false, false},
}};

constexpr std::string_view page =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Resume builder (demo)</title>"
    "<h1>Resume builder</h1><p>A demo service. Ask it something:</p><pre>curl -X POST "
    "http://127.0.0.1:8080/api/ai/cover-letter -H 'Content-Type: application/json' "
    "-d '{\"prompt\":\"a letter for a bakery\"}'</pre></html>\n";

std::string text_member(const json& body, const char* name) {
    const auto found = body.is_object() ? body.find(name) : body.end();
    return found != body.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool flag_member(const json& body, const char* name) {
    const auto found = body.is_object() ? body.find(name) : body.end();
    return found != body.end() && found->is_boolean() && found->get<bool>();
}

std::int64_t to_tokens(std::size_t bytes) noexcept { return static_cast<std::int64_t>((bytes + 3) / 4); }

// Longer answers take longer, as with a model, unless the body says how long.
milliseconds delay_of(const json& body, std::int64_t output_tokens) {
    const auto found = body.is_object() ? body.find("delay_ms") : body.end();
    if (found == body.end() || !found->is_number_integer()) return milliseconds(20 + output_tokens / 2);
    return std::clamp(milliseconds(found->get<std::int64_t>()), milliseconds(0), delay_max);
}

std::optional<unsigned> failure_of(const json& body) {
    const std::string fail = text_member(body, "fail");
    if (fail == "quota") return 429;
    if (fail == "crash") return 500;
    if (fail == "overloaded") return 503;
    return std::nullopt;
}

answer json_answer(unsigned status, std::string body) {
    answer result;
    result.status = status;
    result.fields = {{"Content-Type", "application/json; charset=utf-8"}};
    result.body = std::move(body);
    return result;
}

answer failed(api shape, unsigned status) {
    answer result = json_answer(status, error_body(shape, status));
    if (status == 429) result.fields.emplace_back("Retry-After", "30");
    return result;
}

answer streamed(std::vector<std::string> pieces, std::string media_type) {
    answer result;
    result.fields = {{"Content-Type", std::move(media_type)}, {"Cache-Control", "no-cache"}};
    result.pieces = std::move(pieces);
    return result;
}

generation generate(std::string_view kind, std::string model, std::string_view prompt, std::size_t number) {
    generation made;
    made.id = "demo" + std::to_string(number);
    made.model = std::move(model);
    made.text = sample_text(kind, std::hash<std::string_view>{}(prompt));
    made.input_tokens = 12 + to_tokens(prompt.size());  // the application's own instructions come on top
    made.output_tokens = to_tokens(made.text.size());
    return made;
}

answer feature_answer(const feature& what, const generation& made) {
    switch (what.shape) {
        case form::gemini:
            return json_answer(200, unary_body(api::gemini, made));
        case form::usage_in_body: {
            const json usage{{"prompt_tokens", made.input_tokens}, {"completion_tokens", made.output_tokens}};
            return json_answer(
                200, json{{"success", true}, {"model", made.model}, {"letter", made.text}, {"usage", usage}}.dump());
        }
        case form::headers: {
            answer result = json_answer(
                200, json{{"success", true}, {"score", 50 + made.output_tokens % 50}, {"advice", made.text}}.dump());
            result.fields.emplace_back("X-AI-Provider", "gemini");
            result.fields.emplace_back("X-AI-Model", made.model);
            result.fields.emplace_back("X-AI-Input-Tokens", std::to_string(made.input_tokens));
            result.fields.emplace_back("X-AI-Output-Tokens", std::to_string(made.output_tokens));
            return result;
        }
        case form::no_usage:
            return json_answer(200, json{{"success", true}, {"gaps", made.text}}.dump());
        case form::chat:
            break;
    }
    return streamed(openai_events(made, true), "text/event-stream");
}

struct provider_call {
    api shape;
    bool stream = false;
    bool as_events = true;  // Gemini streams a JSON array unless it is asked for events
    bool with_usage = true;
    std::string model;
};

// The call that a provider's own path and body make; nullopt for other paths.
std::optional<provider_call> provider_call_of(std::string_view target, const json& body) {
    const std::string_view path = target.substr(0, target.find('?'));
    if (path == "/v1/chat/completions") {
        const auto options = body.is_object() ? body.find("stream_options") : body.end();
        const bool with_usage = options != body.end() && flag_member(*options, "include_usage");
        return provider_call{api::openai, flag_member(body, "stream"), true, with_usage, text_member(body, "model")};
    }
    if (path == "/v1/messages") {
        return provider_call{api::anthropic, flag_member(body, "stream"), true, true, text_member(body, "model")};
    }
    constexpr std::string_view models = "/v1beta/models/";
    const std::size_t colon = path.rfind(':');
    if (!path.starts_with(models) || colon == std::string_view::npos || colon <= models.size()) return std::nullopt;
    const std::string_view operation = path.substr(colon + 1);
    if (operation != "generateContent" && operation != "streamGenerateContent") return std::nullopt;
    return provider_call{api::gemini, operation == "streamGenerateContent",
                         target.find("alt=sse", path.size()) != std::string_view::npos, true,
                         std::string(path.substr(models.size(), colon - models.size()))};
}

std::string default_model(api shape) {
    if (shape == api::openai) return "gpt-4o-mini";
    return shape == api::anthropic ? "claude-3-5-haiku-20241022" : "gemini-2.0-flash-exp";
}

answer provider_answer(const provider_call& call, const generation& made) {
    if (!call.stream) return json_answer(200, unary_body(call.shape, made));
    switch (call.shape) {
        case api::openai:
            return streamed(openai_events(made, call.with_usage), "text/event-stream; charset=utf-8");
        case api::anthropic:
            return streamed(anthropic_events(made), "text/event-stream; charset=utf-8");
        case api::gemini:
            break;
    }
    return call.as_events ? streamed(gemini_events(made), "text/event-stream")
                          : streamed(gemini_array(made), "application/json; charset=UTF-8");
}

// Pages that are no AI calls.
answer plain_answer(std::string_view path) {
    if (path == "/") {
        answer result;
        result.fields = {{"Content-Type", "text/html; charset=utf-8"}};
        result.body = page;
        return result;
    }
    if (path == "/api/resumes") {
        return json_answer(200, R"([{"id":1,"title":"Backend engineer"},{"id":2,"title":"Data engineer"}])");
    }
    return failed(api::gemini, 404);
}

const feature* feature_at(std::string_view path) noexcept {
    const auto found = std::ranges::find(features, path, &feature::path);
    return found == features.end() ? nullptr : &*found;
}

// A model's name goes into headers and JSON as it came, so it holds nothing that would not.
std::string fit_model(std::string asked, std::string_view otherwise) {
    const bool fit = !asked.empty() && asked.size() <= model_bytes_max &&
                     std::ranges::all_of(asked, [](char c) { return c > ' ' && c < 0x7F; });
    return fit ? asked : std::string(otherwise);
}

}  // namespace

bool application::remember(const request& what) {
    if (asked_.size() >= asked_max) asked_.clear();
    const std::string_view path = what.target.substr(0, what.target.find('?'));
    const std::size_t key = std::hash<std::string_view>{}(what.body) * 31 + std::hash<std::string_view>{}(path);
    return !asked_.insert(key).second;
}

answer application::respond(const request& what) {
    const std::string_view path = what.target.substr(0, what.target.find('?'));
    if (what.method == "GET" || what.method == "HEAD") return plain_answer(path);
    const json body = json::parse(what.body, nullptr, false);
    const feature* found = feature_at(path);
    const auto call = found == nullptr ? provider_call_of(what.target, body) : std::nullopt;
    const api shape = call ? call->shape : api::gemini;
    if (found == nullptr && !call) return failed(shape, 404);
    if (what.method != "POST") return failed(shape, 405);
    if (body.is_discarded()) return failed(shape, 400);
    if (const auto status = failure_of(body)) {
        answer result = failed(shape, *status);
        result.delay = delay_of(body, 0);
        return result;
    }
    answer result;
    if (found != nullptr) {
        const std::string model = fit_model(text_member(body, "model"), found->model);
        generation made = generate(found->kind, model, what.body, ++count_);
        if (found->thinks) made.reasoning_tokens = made.output_tokens * 2;
        result = feature_answer(*found, made);
        result.delay = delay_of(body, made.output_tokens + made.reasoning_tokens);
        if (found->cached) {
            const bool again = remember(what);
            result.fields.emplace_back("X-Cache-Status", again ? "HIT" : "MISS");
            if (again) result.delay = milliseconds(0);
        }
    } else {
        const generation made = generate("chat", fit_model(call->model, default_model(shape)), what.body, ++count_);
        result = provider_answer(*call, made);
        result.delay = delay_of(body, made.output_tokens);
    }
    result.cut = text_member(body, "fail") == "cut";
    return result;
}

}  // namespace demo
