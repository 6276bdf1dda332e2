// Whether a response cache answered, as the answer's headers say: one table with each header's own value semantics.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conf/config.hpp"
#include "tracking/request/head_view.hpp"

namespace tracking {

enum class cache_answer { none, bypass, miss, weak_hit, hit };

struct cache_verdict {
    cache_answer answer = cache_answer::none;
    std::string rule;           // the lower-case header that said so
    bool contradicted = false;  // one header said hit, another miss
};

class cache_rules {
public:
    explicit cache_rules(const std::vector<conf::cache_rule>& extra = {});
    // `direct_provider`: the upstream is a provider's own API, so that CDN headers say nothing of the answer.
    cache_verdict judge(const head_view& answer, bool direct_provider) const;

private:
    std::vector<conf::cache_rule> extra_;
};

}  // namespace tracking
