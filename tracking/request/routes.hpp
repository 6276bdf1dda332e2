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

    // A pattern matches the path without its query, decoded once; "*" stands for anything, a pattern
    // without one for that path, with or without a slash at its end. The path is tracked when it matches as decoded or
    // with dot segments, parameters and repeated slashes resolved, so that no spelling which an application may read
    // as a tracked path goes by: /api/x/../ai/y and /api/%61i/y are tracked like /api/ai/y. Paths are case-sensitive.
    // OPTIONS is never tracked.
    bool tracks_path(std::string_view target) const;
    bool tracks_method(std::string_view method) const noexcept;

    // "experience-description" of /api/ai/generate-experience-description?x=1 (contract, section 4). At most 128
    // bytes, no control characters. "unknown" when the path holds nothing but ids.
    std::string content_type(std::string_view target) const;
    // The mapped feature; an unmapped content type is its own feature.
    std::string feature(std::string_view content_type) const;

private:
    struct pattern {
        std::string text;
        std::size_t below;  // length of its folder: what the labelled segments come after ("/api/ai/" of "/api/ai/*")
    };
    const pattern* match(std::string_view path) const noexcept;  // the one with the longest folder

    std::vector<pattern> patterns_;
    std::vector<std::string> methods_;
    std::map<std::string, std::string, std::less<>> features_;  // by lower-case content type
};

}  // namespace tracking
