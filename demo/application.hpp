// What the demo service answers to what: a resume builder whose features call a model, and the providers' own
// endpoints. Pure, but for remembering what it was asked before; service.* moves the bytes.
//
// A JSON body may ask for trouble: "fail": "quota" (429), "crash" (500), "overloaded" (503) or "cut" (the connection
// breaks in the middle of the answer), and "delay_ms": how long to wait before answering, 10 s at most.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace demo {

struct request {
    std::string_view method;
    std::string_view target;
    std::string_view body;
};

struct answer {
    unsigned status = 200;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body;
    std::vector<std::string> pieces;  // when there are any, they are sent one by one in place of `body`
    std::chrono::milliseconds delay{0};
    std::chrono::milliseconds pace{20};  // between two pieces
    bool cut = false;                    // close after half of it
};

class application {
public:
    answer respond(const request& what);

private:
    // True when the same was asked before.
    bool remember(const request& what);

    std::unordered_set<std::size_t> asked_;
    std::size_t count_ = 0;  // of generations: their ids
};

}  // namespace demo
