// What the usage tap costs per answer: prints nanoseconds for some typical bodies. Run by hand:
//   ninja tap_bench && ./tracking/usage/tap_bench
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <new>
#include <string>
#include <vector>

#include "tracking/usage/answer.hpp"

namespace {

std::size_t allocations = 0;

}  // namespace

void* operator new(std::size_t size) {
    ++allocations;
    if (void* made = std::malloc(size)) return made;
    throw std::bad_alloc();
}
void operator delete(void* made) noexcept { std::free(made); }
void operator delete(void* made, std::size_t) noexcept { std::free(made); }

namespace {

using tracking::usage::answer_head;
using tracking::usage::answer_scanner;

std::string prose(std::size_t bytes) {
    const std::string sentence = "Led a team of five engineers and cut the build time by half.\\n";
    std::string text;
    while (text.size() < bytes) text += sentence;
    return text;
}

std::string gemini_answer() {
    return R"({"candidates":[{"content":{"parts":[{"text":")" + prose(1200) +
           R"("}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":523,)"
           R"("candidatesTokenCount":1000,"totalTokenCount":1523},"modelVersion":"gemini-2.0-flash-exp"})";
}

std::string gemini_pretty_answer() {
    std::string ratings;
    for (const char* category : {"HATE_SPEECH", "DANGEROUS_CONTENT", "HARASSMENT", "SEXUALLY_EXPLICIT"}) {
        ratings += std::string(ratings.empty() ? "" : ",") + "\n        {\n          \"category\": \"HARM_CATEGORY_" +
                   category + "\",\n          \"probability\": \"NEGLIGIBLE\"\n        }";
    }
    return "{\n  \"candidates\": [\n    {\n      \"content\": {\n        \"parts\": [\n          {\n            "
           "\"text\": \"" +
           prose(400) +
           "\"\n          }\n        ],\n        \"role\": \"model\"\n      },\n      \"finishReason\": \"STOP\",\n"
           "      \"safetyRatings\": [" +
           ratings +
           "\n      ],\n      \"avgLogprobs\": -0.0487416\n    }\n  ],\n"
           "  \"usageMetadata\": {\n    \"promptTokenCount\": 7,\n    \"candidatesTokenCount\": 22,\n"
           "    \"totalTokenCount\": 29,\n    \"promptTokensDetails\": [\n      {\n        \"modality\": \"TEXT\",\n"
           "        \"tokenCount\": 7\n      }\n    ]\n  },\n  \"modelVersion\": \"gemini-2.0-flash\"\n}\n";
}

std::string chat_event() {
    return R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1747148050,"model":"gpt-4o-mini",)"
           R"("service_tier":"default","system_fingerprint":"fp_03","choices":[{"index":0,"delta":{"content":" word"},)"
           R"("logprobs":null,"finish_reason":null}],"usage":null})"
           "\n\n";
}

// CPU time of this thread, so that a busy machine disturbs less.
double cpu_nanoseconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

void measure(const char* name, const answer_head& head, const std::string& body, int rounds) {
    answer_scanner scanner;
    std::vector<double> times;
    std::size_t allocated = 0;
    for (int batch = 0; batch < 15; ++batch) {
        allocated = allocations;
        const double start = cpu_nanoseconds();
        for (int i = 0; i < rounds; ++i) {
            scanner.begin(head);
            scanner.feed(body);
            scanner.finish();
        }
        const double took = cpu_nanoseconds() - start;
        allocated = allocations - allocated;
        times.push_back(took / rounds);
    }
    std::ranges::sort(times);
    const double best = times.front();
    std::printf("%-24s %8zu bytes  best %10.0f ns  median %10.0f ns  %.2f GB/s  in %lld out %lld  allocations %zu\n",
                name, body.size(), best, times[times.size() / 2], static_cast<double>(body.size()) / best,
                static_cast<long long>(scanner.facts().input_tokens.value_or(-1)),
                static_cast<long long>(scanner.facts().output_tokens.value_or(-1)), allocated);
}

}  // namespace

int main() {
    const answer_head json{.content_type = "application/json; charset=UTF-8", .content_encoding = "", .provider = ""};
    answer_head events = json;
    events.content_type = "text/event-stream";
    std::string stream;
    for (int i = 0; i < 100; ++i) stream += chat_event();
    std::string big = gemini_answer();
    big.insert(big.find("Led"), std::string(50U << 20U, 'x'));
    measure("gemini answer", json, gemini_answer(), 5000);
    measure("gemini answer, pretty", json, gemini_pretty_answer(), 5000);
    measure("chat, 1 event", events, chat_event(), 5000);
    measure("chat, 100 events", events, stream, 100);
    measure("50 MB answer", json, big, 1);
}
