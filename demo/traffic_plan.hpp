// What the sample traffic consists of: the requests of a small working day, in the order in which they are sent.
#pragma once

#include <string>
#include <vector>

namespace demo {

struct sample_request {
    std::string target;
    std::string body;
    std::string user;           // sent as X-User-Id; empty = none
    std::string plan;           // sent as X-User-Plan; empty = none
    bool leaves_early = false;  // the client goes away when the first bytes of the answer have come
    bool is_cut = false;        // the service breaks the connection in the middle of the answer
    std::string method = "POST";
};

std::vector<sample_request> sample_day();

}  // namespace demo
