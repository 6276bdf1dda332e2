// What a worker remembers of the routes it has served: an application has few of them, and what host and path say is
// the same each time, so that it is worked out once and not with every request. Bounded; one thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tracking/request/routes.hpp"
#include "tracking/usage/answer.hpp"

namespace proxy {

struct route {
    bool tracked = false;  // as far as the path decides
    std::string content_type;
    std::string feature;
    tracking::usage::target_facts said;
};

class route_memory {
public:
    // The reference holds until the next call. `host` is the provider's own where the upstream is one, else the Host
    // field; the target's query is not looked at, and so not remembered.
    const route& find(const tracking::route_rules& by, std::string_view host, std::string_view target);
    void forget_all() noexcept { entries_.clear(); }  // other rules are in force

private:
    struct entry {
        std::string host;
        std::string path;
        route known;
    };
    std::vector<entry> entries_;  // each key has one place; the last one to need it has it
    route unkept_;
};

}  // namespace proxy
