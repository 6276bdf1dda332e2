#include "tracking/model_names.hpp"

#include <algorithm>
#include <utility>

namespace tracking {
namespace {

constexpr auto none = std::string_view::npos;

bool is_digits(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == none; }

bool is_month_and_day(std::string_view four) {
    const int month = (four[0] - '0') * 10 + (four[1] - '0');
    const int day = (four[2] - '0') * 10 + (four[3] - '0');
    return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

// YYYYMMDD, MMDD, or a version of three digits: what stands behind the last hyphen.
bool is_date_or_version(std::string_view tail) {
    if (!is_digits(tail)) return false;
    if (tail.size() == 8) return (tail.starts_with("19") || tail.starts_with("20")) && is_month_and_day(tail.substr(4));
    return tail.size() == 3 || (tail.size() == 4 && is_month_and_day(tail));
}

// YYYY-MM-DD
bool is_written_date(std::string_view text) {
    return text.size() == 10 && text[4] == '-' && text[7] == '-' && is_digits(text.substr(0, 4)) &&
           is_digits(text.substr(5, 2)) && is_digits(text.substr(8, 2));
}

// The name without its last affix; empty when there is none.
std::string_view without_suffix(std::string_view name) {
    // A router's variant that costs what the model costs; ":free" does not.
    for (const std::string_view word :
         {"-latest", ":latest", "@latest", ":beta", ":nitro", ":floor", ":exacto", ":extended", ":thinking", ":online"})
        if (name.ends_with(word)) return name.substr(0, name.size() - word.size());
    // ":200k": Amazon's variants by context.
    if (const auto colon = name.rfind(':');
        colon != none && name.ends_with('k') && is_digits(name.substr(colon + 1, name.size() - colon - 2)))
        return name.substr(0, colon);
    if (name.size() > 11 && name[name.size() - 11] == '-' && is_written_date(name.substr(name.size() - 10)))
        return name.substr(0, name.size() - 11);
    if (const auto at = name.rfind('@'); at != none && at > 0 && is_digits(name.substr(at + 1)))
        return name.substr(0, at);
    if (const auto hyphen = name.rfind('-'); hyphen != none && is_date_or_version(name.substr(hyphen + 1)))
        return name.substr(0, hyphen);
    return {};
}

// "-v1:0", as Amazon numbers the models of others: where ":0" and where "-v1" begin; npos when it is not one.
std::pair<std::size_t, std::size_t> bedrock_version(std::string_view name) {
    const auto colon = name.rfind(':');
    const auto version = name.rfind("-v");
    const bool found = colon != none && version != none && version < colon && is_digits(name.substr(colon + 1)) &&
                       is_digits(name.substr(version + 2, colon - version - 2));
    return found ? std::pair(colon, version) : std::pair(none, none);
}

std::string_view without_geography(std::string_view name) {
    for (const std::string_view region : {"us.", "eu.", "apac.", "global.", "us-gov.", "jp.", "au.", "ca."})
        if (name.starts_with(region)) return name.substr(region.size());
    return {};
}

// Of "models/X", "publishers/google/models/X" and an ARN the name alone.
std::string_view without_path(std::string_view name) {
    constexpr std::string_view folder = "models/";
    if (const auto found = name.rfind(folder); found != none && (found == 0 || name[found - 1] == '/'))
        return name.substr(found + folder.size());
    if (name.starts_with("arn:") && name.rfind('/') != none) return name.substr(name.rfind('/') + 1);
    return name;
}

// "ft:gpt-4o:org:name:id": a tuned model costs what its base costs when tuned.
std::string_view without_tuning(std::string_view name) {
    if (!name.starts_with("ft:")) return {};
    return name.substr(0, name.find(':', 3));
}

// "google/gemini-2.5-pro", as routers of many providers name models.
std::string_view without_vendor(std::string_view name) {
    for (const std::string_view vendor : {"openai/", "anthropic/", "google/", "mistralai/", "x-ai/", "deepseek/",
                                          "cohere/", "moonshotai/", "perplexity/"})
        if (name.starts_with(vendor)) return name.substr(vendor.size());
    return {};
}

}  // namespace

model_names::model_names(std::string_view model) {
    add(model);
    const std::string_view plain = without_path(model);
    add_with_stems(plain);
    add_with_stems(without_tuning(plain));
    add_with_stems(without_geography(plain));
    add_with_stems(without_vendor(plain));
}

void model_names::add(std::string_view name) {
    if (name.empty() || count_ == names_.size() || std::find(begin(), end(), name) != end()) return;
    names_[count_++] = name;
}

void model_names::add_with_stems(std::string_view name) {
    add(name);
    if (const auto [colon, version] = bedrock_version(name); colon != none) {
        add(name.substr(0, colon));
        name = name.substr(0, version);
        add(name);
    }
    for (name = without_suffix(name); !name.empty(); name = without_suffix(name)) add(name);
}

std::string_view id_prefix(std::string_view provider) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 15> other_names{
        {{"vertex", "vertex_ai"},
         {"google-vertex", "vertex_ai"},
         {"gcp.vertex_ai", "vertex_ai"},
         {"gcp.gemini", "gemini"},
         {"google", "gemini"},
         {"together", "together_ai"},
         {"fireworks", "fireworks_ai"},
         {"aws.bedrock", "bedrock"},
         {"azure.ai.openai", "azure"},
         {"azure.ai.inference", "azure_ai"},
         {"mistral_ai", "mistral"},
         {"mistralai", "mistral"},
         {"x_ai", "xai"},
         {"x-ai", "xai"},
         {"moonshotai", "moonshot"}}};
    for (const auto& [name, prefix] : other_names)
        if (provider == name) return prefix;
    return provider;
}

std::span<const std::string_view> maker_prefixes() {
    static constexpr std::array<std::string_view, 15> makers{
        "gemini", "openai",     "anthropic", "mistral", "xai", "deepseek",  "cohere",    "moonshot",
        "voyage", "perplexity", "dashscope", "minimax", "zai", "vertex_ai", "openrouter"};
    return makers;
}

}  // namespace tracking
