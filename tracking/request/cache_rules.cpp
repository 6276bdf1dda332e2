#include "tracking/request/cache_rules.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "tracking/request/cache_status.hpp"

namespace tracking {

namespace {

using words = std::span<const std::string_view>;

// What is compared with the words: the first word of each list member ("HIT from cache.example.org:3128"), or all of
// the member ("SEMANTIC HIT").
enum class form : std::uint8_t { first_word, whole_member, hit_count, varnish_ids, structured, age, present };

struct rule {
    std::string_view header;
    form read = form::first_word;
    bool of_cdn = false;  // says nothing of the answer of a provider's own API, which its CDN does not cache
    words hit = {}, miss = {}, bypass = {};
};

constexpr std::array<std::string_view, 1> hit_only{"hit"};
constexpr std::array<std::string_view, 1> miss_only{"miss"};
constexpr std::array<std::string_view, 1> bypass_only{"bypass"};
constexpr std::array<std::string_view, 2> miss_expired{"miss", "expired"};

// nginx and its kin; Kong, Higress and Pingora share the name with words of their own.
constexpr std::array<std::string_view, 5> proxy_hit{"hit", "stale", "updating", "revalidated", "stale-updating"};
constexpr std::array<std::string_view, 3> proxy_miss{"miss", "expired", "refresh"};
constexpr std::array<std::string_view, 4> proxy_bypass{"bypass", "skip", "disabled", "uncacheable"};

// CloudFront, Fastly, Traffic Server, Squid, Akamai and Azure Front Door, and nginx under another usual name.
constexpr std::array<std::string_view, 15> x_cache_hit{"hit",
                                                       "refreshhit",
                                                       "hit-fresh",
                                                       "tcp_hit",
                                                       "tcp_mem_hit",
                                                       "tcp_ims_hit",
                                                       "tcp_remote_hit",
                                                       "tcp_refresh_hit",
                                                       "tcp_refresh_fail_hit",
                                                       "tcp_negative_hit",
                                                       "tcp_stale_hit",
                                                       "stale",
                                                       "updating",
                                                       "revalidated",
                                                       "tcp_offline_hit"};
constexpr std::array<std::string_view, 8> x_cache_miss{"miss",
                                                       "hit-stale",
                                                       "tcp_miss",
                                                       "tcp_expired_miss",
                                                       "tcp_refresh_miss",
                                                       "tcp_client_refresh_miss",
                                                       "tcp_swapfail_miss",
                                                       "expired"};
constexpr std::array<std::string_view, 5> x_cache_bypass{"bypass", "skipped", "private_nostore", "config_nocache",
                                                         "cache_noconfig"};

constexpr std::array<std::string_view, 4> cloudflare_hit{"hit", "stale", "revalidated", "updating"};
constexpr std::array<std::string_view, 3> vercel_hit{"hit", "stale", "prerender"};
constexpr std::array<std::string_view, 2> vercel_miss{"miss", "revalidated"};  // the origin was asked
constexpr std::array<std::string_view, 2> nextjs_hit{"hit", "stale"};
constexpr std::array<std::string_view, 1> drupal_bypass{"uncacheable"};
constexpr std::array<std::string_view, 2> portkey_hit{"hit", "semantic hit"};
constexpr std::array<std::string_view, 3> portkey_miss{"miss", "semantic miss", "refresh"};
constexpr std::array<std::string_view, 1> litellm_hit{"true"};
constexpr std::array<std::string_view, 1> litellm_miss{"false"};

constexpr std::string_view litellm_flag = "x-litellm-cache-hit";

// Sorted by the length of the name, which is what `built_in` looks at first.
constexpr std::array<rule, 20> table{{
    {"age", form::age, true},
    {"x-cache", form::first_word, true, x_cache_hit, x_cache_miss, x_cache_bypass},
    {"x-varnish", form::varnish_ids, true},
    {"cache-status", form::structured, true},
    {"x-cache-hits", form::hit_count, true},
    {"x-proxy-cache", form::first_word, false, proxy_hit, proxy_miss, proxy_bypass},
    {"x-cache-status", form::first_word, false, proxy_hit, proxy_miss, proxy_bypass},
    {"x-vercel-cache", form::first_word, true, vercel_hit, vercel_miss, bypass_only},
    {"x-nextjs-cache", form::first_word, true, nextjs_hit, miss_only},
    {"x-drupal-cache", form::first_word, true, hit_only, miss_only, drupal_bypass},
    {"helicone-cache", form::first_word, false, hit_only, miss_only},
    {"cf-cache-status", form::first_word, true, cloudflare_hit, miss_expired, bypass_only},
    {"x-fastcgi-cache", form::first_word, false, proxy_hit, proxy_miss, proxy_bypass},
    {"x-ai-cache-status", form::first_word, false, hit_only, miss_expired, bypass_only},
    {"cf-aig-cache-status", form::first_word, false, hit_only, miss_only},
    {"apisix-cache-status", form::first_word, false, proxy_hit, miss_expired, bypass_only},
    {litellm_flag, form::first_word, false, litellm_hit, litellm_miss},
    {"x-litellm-cache-key", form::present, false},
    {"x-portkey-cache-status", form::whole_member, false, portkey_hit, portkey_miss},
    {"x-openrouter-cache-status", form::first_word, false, hit_only, miss_only},
}};

constexpr std::uint32_t lengths_of_names() {
    std::uint32_t mask = 0;
    for (const rule& each : table) mask |= 1U << each.header.size();
    return mask;
}

// The rule of a field's name; null for nearly every field, after a look at its length and first letter.
const rule* built_in(std::string_view name) noexcept {
    if (name.size() >= 32 || (lengths_of_names() >> name.size() & 1U) == 0) return nullptr;
    switch (name.front() | 0x20) {
        case 'a':
        case 'c':
        case 'h':
        case 'x':
            break;
        default:
            return nullptr;
    }
    for (const rule& each : table) {
        if (each.header.size() > name.size()) return nullptr;
        if (equals_ignoring_case(each.header, name)) return &each;
    }
    return nullptr;
}

std::string_view trimmed(std::string_view text) noexcept {
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    return text;
}

// Calls `visit` with each member of a comma-separated list and keeps the best of its answers.
template <class Visit>
cache_answer best_of(std::string_view list, Visit visit) {
    cache_answer best = cache_answer::none;
    while (!list.empty()) {
        const std::size_t end = std::min(list.find(','), list.size());
        best = std::max(best, visit(trimmed(list.substr(0, end))));
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return best;
}

template <class Words>
bool has_word(const Words& list, std::string_view word) {
    return std::ranges::any_of(list, [&](std::string_view each) { return equals_ignoring_case(each, word); });
}

template <class Words>
cache_answer answer_of(std::string_view word, const Words& hit, const Words& miss, const Words& bypass) {
    if (has_word(hit, word)) return cache_answer::hit;
    if (has_word(miss, word)) return cache_answer::miss;
    return has_word(bypass, word) ? cache_answer::bypass : cache_answer::none;
}

std::string_view first_word(std::string_view member) noexcept {
    return member.substr(0, member.find_first_of(" \t;("));
}

bool is_number(std::string_view text) noexcept {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}
bool is_positive(std::string_view text) noexcept {
    return is_number(text) && text.find_first_not_of('0') != std::string_view::npos;
}

// "32770 3": the request's id and that of the one which filled the cache. "32770": only its own.
cache_answer varnish_answer(std::string_view value) noexcept {
    const std::size_t space = value.find_first_of(" \t");
    if (!is_number(value.substr(0, space))) return cache_answer::none;
    if (space == std::string_view::npos) return cache_answer::miss;
    return is_number(trimmed(value.substr(space))) ? cache_answer::hit : cache_answer::none;
}

cache_answer apply(const rule& by, std::string_view value) {
    switch (by.read) {
        case form::first_word:
            return best_of(value, [&](std::string_view member) {
                return answer_of(first_word(member), by.hit, by.miss, by.bypass);
            });
        case form::whole_member:
            return best_of(value,
                           [&](std::string_view member) { return answer_of(member, by.hit, by.miss, by.bypass); });
        case form::hit_count:
            return best_of(value, [](std::string_view member) {
                return is_positive(member) ? cache_answer::hit : cache_answer::none;
            });
        case form::varnish_ids:
            return varnish_answer(value);
        case form::structured:
            return cache_status_answer(value);
        case form::age:
            return is_positive(value) ? cache_answer::weak_hit : cache_answer::none;
        case form::present:
            return value.empty() ? cache_answer::none : cache_answer::hit;
    }
    return cache_answer::none;
}

// A rule of the configuration: the whole member or its first word.
cache_answer apply(const conf::cache_rule& by, std::string_view value) {
    return best_of(value, [&](std::string_view member) {
        return std::max(answer_of(member, by.hit, by.miss, by.bypass),
                        answer_of(first_word(member), by.hit, by.miss, by.bypass));
    });
}

// A hit wins over a miss, a miss over a bypass, and any of them over Age alone.
int weight(cache_answer answer) noexcept {
    switch (answer) {
        case cache_answer::none:
            return 0;
        case cache_answer::weak_hit:
            return 1;
        case cache_answer::bypass:
            return 2;
        case cache_answer::miss:
            return 3;
        case cache_answer::hit:
            return 4;
    }
    return 0;
}

}  // namespace

cache_rules::cache_rules(const std::vector<conf::cache_rule>& extra) : extra_(extra) {}

cache_verdict cache_rules::judge(const head_view& answer, bool direct_provider) const {
    cache_answer best = cache_answer::none;
    std::string_view said_by;
    bool from_configuration = false;
    bool missed = false;
    const auto take = [&](cache_answer told, std::string_view header, bool configured) {
        missed = missed || told == cache_answer::miss;
        const bool better = weight(told) > weight(best) || (told == best && configured && !from_configuration);
        if (told == cache_answer::none || !better) return;
        best = told;
        said_by = header;
        from_configuration = configured;
    };
    for (const header_field& field : answer.fields) {
        if (field.name.empty()) continue;
        cache_answer told = cache_answer::none;
        for (const conf::cache_rule& rule : extra_) {
            if (!equals_ignoring_case(rule.header, field.name)) continue;
            told = apply(rule, field.value);
            if (told != cache_answer::none) break;
        }
        if (told != cache_answer::none) {
            take(told, field.name, true);
            continue;
        }
        const rule* known = built_in(field.name);
        if (known == nullptr || (known->of_cdn && direct_provider)) continue;
        // The key is a sign of a hit only where LiteLLM does not say in so many words what it was.
        if (known->read == form::present && answer.has(litellm_flag)) continue;
        take(apply(*known, field.value), known->header, false);
    }
    cache_verdict verdict;
    verdict.answer = best;
    verdict.contradicted = best == cache_answer::hit && missed;
    for (const char c : said_by) verdict.rule.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c);
    return verdict;
}

}  // namespace tracking
