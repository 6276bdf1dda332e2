// Which entry prices a model, what the shipped catalogue says of well-known ones, and the command that explains it.
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/price_kit.hpp"
#include "tracking/price_command.hpp"

namespace tracking {
namespace {

using testing::HasSubstr;

class Lookup : public small_prices {};

TEST_F(Lookup, ADirectRequestIsLookedUpUnderItsProviderFirst) {
    EXPECT_EQ(id("acme", "plain-1", true), "acme/plain-1@2026-01-31");
    EXPECT_EQ(id("acme", "plain-1", false), "plain-1@2026-01-31");
    EXPECT_EQ(id("other", "plain-1", true), "plain-1@2026-01-31");
    EXPECT_EQ(id("together", "Meta/llama-x", true), "together_ai/Meta/llama-x@2026-01-31");
    EXPECT_EQ(id("together", "Meta/llama-x", false), "together_ai/Meta/llama-x@2026-01-31");
    EXPECT_EQ(id("acme", "acme/plain-1", false), "acme/plain-1@2026-01-31");
}

TEST_F(Lookup, ARetiredPriceGivesWayToOneThatIsStillListed) {
    EXPECT_EQ(id("acme", "listed-1", true), "listed-1@2026-01-31");
    EXPECT_EQ(id("acme", "gone-2", true), "acme/gone-2@2026-01-31");  // neither is: the provider's own
    EXPECT_EQ(id("acme", "gone-2", false), "gone-2@2026-01-31");
}

TEST_F(Lookup, DateVersionAndRegionAreDroppedWhereTheNameItselfIsUnknown) {
    const std::string dated = "dated-2@2026-01-31";
    for (const char* model :
         {"dated-2", "dated-2-2026-02-03", "dated-2-20260203", "dated-2-0203", "dated-2@20260203", "dated-2-latest",
          "dated-2-001", "dated-2-001-latest", "models/dated-2", "models/dated-2-001",
          "publishers/google/models/dated-2-001", "openai/dated-2-2026-02-03"})
        EXPECT_EQ(id("acme", model, false), dated) << model;
    EXPECT_EQ(id("acme", "dated-2-2025-06-01", false), "dated-2-2025-06-01@2026-01-31");
    EXPECT_EQ(id("acme", "dated-2-mini", false), "unknown");
    EXPECT_EQ(id("acme", "dated-2-99999999", false), "unknown");
    EXPECT_EQ(id("acme", "plain-1-2026-02-03", true), "acme/plain-1@2026-01-31");
    EXPECT_EQ(id("openai", "ft:base-1:my-org:name:Ab12", true), "ft:base-1@2026-01-31");
}

TEST_F(Lookup, BedrockRegionsHaveTheirOwnPriceOrTheCommonOne) {
    EXPECT_EQ(id("bedrock", "eu.anthropic.bed-3-20250101-v1:0", true), "eu.anthropic.bed-3-20250101-v1:0@2026-01-31");
    for (const char* region : {"us.", "apac.", "global.", "ca."})
        EXPECT_EQ(id("bedrock", region + std::string("anthropic.bed-3-20250101-v1:0"), true),
                  "anthropic.bed-3-20250101-v1:0@2026-01-31");
    EXPECT_EQ(id("bedrock", "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.bed-3-20250101-v1:0", true),
              "anthropic.bed-3-20250101-v1:0@2026-01-31");
}

TEST_F(Lookup, AModelOfAKnownMakerIsFoundWhoeverWasAsked) {
    EXPECT_EQ(id("openai", "small-x", false), "mistral/small-x@2026-01-31");
    EXPECT_EQ(id("openai", "llama-x", false), "unknown");  // sold by many, at many prices
}

TEST_F(Lookup, NamesOfRoutersAreFoundWithoutTheirVariant) {
    const std::string routed = "openrouter/maker/routed-1.5@2026-01-31";
    EXPECT_EQ(id("openrouter", "maker/routed-1.5", true), routed);
    EXPECT_EQ(id("openrouter", "maker/routed-1.5:beta", true), routed);
    EXPECT_EQ(id("acme", "maker/routed-1.5", false), routed);  // behind an application of ours
    EXPECT_EQ(id("openrouter", "maker/routed-1.5:free", true), "unknown");
}

TEST_F(Lookup, OddNamesAreUnknownAndHarmless) {
    for (const std::string& model :
         {std::string(5000, 'x'), std::string("-"), std::string("@"), std::string(":0"), std::string("-v1:0"),
          std::string("models/"), std::string("us."), std::string("a\0b", 3), std::string("-2026-01-01"),
          std::string("ft:"), std::string("arn:/"), std::string("-latest-latest-latest")})
        EXPECT_EQ(id(std::string(300, 'p'), model, true), "unknown");
}

TEST(Overrides, ComeFirstAlsoForDatedNamesOfTheSameModel) {
    auto settings = small_settings();
    settings.overrides["dated-2"].pico = {{"in", 500'000}, {"out", 1'000'000}};
    settings.overrides["acme/plain-1"].pico = {{"in", 250'000}};
    const auto prices = load(settings);
    const token_counts counts{.input = 100, .cached = 40, .output = 10};
    for (const char* model : {"dated-2", "dated-2-2025-06-01", "models/dated-2"}) {
        const auto quote = prices->price("acme", model, {.tokens = counts}, true);
        ASSERT_TRUE(quote) << model;
        EXPECT_EQ(quote->nano, 60'000);  // 100 x 500,000 + 10 x 1,000,000
        EXPECT_EQ(quote->price_id, "override:dated-2");
    }
    EXPECT_EQ(prices->price("acme", "plain-1", {.tokens = {.input = 4}}, true)->nano, 1'000);
    EXPECT_FALSE(prices->price("acme", "plain-1", {.tokens = {.input = 4, .output = 1}}, true));
    EXPECT_EQ(prices->price("acme", "tiers-1", {.tokens = {.input = 1}}, true)->price_id, "tiers-1@2026-01-31");
}

TEST(Overrides, MaySetEveryPriceAlsoThoseByUnit) {
    auto settings = small_settings();
    settings.overrides["mine"].pico = {{"in", 1'000'000},           {"out", 2'000'000},
                                       {"image_tok_in", 3'000'000}, {"image_tok_out", 4'000'000},
                                       {"page", 5'000'000'000},     {"web_search", 6'000'000'000},
                                       {"request", 7'000'000'000}};
    settings.overrides["whisper-1"].pico = {{"audio_second", 100'000'000}};
    const auto prices = load(settings);
    // 90 x 1 + 10 x 3 + 5 x 2 + 5 x 4 = 150 USD/1M; 2 pages, 1 search, the request: 10 + 6 + 7 thousandths of a USD
    const billed_usage usage{.tokens = {.input = 100, .output = 10, .image_input = 10, .image_output = 5},
                             .units = {.pages = 2, .web_searches = 1}};
    EXPECT_EQ(prices->price("acme", "mine", usage, false)->nano, 150'000 + 23'000'000);
    EXPECT_EQ(prices->price("acme", "whisper-1", {.units = {.audio_ms = 30'000}}, false)->nano, 3'000'000);
    EXPECT_FALSE(prices->price("acme", "whisper-1", {.tokens = {.input = 1}}, false));
}

TEST(PriceAgain, TakesTheEntryThatThePriceIdNames) {
    const auto prices = load(small_settings());
    const billed_usage usage{.tokens = {.input = 1'000}};
    const auto again = [&](const char* id, const char* provider, const char* model) {
        const auto quote = prices->price_again(id, provider, model, usage);
        return quote ? quote->price_id : "unknown";
    };
    EXPECT_EQ(again("plain-1@2025-01-01", "acme", "other"), "plain-1@2026-01-31");
    EXPECT_EQ(again("acme/plain-1@2025-01-01", "acme", "plain-1"), "acme/plain-1@2026-01-31");
    EXPECT_EQ(again("gone-1@2025-01-01", "acme", "dated-2"), "dated-2@2026-01-31");
    EXPECT_EQ(again("", "acme", "dated-2@20260203"), "dated-2@2026-01-31");
    EXPECT_EQ(again("override:gone-1", "acme", "dated-2"), "dated-2@2026-01-31");
    EXPECT_EQ(again("gone-1@2025-01-01", "acme", "gone-1"), "unknown");
    // the entry is there, but has no price for what was used
    EXPECT_EQ(again("image-1@2025-01-01", "acme", "dated-2"), "dated-2@2026-01-31");
}

TEST(PriceAgain, AnOverrideOfTodayComesFirst) {
    auto settings = small_settings();
    settings.overrides["plain-1"].pico = {{"in", 7}};
    const auto prices = load(settings);
    const billed_usage usage{.tokens = {.input = 1'000}};
    EXPECT_EQ(prices->price_again("plain-1@2025-01-01", "acme", "plain-1", usage)->price_id, "override:plain-1");
    EXPECT_EQ(prices->price_again("override:plain-1", "acme", "other", usage)->price_id, "override:plain-1");
    EXPECT_EQ(prices->price_again("tiers-1@2025-01-01", "acme", "tiers-1", usage)->price_id, "tiers-1@2026-01-31");
}

TEST(Catalogue, FindsTheNamesThatProvidersAnswerWith) {
    const auto prices = load(real_settings());
    struct row {
        const char *provider, *model, *entry;
    };
    const row rows[] = {
        {"bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0", "us.anthropic.claude-sonnet-4-20250514-v1:0"},
        {"bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
         "global.anthropic.claude-sonnet-4-5-20250929-v1:0"},
        {"vertex", "claude-sonnet-4@20250514", "vertex_ai/claude-sonnet-4@20250514"},
        {"anthropic", "claude-3-haiku-latest", "claude-3-haiku-latest"},
        {"mistral", "mistral-large-latest", "mistral/mistral-large-latest"},
        {"azure", "gpt-4o-2024-08-06", "azure/gpt-4o-2024-08-06"},
        {"azure", "gpt-4o-mini-2024-07-18", "azure/gpt-4o-mini-2024-07-18"},
        {"gemini", "models/gemini-2.5-pro", "gemini/gemini-2.5-pro"},
        {"vertex", "publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"},
        {"openrouter", "anthropic/claude-3.5-sonnet:beta", "openrouter/anthropic/claude-3.5-sonnet:beta"},
        {"bedrock", "anthropic.claude-3-haiku-20240307-v1:0:200k", "anthropic.claude-3-haiku-20240307-v1:0"},
        {"", "claude-sonnet-4@20250514", "vertex_ai/claude-sonnet-4@20250514"},
        {"", "anthropic/claude-3.5-sonnet:online", "openrouter/anthropic/claude-3.5-sonnet"},
        {"openai", "ft:gpt-4o-mini-2024-07-18:org::id", "ft:gpt-4o-mini-2024-07-18"},
        {"openai", "gpt-4o-mini-2024-07-18", "gpt-4o-mini-2024-07-18"}};
    for (const auto& [provider, model, entry] : rows) {
        const auto quote = prices->price(provider, model, {.tokens = {.input = 1, .output = 1}}, true);
        ASSERT_TRUE(quote) << model;
        EXPECT_EQ(quote->price_id, std::string(entry) + "@" + std::string(prices->as_of())) << model;
    }
}

// The whole name under the provider's prefix is nearer than a part of the name.
TEST(Catalogue, AnApplicationsModelOfARouterHasTheRoutersPrice) {
    const auto prices = load(real_settings());
    const auto id = [&](const char* provider, const char* model) {
        const auto quote = prices->price(provider, model, {.tokens = {.input = 1, .output = 1}}, false);
        return quote ? std::string(quote->price_id.substr(0, quote->price_id.rfind('@'))) : "unknown";
    };
    EXPECT_EQ(id("openrouter", "google/gemini-2.0-flash-001"), "openrouter/google/gemini-2.0-flash-001");
    EXPECT_EQ(id("gemini", "google/gemini-2.0-flash-001"), "gemini-2.0-flash-001");
    EXPECT_EQ(id("gemini", "gemini-2.0-flash"), "gemini-2.0-flash");  // the bare id comes first
}

TEST(Catalogue, UnitPricesOfWellKnownModels) {
    const auto prices = load(real_settings());
    const auto nano = [&](const char* provider, const char* model, const billed_usage& usage) {
        const auto quote = prices->price(provider, model, usage, true);
        return quote ? quote->nano : -1;
    };
    // 0.006 USD a minute; 15 USD a million characters; 2 USD for 1000 searches; 1 and 10 USD for 1000 pages, searches
    EXPECT_EQ(nano("openai", "whisper-1", {.units = {.audio_ms = 60'000}}), 6'000'000);
    EXPECT_EQ(nano("openai", "tts-1", {.units = {.characters = 1'000}}), 15'000'000);
    EXPECT_EQ(nano("cohere", "rerank-v3.5", {.units = {.search_units = 1}}), 2'000'000);
    EXPECT_EQ(nano("anthropic", "claude-sonnet-4-20250514", {.units = {.web_searches = 1}}), 10'000'000);
}

TEST(Catalogue, TheDefaultModelCostsWhatGoogleCloudLists) {
    // gemini-2.0-flash-exp on Vertex: 0.15 USD per 1M input, 0.60 per 1M output: 900 + 623 tokens = 0.0005088 USD.
    const auto prices = load(real_settings());
    const auto quote =
        prices->price("gemini", "gemini-2.0-flash-exp", {.tokens = {.input = 900, .output = 623}}, false);
    ASSERT_TRUE(quote);
    EXPECT_EQ(quote->nano, 508'800);
    EXPECT_EQ(quote->price_id, "gemini-2.0-flash-exp@" + std::string(prices->as_of()));
    // Google AI Studio gave it away.
    const auto direct =
        prices->price("gemini", "gemini-2.0-flash-exp", {.tokens = {.input = 900, .output = 623}}, true);
    ASSERT_TRUE(direct);
    EXPECT_EQ(direct->nano, 0);
    EXPECT_THAT(direct->price_id, testing::StartsWith("gemini/gemini-2.0-flash-exp@"));
}

TEST(Catalogue, ListPricesOfWellKnownModels) {
    const auto prices = load(real_settings());
    // 100,000 input and 100,000 output tokens, by the USD per 1M tokens of OpenAI's price page: (2.50 + 10.00) / 10
    // and (0.15 + 0.60) / 10.
    const std::pair<const char*, std::int64_t> lists[] = {{"gpt-4o-2024-08-06", 1'250'000'000},
                                                          {"gpt-4o-mini", 75'000'000}};
    for (const auto& [model, nano] : lists) {
        const auto quote = prices->price("openai", model, {.tokens = {.input = 100'000, .output = 100'000}}, true);
        ASSERT_TRUE(quote) << model;
        EXPECT_EQ(quote->nano, nano) << model;
    }
}

TEST(Catalogue, TheProgramCarriesACopyOfTheDefault) {
    conf::pricing_settings settings;  // the default path, relative to the working directory
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path("/");
    const auto prices = load(settings);
    std::filesystem::current_path(before);
    ASSERT_TRUE(prices);
    EXPECT_EQ(prices->as_of(), load(real_settings())->as_of());
    EXPECT_EQ(prices->price("", "gpt-4o-mini", {.tokens = {.input = 1000, .output = 500}}, false)->nano, 450'000);
}

TEST(Catalogue, WhatIsWrongWithAFileIsSaidWithItsName) {
    const auto folder = std::filesystem::temp_directory_path() / ("prices-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    const std::pair<const char*, const char*> cases[] = {
        {"", "not JSON"},
        {"[]", "not an object"},
        {"\"x\"", "not an object"},
        {"7", "not an object"},
        {"{}", "no price"},
        {R"({"schema":"aimeter-prices/2","models":{}})", "schema"},
        {R"({"schema":"aimeter-prices/1","unit":"USD"})", "pico-USD"},
        {R"({"schema":"aimeter-prices/1","models":{"a":{"in":-1}}})", "a is out of range: in"},
        {R"({"schema":"aimeter-prices/1","models":{"a":{"in":0.5}}})", "a is out of range: in"},
        {R"({"schema":"aimeter-prices/1","models":{"a":{"in":99999999999999999999}}})", "a is out of range: in"},
        {R"({"schema":"aimeter-prices/1","models":{"a":{"in":1})", "not JSON"}};
    conf::pricing_settings settings;
    settings.catalogue = (folder / "prices.json").string();
    for (const auto& [text, expected] : cases) {
        std::ofstream(settings.catalogue, std::ios::trunc) << text;
        const auto loaded = price_catalogue::load(settings);
        ASSERT_TRUE(std::holds_alternative<std::string>(loaded)) << text;
        EXPECT_THAT(std::get<std::string>(loaded), testing::AllOf(HasSubstr(settings.catalogue), HasSubstr(expected)));
    }
    std::filesystem::remove_all(folder);
    EXPECT_THAT(std::get<std::string>(price_catalogue::load(settings)), HasSubstr("cannot be read"));
}

TEST(Catalogue, EveryVectorOfTheSharedDataHolds) {
    std::ifstream vectors(std::string(AIMETER_SHARED_DIR) + "/data/price-vectors.jsonl");
    if (!vectors) GTEST_SKIP() << "no shared data here";
    const auto prices = load(real_settings());
    int seen = 0;
    for (std::string line; std::getline(vectors, line); ++seen) {
        const auto v = nlohmann::json::parse(line);
        const token_counts counts{v.value("input_tokens", 0L),       v.value("cached_input_tokens", 0L),
                                  v.value("cache_write_tokens", 0L), v.value("cache_write_1h_tokens", 0L),
                                  v.value("output_tokens", 0L),      v.value("reasoning_tokens", 0L),
                                  v.value("audio_input_tokens", 0L), v.value("audio_output_tokens", 0L)};
        const std::string service = v.value("service_tier", "");
        const billed_usage usage{.tokens = counts, .service_tier = service};
        const auto quote = prices->price("", v.at("model").get<std::string>(), usage, false);
        ASSERT_TRUE(quote) << line;
        EXPECT_EQ(quote->nano, v.at("expected_nano_usd").get<std::int64_t>()) << line;
    }
    EXPECT_GT(seen, 0);
}

TEST(Catalogue, EverySharedAnswerCostsWhatItsProviderLists) {
    std::ifstream rows(std::string(AIMETER_SHARED_DIR) + "/data/provider-samples/manifest.jsonl");
    if (!rows) GTEST_SKIP() << "no shared data here";
    const auto prices = load(real_settings());
    int seen = 0;
    for (std::string line; std::getline(rows, line);) {
        const auto row = nlohmann::json::parse(line);
        const auto& told = row.at("expected");
        if (!told.contains("cost_nano_usd")) continue;
        const auto count = [&](const char* name) {
            const auto found = told.find(name);
            return found == told.end() || found->is_null() ? std::int64_t{0} : found->get<std::int64_t>();
        };
        const token_counts counts{.input = count("input_tokens"),
                                  .cached = count("cached_input_tokens"),
                                  .cache_write = count("cache_write_tokens"),
                                  .cache_write_1h = count("cache_write_1h_tokens"),
                                  .output = count("output_tokens"),
                                  .reasoning = count("reasoning_tokens")};
        const std::string provider = row.at("provider");
        auto quote = prices->price(provider, told.at("model").get<std::string>(), {.tokens = counts}, true);
        if (!quote)
            quote = prices->price(provider, row.at("requested_model").get<std::string>(), {.tokens = counts}, true);
        ASSERT_TRUE(quote) << line;
        EXPECT_EQ(quote->nano, told.at("cost_nano_usd").get<std::int64_t>()) << line;
        ++seen;
    }
    EXPECT_GT(seen, 0);
}

struct command_output {
    int code;
    std::string out, err;
};

command_output run(const price_question& question, const conf::pricing_settings& settings = small_settings()) {
    std::ostringstream out, err;
    const int code = run_price(settings, question, out, err);
    return {code, out.str(), err.str()};
}

TEST(PriceCommand, ShowsEachLineTheRoundingTheTotalAndWhereItIsFrom) {
    const auto shown = run({"dated-2-2026-02-03", "", {.input = 1000, .output = 5}});
    EXPECT_EQ(shown.code, 0);
    EXPECT_THAT(shown.out, HasSubstr("dated-2@2026-01-31"));
    EXPECT_THAT(shown.out, HasSubstr("catalogue of   2026-01-31"));
    EXPECT_THAT(shown.out, HasSubstr("without path, date, version or region"));
    EXPECT_THAT(shown.out, HasSubstr("1000 tokens x 2000000 pico-USD = 2000000000 pico-USD"));
    EXPECT_THAT(shown.out, HasSubstr("5 tokens x 3000000 pico-USD = 15000000 pico-USD"));
    EXPECT_THAT(shown.out, HasSubstr("2015000000 pico-USD, rounded half up: 2015000 nano-USD"));
    EXPECT_THAT(shown.out, HasSubstr("0.002015 USD"));
    EXPECT_EQ(shown.err, "");
}

TEST(PriceCommand, ShowsEachUnitAndWhichPricesApply) {
    price_question question{"services-1", "", {.input = 2'000, .output = 10}};
    question.service_tier = "priority";
    EXPECT_THAT(run(question).out,
                testing::AllOf(HasSubstr("service tier   priority\n"), HasSubstr("size tier      more than 1000 input"),
                               HasSubstr("2000 tokens x 9000000 pico-USD = 18000000000 pico-USD")));
    question = {"heard-1", "", {}, {.audio_ms = 12'345}};
    EXPECT_THAT(run(question).out, testing::AllOf(HasSubstr("12.345 s x 100000000 pico-USD = 1234500000 pico-USD"),
                                                  HasSubstr("total          0.0012345 USD")));
    question = {"search-1", "", {.input = 1}, {.web_searches = 2}};
    EXPECT_THAT(run(question).out, HasSubstr("2 web searches x 8000000000 pico-USD = 16000000000 pico-USD"));
    question = {"plain-1", "", {.input = 1}, {.web_searches = 2}};
    EXPECT_EQ(run(question).code, 1);
}

TEST(PriceCommand, AProviderIsAskedFirst) {
    EXPECT_THAT(run({"plain-1", "acme", {.input = 1000}}).out,
                testing::AllOf(HasSubstr("acme/plain-1@"), HasSubstr("under the provider's id")));
    EXPECT_THAT(run({"plain-1", "", {.input = 1000}}).out, HasSubstr("total          0.00015 USD"));
}

TEST(PriceCommand, AnUnknownModelNamesTheNearest) {
    const auto shown = run({"palin-1", "", {.input = 1000}});
    EXPECT_EQ(shown.code, 1);
    EXPECT_EQ(shown.out, "");
    EXPECT_THAT(shown.err, HasSubstr("the nearest models are:\n    plain-1\n"));
}

TEST(PriceCommand, AnUnreadableCatalogueIsSaid) {
    conf::pricing_settings settings;
    settings.catalogue = "/nowhere/prices.json";
    const auto shown = run({"plain-1", "", {.input = 1000}}, settings);
    EXPECT_EQ(shown.code, 1);
    EXPECT_THAT(shown.err, HasSubstr("/nowhere/prices.json"));
}

}  // namespace
}  // namespace tracking
