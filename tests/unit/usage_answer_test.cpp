// What a scanner reports of whole answers: the figures of every format, whatever the pieces, coded or not, and never a
// wrong figure of an answer that was cut.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "tests/unit/usage_support.hpp"

namespace {

using namespace usage_test;
using nlohmann::json;

const std::vector<std::string> figures{"input_tokens",
                                       "cached_tokens",
                                       "cache_write_tokens",
                                       "cache_write_1h_tokens",
                                       "output_tokens",
                                       "reasoning_tokens",
                                       "audio_input_tokens",
                                       "image_input_tokens",
                                       "audio_output_tokens",
                                       "image_output_tokens",
                                       "audio_ms",
                                       "images",
                                       "pages",
                                       "search_units",
                                       "web_searches",
                                       "characters",
                                       "reported_cost_pico"};

// The body cut behind each event; comments and blank lines stay with what follows.
std::vector<std::string_view> events_of(const sample& s) {
    const std::string_view body = s.body;
    std::vector<std::string_view> events;
    for (std::size_t begin = 0; const std::size_t end : s.message_ends) {
        events.push_back(body.substr(begin, end - begin));
        begin = end;
    }
    if (!events.empty()) return events;
    const std::string_view blank = body.find("\r\n\r\n") != std::string_view::npos ? "\r\n\r\n" : "\n\n";
    std::size_t start = 0;
    std::size_t at = 0;
    while ((at = body.find(blank, at)) != std::string_view::npos) {
        at += blank.size();
        const std::string_view piece = body.substr(start, at - start);
        if (piece.find("data:") == std::string_view::npos) continue;
        events.push_back(piece);
        start = at;
    }
    if (start < body.size()) events.push_back(body.substr(start));
    return events;
}

// ---- The made-up answers ----------------------------------------------------------------------------------------

void expect_figures(const sample& s) {
    const outcome found = scan(s.head(), {s.body});
    const json facts = found.facts();
    const json& expected = s.expected;
    for (const std::string& figure : figures) {
        EXPECT_EQ(facts.at(figure), expected.value(figure, json())) << figure;
    }
    for (const char* text : {"provider", "model", "finish", "error", "cached_flag", "service_tier"}) {
        EXPECT_EQ(facts.at(text), expected.value(text, json(""))) << text;
    }
    EXPECT_EQ(facts.at("error_event"), expected.value("error_event", json(false)));
    EXPECT_EQ(facts.at("contradictory"), json(false));
    for (const char* other : {"stream", "text_bytes", "uncounted_text_bytes"}) {
        EXPECT_EQ(expected.value(other, facts.at(other)), facts.at(other)) << other;
    }
    EXPECT_EQ(found.first_tokens,
              expected.value("first_token", expected.contains("first_event") && !expected.at("first_event").is_null())
                  ? 1
                  : 0);
}

void expect_first_token(const sample& s) {
    const outcome found = scan(s.head(), events_of(s));
    const json& index = s.expected.at("first_event");
    EXPECT_EQ(found.first_token_piece, index.is_null() ? -1 : index.get<int>());
}

// ---- Recorded answers -------------------------------------------------------------------------------------------

bool accepted(const json& row, const std::string& field, const json& value) {
    const json& expected = row.at("expected");
    std::vector<json> right{expected.value(field, json())};
    if (expected.contains("accept") && expected.at("accept").contains(field)) {
        for (const json& other : expected.at("accept").at(field)) right.push_back(other);
    }
    const bool part = field == "cached_input_tokens" || field == "cache_write_tokens" || field == "reasoning_tokens";
    if (part && (right[0].is_null() || right[0] == 0)) {  // of a part, nothing and 0 are both right
        right.emplace_back();
        right.emplace_back(0);
    }
    return std::ranges::find(right, value) != right.end();
}

void expect_recorded_figures(const sample& s) {
    const json& row = s.expected;
    const json facts = scan(s.head(), {s.body}).facts();
    const std::vector<std::pair<std::string, std::string>> fields{{"input_tokens", "input_tokens"},
                                                                  {"output_tokens", "output_tokens"},
                                                                  {"cached_input_tokens", "cached_tokens"},
                                                                  {"cache_write_tokens", "cache_write_tokens"},
                                                                  {"reasoning_tokens", "reasoning_tokens"}};
    for (const auto& [theirs, ours] : fields) {
        EXPECT_TRUE(accepted(row, theirs, facts.at(ours))) << ours << " is " << facts.at(ours);
    }
    const json& expected = row.at("expected");
    std::string model = facts.at("model");
    if (model.empty()) model = row.at("requested_model");  // the answer does not always say
    EXPECT_EQ(json(model), expected.at("model"));
    std::string finish = expected.at("finish_raw").is_null() ? "" : expected.at("finish_raw");
    std::ranges::transform(finish, finish.begin(), [](unsigned char c) { return std::tolower(c); });
    EXPECT_EQ(facts.at("finish"), json(finish));
    const bool failed = facts.at("error_event").get<bool>() || s.status >= 400;
    EXPECT_EQ(!failed, expected.at("success").get<bool>());
    EXPECT_EQ(facts.at("error").get<std::string>().empty(), !failed);
    EXPECT_EQ(facts.at("stream"), row.at("stream"));
    EXPECT_EQ(facts.at("provider"), row.at("provider"));
    for (const auto& [unit, ours] :
         std::vector<std::pair<std::string, std::string>>{{"images", "images"},
                                                          {"pages", "pages"},
                                                          {"search_units", "search_units"},
                                                          {"web_searches", "web_searches"}}) {
        if (!expected.contains("units") || !expected.at("units").contains(unit)) continue;
        EXPECT_EQ(facts.at(ours), expected.at("units").at(unit)) << unit;
    }
    if (expected.contains("provider_cost_nano_usd")) {
        EXPECT_EQ(facts.at("reported_cost_pico"), expected.at("provider_cost_nano_usd").get<std::int64_t>() * 1000);
    }
    EXPECT_FALSE(facts.at("contradictory").get<bool>());
}

void expect_recorded_first_token(const sample& s) {
    const json& info = s.expected.at("stream_info");
    EXPECT_EQ(scan(s.head(), events_of(s)).first_token_piece, info.value("first_output_event", -1));
}

// ---- All of them, in every disguise -----------------------------------------------------------------------------

// Every byte is tried, but of the few long ones, whose work grows with the square.
// AIMETER_LONG_TESTS=1 tries every byte of those too, and of every coded form.
bool every_byte() {
    const char* const asked = std::getenv("AIMETER_LONG_TESTS");
    return asked != nullptr && std::string_view(asked) == "1";
}
std::size_t stride(std::string_view body) { return body.size() < 9000 || every_byte() ? 1 : 7; }

void expect_alike_in_pieces(const sample& s) {
    answer_scanner scanner;
    const outcome whole = scan(scanner, s.head(), {s.body});
    const outcome bytes = scan(scanner, s.head(), byte_by_byte(s.body));
    ASSERT_EQ(bytes.facts(), whole.facts());
    ASSERT_EQ(bytes.first_tokens, whole.first_tokens);
    for (std::size_t at = 0; at <= s.body.size(); at += stride(s.body)) {
        const outcome cut = scan(scanner, s.head(), in_two(s.body, at));
        ASSERT_TRUE(same(cut.found, whole.found)) << "cut at " << at << ": " << cut.facts() << whole.facts();
        ASSERT_EQ(cut.first_tokens, whole.first_tokens) << "cut at " << at;
    }
}

void expect_alike_compressed(const sample& s) {
    answer_scanner scanner;
    const json whole = scan(scanner, s.head(), {s.body}).facts();
    for (const auto& [coding, bytes] : in_every_coding(s.body)) {
        ASSERT_EQ(scan(scanner, s.head(coding), {bytes}).facts(), whole) << coding;
        ASSERT_EQ(scan(scanner, s.head(coding), byte_by_byte(bytes)).facts(), whole) << coding;
        for (std::size_t at = 0; at <= bytes.size(); at += every_byte() ? 1 : 1 + bytes.size() / 40) {
            ASSERT_EQ(scan(scanner, s.head(coding), in_two(bytes, at)).facts(), whole) << coding << " " << at;
        }
    }
}

// What may be said of a cut answer: nothing, or what some whole number of its events says.
class said {
public:
    explicit said(const sample& s) {
        answer_scanner scanner;
        std::size_t at = 0;
        add(scan(scanner, s.head(), {s.body}).found);
        for (const std::size_t end : s.message_ends) {
            add(scan(scanner, s.head(), {std::string_view(s.body).substr(0, end)}).found);
        }
        while ((at = s.body.find('\n', at)) != std::string::npos) {
            ++at;
            if (at > 1 && (s.body[at - 2] == '}' || s.body[at - 2] == '\n' || s.body[at - 2] == '\r')) {
                add(scan(scanner, s.head(), {std::string_view(s.body).substr(0, at)}).found);
            }
        }
    }

    std::string wrong(const usage_facts& found) {
        if (same(found, last_)) return {};
        last_ = found;
        std::string complaints;
        const json facts = all_of(found);
        for (const auto& [key, value] : facts.items()) {
            // An error may be told by its name, or by half of its text, until all of it is there.
            if (key == "error" || key == "stream" || key == "provider" || key == "text_bytes" ||
                key == "uncounted_text_bytes") {
                continue;
            }
            if (value.is_null() || value == "" || value == false) continue;
            if (!values_.contains({key, value.dump()})) complaints += key + "=" + value.dump() + " ";
        }
        return complaints;
    }

private:
    void add(const usage_facts& found) {
        const json facts = all_of(found);
        for (const auto& [key, value] : facts.items()) values_.emplace(key, value.dump());
    }
    std::set<std::pair<std::string, std::string>> values_;
    usage_facts last_;  // was looked at already
};

void expect_nothing_wrong_when_cut(const sample& s) {
    said truth(s);
    answer_scanner scanner;
    for (std::size_t at = 0; at < s.body.size(); at += stride(s.body)) {
        const std::string_view cut = std::string_view(s.body).substr(0, at);
        ASSERT_EQ(truth.wrong(scan(scanner, s.head(), {cut}).found), "") << "cut at " << at;
    }
    for (const auto& [coding, bytes] : std::vector<coded_body>{
             {"gzip", deflated(s.body, 31)}, {"br", brotlied(s.body)}, {"zstd", zstandard(s.body)}}) {
        for (std::size_t at = 0; at < bytes.size(); at += every_byte() ? 1 : 1 + bytes.size() / 200) {
            const std::string_view cut = std::string_view(bytes).substr(0, at);
            ASSERT_EQ(truth.wrong(scan(scanner, s.head(coding), {cut}).found), "") << coding << " cut at " << at;
        }
    }
}

bool is_plain(const sample& s) { return s.content_encoding.empty(); }
bool is_own_stream(const sample& s) { return s.expected.contains("first_event"); }
bool is_recorded_stream(const sample& s) {
    const json& info = s.expected.at("stream_info");
    return !info.is_null() && info.at("format") == "sse";
}

void each(const std::vector<sample>& samples, void (*check)(const sample&), bool (*applies)(const sample&) = nullptr) {
    for (const sample& s : samples) {
        if (applies != nullptr && !applies(s)) continue;
        SCOPED_TRACE(s.name);
        check(s);
    }
}

TEST(OwnSamples, SayWhatTheyHold) { each(own_samples(), expect_figures); }
TEST(OwnSamples, TellTheFirstTokenWithTheEventThatHoldsIt) { each(own_samples(), expect_first_token, is_own_stream); }
TEST(OwnSamples, AreReadAlikeInWhateverPieces) { each(own_samples(), expect_alike_in_pieces); }
TEST(OwnSamples, AreReadAlikeWhenCompressed) { each(own_samples(), expect_alike_compressed, is_plain); }
TEST(OwnSamples, SayNothingWrongWhenTheyAreCutShort) { each(own_samples(), expect_nothing_wrong_when_cut, is_plain); }

// The recordings are not part of this repository: without them these have nothing to check.
TEST(RecordedSamples, SayWhatTheyHold) { each(recorded_samples(), expect_recorded_figures); }
TEST(RecordedSamples, TellTheFirstTokenWithTheEventThatHoldsIt) {
    each(recorded_samples(), expect_recorded_first_token, is_recorded_stream);
}
TEST(RecordedSamples, AreReadAlikeInWhateverPieces) { each(recorded_samples(), expect_alike_in_pieces); }
TEST(RecordedSamples, AreReadAlikeWhenCompressed) { each(recorded_samples(), expect_alike_compressed, is_plain); }
TEST(RecordedSamples, SayNothingWrongWhenTheyAreCutShort) {
    each(recorded_samples(), expect_nothing_wrong_when_cut, is_plain);
}

// ---- Promises beside the samples --------------------------------------------------------------------------------

const answer_head app_head{.content_type = "application/json",
                           .content_encoding = "",
                           .status = 200,
                           .provider = "",
                           .is_head_request = false};

json facts_of(std::string_view body, const answer_head& head = app_head) { return scan(head, {body}).facts(); }

TEST(UsageAnswer, IgnoresAndFlagsNumbersThatAreNoCounts) {
    for (const char* nonsense : {"-1", "1.5", "1e400", "9223372036854775808", "\"12\"", "true", "1e-1", "-0.0001",
                                 "99999999999999999999999999999999999999999999999999999999999999999999999999"}) {
        const json facts =
            facts_of(std::string(R"({"usage":{"prompt_tokens":)") + nonsense + R"(,"completion_tokens":7}})");
        EXPECT_EQ(facts.at("input_tokens"), json()) << nonsense;
        EXPECT_EQ(facts.at("output_tokens"), json(7)) << nonsense;
        EXPECT_EQ(facts.at("contradictory"), json(true)) << nonsense;
    }
}

TEST(UsageAnswer, TakesWholeNumbersHoweverTheyAreWritten) {
    for (const auto& [written, value] :
         std::vector<std::pair<std::string, std::int64_t>>{{"12.0", 12},
                                                           {"1e3", 1000},
                                                           {"1.5E+1", 15},
                                                           {"120e-1", 12},
                                                           {"0", 0},
                                                           {"-0", 0},
                                                           {"9223372036854775807", INT64_MAX}}) {
        const json facts = facts_of(R"({"usage":{"prompt_tokens":)" + written + R"(,"completion_tokens":1}})");
        EXPECT_EQ(facts.at("input_tokens"), json(value)) << written;
        EXPECT_EQ(facts.at("contradictory"), json(false)) << written;
    }
}

TEST(UsageAnswer, SumsSaturateInsteadOfWrapping) {
    const json facts = facts_of(
        R"({"stop_reason":"end_turn","usage":{"input_tokens":9223372036854775807,"cache_read_input_tokens":5,"output_tokens":1}})");
    EXPECT_EQ(facts.at("input_tokens"), json(INT64_MAX));
}

TEST(UsageAnswer, ANonsenseNumberDoesNotEraseAGoodOne) {
    answer_head head = app_head;
    head.content_type = "text/event-stream";
    const json facts = facts_of(
        "data: {\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\n"
        "data: {\"usage\":{\"prompt_tokens\":-7,\"completion_tokens\":2}}\n\n",
        head);
    EXPECT_EQ(facts.at("input_tokens"), json(5));
    EXPECT_EQ(facts.at("output_tokens"), json(2));
    EXPECT_EQ(facts.at("contradictory"), json(true));
}

TEST(UsageAnswer, TheLastOfTwoEqualKeysHolds) {
    const json facts =
        facts_of(R"({"model":"a","usage":{"prompt_tokens":1,"prompt_tokens":2,"completion_tokens":3},"model":"b"})");
    EXPECT_EQ(facts.at("input_tokens"), json(2));
    EXPECT_EQ(facts.at("model"), json("b"));
}

TEST(UsageAnswer, KeysMayBeEscaped) {
    const json facts =
        facts_of(R"({"us\u0061ge":{"prompt\u005ftokens":4,"completion_tokens":2},"\u006dodel":"x\u00e9"})");
    EXPECT_EQ(facts.at("input_tokens"), json(4));
    EXPECT_EQ(facts.at("model"), json("xé"));
}

TEST(UsageAnswer, ErrorMessagesAreCutAtACharacter) {
    const std::string body = R"({"error":{"message":")" + std::string(299, 'a') + "é" + R"("}})";
    EXPECT_EQ(facts_of(body).at("error"), json(std::string(299, 'a')));
}

TEST(UsageAnswer, IllFormedTextBecomesReplacementCharacters) {
    EXPECT_EQ(facts_of("{\"error\":\"a\xFF\xE2\x82 b\\ud800c\"}").at("error"), json("a\uFFFD\uFFFD b\uFFFDc"));
}

TEST(UsageAnswer, AnEmptyOrNullErrorIsNone) {
    for (const char* none : {"null", "{}", "[]", "false", "\"\"", "0"}) {
        const json facts = facts_of(std::string(R"({"text":"x","error":)") + none + "}");
        EXPECT_EQ(facts.at("error_event"), json(false)) << none;
    }
}

TEST(UsageAnswer, ReadsFiftyMegabytes) {
    const std::string text(50U << 20U, 'x');
    const json facts = facts_of("{\"text\":\"" + text + "\",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}");
    EXPECT_EQ(facts.at("output_tokens"), json(2));
    EXPECT_EQ(facts.at("text_bytes"), json(50U << 20U));
}

TEST(UsageAnswer, SurvivesAMillionLevels) {
    const std::string deep = "{\"a\":" + std::string(1'000'000, '[') + std::string(1'000'000, ']') +
                             ",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}";
    EXPECT_EQ(facts_of(deep).at("input_tokens"), json(1));
    EXPECT_EQ(facts_of(std::string(1'000'000, '[')).at("input_tokens"), json());
    std::string objects;
    for (int i = 0; i < 100'000; ++i) objects += "{\"usage\":";
    EXPECT_EQ(facts_of(objects).at("input_tokens"), json());
}

TEST(UsageAnswer, AHeadAnswerHasNoBody) {
    answer_head head = app_head;
    head.is_head_request = true;
    EXPECT_EQ(facts_of(R"({"usage":{"prompt_tokens":1}})", head).at("input_tokens"), json());
}

TEST(UsageAnswer, BeliefsTheBodyRatherThanItsContentType) {
    for (const char* type : {"", "text/plain", "text/html", "application/octet-stream", "text/event-stream"}) {
        answer_head head = app_head;
        head.content_type = type;
        EXPECT_EQ(
            facts_of("\xEF\xBB\xBF {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}", head).at("input_tokens"),
            std::string_view(type) == "text/event-stream" ? json() : json(1))
            << type;
        EXPECT_EQ(facts_of("\xEF\xBB\xBFid: 1\ndata: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}", head)
                      .at("input_tokens"),
                  json(1))
            << type;
    }
}

TEST(UsageAnswer, CountsTextBehindTheLastFigures) {
    answer_head head = app_head;
    head.content_type = "text/event-stream";
    const std::string begun =
        R"(data: {"candidates":[{"content":{"parts":[{"text":"1234"}]}}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2}})"
        "\n\n";
    const std::string more = R"(data: {"candidates":[{"content":{"parts":[{"text":"567"}]}}]})"
                             "\n\n";
    EXPECT_EQ(facts_of(begun, head).at("uncounted_text_bytes"), json(0));
    EXPECT_EQ(facts_of(begun + more, head).at("uncounted_text_bytes"), json(3));
    EXPECT_EQ(facts_of(begun + more, head).at("text_bytes"), json(7));
    EXPECT_EQ(facts_of(begun + more + begun, head).at("uncounted_text_bytes"), json(0));
}

TEST(UsageAnswer, CostsPaidWithTheUsersOwnKeyAreNotReported) {
    EXPECT_EQ(facts_of(R"({"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":0,"is_byok":true}})")
                  .at("reported_cost_pico"),
              json());
    EXPECT_EQ(facts_of(R"({"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":0}})").at("reported_cost_pico"),
              json(0));
    EXPECT_EQ(facts_of(R"({"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":{"total_cost":0.006}}})")
                  .at("reported_cost_pico"),
              json(6'000'000'000));
}

TEST(UsageAnswer, AScannerRemembersNothingOfTheAnswerBefore) {
    answer_scanner scanner;
    for (const sample& first : own_samples()) {
        scan(scanner, first.head(), {first.body});
        EXPECT_EQ(scan(scanner, app_head, {"{}"}).facts(), facts_of("{}")) << "after " << first.name;
        scan(scanner, first.head(), {std::string_view(first.body).substr(0, first.body.size() / 2)});
        EXPECT_EQ(scan(scanner, app_head, {"{}"}).facts(), facts_of("{}")) << "after half of " << first.name;
    }
}

}  // namespace
