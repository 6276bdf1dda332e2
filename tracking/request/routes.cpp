#include "tracking/request/routes.hpp"

#include <algorithm>
#include <array>

#include "tracking/request/label.hpp"
#include "tracking/request/target_path.hpp"

namespace tracking {

namespace {

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

std::string lowered(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), lower);
    return result;
}

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_hex(char c) noexcept { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f'); }

bool is_uuid(std::string_view text) noexcept {
    if (text.size() != 36) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !is_hex(text[i])) return false;
    }
    return true;
}

bool is_id(std::string_view segment) noexcept {
    constexpr std::size_t hex_id_min = 16;
    return std::ranges::all_of(segment, is_digit) || is_uuid(segment) ||
           (segment.size() >= hex_id_min && std::ranges::all_of(segment, is_hex));
}

// "*" stands for any bytes, none and "/" included. Linear but for patterns with several stars.
bool matches(std::string_view pattern, std::string_view text) noexcept {
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star = std::string_view::npos;
    std::size_t resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
            if (p == pattern.size()) return true;
        } else if (p < pattern.size() && pattern[p] == text[t]) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

// Takes the last segment off `path`; empty ones are passed over. Empty when none is left.
std::string_view take_last_segment(std::string_view& path) noexcept {
    while (path.ends_with('/')) path.remove_suffix(1);
    const std::size_t slash = path.rfind('/');
    const std::string_view segment = slash == std::string_view::npos ? path : path.substr(slash + 1);
    path.remove_suffix(segment.size());
    return segment;
}

// The providers' own operations of two segments, beside which the last one alone would say too little.
constexpr std::array<std::string_view, 10> two_segment_operations{
    "/agents/completions", "/audio/speech", "/audio/transcriptions", "/audio/translations", "/chat/completions",
    "/fim/completions",    "/images/edits", "/images/generations",   "/images/variations",  "/messages/count_tokens"};

// "generateContent" of /v1beta/models/gemini-2.0-flash:generateContent, "chat/completions" of /v1/chat/completions
// and of /openai/deployments/x/chat/completions; empty when the path is no such one.
std::string_view provider_operation(std::string_view path) noexcept {
    while (path.ends_with('/')) path.remove_suffix(1);
    for (const std::string_view operation : two_segment_operations) {
        if (path.ends_with(operation)) return operation.substr(1);
    }
    std::string_view before = path;
    const std::string_view last = take_last_segment(before);
    const std::size_t colon = last.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return {};
    const std::string_view collection = take_last_segment(before);
    if (collection != "models" && collection != "tunedModels" && collection != "endpoints") return {};
    const std::string_view operation = last.substr(colon + 1);
    const bool word = std::ranges::all_of(operation, [](char c) { return lower(c) >= 'a' && lower(c) <= 'z'; });
    return word ? operation : std::string_view();
}

// The last segment of `path` that is no id, lower-cased, without "generate-".
std::string last_name(std::string_view path) {
    constexpr std::string_view verb = "generate-";
    for (;;) {
        const std::string_view segment = take_last_segment(path);
        if (segment.empty()) return "unknown";
        if (is_id(segment) || segment == "." || segment == "..") continue;
        std::string name = lowered(segment);
        if (name.size() > verb.size() && name.starts_with(verb)) name.erase(0, verb.size());
        return clean_label(name);
    }
}

}  // namespace

route_rules::route_rules(const conf::track_settings& track, const std::map<std::string, std::string>& features)
    : methods_(track.methods) {
    for (const std::string& written : track.paths) {
        std::string text = decoded_path(written);
        const std::size_t star = text.find('*');
        if (star == std::string::npos) {
            while (text.size() > 1 && text.ends_with('/')) text.pop_back();
        }
        const std::size_t slash = text.rfind('/', star);
        const std::size_t below = slash == std::string::npos ? 0 : slash + 1;
        patterns_.push_back({std::move(text), below});
    }
    for (std::string& method : methods_) {
        std::ranges::transform(method, method.begin(), [](char c) { return c >= 'a' && c <= 'z' ? char(c - 32) : c; });
    }
    for (const auto& [content, feature] : features) features_.emplace(lowered(content), feature);
}

const route_rules::pattern* route_rules::match(std::string_view path) const noexcept {
    const pattern* best = nullptr;
    for (const pattern& each : patterns_) {
        if (best != nullptr && each.below <= best->below) continue;
        bool fits = matches(each.text, path);
        if (!fits && path.ends_with('/') && each.text.find('*') == std::string::npos) {
            fits = path.substr(0, path.size() - 1) == each.text;
        }
        if (fits) best = &each;
    }
    return best;
}

bool route_rules::tracks_method(std::string_view method) const noexcept {
    return method != "OPTIONS" && std::ranges::find(methods_, method) != methods_.end();
}

bool route_rules::tracks_path(std::string_view target) const {
    const std::string_view path = path_of(target);
    if (is_plain_path(path)) return match(path) != nullptr;
    const std::string decoded = decoded_path(path);
    return match(decoded) != nullptr || match(resolved_path(decoded)) != nullptr;
}

std::string route_rules::content_type(std::string_view target) const {
    std::string_view path = path_of(target);
    std::string decoded;
    std::string resolved;
    const pattern* matched = nullptr;
    if (is_plain_path(path)) {
        matched = match(path);
    } else {
        decoded = decoded_path(path);
        resolved = resolved_path(decoded);
        path = resolved;
        matched = match(path);
        if (matched == nullptr) {
            matched = match(decoded);
            if (matched != nullptr) path = decoded;
        }
    }
    const std::string_view operation = provider_operation(path);
    if (!operation.empty()) return clean_label(operation);
    return last_name(path.substr(matched == nullptr ? 0 : matched->below));
}

std::string route_rules::feature(std::string_view content_type) const {
    auto found = features_.find(content_type);
    if (found == features_.end()) found = features_.find(lowered(content_type));
    return clean_label(found == features_.end() ? content_type : std::string_view(found->second));
}

}  // namespace tracking
