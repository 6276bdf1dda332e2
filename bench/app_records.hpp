// Records as a small application makes them, for the benchmarks of what lies behind the proxy.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "tests/support/sample_records.hpp"

namespace bench {

using namespace tracking;

// A small application's traffic: six kinds of content, two models, durations of seconds, 4 % errors, 10 % cached.
inline record app_record(std::mt19937_64& random, std::int64_t now, int users) {
    static const char* const contents[][2] = {
        {"experience-description", "content-gen"}, {"project-description", "content-gen"},
        {"tailored-bullets", "ats-optimizer"},     {"job-match", "job-matcher"},
        {"cover-letter", "cover-letter"},          {"skill-gap", "skill-gap"}};
    std::lognormal_distribution<double> seconds(0.7, 0.5), tokens(6.5, 0.6);
    record one = tests::plain_record(now);
    one.request_id = "req-" + std::to_string(random() % 1'000'000'000'000);
    const auto& content = contents[random() % 6];
    one.content_type = content[0];
    one.feature = content[1];
    one.user_id = one.clerk_user_id =
        "user_2abcdefghijklmnop" + std::to_string(random() % static_cast<unsigned>(users));
    one.plan = random() % 4 == 0 ? "pro" : "free";
    if (random() % 3 == 0) one.ai_model = "gemini-1.5-pro";
    one.input_tokens = static_cast<std::int64_t>(tokens(random));
    one.output_tokens = static_cast<std::int64_t>(tokens(random) / 3);
    one.tokens_used = *one.input_tokens + *one.output_tokens;
    one.cost_nano = *one.input_tokens * 75 + *one.output_tokens * 300;
    one.upstream_us = static_cast<std::int64_t>(seconds(random) * 1e6);
    one.duration_us = *one.upstream_us + 400;
    one.ttft_us = *one.upstream_us / 3;
    if (random() % 25 == 0) {
        one.result = outcome::error, one.success = false, one.status = 500;
        one.error_message = "The model is overloaded";
    } else if (random() % 10 == 0) {
        one.cached = true, one.cost_nano = 0, one.cost_from = cost_source::cache;
    }
    return one;
}

}  // namespace bench
