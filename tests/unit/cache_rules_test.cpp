// Whether a response cache answered: each header has a vocabulary of its own, and the answer's text has no say.
#include "tracking/request/cache_rules.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace tracking {

std::ostream& operator<<(std::ostream& out, cache_answer answer) {
    switch (answer) {
        case cache_answer::none:
            return out << "none";
        case cache_answer::bypass:
            return out << "bypass";
        case cache_answer::miss:
            return out << "miss";
        case cache_answer::weak_hit:
            return out << "weak-hit";
        case cache_answer::hit:
            return out << "hit";
    }
    return out;
}

}  // namespace tracking

namespace {

using tracking::cache_answer;
using tracking::cache_rules;
using tracking::cache_verdict;
using fields = std::vector<std::pair<std::string, std::string>>;

cache_verdict judge(const fields& head, bool direct_provider = false, const cache_rules& rules = cache_rules()) {
    std::vector<tracking::header_field> views;
    views.reserve(head.size());
    for (const auto& [name, value] : head) views.push_back({name, value});
    return rules.judge({views}, direct_provider);
}

struct header_case {
    std::string header;
    std::string value;
    cache_answer expect;
};

constexpr cache_answer none = cache_answer::none;
constexpr cache_answer bypass = cache_answer::bypass;
constexpr cache_answer miss = cache_answer::miss;
constexpr cache_answer weak = cache_answer::weak_hit;
constexpr cache_answer hit = cache_answer::hit;

void expect_all(const std::vector<header_case>& cases) {
    for (const header_case& each : cases) {
        EXPECT_EQ(judge({{each.header, each.value}}).answer, each.expect) << each.header << ": " << each.value;
    }
}

TEST(CacheRules, ReadsTheWordsOfReverseProxiesAndGateways) {
    expect_all({
        {"X-Cache-Status", "HIT", hit},
        {"x-cache-status", "hit", hit},
        {"X-Cache-Status", "STALE", hit},
        {"X-Cache-Status", "UPDATING", hit},
        {"X-Cache-Status", "REVALIDATED", hit},
        {"X-Cache-Status", "MISS", miss},
        {"X-Cache-Status", "EXPIRED", miss},
        {"X-Cache-Status", "BYPASS", bypass},
        {"X-Cache-Status", "Refresh", miss},
        {"X-Cache-Status", "skip", bypass},
        {"X-Cache-Status", "stale-updating", hit},
        {"X-Cache-Status", "disabled", bypass},
        {"X-Cache-Status", "-", none},
        {"X-Cache-Status", "", none},
        {"X-Proxy-Cache", "HIT", hit},
        {"X-Proxy-Cache", "UNCACHEABLE", bypass},
        {"X-FastCGI-Cache", "MISS", miss},
        {"X-Drupal-Cache", "HIT", hit},
        {"X-Drupal-Cache", "UNCACHEABLE (request policy)", bypass},
        {"Apisix-Cache-Status", "EXPIRED", miss},
        {"X-AI-Cache-Status", "HIT", hit},
        {"cf-aig-cache-status", "HIT", hit},
        {"cf-aig-cache-status", "MISS", miss},
        {"Helicone-Cache", "HIT", hit},
        {"x-portkey-cache-status", "SEMANTIC HIT", hit},
        {"x-portkey-cache-status", "SEMANTIC MISS", miss},
        {"x-portkey-cache-status", "SEMANTIC", none},
        {"x-portkey-cache-status", "REFRESH", miss},
        {"x-portkey-cache-status", "DISABLED", none},
        {"x-litellm-cache-hit", "True", hit},
        {"x-litellm-cache-hit", "False", miss},
        {"x-litellm-cache-key", "9f86d081", hit},
        {"x-litellm-cache-key", "", none},
        {"X-OpenRouter-Cache-Status", "HIT", hit},
        {"X-OpenRouter-Cache-Status", "MISS", miss},
    });
}

TEST(CacheRules, ReadsTheWordsOfCdnsAndPlatforms) {
    expect_all({
        {"CF-Cache-Status", "HIT", hit},
        {"CF-Cache-Status", "REVALIDATED", hit},
        {"CF-Cache-Status", "EXPIRED", miss},
        {"CF-Cache-Status", "DYNAMIC", none},
        {"CF-Cache-Status", "NONE/UNKNOWN", none},
        {"X-Cache", "Hit from cloudfront", hit},
        {"X-Cache", "RefreshHit from cloudfront", hit},
        {"X-Cache", "Miss from cloudfront", miss},
        {"X-Cache", "Error from cloudfront", none},
        {"X-Cache", "LambdaGeneratedResponse from cloudfront", none},
        {"X-Cache", "HIT, MISS", hit},
        {"X-Cache", "MISS, HIT", hit},
        {"X-Cache", "MISS,MISS", miss},
        {"X-Cache", "TCP_MEM_HIT", hit},
        {"X-Cache", "TCP_REFRESH_MISS from a1.deploy.example (host/1.0)", miss},
        {"X-Cache", "PRIVATE_NOSTORE", bypass},
        {"X-Cache", "N/A", none},
        {"X-Cache", "HIT from proxy.example.org", hit},
        {"X-Cache", "MISS from proxy.example.org:3128", miss},
        {"X-Cache", "hit-fresh", hit},
        {"X-Cache", "hit-stale", miss},
        {"X-Cache", "skipped", bypass},
        {"X-Cache", "chit-chat", none},
        {"X-Cache", "whit", none},
        {"X-Cache", "not a hit", none},
        {"X-Cache-Hits", "3, 0", hit},
        {"X-Cache-Hits", "0", none},
        {"X-Cache-Hits", "many", none},
        {"X-Vercel-Cache", "PRERENDER", hit},
        {"X-Vercel-Cache", "REVALIDATED", miss},
        {"X-Nextjs-Cache", "STALE", hit},
        {"X-Nextjs-Cache", "REVALIDATED", none},
        {"X-Varnish", "32770 3", hit},
        {"X-Varnish", "32770", miss},
        {"X-Varnish", "hit", none},
        {"X-Served-By", "cache-fra-HIT", none},
        {"X-Ms-Cache", "HIT", none},
        {"X-Cache-Key", "HIT", none},
        {"Age", "30", weak},
        {"Age", "0", none},
        {"Age", "-3", none},
        {"Age", "soon", none},
        {"Age", "", none},
    });
}

TEST(CacheRules, ReadsCacheStatusAsAStructuredField) {
    expect_all({
        {"Cache-Status", "ExampleCache; hit", hit},
        {"Cache-Status", "ExampleCache;hit", hit},
        {"Cache-Status", "ExampleCache; hit=?1; ttl=30", hit},
        {"Cache-Status", "ExampleCache; hit=?0", none},
        {"Cache-Status", "ExampleCache; ttl=-412; hit", hit},
        {"Cache-Status", "ExampleCache; fwd=uri-miss; stored", miss},
        {"Cache-Status", "ExampleCache; fwd=bypass", bypass},
        {"Cache-Status", "ExampleCache; fwd=stale; fwd-status=304", hit},
        {"Cache-Status", "ExampleCache; fwd=stale; fwd-status=200", miss},
        {"Cache-Status", "ExampleCache; fwd=miss; collapsed", hit},
        {"Cache-Status", "ExampleCache; fwd=miss; collapsed=?0", miss},
        {"Cache-Status", "Origin; hit, Edge; fwd=uri-miss", hit},
        {"Cache-Status", "Origin; fwd=miss, Edge; fwd=bypass", miss},
        {"Cache-Status", R"("the hit, cache; hit"; fwd=miss)", miss},
        {"Cache-Status", R"("a \" b"; hit)", hit},
        {"Cache-Status", R"(ExampleCache; fwd=miss; detail="hit")", miss},
        {"Cache-Status", "ExampleCache; key=\"k; hit\"; fwd=method", miss},
        {"Cache-Status", "ExampleCache; fwd=invented", none},
        {"Cache-Status", "ExampleCache", none},
        {"Cache-Status", "hit", none},
        // Not structured fields: ignored whole, as RFC 8941 demands.
        {"Cache-Status", "ExampleCache; hit,", none},
        {"Cache-Status", "ExampleCache; hit; \"", none},
        {"Cache-Status", "ExampleCache; Hit", none},
        {"Cache-Status", "ExampleCache hit", none},
        {"Cache-Status", "\"unclosed; hit", none},
        {"Cache-Status", "; hit", none},
        {"Cache-Status", "", none},
    });
    EXPECT_EQ(judge({{"Cache-Status", "Origin; hit"}, {"Cache-Status", "Edge; fwd=miss"}}).answer, hit);
}

TEST(CacheRules, WeighsSeveralSignals) {
    EXPECT_EQ(judge({{"X-Cache", "MISS"}, {"X-Proxy-Cache", "HIT"}}).answer, hit);
    EXPECT_EQ(judge({{"X-Proxy-Cache", "BYPASS"}, {"X-Cache", "MISS"}}).answer, miss);
    EXPECT_EQ(judge({{"Age", "30"}, {"X-Cache", "MISS"}}).answer, miss) << "a word beats Age";
    EXPECT_EQ(judge({{"Age", "30"}, {"X-Cache-Status", "BYPASS"}}).answer, bypass);
    EXPECT_EQ(judge({{"Age", "30"}, {"Content-Type", "text/html"}}).answer, weak);
    EXPECT_EQ(judge({{"x-litellm-cache-key", "abc"}, {"x-litellm-cache-hit", "False"}}).answer, miss);
    EXPECT_EQ(judge({}).answer, none);
}

TEST(CacheRules, NamesTheHeaderAndTheContradiction) {
    const cache_verdict plain = judge({{"Content-Type", "application/json"}, {"X-CACHE-Status", "HIT"}});
    EXPECT_EQ(plain.rule, "x-cache-status");
    EXPECT_FALSE(plain.contradicted);
    const cache_verdict both = judge({{"X-Cache", "MISS"}, {"X-Cache-Status", "HIT"}});
    EXPECT_EQ(both.rule, "x-cache-status");
    EXPECT_TRUE(both.contradicted);
    EXPECT_FALSE(judge({{"X-Cache", "HIT, MISS"}}).contradicted) << "one header, two caches";
    EXPECT_EQ(judge({{"X-Cache", "nonsense"}}).rule, "");
}

TEST(CacheRules, IgnoresCdnsBeforeAProvidersOwnApi) {
    for (const auto& [header, value] : fields{{"CF-Cache-Status", "HIT"},
                                              {"X-Cache", "Hit from cloudfront"},
                                              {"X-Cache-Hits", "2"},
                                              {"Age", "30"},
                                              {"X-Varnish", "1 2"},
                                              {"Cache-Status", "edge; hit"}}) {
        EXPECT_EQ(judge({{header, value}}, true).answer, none) << header;
        EXPECT_NE(judge({{header, value}}, false).answer, none) << header;
    }
    EXPECT_EQ(judge({{"X-OpenRouter-Cache-Status", "HIT"}}, true).answer, hit) << "says what the provider did";
}

TEST(CacheRules, ConfiguredRulesComeFirst) {
    const cache_rules rules({{"x-app-cache", {"yes"}, {"no"}, {"off"}}, {"x-cache", {"warm"}, {"hit"}, {}}});
    EXPECT_EQ(judge({{"X-App-Cache", "YES"}}, false, rules).answer, hit);
    EXPECT_EQ(judge({{"X-App-Cache", "yes"}}, true, rules).answer, hit) << "before a provider too: it was asked for";
    EXPECT_EQ(judge({{"X-App-Cache", "yes"}}, false, rules).rule, "x-app-cache");
    EXPECT_EQ(judge({{"X-App-Cache", "no"}}, false, rules).answer, miss);
    EXPECT_EQ(judge({{"X-App-Cache", "off"}}, false, rules).answer, bypass);
    EXPECT_EQ(judge({{"X-App-Cache", "yesterday"}}, false, rules).answer, none);
    EXPECT_EQ(judge({{"X-Cache", "HIT"}}, false, rules).answer, miss) << "this header has been redefined";
    EXPECT_EQ(judge({{"X-Cache", "TCP_HIT"}}, false, rules).answer, hit) << "what the rule leaves open stays";
    EXPECT_EQ(judge({{"X-Cache-Status", "HIT"}, {"X-App-Cache", "yes"}}, false, rules).rule, "x-app-cache");
}

TEST(CacheRules, AgreesWithTheSharedVectors) {
    const std::filesystem::path file = std::filesystem::path(AIMETER_SHARED_DIR) / "data/cache-header-vectors.jsonl";
    if (!std::filesystem::exists(file)) GTEST_SKIP() << "no shared vectors here";
    std::ifstream lines(file);
    int read = 0;
    for (std::string line; std::getline(lines, line); ++read) {
        const auto vector = nlohmann::json::parse(line);
        fields head;
        for (const auto& [name, values] : vector["headers"].items()) {
            for (const auto& value : values) head.emplace_back(name, value.get<std::string>());
        }
        std::ostringstream told;
        told << judge(head).answer;
        EXPECT_EQ(told.str(), vector["expect"].get<std::string>()) << line;
    }
    EXPECT_GT(read, 0);
}

}  // namespace
