// What is billed by something other than tokens, names beyond their bound, and figures that do not fit together: as a
// user finds them in Redis. Prices are those of the catalogue: whisper-1 0.0001 USD a second, rerank-v3.5 0.002 USD a
// search, mistral-ocr-latest 0.004 USD a page, dall-e-2 0.02 USD an image.
#include "tests/support/record_test.hpp"

namespace tests {
namespace {

class proxy_units : public record_test {
protected:
    static std::string post(const std::string& path, const std::string& body,
                            const std::string& type = "application/json") {
        return "POST " + path + " HTTP/1.1\r\nHost: app\r\nContent-Type: " + type +
               "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    }
};

TEST_F(proxy_units, a_transcription_costs_its_seconds_and_its_form_names_the_model) {
    const std::string form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\n" +
                             std::string(70'000, 'x') +
                             "\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b--\r\n";
    const auto record =
        record_of(json_answer("", 200, R"({"text":"Good morning.","usage":{"type":"duration","seconds":14}})"),
                  post("/api/ai/transcribe", form, "multipart/form-data; boundary=b"));
    expect_fields(record, {{"requestedModel", "whisper-1"},
                           {"aiModel", "whisper-1"},
                           {"audioSeconds", "14.000"},
                           {"usageSource", "body"},
                           {"cost", "0.0014"},
                           {"costSource", "catalogue"},
                           {"inputTokens", "(absent)"},
                           {"estimated", "0"}});
}

TEST_F(proxy_units, searches_pages_and_images_have_their_price) {
    expect_fields(record_of(json_answer("", 200, R"({"results":[],"meta":{"billed_units":{"search_units":3}}})"),
                            tracked("", R"({"model":"rerank-v3.5"})")),
                  {{"searchUnits", "3"}, {"cost", "0.006"}, {"costSource", "catalogue"}});
    expect_fields(
        record_of(
            json_answer("", 200, R"({"model":"mistral-ocr-latest","pages":[],"usage_info":{"pages_processed":2}})"),
            tracked("", R"({"model":"mistral-ocr-latest"})")),
        {{"pages", "2"}, {"cost", "0.008"}, {"costSource", "catalogue"}});
    expect_fields(
        record_of(json_answer("", 200, R"({"created":1,"data":[{"url":"https://i/1"},{"url":"https://i/2"}]})"),
                  tracked("", R"({"model":"dall-e-2"})")),
        {{"images", "2"}, {"cost", "0.04"}, {"costSource", "catalogue"}});
}

TEST_F(proxy_units, an_applications_list_of_links_is_no_usage) {
    expect_fields(record_of(json_answer("", 200, R"({"data":[{"url":"https://a"},{"url":"https://b"}]})")),
                  {{"usageSource", "estimated"}, {"costSource", "estimated"}, {"estimated", "1"}});
}

TEST_F(proxy_units, audio_tokens_and_the_service_tier_make_the_price) {
    // gemini-2.5-flash: 8 text x 0.30 + 192 audio x 1.00 + 5 x 2.50 USD per million tokens = 206.9 micro-dollars
    expect_fields(
        record_of(json_answer(
            "", 200,
            R"({"candidates":[{"content":{"parts":[{"text":"A bell."}]},"finishReason":"STOP"}],"usageMetadata":)"
            R"({"promptTokenCount":200,"candidatesTokenCount":5,"totalTokenCount":205,"promptTokensDetails":)"
            R"([{"modality":"TEXT","tokenCount":8},{"modality":"AUDIO","tokenCount":192}]},)"
            R"("modelVersion":"gemini-2.5-flash"})")),
        {{"audioInputTokens", "192"}, {"cost", "0.0002069"}, {"serviceTier", "(absent)"}});
    // o4-mini: flex 0.55 / 2.20 USD per million tokens, half of the standard price
    expect_fields(
        record_of(json_answer("", 200,
                              R"({"object":"chat.completion","model":"o4-mini","service_tier":"flex",)"
                              R"("choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],)"
                              R"("usage":{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100}})")),
        {{"serviceTier", "flex"}, {"cost", "0.00077"}});
}

TEST_F(proxy_units, what_does_not_fit_together_is_flagged) {
    expect_fields(record_of(json_answer("X-Cache: HIT\r\nX-Cache-Status: MISS\r\n")),
                  {{"cached", "1"}, {"cacheRule", "x-cache"}, {"flags", "cacheConflict"}});
    expect_fields(record_of(json_answer("", 200, R"({"usage":{"prompt_tokens":-5,"completion_tokens":7}})")),
                  {{"inputTokens", "(absent)"}, {"outputTokens", "7"}, {"flags", "usageConflict"}});
    expect_fields(record_of(json_answer()), {{"flags", "(absent)"}});
}

TEST_F(proxy_units, a_name_beyond_the_bound_is_counted_as_other_and_kept) {
    start({.config = "[track]\nmax_labels = 2"});
    for (int i = 1; i <= 3; ++i) {
        const std::string model = "model-" + std::to_string(i);
        expect_fields(
            record_of(json_answer("X-AI-Model: " + model + "\r\nX-AI-Feature: f-" + std::to_string(i) + "\r\n")),
            {{"aiModel", i < 3 ? model : "other"},
             {"rawModel", i < 3 ? "(absent)" : model},
             {"feature", i < 3 ? "f-" + std::to_string(i) : "other"},
             {"rawFeature", i < 3 ? "(absent)" : "f-3"}});
    }
}

// Who sends another name with each request must not fill Redis with users.
TEST_F(proxy_units, a_user_beyond_the_bound_is_counted_as_other_and_kept) {
    start({.config = "[track]\nmax_users = 2\n[identity]\nheader = \"x-user-id\""});
    const auto of = [](const std::string& user) { return tracked("X-User-Id: " + user + "\r\n"); };
    for (int i = 1; i <= 5; ++i) {
        const std::string user = "u-" + std::to_string(i);
        expect_fields(record_of(json_answer(), of(user)),
                      {{"userId", i < 3 ? user : "other"}, {"rawUserId", i < 3 ? "(absent)" : user}});
    }
    expect_fields(record_of(json_answer(), of("u-2")), {{"userId", "u-2"}, {"rawUserId", "(absent)"}});
    const auto view = redis();
    const auto day = view.text({"KEYS", "aimeter:usage:day:*:users:requests"});
    EXPECT_EQ(view.number({"ZCARD", day}), 3);
    EXPECT_EQ(view.text({"ZSCORE", day, "other"}), "3");
    EXPECT_EQ(view.command({"KEYS", "aimeter:usage:month:*:user:*"}).size(), 3U);
    const std::string log = proxy->process().err();
    const std::string line = "track.max_users is reached";
    EXPECT_NE(log.find(line), std::string::npos) << log;
    EXPECT_EQ(log.find(line), log.rfind(line)) << "told once a day";
    // Whom the application names is one of its users, and who names nobody is nobody new.
    expect_fields(record_of(json_answer("X-AI-User-Id: customer-9\r\n"), of("u-6")),
                  {{"userId", "customer-9"}, {"userSource", "app"}, {"rawUserId", "(absent)"}});
    expect_fields(record_of(json_answer(), tracked()), {{"userId", "anonymous"}, {"rawUserId", "(absent)"}});
}

}  // namespace
}  // namespace tests
