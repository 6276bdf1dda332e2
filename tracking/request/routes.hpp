// Which requests are tracked, and what their path says they generate: pure functions over method and target.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.hpp"

namespace tracking {

class route_rules {
public:
    route_rules(const conf::track_settings& track, const std::map<std::string, std::string>& features);

    // OPTIONS never; the path is compared without its query, after decoding %XX once and resolving dot segments,
    // so that /api/x/../ai/y and /api/%61i/y are tracked like /api/ai/y. Absolute-form targets work too.
    bool tracked(std::string_view method, std::string_view target) const;

    // "experience-description" of /api/ai/generate-experience-description?x=1 (contract, section 4). At most 128
    // bytes, no control characters. "unknown" when the path holds nothing but ids.
    std::string content_type(std::string_view target) const;
    // The mapped feature; an unmapped content type is its own feature.
    std::string feature(std::string_view content_type) const;

private:
    std::vector<std::string> prefixes_;  // of the patterns, lower case, without the "*"
    std::vector<std::string> patterns_;
    std::vector<std::string> methods_;
    std::map<std::string, std::string, std::less<>> features_;
};

}  // namespace tracking
