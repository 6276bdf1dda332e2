// What the tests about records share: answers as providers send them, and the way from a request to its record in both
// Redis views.
#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>

#include "tests/support/proxy_test.hpp"

namespace tests {

inline const std::string gemini_body =
    R"({"candidates":[{"content":{"parts":[{"text":"Led a team of five."}],"role":"model"},
"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":1000,"cachedContentTokenCount":200,
"candidatesTokenCount":500,"thoughtsTokenCount":100,"totalTokenCount":1600},"modelVersion":"gemini-2.0-flash"})";
// 800 fresh and 200 cached input, 600 output: 80 + 5 + 240 micro-dollars.
inline const std::string gemini_cost = "0.000325";

inline const std::string json = "Content-Type: application/json\r\n";

inline std::string json_answer(const std::string& fields = "", int status = 200,
                               const std::string& body = gemini_body) {
    return "HTTP/1.1 " + std::to_string(status) + " Status\r\n" + json + fields +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Events so far; `event_stream` is a whole one.
inline std::string open_stream(const std::vector<std::string>& events) {
    std::string out = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (const auto& one : events) {
        char size[24];
        std::snprintf(size, sizeof size, "%zx\r\n", one.size());
        out += size + one + "\r\n";
    }
    return out;
}

inline std::string event_stream(const std::vector<std::string>& events) { return open_stream(events) + "0\r\n\r\n"; }

class record_test : public proxy_test {
protected:
    static constexpr std::string_view default_path = "/api/ai/generate-experience-description";

    void SetUp() override { AIMETER_ONLY(); }

    static std::string tracked(const std::string& fields = "", const std::string& body = "{\"prompt\":\"hi\"}",
                               const std::string& path = std::string(default_path)) {
        return "POST " + path + " HTTP/1.1\r\nHost: app\r\nContent-Type: application/json\r\n" + fields +
               "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    }

    redis_view redis() const { return aimeter().redis(); }

    // All records, once there are `count` of them; both views must then agree.
    std::vector<redis_record> records(std::size_t count) const {
        const redis_view view = redis();
        const auto wanted = static_cast<long long>(count);
        EXPECT_TRUE(eventually([&] { return view.number({"XLEN", "aimeter:usage"}) >= wanted; }))
            << view.number({"XLEN", "aimeter:usage"}) << " of " << count << " records: " << proxy->process().err();
        const auto usage = view.stream("aimeter:usage");
        const auto analytics = view.stream("aimeter:analytics");
        EXPECT_EQ(usage.size(), count);
        EXPECT_EQ(analytics.size(), count);
        EXPECT_EQ(view.hash("aimeter:usage:total")["requests"], std::to_string(count));
        EXPECT_EQ(view.hash("aimeter:analytics:total")["ai_generation"], std::to_string(count));
        for (std::size_t i = 0; i < std::min(usage.size(), analytics.size()); ++i) {
            EXPECT_EQ(usage[i].at("_entry"), analytics[i].at("_entry"));
            EXPECT_EQ(analytics[i].at("event"), "ai_generation");
            for (const char* const same : {"id", "userId", "contentType", "cached", "feature", "success", "ts"}) {
                EXPECT_EQ(value(usage[i], same), value(analytics[i], same)) << same;
            }
        }
        return usage;
    }

    // One request with this answer; what was recorded of it.
    redis_record record_of(const std::string& answer, const std::string& request = tracked()) {
        upstream.otherwise({wait_request(), send(answer), close_now()});
        if (!proxy) start();
        last_answer = ask(request);
        const auto all = records(++asked);
        return all.empty() ? redis_record{} : all.back();
    }

    static std::string value(const redis_record& record, const std::string& field) {
        const auto at = record.find(field);
        return at == record.end() ? "(absent)" : at->second;
    }

    static void expect_fields(const redis_record& record, const redis_record& wanted) {
        for (const auto& [field, text] : wanted) EXPECT_EQ(value(record, field), text) << field;
    }

    static double millis(const redis_record& record, const std::string& field) {
        const auto text = value(record, field);
        EXPECT_THAT(text, ::testing::ContainsRegex("^[0-9]+([.][0-9]{1,3})?$")) << field;
        return std::strtod(text.c_str(), nullptr);
    }

    http_message last_answer;
    std::size_t asked = 0;
};

}  // namespace tests
