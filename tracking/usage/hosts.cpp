// Which provider a host belongs to.
#include <array>

#include "tracking/usage/answer.hpp"
#include "tracking/usage/ascii.hpp"

namespace tracking::usage {

namespace {

struct host_rule {
    std::string_view end;  // the host, or what it ends in when this begins with '.' or '-'
    std::string_view provider;
};

constexpr auto hosts = std::to_array<host_rule>({
    {"api.openai.com", "openai"},
    {".api.openai.com", "openai"},  // eu.api.openai.com
    {"api.anthropic.com", "anthropic"},
    {"generativelanguage.googleapis.com", "gemini"},
    {"aiplatform.googleapis.com", "vertex"},
    {"-aiplatform.googleapis.com", "vertex"},
    {".aiplatform.googleapis.com", "vertex"},
    {".openai.azure.com", "azure"},
    {".openai.azure.us", "azure"},
    {".services.ai.azure.com", "azure"},
    {".cognitiveservices.azure.com", "azure"},
    {".models.ai.azure.com", "azure"},
    {".inference.ai.azure.com", "azure"},
    {"api.mistral.ai", "mistral"},
    {"codestral.mistral.ai", "mistral"},
    {"api.groq.com", "groq"},
    {"api.cohere.com", "cohere"},
    {"api.cohere.ai", "cohere"},
    {"openrouter.ai", "openrouter"},
    {"api.x.ai", "xai"},
    {".api.x.ai", "xai"},
    {"api.deepseek.com", "deepseek"},
    {"api.perplexity.ai", "perplexity"},
    {"api.together.xyz", "together"},
    {"api.together.ai", "together"},
    {"api.voyageai.com", "voyage"},
    {"api.moonshot.ai", "moonshot"},
    {"api.moonshot.cn", "moonshot"},
    {"api.fireworks.ai", "fireworks"},
    {"api.cerebras.ai", "cerebras"},
    {"api.deepinfra.com", "deepinfra"},
    {"api.sambanova.ai", "sambanova"},
    {"api.novita.ai", "novita"},
    {"api.minimax.io", "minimax"},
    {"api.z.ai", "zai"},
    {"dashscope.aliyuncs.com", "dashscope"},
    {"dashscope-intl.aliyuncs.com", "dashscope"},
    {"ai-gateway.vercel.sh", "vercel_ai_gateway"},
});

bool matches(std::string_view host, std::string_view rule) noexcept {
    const bool suffix = rule[0] == '.' || rule[0] == '-';
    return suffix ? host.size() > rule.size() && ends_with_word(host, rule) : same_word(host, rule);
}

bool is_bedrock(std::string_view host) noexcept {
    const bool runtime = starts_with_word(host, "bedrock-runtime.") || starts_with_word(host, "bedrock-runtime-fips.");
    return runtime && (ends_with_word(host, ".amazonaws.com") || ends_with_word(host, ".amazonaws.com.cn") ||
                       ends_with_word(host, ".api.aws"));
}

struct host_port {
    std::string_view host;
    std::string_view port;
};

host_port split_port(std::string_view authority) noexcept {
    host_port parts{authority, {}};
    const std::size_t colon = authority.rfind(':');
    const std::size_t bracket = authority.rfind(']');
    if (colon != std::string_view::npos && (bracket == std::string_view::npos || bracket < colon)) {
        parts = {authority.substr(0, colon), authority.substr(colon + 1)};
    }
    if (parts.host.ends_with('.')) parts.host.remove_suffix(1);
    return parts;
}

}  // namespace

std::string_view provider_of_host(std::string_view authority) noexcept {
    const host_port parts = split_port(trim(authority));
    for (const host_rule& rule : hosts) {
        if (matches(parts.host, rule.end)) return rule.provider;
    }
    if (is_bedrock(parts.host)) return "bedrock";
    return parts.port == "11434" ? "ollama" : "";
}

}  // namespace tracking::usage
