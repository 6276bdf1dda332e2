// What a request says: model, streaming, user; and what hosts and paths say of providers.
#include <gtest/gtest.h>

#include "tests/unit/usage_support.hpp"

namespace {

using tracking::usage::provider_of_host;
using tracking::usage::read_target;
using tracking::usage::request_facts;
using tracking::usage::request_scanner;

request_facts facts_of(std::string_view path, std::string_view body, std::string_view coding = "") {
    request_scanner scanner;
    scanner.begin(read_target("", path), "application/json", coding);
    scanner.feed(body);
    scanner.finish();
    return scanner.facts();
}

TEST(UsageRequest, ReadsModelStreamAndUser) {
    const request_facts facts =
        facts_of("/v1/chat/completions",
                 R"({"model":"gpt-4o","messages":[{"role":"user","content":"model: x","model":"no","stream":false}],)"
                 R"("stream":true,"user":"u1","safety_identifier":"s1","metadata":{"user_id":"m1"}})");
    EXPECT_EQ(facts.model, "gpt-4o");
    EXPECT_TRUE(facts.stream);
    EXPECT_EQ(facts.user_claim, "s1");
}

TEST(UsageRequest, TheUserClaimFallsBack) {
    EXPECT_EQ(facts_of("/", R"({"user":"u1","metadata":{"user_id":"m1"}})").user_claim, "u1");
    EXPECT_EQ(facts_of("/", R"({"metadata":{"user_id":"m1"}})").user_claim, "m1");
    EXPECT_EQ(
        facts_of("/", R"({"metadata":{"user":{"user_id":"m1"}},"user":{"id":1},"safety_identifier":null})").user_claim,
        "");
    EXPECT_EQ(facts_of("/", R"({"user":")" + std::string(5000, 'u') + R"("})").user_claim, std::string(256, 'u'));
}

TEST(UsageRequest, ModelComesFromThePathWhenTheBodyIsSilent) {
    const std::vector<std::pair<std::string, std::string>> paths{
        {"/v1beta/models/gemini-2.0-flash-exp:generateContent", "gemini-2.0-flash-exp"},
        {"/v1beta/models/gemini-2.0-flash:streamGenerateContent?alt=sse&key=x", "gemini-2.0-flash"},
        {"/v1beta/models/gemini-2.0-flash%3AgenerateContent", "gemini-2.0-flash"},
        {"/v1beta/tunedModels/mine:generateContent", ""},
        {"/v1/projects/p/locations/us-central1/publishers/google/models/gemini-1.5-pro:generateContent",
         "gemini-1.5-pro"},
        {"/v1/projects/p/locations/l/publishers/anthropic/models/claude-3-5-sonnet@20240620:streamRawPredict",
         "claude-3-5-sonnet@20240620"},
        {"/model/us.amazon.nova-2-lite-v1%3A0/converse", "us.amazon.nova-2-lite-v1:0"},
        {"/model/anthropic.claude-3-haiku-20240307-v1:0/invoke-with-response-stream",
         "anthropic.claude-3-haiku-20240307-v1:0"},
        {"/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/invoke",
         "arn:aws:bedrock:us-east-1:1:inference-profile/x"},
        {"/openai/deployments/my-gpt/chat/completions?api-version=1", "my-gpt"},
        {"/v1/models/gpt-4o", ""},
        {"/api/ai/job-match", ""},
        {"", ""},
        {"/", ""},
        {"/%", ""},
        {"http://api.example/v1beta/models/m:generateContent", "m"}};
    for (const auto& [path, model] : paths) EXPECT_EQ(facts_of(path, "{}").model, model) << path;
    EXPECT_EQ(facts_of("/openai/deployments/d/chat/completions", R"({"model":"gpt-4o"})").model, "gpt-4o");
    EXPECT_EQ(facts_of("/openai/deployments/d/chat/completions", R"({"model":""})").model, "d");
    EXPECT_EQ(facts_of("/x", R"({"model":"models/gemini-pro"})").model, "gemini-pro");
}

TEST(UsageRequest, SomePathsStream) {
    EXPECT_TRUE(facts_of("/v1beta/models/m:streamGenerateContent?alt=sse", "{}").stream);
    EXPECT_TRUE(facts_of("/model/m/converse-stream", "{}").stream);
    EXPECT_TRUE(facts_of("/model/m/invoke-with-response-stream", "{}").stream);
    EXPECT_FALSE(facts_of("/model/m/converse", "{}").stream);
    EXPECT_FALSE(facts_of("/v1/chat/completions", R"({"stream":"true"})").stream);
}

TEST(UsageRequest, IsReadAlikeInPiecesAndCompressed) {
    const std::string body = R"({"model":"gpt-4\u006f","input":[1,{"model":"no"}],"stream":true,"user":"Zoë"})";
    std::vector<usage_test::coded_body> bodies = usage_test::in_every_coding(body);
    bodies.push_back({"", body});
    for (const auto& [coding, coded] : bodies) {
        request_scanner scanner;
        for (std::size_t at = 0; at <= coded.size(); ++at) {
            scanner.begin(read_target("", "/v1/responses"), "application/json", coding);
            scanner.feed(std::string_view(coded).substr(0, at));
            scanner.feed(std::string_view(coded).substr(at));
            scanner.finish();
            ASSERT_EQ(scanner.facts().model, "gpt-4o") << coding << at;
            ASSERT_EQ(scanner.facts().user_claim, "Zoë") << coding << at;
            ASSERT_TRUE(scanner.facts().stream) << coding << at;
        }
    }
}

TEST(UsageRequest, ABodyThatIsNoJsonSaysNothing) {
    for (const char* body :
         {"", "model=gpt-4o", "--boundary\r\n\r\nx", "{\"model\":\"gp", "[]", "\"model\"", "{\"model\":1}"}) {
        const request_facts facts = facts_of("/x", body);
        EXPECT_EQ(facts.model, "") << body;
        EXPECT_FALSE(facts.stream) << body;
    }
    EXPECT_EQ(facts_of("/x", R"({"model":"m"})", "br").model, "");
    EXPECT_EQ(facts_of("/x", R"({"model":"m"})", "compress").model, "");
}

TEST(UsageNames, HostsNameProviders) {
    const std::vector<std::pair<std::string, std::string>> hosts{{"api.openai.com", "openai"},
                                                                 {"API.OpenAI.com:443", "openai"},
                                                                 {"api.openai.com.", "openai"},
                                                                 {"eu.api.openai.com", "openai"},
                                                                 {"api.anthropic.com", "anthropic"},
                                                                 {"generativelanguage.googleapis.com", "gemini"},
                                                                 {"us-central1-aiplatform.googleapis.com", "vertex"},
                                                                 {"aiplatform.googleapis.com", "vertex"},
                                                                 {"contoso.openai.azure.com", "azure"},
                                                                 {"x.services.ai.azure.com", "azure"},
                                                                 {"bedrock-runtime.us-east-1.amazonaws.com", "bedrock"},
                                                                 {"api.mistral.ai", "mistral"},
                                                                 {"api.groq.com", "groq"},
                                                                 {"api.cohere.com", "cohere"},
                                                                 {"openrouter.ai", "openrouter"},
                                                                 {"api.x.ai", "xai"},
                                                                 {"api.deepseek.com", "deepseek"},
                                                                 {"localhost:11434", "ollama"},
                                                                 {"[::1]:11434", "ollama"},
                                                                 {"api.openai.com.evil.example", ""},
                                                                 {"notapi.openai.com.example", ""},
                                                                 {".openai.azure.com", ""},
                                                                 {"localhost:3000", ""},
                                                                 {"[::1]", ""},
                                                                 {"", ""}};
    for (const auto& [host, provider] : hosts) EXPECT_EQ(provider_of_host(host), provider) << host;
}

TEST(UsageNames, PathsNameProviders) {
    const std::vector<std::pair<std::string, std::string>> paths{
        {"/v1/chat/completions", "openai"},
        {"/v1/responses", "openai"},
        {"/v1/embeddings?x=1", "openai"},
        {"/v1/images/generations", "openai"},
        {"/v1/images/edits", "openai"},
        {"/v1/images/variations", "openai"},
        {"/v1/audio/transcriptions", "openai"},
        {"/v1/audio/translations", "openai"},
        {"/openai/v1/audio/speech/", "openai"},
        {"/v1/messages", "anthropic"},
        {"/v1/messages/count_tokens", "anthropic"},
        {"/v1beta/models/gemini-2.0-flash:generateContent", "gemini"},
        {"/v1beta/interactions", "gemini"},
        {"/v1/projects/p/locations/l/publishers/google/models/g:generateContent", "vertex"},
        {"/openai/deployments/d/chat/completions", "azure"},
        {"/model/amazon.nova-lite-v1:0/converse", "bedrock"},
        {"/api/ai/generate-cover-letter", ""},
        {"/api/chat", ""},
        {"/api/messages", ""},
        {"/audio/speech", ""},
        {"/v1/images/embeddings", ""},
        {"/", ""},
        {"", ""}};
    for (const auto& [path, provider] : paths)
        EXPECT_EQ(read_target("localhost:3000", path).provider, provider) << path;
}

TEST(UsageNames, CountingAndModerationAreFree) {
    for (const char* path :
         {"/v1beta/models/g:countTokens", "/v1beta/models/g%3AcountTokens?key=x", "/v1/messages/count_tokens",
          "/v1/moderations", "/v1/moderations/", "/v1/responses/input_tokens", "/model/m/count-tokens", "/tokenize",
          "/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict",
          "/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens%3ArawPredict?x=1"}) {
        EXPECT_FALSE(read_target("", path).billable) << path;
    }
    for (const char* path : {"/v1/embeddings", "/v1/chat/completions", "/v1beta/models/g:generateContent",
                             "/v1/messages", "/api/ai/job-match", "/", "", "/count_tokens/x",
                             "/v1/projects/p/locations/l/publishers/anthropic/models/claude-haiku-4-5:rawPredict"}) {
        EXPECT_TRUE(read_target("", path).billable) << path;
    }
}

TEST(UsageNames, WhatGeneratesNothingIsFree) {
    for (const char* path : {"/v1/files",
                             "/v1/uploads",
                             "/v1/uploads/upload_1/parts",
                             "/v1/batches",
                             "/v1/batches/batch_1/cancel",
                             "/v1/messages/batches",
                             "/v1/messages/batches/b/cancel",
                             "/v1/vector_stores",
                             "/v1/vector_stores/vs_1/files",
                             "/v1/fine_tuning/jobs",
                             "/v1/batch/jobs",
                             "/openai/v1/files",
                             "/openai/v1/batches/",
                             "/v1beta/cachedContents",
                             "/v1beta/files:register",
                             "/upload/v1beta/files?uploadType=multipart",
                             "/v1beta/fileSearchStores",
                             "/v1beta/models/gemini-2.5-flash:batchGenerateContent",
                             "/v1beta/models/g:asyncBatchEmbedContent?key=x",
                             "/v1/projects/p/locations/l/cachedContents",
                             "/v1/projects/p/locations/l/batchPredictionJobs"}) {
        EXPECT_FALSE(read_target("", path).generates) << path;
    }
    for (const auto& [host, path] : std::vector<std::pair<const char*, const char*>>{
             {"openrouter.ai", "/api/v1/files"},
             {"my.openai.azure.com", "/openai/files?api-version=2024-10-21"},
             {"my.openai.azure.com", "/openai/batches?api-version=2024-10-21"},
             {"localhost:11434", "/api/show"},
             {"localhost:11434", "/api/pull"},
             {"localhost:11434", "/api/blobs/sha256:29fd"}}) {
        EXPECT_FALSE(read_target(host, path).billable) << host << path;
        EXPECT_FALSE(read_target(host, path).generates) << host << path;
    }
    EXPECT_TRUE(read_target("localhost:3000", "/v1/files").billable) << "an application may call a generation so";
    EXPECT_FALSE(read_target("api.openai.com", "/v1/files").billable);
    // An application's own, and names that mean something else where they stand.
    for (const char* path :
         {"/api/ai/files", "/api/v1/files", "/files", "/api/show", "/api/pull", "/v1", "/v1/", "/v1/batch",
          "/v1/chat/completions/batches", "/v1/my-files", "/v1-chat/files", "/v1/messages", "/v1beta/interactions",
          "/v1beta/models/g:batchEmbedContents", "/openai/deployments/files/chat/completions"}) {
        EXPECT_TRUE(read_target("localhost:3000", path).generates) << path;
    }
    for (const auto& [host, path] : std::vector<std::pair<const char*, const char*>>{
             {"my.openai.azure.com", "/openai/deployments/files/chat/completions"},
             {"localhost:11434", "/api/generate"},
             {"api.openai.com", "/v1/show"},
             {"us-central1-aiplatform.googleapis.com",
              "/v1/projects/files/locations/l/publishers/google/models/g:generateContent"}}) {
        EXPECT_TRUE(read_target(host, path).generates) << host << path;
    }
}

}  // namespace
