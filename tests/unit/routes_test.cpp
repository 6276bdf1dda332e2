// Which requests are metered and what they are called: no spelling of a tracked path goes by unmetered, and labels are
// those of the contract, section 4.
#include "tracking/request/routes.hpp"

#include <gtest/gtest.h>

#include "tracking/request/label.hpp"
#include "tracking/request/target_path.hpp"

namespace {

using tracking::route_rules;

route_rules rules_for(std::vector<std::string> paths, std::vector<std::string> methods = {"POST"}) {
    conf::track_settings track;
    track.paths = std::move(paths);
    track.methods = std::move(methods);
    return {track,
            {{"experience-description", "content-gen"},
             {"project-description", "content-gen"},
             {"tailored-bullets", "ats-optimizer"},
             {"job-match", "job-matcher"},
             {"generateContent", "gemini-direct"}}};
}

route_rules default_rules() { return rules_for({"/api/ai/*"}); }

struct path_case {
    std::string target;
    bool tracked;
};

TEST(Routes, TracksTheDefaultPrefixInEverySpellingOfIt) {
    const route_rules rules = default_rules();
    const std::vector<path_case> cases{
        {"/api/ai/generate-cover-letter", true},
        {"/api/ai/generate-cover-letter?lang=de", true},
        {"/api/ai/", true},
        {"/api/%61i/x", true},
        {"/api/%61%69%2fx", true},
        {"/%61pi/ai/x", true},
        {"/api//ai///x", true},
        {"//api/ai/x", true},
        {"/api/./ai/x", true},
        {"/api/y/../ai/x", true},
        {"/api/y/%2e%2e/ai/x", true},
        {"/api/y%2f..%2Fai/x", true},
        {"/api\\ai\\x", true},
        {"/api/ai;v=1/x", true},
        {"/api;a/ai;b/x", true},
        {"http://app.example/api/ai/x", true},
        {"HTTP://app.example:3000/api/ai/x?y=http://z", true},
        {"http://app.example/api/%61i/x", true},
        // An application that mounts /api/ai/x as a prefix and resolves nothing answers this one.
        {"/api/ai/x/../../..", true},
        {"/api/ai/x/%2e%2e/%2e%2e/%2e%2e/", true},
        {"/api/aix", false},
        {"/api/ai", false},
        {"/api/resumes", false},
        {"/", false},
        {"", false},
        {"*", false},
        {"/x?/api/ai/x", false},
        {"/x#/api/ai/x", false},
        {"/api/resumes?next=/api/ai/x", false},
        {"http://api/ai/x", false},
        {"http://app.example", false},
        {"/API/AI/x", false},
        {"/api/%2561i/x", false},  // decoded once only
        {"/api/%zzai/x", false},
        {"/../../x", false},
    };
    for (const path_case& each : cases) EXPECT_EQ(rules.tracks_path(each.target), each.tracked) << each.target;
}

TEST(Routes, TracksOnlyTheConfiguredMethods) {
    const route_rules rules = rules_for({"/api/ai/*"}, {"POST", "put", "OPTIONS"});
    EXPECT_TRUE(rules.tracks_method("POST"));
    EXPECT_TRUE(rules.tracks_method("PUT"));
    EXPECT_FALSE(rules.tracks_method("GET"));
    EXPECT_FALSE(rules.tracks_method("HEAD"));
    EXPECT_FALSE(rules.tracks_method("post"));
    EXPECT_FALSE(rules.tracks_method(""));
    EXPECT_FALSE(rules.tracks_method("OPTIONS")) << "never, even when configured";
}

TEST(Routes, MatchesExactPathsAndStarsInside) {
    const route_rules rules =
        rules_for({"/generate", "/v1beta/models/*:generateContent", "/t/*/chat/*/end", "/with%20space"});
    EXPECT_TRUE(rules.tracks_path("/generate"));
    EXPECT_TRUE(rules.tracks_path("/generate/")) << "most routers take both";
    EXPECT_TRUE(rules.tracks_path("/generate?x"));
    EXPECT_FALSE(rules.tracks_path("/generate/more"));
    EXPECT_FALSE(rules.tracks_path("/generated"));
    EXPECT_TRUE(rules.tracks_path("/v1beta/models/gemini-2.0-flash:generateContent"));
    EXPECT_FALSE(rules.tracks_path("/v1beta/models/gemini-2.0-flash:countTokens"));
    EXPECT_TRUE(rules.tracks_path("/t/1/chat/a/b/end"));
    EXPECT_FALSE(rules.tracks_path("/t/1/chat/end"));
    EXPECT_TRUE(rules.tracks_path("/with space"));
    EXPECT_TRUE(rules.tracks_path("/with%20space"));
    EXPECT_TRUE(rules_for({"*"}).tracks_path("/anything"));
    EXPECT_FALSE(rules_for({}).tracks_path("/anything"));
}

struct label_case {
    std::string target;
    std::string content_type;
};

TEST(Routes, NamesTheContentByTheLastSegmentThatIsNoId) {
    const route_rules rules = default_rules();
    const std::vector<label_case> cases{
        {"/api/ai/generate-experience-description", "experience-description"},
        {"/api/ai/generate-experience-description?x=/y", "experience-description"},
        {"/api/ai/Generate-Experience-Description/", "experience-description"},
        {"/api/ai/tailored-bullets", "tailored-bullets"},
        {"/api/ai/job-match/123456", "job-match"},
        {"/api/ai/job-match/550e8400-e29b-41d4-a716-446655440000", "job-match"},
        {"/api/ai/job-match/550E8400-E29B-41D4-A716-446655440000//", "job-match"},
        {"/api/ai/job-match/0123456789abcdef", "job-match"},
        {"/api/ai/job-match/507f1f77bcf86cd799439011/42/", "job-match"},
        {"/api/ai/job-match/0123456789abcde", "0123456789abcde"},  // 15 hex digits are no id
        {"/api/ai/job-match/550e8400-e29b-41d4-a716-44665544000g", "550e8400-e29b-41d4-a716-44665544000g"},
        {"/api/ai/resume/summary", "summary"},
        {"/api/ai/cover%2Dletter", "cover-letter"},
        {"/api/ai/cover%252Dletter", "cover%2dletter"},  // decoded once
        {"/api/ai/a%2Fcover-letter", "cover-letter"},
        {"/api/%61i/generate-cover-letter", "cover-letter"},
        {"/api/x/../ai/generate-cover-letter", "cover-letter"},
        {"/api/ai/generate-", "generate-"},
        {"/api/ai/generate", "generate"},
        {"/api/ai/regenerate-title", "regenerate-title"},
        {"/api/ai/", "unknown"},
        {"/api/ai/42", "unknown"},
        {"/api/ai/42/550e8400-e29b-41d4-a716-446655440000", "unknown"},
        {"http://app.example/api/ai/job-match", "job-match"},
        {"/api/ai/gen/../../..", "gen"},
    };
    for (const label_case& each : cases) EXPECT_EQ(rules.content_type(each.target), each.content_type) << each.target;
}

TEST(Routes, LooksOnlyBelowTheTrackedPrefix) {
    EXPECT_EQ(rules_for({"/api/*", "/api/ai/*"}).content_type("/api/ai/77"), "unknown") << "the longest prefix counts";
    EXPECT_EQ(rules_for({"/api/*"}).content_type("/api/ai/77"), "ai");
    EXPECT_EQ(rules_for({"/api/ai/generate-*"}).content_type("/api/ai/generate-title"), "title");
    EXPECT_EQ(rules_for({"/ai/complete"}).content_type("/ai/complete"), "complete");
    EXPECT_EQ(rules_for({"/ai/complete/"}).content_type("/ai/complete/"), "complete");
    EXPECT_EQ(rules_for({"*"}).content_type("/a/b"), "b");
}

TEST(Routes, NamesAProvidersOwnOperationsAsTheProviderDoes) {
    const route_rules rules = rules_for({"/*"});
    const std::vector<label_case> cases{
        {"/v1beta/models/gemini-2.0-flash:generateContent", "generateContent"},
        {"/v1beta/models/gemini-2.0-flash:generateContent?key=abc", "generateContent"},
        {"/v1beta/models/gemini-2.0-flash:streamGenerateContent?alt=sse", "streamGenerateContent"},
        {"/v1beta/models/gemini-2.0-flash%3AcountTokens", "countTokens"},
        {"/v1beta/tunedModels/mine:generateContent", "generateContent"},
        {"/v1/projects/p/locations/l/publishers/google/models/gemini-pro:generateContent", "generateContent"},
        {"/v1/chat/completions", "chat/completions"},
        {"/openai/v1/chat/completions", "chat/completions"},
        {"/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21", "chat/completions"},
        {"/openai/deployments/my-embedder/embeddings", "embeddings"},
        {"/v1/completions", "completions"},
        {"/v1/messages", "messages"},
        {"/v1/messages/count_tokens", "messages/count_tokens"},
        {"/v1/responses", "responses"},
        {"/v1/embeddings", "embeddings"},
        {"/v1/images/generations", "images/generations"},
        {"/v1/audio/transcriptions", "audio/transcriptions"},
        {"/model/anthropic.claude-3-haiku-20240307-v1:0/converse", "converse"},
        {"/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse-stream", "converse-stream"},
        {"/model/amazon.titan-text/invoke", "invoke"},
        {"/api/chat", "chat"},
        {"/v2/rerank", "rerank"},
    };
    for (const label_case& each : cases) EXPECT_EQ(rules.content_type(each.target), each.content_type) << each.target;
}

TEST(Routes, MapsContentToFeatures) {
    const route_rules rules = default_rules();
    EXPECT_EQ(rules.feature("experience-description"), "content-gen");
    EXPECT_EQ(rules.feature("tailored-bullets"), "ats-optimizer");
    EXPECT_EQ(rules.feature("Job-Match"), "job-matcher");
    EXPECT_EQ(rules.feature("generateContent"), "gemini-direct");
    EXPECT_EQ(rules.feature("haiku"), "haiku") << "its own feature";
}

TEST(Routes, LabelsAreShortAndClean) {
    const route_rules rules = default_rules();
    EXPECT_EQ(rules.content_type("/api/ai/a%0D%0Ab%00c%7F"), "a__b_c_");
    EXPECT_EQ(rules.content_type("/api/ai/bad%FFbyte%C0%AF"), "bad_byte__");
    EXPECT_EQ(rules.content_type("/api/ai/%C3%BCbersicht"),
              "\xC3\xBC"
              "bersicht");
    EXPECT_EQ(rules.content_type("/api/ai/" + std::string(1000, 'x')), std::string(128, 'x'));
    // 127 bytes and then a character of two: it is left out, not cut in half.
    EXPECT_EQ(rules.content_type("/api/ai/" + std::string(127, 'x') + "%C3%BC"), std::string(127, 'x'));
}

TEST(Label, TakesIdsWholeOrNotAtAll) {
    EXPECT_TRUE(tracking::is_fit_id("user_2abcDEF"));
    EXPECT_TRUE(tracking::is_fit_id(std::string(256, 'u')));
    EXPECT_TRUE(tracking::is_fit_id("\xF0\x9F\x98\x80"));
    EXPECT_FALSE(tracking::is_fit_id(""));
    EXPECT_FALSE(tracking::is_fit_id(std::string(257, 'u')));
    EXPECT_FALSE(tracking::is_fit_id("a\nb"));
    EXPECT_FALSE(tracking::is_fit_id(std::string_view("a\0b", 3)));
    EXPECT_FALSE(tracking::is_fit_id("a\x7F"));
    EXPECT_FALSE(tracking::is_fit_id("a\xC2\x85"));      // C1
    EXPECT_FALSE(tracking::is_fit_id("a\xED\xA0\x80"));  // a surrogate
    EXPECT_FALSE(tracking::is_fit_id("a\xE2\x82"));      // cut
}

TEST(TargetPath, PlainPathsAreThoseThatResolvingLeavesAlone) {
    for (const std::string path : {"/", "/a", "/a/b", "/a.b/c..d", "/a/b/"}) {
        EXPECT_TRUE(tracking::is_plain_path(path)) << path;
        EXPECT_EQ(tracking::resolved_path(tracking::decoded_path(path)), path);
    }
    for (const std::string path : {"", "a", "//", "/a//b", "/./a", "/a/..", "/a%20", "/a;b", "/a\\b"}) {
        EXPECT_FALSE(tracking::is_plain_path(path)) << path;
    }
    EXPECT_EQ(tracking::resolved_path("/a/b/../c/."), "/a/c/");
    EXPECT_EQ(tracking::resolved_path("/../../a"), "/a");
    EXPECT_EQ(tracking::resolved_path("/a/.."), "/");
}

TEST(TargetPath, AMemberOfTheQueryIsDecodedOnce) {
    const std::vector<std::pair<std::string, std::string>> keys{{"/a?key=x", "x"},
                                                                {"/a?b=1&key=x%2By&c", "x+y"},
                                                                {"/a?key=%2525", "%25"},
                                                                {"/a?key=1%2", "1%2"},
                                                                {"/a?key=x&key=y", "x"},
                                                                {"/a?key=x=y", "x=y"},
                                                                {"http://h/a?key=x", "x"},
                                                                {"/a?key=x#key=y", "x"},
                                                                {"/a#?key=x", ""},
                                                                {"/a?monkey=x", ""},
                                                                {"/a?keys=x", ""},
                                                                {"/a?key", ""},
                                                                {"/a?key=", ""},
                                                                {"/a?&&", ""},
                                                                {"/a?", ""},
                                                                {"/key=x", ""},
                                                                {"", ""}};
    for (const auto& [target, key] : keys) EXPECT_EQ(tracking::query_member(target, "key"), key) << target;
}

}  // namespace
