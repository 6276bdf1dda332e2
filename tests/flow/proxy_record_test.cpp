// What a user finds in Redis and in the log after requests of each kind went through: one record each, with the facts
// of the answer, in both views alike. Expected numbers are worked out by hand from the providers' documentation and
// the price catalogue (gemini-2.0-flash: 0.10 / 0.40 / cached 0.025 USD per million tokens; gpt-4o-mini: 0.15 / 0.60;
// claude-haiku-4-5: 1 / 5).
#include <gmock/gmock.h>

#include "tests/support/record_test.hpp"
#include "tests/unit/codings.hpp"

namespace tests {
namespace {

using ::testing::AnyOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class proxy_record : public record_test {};

// ---- what answers say ---------------------------------------------------------------------------------------------

TEST_F(proxy_record, gemini_unary) {
    const auto record = record_of(json_answer(), tracked("X-Request-Id: req-1\r\n"));
    EXPECT_EQ(last_answer.body, gemini_body);
    expect_fields(record, {{"requestId", "req-1"},
                           {"userId", "anonymous"},
                           {"userSource", "anonymous"},
                           {"clerkUserId", "(absent)"},
                           {"provider", "gemini"},
                           {"aiModel", "gemini-2.0-flash"},
                           {"contentType", "experience-description"},
                           {"feature", "content-gen"},
                           {"inputTokens", "1000"},
                           {"cachedTokens", "200"},
                           {"cacheWriteTokens", "(absent)"},
                           {"outputTokens", "600"},
                           {"reasoningTokens", "100"},
                           {"tokensUsed", "1600"},
                           {"usageSource", "body"},
                           {"cost", gemini_cost},
                           {"costSource", "catalogue"},
                           {"cached", "0"},
                           {"success", "1"},
                           {"status", "200"},
                           {"errorMessage", "(absent)"},
                           {"stream", "0"},
                           {"estimated", "0"},
                           {"attempts", "1"},
                           {"outcome", "ok"}});
    EXPECT_THAT(value(record, "id"),
                ContainsRegex("^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"));
    const auto now =
        std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    EXPECT_NEAR(std::strtod(value(record, "ts").c_str(), nullptr), static_cast<double>(now), 60'000);
    EXPECT_GE(millis(record, "requestDuration"), millis(record, "upstreamDuration"));
    EXPECT_GE(millis(record, "requestDuration"), millis(record, "ttft"));
    const auto total = redis().hash("aimeter:usage:total");
    expect_fields(total, {{"requests", "1"},
                          {"success", "1"},
                          {"inputTokens", "1000"},
                          {"outputTokens", "600"},
                          {"tokensUsed", "1600"},
                          {"costNanoUsd", "325000"},
                          {"usageKnown", "1"}});
}

TEST_F(proxy_record, openai_stream_with_usage) {
    const auto record = record_of(event_stream(
        {"data: "
         "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,"
         "\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
         "data: "
         "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,"
         "\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}],\"usage\":null}\n\n",
         "data: "
         "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,"
         "\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
         "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-mini\",\"choices\":[],\"usage\":"
         "{\"prompt_tokens\":87,\"completion_tokens\":26,\"total_tokens\":113,\"prompt_tokens_details\":{\"cached_"
         "tokens\":0},"
         "\"completion_tokens_details\":{\"reasoning_tokens\":0}}}\n\n",
         "data: [DONE]\n\n"}));
    // 87 x 0.15 + 26 x 0.60 = 28.65 micro-dollars
    expect_fields(record, {{"provider", "openai"},
                           {"aiModel", "gpt-4o-mini"},
                           {"inputTokens", "87"},
                           {"outputTokens", "26"},
                           {"tokensUsed", "113"},
                           {"usageSource", "body"},
                           {"cost", "0.00002865"},
                           {"costSource", "catalogue"},
                           {"stream", "1"},
                           {"success", "1"},
                           {"outcome", "ok"},
                           {"finishReason", "stop"},
                           {"estimated", "0"}});
    EXPECT_GE(millis(record, "firstToken"), millis(record, "ttft"));
}

TEST_F(proxy_record, openai_stream_without_usage_is_an_estimate) {
    const auto record = record_of(event_stream(
        {"data: "
         "{\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{"
         "\"content\":"
         "\"Hi\"},\"finish_reason\":null}]}\n\n",
         "data: {\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{},"
         "\"finish_reason\":\"stop\"}]}\n\n",
         "data: [DONE]\n\n"}));
    expect_fields(record, {{"aiModel", "gpt-4o-mini"},
                           {"inputTokens", "(absent)"},
                           {"outputTokens", "(absent)"},
                           {"tokensUsed", "1500"},
                           {"usageSource", "estimated"},
                           {"estimated", "1"},
                           {"cost", "0.0006"},
                           {"costSource", "estimated"},
                           {"success", "1"},
                           {"stream", "1"}});
    expect_fields(redis().hash("aimeter:usage:total"), {{"estimated", "1"}, {"usageKnown", "0"}});
}

TEST_F(proxy_record, anthropic_stream) {
    const auto record = record_of(event_stream(
        {"event: message_start\ndata: "
         "{\"type\":\"message_start\",\"message\":{\"model\":\"claude-haiku-4-5-20251001\",\"id\":\"m\","
         "\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":"
         "15,"
         "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":1}}}\n\n",
         "event: ping\ndata: {\"type\":\"ping\"}\n\n",
         "event: content_block_delta\ndata: "
         "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
         "\"text\":\"1 2 3\"}}\n\n",
         "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":"
         "{\"output_tokens\":9}}\n\n",
         "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"}));
    // 15 x 1 + 9 x 5 = 60 micro-dollars; the cumulative 9 replaces the 1
    expect_fields(record, {{"provider", "anthropic"},
                           {"aiModel", "claude-haiku-4-5-20251001"},
                           {"inputTokens", "15"},
                           {"outputTokens", "9"},
                           {"tokensUsed", "24"},
                           {"cost", "0.00006"},
                           {"costSource", "catalogue"},
                           {"stream", "1"},
                           {"success", "1"}});
}

TEST_F(proxy_record, gzip_answer_is_passed_on_untouched_and_read) {
    const std::string packed = usage_test::deflated(gemini_body, 31);
    const auto record = record_of(json_answer("Content-Encoding: gzip\r\n", 200, packed));
    EXPECT_EQ(last_answer.body, packed);
    EXPECT_EQ(last_answer.field("content-encoding"), "gzip");
    expect_fields(record, {{"tokensUsed", "1600"}, {"cost", gemini_cost}, {"usageSource", "body"}});
}

TEST_F(proxy_record, the_application_states_facts_that_the_client_does_not_see) {
    const auto record =
        record_of(json_answer("X-AI-Provider: openai\r\nx-ai-model: gpt-4o-mini\r\nX-AI-Input-Tokens: 1000\r\n"
                              "X-AI-Output-Tokens: 500\r\nX-AI-Content-Type: haiku\r\nX-AI-Feature: poems\r\n"
                              "X-AI-User-Id: u-7\r\nX-AI-Plan: pro\r\nX-Stays: 1\r\n",
                              200, "{\"text\":\"An old silent pond\"}"));
    for (const auto& [name, text] : last_answer.fields)
        EXPECT_FALSE(name.starts_with("X-AI") || name.starts_with("x-ai")) << name;
    EXPECT_EQ(last_answer.field("x-stays"), "1");
    // 1000 x 0.15 + 500 x 0.60 = 450 micro-dollars
    expect_fields(record, {{"provider", "openai"},
                           {"aiModel", "gpt-4o-mini"},
                           {"inputTokens", "1000"},
                           {"outputTokens", "500"},
                           {"tokensUsed", "1500"},
                           {"usageSource", "headers"},
                           {"cost", "0.00045"},
                           {"costSource", "catalogue"},
                           {"contentType", "haiku"},
                           {"feature", "poems"},
                           {"userId", "u-7"},
                           {"userSource", "app"},
                           {"plan", "pro"},
                           {"estimated", "0"}});
}

TEST_F(proxy_record, a_stated_cost_and_a_stated_failure_win) {
    const auto record =
        record_of(json_answer("X-AI-Cost-USD: 0.0123\r\nX-AI-Success: 0\r\nX-AI-Error: model overloaded\r\n"));
    EXPECT_EQ(last_answer.status(), 200);
    expect_fields(record, {{"cost", "0.0123"},
                           {"costSource", "reported"},
                           {"success", "0"},
                           {"status", "200"},
                           {"outcome", "error"},
                           {"errorMessage", "model overloaded"}});
    expect_fields(redis().hash("aimeter:usage:total"), {{"errors", "1"}, {"wastedNanoUsd", "12300000"}});
}

// Small figures as Python (4e-05) and JavaScript (4e-7) write them.
TEST_F(proxy_record, a_stated_cost_may_have_an_exponent) {
    const std::vector<std::pair<std::string, std::string>> costs{
        {"4e-05", "0.00004"}, {"4e-7", "0.0000004"}, {"1.25E-3", "0.00125"}, {"5e-10", "0.000000001"},
        {"4e-10", "0"},       {"1e+1", "10"},        {".5", "0.5"},          {"3.", "3"}};
    for (const auto& [stated, cost] : costs) {
        const auto record = record_of(json_answer("X-AI-Cost-USD: " + stated + "\r\n"));
        EXPECT_EQ(value(record, "cost"), cost) << stated;
        EXPECT_EQ(value(record, "costSource"), "reported") << stated;
    }
    for (const std::string none : {"-4e-05", "4e", "e-5", "$0.01", "0,01", "nan"}) {
        const auto record = record_of(json_answer("X-AI-Cost-USD: " + none + "\r\n"));
        EXPECT_EQ(value(record, "cost"), gemini_cost) << none;
    }
}

TEST_F(proxy_record, a_cached_answer_costs_nothing_and_says_what_it_saved) {
    const auto record = record_of(json_answer("X-Cache-Status: HIT\r\n"));
    EXPECT_EQ(last_answer.field("x-cache-status"), "HIT");
    expect_fields(record, {{"cached", "1"},
                           {"cost", "0"},
                           {"costSource", "cache"},
                           {"saved", gemini_cost},
                           {"savedTokens", "1600"},
                           {"success", "1"}});
    EXPECT_THAT(value(record, "tokensUsed"), AnyOf("0", "(absent)"));
    EXPECT_THAT(value(record, "cacheRule"), HasSubstr("ache"));
    const auto miss = record_of(json_answer("X-Cache-Status: MISS\r\n"));
    expect_fields(miss, {{"cached", "0"}, {"cost", gemini_cost}, {"saved", "(absent)"}});
    expect_fields(redis().hash("aimeter:usage:total"), {{"cached", "1"},
                                                        {"savedNanoUsd", "325000"},
                                                        {"savedTokens", "1600"},
                                                        {"costNanoUsd", "325000"},
                                                        {"tokensUsed", "1600"}});
}

TEST_F(proxy_record, a_cached_answer_without_tokens_saves_the_cost_that_is_known) {
    const std::string cached = "X-AI-Cached: 1\r\n";
    expect_fields(
        record_of(json_answer(cached + "X-AI-Cost-USD: 0.0123\r\n", 200, R"({"text":"Hi"})")),
        {{"cached", "1"}, {"cost", "0"}, {"costSource", "cache"}, {"saved", "0.0123"}, {"savedTokens", "(absent)"}});
    expect_fields(record_of(json_answer(cached, 200, R"({"text":"Hi","usage":{"cost":0.0002}})")),
                  {{"cost", "0"}, {"saved", "0.0002"}, {"savedTokens", "(absent)"}});
    // 3 searches at 0.002
    expect_fields(record_of(json_answer(cached, 200, R"({"results":[],"meta":{"billed_units":{"search_units":3}}})"),
                            tracked("", R"({"model":"rerank-v3.5"})")),
                  {{"cost", "0"}, {"saved", "0.006"}, {"savedTokens", "(absent)"}, {"searchUnits", "(absent)"}});
    expect_fields(record_of(json_answer(cached, 200, R"({"text":"Hi"})")),
                  {{"cost", "0"}, {"saved", "(absent)"}, {"savedTokens", "(absent)"}});
    expect_fields(redis().hash("aimeter:usage:total"),
                  {{"cached", "4"}, {"savedNanoUsd", "18500000"}, {"savedTokens", "0"}, {"costNanoUsd", "0"}});
}

// As its cost would have been: what the provider says of it comes before the catalogue.
TEST_F(proxy_record, a_cached_answer_saves_the_cost_that_the_provider_reported) {
    expect_fields(
        record_of(json_answer("X-AI-Cached: 1\r\n", 200,
                              R"({"model":"gpt-4o-mini","choices":[{"message":{"content":"x"}}],)"
                              R"("usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"cost":0.0002}})")),
        {{"cost", "0"}, {"saved", "0.0002"}, {"savedTokens", "7"}, {"priceId", "(absent)"}});
}

TEST_F(proxy_record, whether_an_answer_was_cached_is_as_the_application_states_it) {
    const std::string body = R"({"text":"Hi","cached":true,"usage":{"promptTokenCount":1}})";
    const redis_record fresh{{"cached", "0"}, {"cacheRule", "(absent)"}, {"saved", "(absent)"}};
    for (const char* const no : {"0", "false", "no", "MISS"}) {
        expect_fields(record_of(json_answer("X-AI-Cached: " + std::string(no) + "\r\n", 200, body)), fresh);
    }
    expect_fields(record_of(json_answer("X-AI-Cached: 0\r\nAge: 40\r\n")), fresh);
    expect_fields(record_of(json_answer("X-AI-Cached: 0\r\nX-Cache: HIT\r\n")), fresh);
    expect_fields(record_of(json_answer("X-AI-Cached: 1\r\nX-Cache: MISS\r\n")),
                  {{"cached", "1"}, {"cacheRule", "x-ai-cached"}, {"saved", gemini_cost}});
    // What cannot be read as either states nothing.
    expect_fields(record_of(json_answer("X-AI-Cached: maybe\r\n", 200, body)),
                  {{"cached", "1"}, {"cacheRule", "body:cached"}});
}

TEST_F(proxy_record, an_unknown_model_has_no_cost_and_is_counted) {
    const auto record =
        record_of(json_answer("", 200, R"({"model":"no-such-model-9","choices":[{"message":{"content":"x"}}],
"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}})"));
    expect_fields(
        record, {{"aiModel", "no-such-model-9"}, {"tokensUsed", "7"}, {"cost", "(absent)"}, {"costSource", "unknown"}});
    expect_fields(redis().hash("aimeter:usage:total"), {{"unpriced", "1"}, {"costNanoUsd", "0"}});
}

TEST_F(proxy_record, the_model_asked_for_and_a_claimed_user_are_kept_apart) {
    const auto record =
        record_of(json_answer(), tracked("", R"({"model":"gemini-2.0-flash-lite","user":"claimed-1","stream":false})"));
    expect_fields(record, {{"requestedModel", "gemini-2.0-flash-lite"},
                           {"aiModel", "gemini-2.0-flash"},
                           {"userId", "anonymous"},
                           {"userClaim", "claimed-1"}});
}

TEST_F(proxy_record, facts_in_interim_heads_do_not_reach_the_client) {
    upstream.otherwise({wait_request(),
                        send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX-AI-Model: secret\r\n\r\n" + json_answer()),
                        close_now()});
    start();
    raw_client client = connect();
    client.send(tracked());
    const auto hints = client.read();
    EXPECT_EQ(hints.status(), 103);
    EXPECT_EQ(hints.field("link"), "</a>");
    EXPECT_EQ(hints.field("x-ai-model"), std::nullopt);
    EXPECT_EQ(client.read().body, gemini_body);
    expect_fields(records(1).front(), {{"aiModel", "gemini-2.0-flash"}, {"success", "1"}});
}

const std::string websocket_config = "[track]\npaths = [\"/api/ai/*\"]\nmethods = [\"GET\", \"POST\"]";
const std::string websocket_request =
    "GET /api/ai/chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: "
    "websocket\r\nSec-WebSocket-Version: 13\r\n\r\n";
const std::string websocket_answer =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-AI-Feature: talk\r\n\r\n";

TEST_F(proxy_record, a_tunnel_that_ends_in_order_is_a_success_without_cost) {
    const script upstream_ends{wait_head(), send(websocket_answer), wait_for("bye"), send("bye"), close_now()};
    const script client_ends{wait_head(), send(websocket_answer), wait_for("bye"), send("bye")};
    start({.config = websocket_config});
    for (const script& steps : {upstream_ends, client_ends}) {
        upstream.next(steps);
        raw_client client = connect();
        client.send(websocket_request);
        const auto switched = client.read();
        EXPECT_EQ(switched.status(), 101);
        EXPECT_EQ(switched.field("x-ai-feature"), std::nullopt);
        client.send("bye");
        EXPECT_TRUE(client.read_until("bye"));
        client.half_close();
        EXPECT_TRUE(client.ends());
        const auto all = records(++asked);
        ASSERT_EQ(all.size(), asked);
        expect_fields(all.back(), {{"success", "1"},
                                   {"status", "101"},
                                   {"outcome", "ok"},
                                   {"feature", "talk"},
                                   {"cost", "0"},
                                   {"costSource", "none"},
                                   {"estimated", "0"},
                                   {"errorMessage", "(absent)"}});
    }
    expect_fields(redis().hash("aimeter:usage:total"), {{"success", "2"}, {"errors", "0"}});
}

TEST_F(proxy_record, a_tunnel_that_breaks_is_an_error) {
    upstream.otherwise({wait_head(), send(websocket_answer), wait_for("more")});
    start({.config = websocket_config});
    raw_client client = connect();
    client.send(websocket_request);
    EXPECT_EQ(client.read().status(), 101);
    client.reset();
    expect_fields(records(1).front(),
                  {{"success", "0"}, {"status", "101"}, {"outcome", "error"}, {"cost", "0"}, {"costSource", "none"}});
}

TEST_F(proxy_record, what_generates_nothing_is_not_estimated) {
    start({.config = "[track]\npaths = [\"/v1/*\", \"/api/ai/*\"]"});
    const std::string answer = json_answer("", 200, R"({"id":"file-1","object":"file","status":"processed"})");
    expect_fields(record_of(answer, tracked("", "{}", "/v1/files")), {{"success", "1"},
                                                                      {"contentType", "files"},
                                                                      {"cost", "0"},
                                                                      {"costSource", "none"},
                                                                      {"tokensUsed", "0"},
                                                                      {"estimated", "0"}});
    const std::string told = R"({"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}})";
    expect_fields(
        record_of(json_answer("X-AI-Cost-USD: 0.02\r\n", 200, told), tracked("", "{}", "/v1/files/summarize")),
        {{"cost", "0.02"}, {"costSource", "reported"}, {"tokensUsed", "15"}, {"estimated", "0"}});
    expect_fields(record_of(answer, tracked("", "{}", "/api/ai/files")),
                  {{"costSource", "estimated"}, {"tokensUsed", "1500"}, {"estimated", "1"}});
}

// ---- what went wrong ----------------------------------------------------------------------------------------------

TEST_F(proxy_record, provider_errors) {
    const auto limited = record_of(json_answer(
        "", 429, R"({"error":{"code":429,"message":"Quota exceeded for metric","status":"RESOURCE_EXHAUSTED"}})"));
    expect_fields(limited, {{"success", "0"},
                            {"status", "429"},
                            {"outcome", "error"},
                            {"cost", "0"},
                            {"costSource", "none"},
                            {"errorMessage", "Quota exceeded for metric"},
                            {"estimated", "0"}});
    const auto broken = record_of(json_answer("", 500, "Internal error"));
    expect_fields(broken,
                  {{"success", "0"}, {"status", "500"}, {"outcome", "error"}, {"cost", "0"}, {"costSource", "none"}});
    const auto in_stream =
        record_of(event_stream({"data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n"}));
    expect_fields(
        in_stream,
        {{"success", "0"}, {"status", "200"}, {"outcome", "error"}, {"errorMessage", "overloaded"}, {"stream", "1"}});
    expect_fields(redis().hash("aimeter:usage:total"), {{"errors", "3"}, {"requests", "3"}});
}

TEST_F(proxy_record, a_stream_that_ends_in_an_error_costs_the_text_that_came_before) {
    const auto begun = [](const std::string& text) {
        return R"(data: {"object":"chat.completion.chunk","model":"gpt-4o-mini","choices":[{"delta":{"content":")" +
               text + "\"}}]}\n\n";
    };
    const std::string failed = "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n";
    // 10 bytes are 3 tokens: 3 x 0.60 = 1.8 micro-dollars
    expect_fields(record_of(event_stream({begun("Hello "), begun("Bern"), failed, "data: [DONE]\n\n"})),
                  {{"success", "0"},
                   {"outcome", "error"},
                   {"errorMessage", "overloaded"},
                   {"inputTokens", "(absent)"},
                   {"outputTokens", "3"},
                   {"tokensUsed", "3"},
                   {"usageSource", "estimated"},
                   {"estimated", "1"},
                   {"cost", "0.0000018"},
                   {"costSource", "catalogue"}});
    const redis_record nothing{{"success", "0"},   {"tokensUsed", "0"}, {"usageSource", "none"},
                               {"estimated", "0"}, {"cost", "0"},       {"costSource", "none"}};
    expect_fields(record_of(event_stream({begun(""), failed})), nothing);
    // A failure that is no stream says nothing of what was generated.
    expect_fields(record_of(json_answer("", 200, R"({"error":"You have no credits left","text":"Buy some"})")),
                  nothing);
    // Usage that was told is believed.
    const std::string told = R"(data: {"usage":{"prompt_tokens":87,"completion_tokens":26}})"
                             "\n\n";
    expect_fields(record_of(event_stream({begun("Hi"), told, failed})),
                  {{"success", "0"}, {"tokensUsed", "113"}, {"usageSource", "body"}, {"estimated", "0"}});
    expect_fields(redis().hash("aimeter:usage:total"),
                  {{"errors", "4"}, {"wastedNanoUsd", redis().hash("aimeter:usage:total")["costNanoUsd"]}});
}

TEST_F(proxy_record, upstream_refused) {
    std::uint16_t port = 0;
    listen_on("127.0.0.1", port);
    start({.upstream = "http://127.0.0.1:" + std::to_string(port)});
    EXPECT_EQ(ask(tracked()).status(), 502);
    expect_fields(records(1).front(), {{"success", "0"},
                                       {"status", "502"},
                                       {"outcome", "error"},
                                       {"cost", "0"},
                                       {"costSource", "none"},
                                       {"upstreamDuration", "(absent)"},
                                       {"ttft", "(absent)"},
                                       {"estimated", "0"}});
}

TEST_F(proxy_record, upstream_timeout) {
    upstream.otherwise({wait_request()});
    start({.config = "[limits]\nupstream_read_timeout = \"300ms\""});
    EXPECT_EQ(ask(tracked()).status(), 504);
    const auto record = records(1).front();
    expect_fields(record, {{"success", "0"}, {"status", "504"}, {"attempts", "1"}});
    EXPECT_THAT(value(record, "outcome"), AnyOf("error", "upstream_abort"));
    EXPECT_GE(millis(record, "requestDuration"), 250);
}

TEST_F(proxy_record, upstream_that_stops_in_the_middle) {
    upstream.otherwise(
        {wait_request(), send("HTTP/1.1 200 OK\r\n" + json + "Content-Length: 5000\r\n\r\n{\"cand"), close_now()});
    start();
    EXPECT_FALSE(ask(tracked()).complete);
    expect_fields(records(1).front(), {{"success", "0"}, {"status", "200"}, {"outcome", "upstream_abort"}});
    expect_fields(redis().hash("aimeter:usage:total"), {{"errors", "1"}, {"aborted", "0"}});
}

TEST_F(proxy_record, client_that_leaves_while_the_upstream_takes_nothing_of_its_body) {
    const temp_dir folder;
    scripted_upstream lazy(folder.path() + "/socket");  // whose buffers are small
    lazy.next({wait_head(), stall()});
    start({.upstream = lazy.url()});
    raw_client client = connect();
    client.send("POST " + std::string(default_path) + " HTTP/1.1\r\nHost: app\r\nContent-Length: 5000000\r\n\r\n" +
                std::string(1'000'000, 'b'));
    ASSERT_TRUE(lazy.wait_received(0, "\r\n\r\n"));
    client.reset();  // an orderly end would wait behind what nobody reads
    const auto all = records(1);
    ASSERT_EQ(all.size(), 1U);
    expect_fields(all.front(), {{"success", "0"}, {"status", "499"}, {"outcome", "client_abort"}});
}

TEST_F(proxy_record, client_that_leaves) {
    start();
    upstream.next({wait_request()});
    raw_client before = connect();
    before.send(tracked());
    ASSERT_TRUE(upstream.wait(0, [](const auto& c) { return c.requests.size() == 1; }));
    before.close();
    auto all = records(1);
    ASSERT_EQ(all.size(), 1U);
    expect_fields(all.back(), {{"success", "0"}, {"status", "499"}, {"outcome", "client_abort"}});

    upstream.next(
        {wait_request(), send(open_stream({"data: {\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-mini\","
                                           "\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n"}))});
    raw_client in_stream = connect();
    in_stream.send(tracked());
    ASSERT_TRUE(in_stream.read_until("Hi"));
    in_stream.reset();
    all = records(2);
    ASSERT_EQ(all.size(), 2U);
    expect_fields(all.back(), {{"success", "0"},
                               {"status", "499"},
                               {"outcome", "client_abort"},
                               {"stream", "1"},
                               {"aiModel", "gpt-4o-mini"},
                               {"estimated", "1"}});
    expect_fields(redis().hash("aimeter:usage:total"), {{"aborted", "2"}, {"errors", "0"}, {"requests", "2"}});
}

// Only what may have been paid for is estimated.
TEST_F(proxy_record, a_client_that_leaves_what_costs_nothing_leaves_no_estimate) {
    start({.config = "[track]\npaths = [\"/api/ai/*\", \"/v1/*\"]"});
    std::string begun = open_stream({"data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n"});
    const auto leave = [&](const std::string& request) {
        upstream.next({wait_request(), send(begun)});
        raw_client client = connect();
        client.send(request);
        EXPECT_TRUE(client.read_until("Hello"));
        client.reset();
        const auto all = records(++asked);
        return all.empty() ? redis_record{} : all.back();
    };
    expect_fields(leave(tracked("", "{}", "/v1/moderations")), {{"outcome", "client_abort"},
                                                                {"cost", "0"},
                                                                {"costSource", "none"},
                                                                {"tokensUsed", "0"},
                                                                {"usageSource", "none"},
                                                                {"estimated", "0"}});
    begun.insert(begun.find("\r\n") + 2, "X-Cache: HIT\r\n");
    expect_fields(leave(tracked()), {{"outcome", "client_abort"},
                                     {"cached", "1"},
                                     {"cost", "0"},
                                     {"costSource", "cache"},
                                     {"saved", "(absent)"},
                                     {"savedTokens", "(absent)"},
                                     {"usageSource", "none"},
                                     {"estimated", "0"}});
    expect_fields(redis().hash("aimeter:usage:total"), {{"aborted", "2"}, {"estimated", "0"}, {"savedTokens", "0"}});
}

// track.on_client_abort = "drain": what the upstream says after the client has left still counts.
class proxy_drain : public record_test {
protected:
    static constexpr const char* drain = "[track]\non_client_abort = \"drain\"";

    // Whoever asks later is served later: the departure has been noticed when this returns.
    void leave(raw_client& client) const {
        client.reset();
        expect_still_serving();
    }

    void expect_drained(const redis_record& record) const {
        expect_fields(record, {{"success", "0"},
                               {"status", "499"},
                               {"outcome", "client_abort"},
                               {"inputTokens", "87"},
                               {"outputTokens", "26"},
                               {"tokensUsed", "113"},
                               {"usageSource", "body"},
                               {"estimated", "0"}});
    }

    const std::string first_event =
        "data: {\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-mini\",\"choices\":[{\"delta\":{\"content\":"
        "\"Hi\"}}]}\n\n";
    const std::string last_event =
        "data: {\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-mini\",\"choices\":[],\"usage\":"
        "{\"prompt_tokens\":87,\"completion_tokens\":26}}\n\n";
};

TEST_F(proxy_drain, a_client_that_leaves_before_the_answer_is_charged_what_it_cost) {
    auto gate = make_gate();
    upstream.next({wait_request(), pause(gate), send(event_stream({first_event, last_event}))});
    start({.config = drain});
    raw_client client = connect();
    client.send(tracked());
    ASSERT_TRUE(upstream.wait(0, [](const auto& c) { return c.requests.size() == 1; }));
    leave(client);
    gate->set();
    const auto all = records(1);
    ASSERT_EQ(all.size(), 1U);
    expect_drained(all.front());
}

TEST_F(proxy_drain, a_client_that_leaves_amid_the_answer_is_charged_what_it_cost) {
    auto gate = make_gate();
    const std::string whole = event_stream({first_event, last_event});
    const std::string begun = open_stream({first_event});
    upstream.next({wait_request(), send(begun), pause(gate), send(whole.substr(begun.size()))});
    start({.config = drain});
    raw_client client = connect();
    client.send(tracked());
    ASSERT_TRUE(client.read_until("Hi"));
    leave(client);
    gate->set();
    const auto all = records(1);
    ASSERT_EQ(all.size(), 1U);
    expect_drained(all.front());
}

TEST_F(proxy_drain, a_client_that_is_gone_when_it_is_refused_leaves_its_record) {
    start({.config = std::string("[limits]\nbody_bytes = 10\n") + drain});
    raw_client client = connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_EQ(client.read().status(), 200);
    stop_process(proxy->pid());  // so that it finds request and reset together
    client.send(tracked("", "{\"prompt\":\"too long\"}"));
    client.reset();
    proxy->process().signal(SIGCONT);
    const auto all = records(1);
    ASSERT_EQ(all.size(), 1U);
    expect_fields(all.front(), {{"success", "0"}, {"status", "499"}, {"outcome", "client_abort"}, {"attempts", "0"}});
    expect_still_serving();
}

TEST_F(proxy_record, a_killed_proxy_leaves_an_interrupted_record) {
    upstream.next({wait_request()});
    start();
    raw_client client = connect();
    client.send(tracked("X-Request-Id: cut-short\r\n"));
    ASSERT_TRUE(upstream.wait(0, [](const auto& c) { return c.requests.size() == 1; }));
    proxy->process().signal(SIGKILL);
    proxy->process().wait_exit();
    proxy->start();
    expect_fields(records(1).front(), {{"requestId", "cut-short"},
                                       {"outcome", "interrupted"},
                                       {"success", "0"},
                                       {"contentType", "experience-description"}});
    EXPECT_EQ(aimeter().run("verify").exit_code, 0);
}

TEST_F(proxy_record, an_interrupted_operation_that_costs_nothing_is_not_estimated) {
    upstream.next({wait_request()});
    start({.config = "[track]\npaths = [\"/v1/*\"]"});
    raw_client client = connect();
    client.send(tracked("", R"({"model":"claude-sonnet-4","messages":[]})", "/v1/messages/count_tokens"));
    ASSERT_TRUE(upstream.wait(0, [](const auto& c) { return c.requests.size() == 1; }));
    proxy->process().signal(SIGKILL);
    proxy->process().wait_exit();
    proxy->start();
    expect_fields(records(1).front(),
                  {{"outcome", "interrupted"}, {"tokensUsed", "0"}, {"cost", "0"}, {"costSource", "none"}});
}

}  // namespace
}  // namespace tests
