// What is recorded of bodies that are not plain JSON: content codings, and the binary streams of Amazon Bedrock. The
// client gets every byte as the upstream sent it. Expected money is worked out by hand from the price catalogue, in USD
// per million tokens: us.amazon.nova-2-lite-v1:0 0.33 / 2.75 / cached 0.0825; mistral.mistral-7b-instruct-v0:2
// 0.15 / 0.20; us.anthropic.claude-haiku-4-5-20251001-v1:0 1.10 / 5.50, a tenth more than claude-haiku-4-5-20251001.
#include <gmock/gmock.h>

#include "tests/support/record_test.hpp"
#include "tests/unit/aws_messages.hpp"
#include "tests/unit/codings.hpp"

namespace tests {
namespace {

using usage_test::aws_chunk;
using usage_test::aws_event;
using usage_test::aws_exception;

const std::string bedrock = "[track]\npaths = [\"/model/*\"]";

std::string aws_answer(const std::string& body) {
    return "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
}

class proxy_coding : public record_test {
protected:
    redis_record bedrock_record(const std::string& path, const std::string& answer) {
        if (!proxy) start({.config = bedrock});
        return record_of(answer, tracked("", R"({"messages":[]})", "/model/" + path));
    }
};

TEST_F(proxy_coding, answers_in_every_coding_are_passed_on_untouched_and_read) {
    for (const auto& [coding, packed] : usage_test::in_every_coding(gemini_body)) {
        const auto record = record_of(json_answer("Content-Encoding: " + coding + "\r\n", 200, packed));
        EXPECT_EQ(last_answer.body, packed) << coding;
        EXPECT_EQ(last_answer.field("content-encoding"), coding);
        expect_fields(record, {{"tokensUsed", "1600"}, {"cost", gemini_cost}, {"usageSource", "body"}});
    }
}

// AI SDK's advice for applications behind a proxy that compresses: this coding, which no registry has, and a plain
// body.
TEST_F(proxy_coding, an_answer_with_the_coding_none_is_read_as_it_is) {
    const auto record = record_of(json_answer("Content-Encoding: none\r\n"));
    EXPECT_EQ(last_answer.field("content-encoding"), "none");
    EXPECT_EQ(last_answer.body, gemini_body);
    expect_fields(record, {{"tokensUsed", "1600"}, {"cost", gemini_cost}, {"usageSource", "body"}});
}

TEST_F(proxy_coding, an_unknown_coding_is_passed_on_and_estimated) {
    const auto record = record_of(json_answer("Content-Encoding: compress\r\n", 200, "\x1f\x9d whatever"));
    EXPECT_EQ(last_answer.body, "\x1f\x9d whatever");
    expect_fields(record, {{"success", "1"}, {"usageSource", "estimated"}, {"estimated", "1"}});
}

TEST_F(proxy_coding, a_compressed_request_says_which_model_it_asks_for) {
    const std::string body = R"({"model":"gpt-4o-mini","messages":[]})";
    for (const auto& [coding, packed] : usage_test::in_every_coding(body)) {
        const auto record = record_of(json_answer(), tracked("Content-Encoding: " + coding + "\r\n", packed));
        EXPECT_EQ(value(record, "requestedModel"), "gpt-4o-mini") << coding;
    }
}

TEST_F(proxy_coding, bedrock_converse_stream) {
    const std::string body =
        aws_event("messageStart", R"({"role":"assistant"})") +
        aws_event("contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":"Hi"}})") +
        aws_event("messageStop", R"({"stopReason":"end_turn"})") +
        aws_event("metadata",
                  R"({"metrics":{"latencyMs":9},"usage":{"inputTokens":100,"outputTokens":40,"totalTokens":340,)"
                  R"("cacheReadInputTokens":200,"cacheWriteInputTokens":0}})");
    const auto record = bedrock_record("us.amazon.nova-2-lite-v1%3A0/converse-stream", aws_answer(body));
    EXPECT_EQ(last_answer.body, body);
    expect_fields(record, {{"provider", "bedrock"},
                           {"aiModel", "us.amazon.nova-2-lite-v1:0"},
                           {"inputTokens", "300"},
                           {"cachedTokens", "200"},
                           {"outputTokens", "40"},
                           {"usageSource", "body"},
                           {"cost", "0.0001595"},  // 33 + 16.5 + 110 micro-dollars
                           {"finishReason", "end_turn"},
                           {"stream", "1"},
                           {"success", "1"}});
    EXPECT_GE(millis(record, "firstToken"), millis(record, "ttft"));
}

TEST_F(proxy_coding, bedrock_exception_in_a_stream_is_a_failure) {
    const auto record =
        bedrock_record("us.amazon.nova-2-lite-v1%3A0/converse-stream",
                       aws_answer(aws_event("messageStart", R"({"role":"assistant"})") +
                                  aws_exception("throttlingException", R"({"message":"Too many tokens"})")));
    expect_fields(record,
                  {{"success", "0"}, {"status", "200"}, {"outcome", "error"}, {"errorMessage", "Too many tokens"}});
}

TEST_F(proxy_coding, bedrock_bills_by_the_id_in_the_path) {
    const std::string body =
        aws_chunk(R"({"type":"message_start","message":{"type":"message","model":"claude-haiku-4-5-20251001",)"
                  R"("usage":{"input_tokens":10,"output_tokens":1}}})") +
        aws_chunk(R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":20}})") +
        aws_chunk(R"({"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":10,)"
                  R"("outputTokenCount":20}})");
    const auto record =
        bedrock_record("us.anthropic.claude-haiku-4-5-20251001-v1%3A0/invoke-with-response-stream", aws_answer(body));
    expect_fields(record, {{"aiModel", "claude-haiku-4-5-20251001"},
                           {"requestedModel", "us.anthropic.claude-haiku-4-5-20251001-v1:0"},
                           {"inputTokens", "10"},
                           {"outputTokens", "20"},
                           {"cost", "0.000121"},  // 11 + 110 micro-dollars
                           {"priceId", "us.anthropic.claude-haiku-4-5-20251001-v1:0@2026-08-01"}});
}

TEST_F(proxy_coding, bedrock_counts_in_the_head_stand_in_for_a_silent_body) {
    const std::string counts = "X-Amzn-Bedrock-Input-Token-Count: 1000\r\nX-Amzn-Bedrock-Output-Token-Count: 500\r\n";
    const auto record =
        bedrock_record("mistral.mistral-7b-instruct-v0%3A2/invoke",
                       json_answer(counts, 200, R"({"outputs":[{"text":"Salut","stop_reason":"stop"}]})"));
    EXPECT_EQ(last_answer.field("x-amzn-bedrock-input-token-count"), "1000");
    expect_fields(record, {{"inputTokens", "1000"},
                           {"outputTokens", "500"},
                           {"usageSource", "body"},
                           {"cost", "0.00025"},  // 150 + 100 micro-dollars
                           {"finishReason", "stop"}});
    // They are of one answer, not of the next on the same connection.
    expect_fields(bedrock_record("mistral.mistral-7b-instruct-v0%3A2/invoke", json_answer("", 200, "{}")),
                  {{"usageSource", "estimated"}});
}

}  // namespace
}  // namespace tests
