#include "tracking/usage/names.hpp"

#include <algorithm>
#include <array>

#include "tracking/usage/answer.hpp"
#include "tracking/usage/ascii.hpp"
#include "tracking/usage/utf8.hpp"

namespace tracking::usage {

namespace {

int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    const char l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

// Decodes %XX of a part of a path into a buffer of at most `room` bytes.
template <std::size_t room>
std::string_view percent_decoded(std::string_view from, std::array<char, room>& to) noexcept {
    std::size_t size = 0;
    for (std::size_t i = 0; i < from.size() && size < room; ++i) {
        const bool coded =
            from[i] == '%' && i + 2 < from.size() && hex_value(from[i + 1]) >= 0 && hex_value(from[i + 2]) >= 0;
        to[size++] = coded ? static_cast<char>(hex_value(from[i + 1]) * 16 + hex_value(from[i + 2])) : from[i];
        if (coded) i += 2;
    }
    return {to.data(), size};
}

// Operations are short; what a longer last segment says is none of them.
using operation_buffer = std::array<char, 64>;

// The path's last segment, percent-decoded, and what stands before it.
struct tail {
    std::string_view before;  // without the slash
    std::string_view last;
};

tail split_tail(std::string_view path, operation_buffer& buffer) noexcept {
    while (path.ends_with('/')) path.remove_suffix(1);
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return {{}, percent_decoded(path, buffer)};
    const std::string_view last = path.substr(slash + 1);
    if (last.size() >= buffer.size() * 3) return {path.substr(0, slash), {}};
    return {path.substr(0, slash), percent_decoded(last, buffer)};
}

// The segment that follows `marker`.
std::string_view segment_after(std::string_view path, std::string_view marker) noexcept {
    const std::size_t at = path.rfind(marker);
    if (at == std::string_view::npos) return {};
    const std::string_view rest = path.substr(at + marker.size());
    return rest.substr(0, rest.find('/'));
}

bool is_bedrock_verb(std::string_view last) noexcept {
    static constexpr std::array<std::string_view, 5> verbs{"invoke", "converse", "converse-stream",
                                                           "invoke-with-response-stream", "count-tokens"};
    return std::ranges::find(verbs, last) != verbs.end();
}

struct operation_rule {
    std::string_view before;
    std::string_view last;
};

constexpr auto openai_operations = std::to_array<operation_rule>({
    {"/v1", "responses"},
    {"/v1", "completions"},
    {"/v1", "embeddings"},
    {"/v1", "moderations"},
    {"/v1/chat", "completions"},
    {"/v1/images", "generations"},
    {"/v1/images", "edits"},
    {"/v1/images", "variations"},
    {"/v1/audio", "transcriptions"},
    {"/v1/audio", "translations"},
    {"/v1/audio", "speech"},
});

// Takes the first segment off the path.
std::string_view take_segment(std::string_view& path) noexcept {
    if (path.starts_with('/')) path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    return segment;
}

bool is_version(std::string_view segment) noexcept {
    if (segment.size() < 2 || segment[0] != 'v' || segment[1] < '1' || segment[1] > '9') return false;
    return std::ranges::all_of(segment, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); });
}

// What lies below is kept or queued; "" = whatever follows.
struct collection {
    std::string_view name;
    std::string_view next;
};

constexpr auto collections = std::to_array<collection>({
    {"files", ""},
    {"uploads", ""},
    {"batches", ""},
    {"messages", "batches"},
    {"vector_stores", ""},
    {"fine_tuning", ""},
    {"batch", "jobs"},  // Mistral
    {"cachedContents", ""},
    {"fileSearchStores", ""},
    {"batchPredictionJobs", ""},
});

bool begins_with_collection(std::string_view path) noexcept {
    const std::string_view first = take_segment(path);
    const std::string_view name = first.substr(0, first.find(':'));
    const std::string_view next = take_segment(path);
    return std::ranges::any_of(
        collections, [&](const collection& c) { return c.name == name && (c.next.empty() || c.next == next); });
}

bool manages_ollama(std::string_view operation) noexcept {
    static constexpr std::array<std::string_view, 6> names{"show", "pull", "push", "create", "copy", "blobs"};
    return std::ranges::find(names, operation) != names.end();
}

}  // namespace

std::string_view path_only(std::string_view target) noexcept {
    target = target.substr(0, target.find_first_of("?#"));
    const std::size_t scheme = target.find("://");
    if (scheme != std::string_view::npos && !target.starts_with('/')) {
        const std::size_t slash = target.find('/', scheme + 3);
        return slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
    }
    return target;
}

std::string model_of_path(std::string_view target) {
    const std::string_view path = path_only(target);
    operation_buffer operation;
    const tail end = split_tail(path, operation);
    std::string_view model = segment_after(path, "/deployments/");
    if (model.empty() && is_bedrock_verb(end.last)) model = segment_after(path, "/model/");
    if (model.empty()) {
        model = segment_after(path, "/models/");
        std::size_t verb = model.rfind(':');
        if (verb == std::string_view::npos) verb = model.rfind("%3A");
        if (verb == std::string_view::npos) verb = model.rfind("%3a");
        model = verb == std::string_view::npos ? std::string_view() : model.substr(0, verb);
    }
    constexpr std::size_t limit = 256;
    std::array<char, 512> decoded;
    std::string name;
    assign_valid_utf8(name, percent_decoded(model, decoded), limit);
    return name;
}

bool is_streaming_path(std::string_view target) noexcept {
    operation_buffer buffer;
    const std::string_view last = split_tail(path_only(target), buffer).last;
    return last.ends_with(":streamGenerateContent") || last.ends_with(":streamRawPredict") ||
           last == "converse-stream" || last == "invoke-with-response-stream";
}

std::string_view provider_of_path(std::string_view target) noexcept {
    const std::string_view path = path_only(target);
    operation_buffer buffer;
    const tail end = split_tail(path, buffer);
    const bool verb = end.last.find(':') != std::string_view::npos;
    if (path.find("/openai/deployments/") != std::string_view::npos) return "azure";
    if (verb && path.find("/projects/") != std::string_view::npos &&
        path.find("/locations/") != std::string_view::npos) {
        return "vertex";
    }
    if (verb && path.find("/models/") != std::string_view::npos) return "gemini";
    if (is_bedrock_verb(end.last) && path.find("/model/") != std::string_view::npos) return "bedrock";
    const std::string_view before = end.before;
    if (before.ends_with("/v1") && (end.last == "messages" || end.last == "complete")) return "anthropic";
    if (before.ends_with("/v1/messages")) return "anthropic";
    if (before.ends_with("/v1beta") && end.last == "interactions") return "gemini";
    const bool openai = std::ranges::any_of(openai_operations, [&](const operation_rule& rule) {
        return before.ends_with(rule.before) && end.last == rule.last;
    });
    return openai ? "openai" : "";
}

// Only where the host or a leading version says that the path is a provider's: what an application calls /api/ai/files
// may well be a generation.
bool only_manages(std::string_view target, std::string_view provider_of_host) noexcept {
    std::string_view path = path_only(target);
    const bool known = !provider_of_host.empty();
    bool versioned = false;
    std::string_view rest = path;
    std::string_view segment = take_segment(rest);
    while (is_version(segment) || segment == "openai" || segment == "upload" || (known && segment == "api")) {
        versioned = versioned || is_version(segment);
        path = rest;
        segment = take_segment(rest);
    }
    if (provider_of_host == "ollama" && manages_ollama(segment)) return true;
    if (!known && !versioned) return false;
    if (segment == "projects") {  // projects/P/locations/L/...
        for (int i = 0; i < 4; ++i) take_segment(path);
    }
    return begins_with_collection(path);
}

bool billable_operation(std::string_view target) noexcept {
    static constexpr std::array<std::string_view, 8> free{"count_tokens", "count-tokens", "counttokens",
                                                          "countTokens",  "moderations",  "tokenize",
                                                          "detokenize",   "input_tokens"};
    static constexpr std::array<std::string_view, 6> free_verbs{":countTokens",          ":countMessageTokens",
                                                                ":countTextTokens",      ":computeTokens",
                                                                ":batchGenerateContent", ":asyncBatchEmbedContent"};
    operation_buffer buffer;
    const std::string_view last = split_tail(path_only(target), buffer).last;
    // Claude on Vertex counts tokens as if that were a model: .../models/count-tokens:rawPredict.
    const std::string_view operation = last.substr(0, last.find(':'));
    if (std::ranges::find(free, operation) != free.end()) return false;
    return std::ranges::none_of(free_verbs, [&](std::string_view verb) { return last.ends_with(verb); });
}

target_facts read_target(std::string_view host, std::string_view target) {
    target_facts facts{.provider = provider_of_host(host),
                       .model = model_of_path(target),
                       .streams = is_streaming_path(target),
                       .billable = billable_operation(target)};
    const bool manages = only_manages(target, facts.provider);
    // Of a host that is nobody's, a path may look like a provider's: what its answers tell is believed.
    if (manages && !facts.provider.empty()) facts.billable = false;
    facts.generates = facts.billable && !manages;
    if (facts.provider.empty()) facts.provider = provider_of_path(target);
    return facts;
}

}  // namespace tracking::usage
