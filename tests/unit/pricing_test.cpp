// What a request costs: expected sums are worked out by hand beside each case, in pico-USD (1e-12) per token or unit.
#include <random>

#include "tests/support/price_kit.hpp"

namespace tracking {
namespace {

class Small : public small_prices {};

TEST_F(Small, InputAndOutputAreChargedAtTheirPrices) {
    // 1000 x 150,000 + 500 x 600,000 = 450,000,000 pico = 450,000 nano
    EXPECT_EQ(cost("plain-1", {.input = 1000, .output = 500}), 450'000);
}

TEST_F(Small, TheSumIsRoundedOnceHalfUp) {
    // 3 cached x 37,500 = 112,500 pico: 112.5 nano
    EXPECT_EQ(cost("parts-1", {.input = 3, .cached = 3}), 113);
    // 1 x 37,500 = 37.5 nano -> 38; each alone would give 38 twice = 76, together 75
    EXPECT_EQ(cost("parts-1", {.input = 1, .cached = 1}), 38);
    EXPECT_EQ(cost("parts-1", {.input = 2, .cached = 2}), 75);
}

TEST_F(Small, PartsOfInputAndOutputAreChargedAtTheirOwnPrices) {
    // input 1000 = 400 plain + 300 cached + 200 written (50 of them for an hour) + 100 audio
    //   400 x 1,000,000 + 300 x 37,500 + 150 x 1,250,000 + 50 x 2,000,000 + 100 x 4,000,000 = 1,098,750,000
    // output 100 = 60 text + 30 reasoning + 10 audio
    //   60 x 8,000,000 + 30 x 12,000,000 + 10 x 20,000,000 = 1,040,000,000
    EXPECT_EQ(cost("parts-1", {.input = 1000,
                               .cached = 300,
                               .cache_write = 200,
                               .cache_write_1h = 50,
                               .output = 100,
                               .reasoning = 30,
                               .audio_input = 100,
                               .audio_output = 10}),
              2'138'750);
}

TEST_F(Small, PartsWithoutAPriceOfTheirOwnCostWhatTheWholeCosts) {
    // 1000 x 150,000 + 100 x 600,000 = 210,000,000, however the tokens divide
    EXPECT_EQ(cost("plain-1", {.input = 1000,
                               .cached = 300,
                               .cache_write = 200,
                               .cache_write_1h = 50,
                               .output = 100,
                               .reasoning = 30,
                               .audio_input = 100,
                               .audio_output = 10}),
              210'000);
}

TEST_F(Small, WhatIsLeftOfAWholeIsNeverNegative) {
    // 161 cached of a prompt that says 7: 161 x 37,500 = 6,037,500 pico
    EXPECT_EQ(cost("parts-1", {.input = 7, .cached = 161}), 6'038);
    // 40 reasoning of an output that says 10: 40 x 12,000,000
    EXPECT_EQ(cost("parts-1", {.output = 10, .reasoning = 40}), 480'000);
    // more written for an hour than written at all: 20 x 2,000,000
    EXPECT_EQ(cost("parts-1", {.input = 20, .cache_write = 10, .cache_write_1h = 20}), 40'000);
}

TEST_F(Small, NegativeCountsAreTakenForZero) {
    EXPECT_EQ(cost("plain-1", {.input = -5, .cached = -7, .output = 10, .reasoning = -3}), 6'000);
}

TEST_F(Small, ATierPricesTheWholeRequestOnceItsInputIsAboveItsBound) {
    EXPECT_EQ(cost("tiers-1", {.input = 1000, .output = 10}), 1'020'000);    // at the bound: base
    EXPECT_EQ(cost("tiers-1", {.input = 1001, .output = 10}), 3'053'000);    // 1001 x 3,000,000 + 10 x 5,000,000
    EXPECT_EQ(cost("tiers-1", {.input = 5000, .output = 10}), 15'050'000);   // the lower tier
    EXPECT_EQ(cost("tiers-1", {.input = 5001, .output = 10}), 35'117'000);   // 5001 x 7,000,000 + 10 x 11,000,000
    EXPECT_EQ(cost("tiers-1", {.input = 2000, .cached = 1000}), 3'100'000);  // the lower tier keeps the cached price
    EXPECT_EQ(cost("tiers-1", {.input = 6000, .cached = 5000}), 10'500'000);
}

TEST_F(Small, AServiceTierReplacesWhatItNames) {
    const token_counts counts{.input = 100, .cached = 40, .output = 10};
    EXPECT_EQ(cost("services-1", counts), 220'000);              // 60 x 2 + 40 x 0.5 + 10 x 8
    EXPECT_EQ(cost("services-1", counts, "default"), 220'000);   // what has no price of its own is standard
    EXPECT_EQ(cost("services-1", counts, "batch"), 120'000);     // 60 x 1 + 40 x 0.5 + 10 x 4
    EXPECT_EQ(cost("services-1", counts, "flex"), 160'000);      // 60 x 1.5 + 40 x 0.25 + 10 x 6
    EXPECT_EQ(cost("services-1", counts, "priority"), 520'000);  // 60 x 5 + 40 x 0.5 + 10 x 20
    EXPECT_EQ(cost("services-1", {.input = 2000, .output = 10}, "priority"), 18'300'000);  // 2000 x 9 + 10 x 30
    EXPECT_EQ(cost("plain-1", {.input = 1000}, "batch"), 150'000);  // none for this model: its own price
}

TEST_F(Small, ReasoningThatCostsWhatOutputCostsFollowsOutputIntoAService) {
    // batch: 10 x 4,000,000, reasoning or not
    EXPECT_EQ(cost("services-1", {.output = 10, .reasoning = 6}, "batch"), 40'000);
}

// ---- what is billed beside plain tokens ----------------------------------------------------------------------------

TEST_F(Small, SecondsOfAudioAreChargedToTheMillisecond) {
    // 12.345 s x 100,000,000 = 1,234,500,000 pico
    EXPECT_EQ(cost_of("heard-1", {.units = {.audio_ms = 12'345}}), 1'234'500);
    EXPECT_EQ(cost_of("heard-1", {.units = {.audio_ms = 0}}), 0);
    // listed under the other name: 1.001 s x 27,777,800 = 27,805,577.8 pico, 27,805,578: 27,806 nano
    EXPECT_EQ(cost_of("heard-2", {.units = {.audio_ms = 1'001}}), 27'806);
    // spoken: 60 s x 250,000,000 = 15,000,000,000 pico, and 100 tokens of text x 2,500,000
    EXPECT_EQ(cost_of("spoken-2", {.units = {.audio_ms = 60'000}}), 15'000'000);
    EXPECT_EQ(cost_of("spoken-2", {.tokens = {.input = 100}, .units = {.audio_ms = 60'000}}), 15'250'000);
    // the same audio told in tokens is charged once: 100 x 2,500,000 + 1,250 x 12,000,000
    EXPECT_EQ(cost_of("spoken-2", {.tokens = {.input = 100, .output = 1'250, .audio_output = 1'250},
                                   .units = {.audio_ms = 60'000}}),
              15'250'000);
}

TEST_F(Small, SecondsThatAreNotOfAudioAreNoPriceOfAudio) {
    EXPECT_EQ(cost_of("hired-1", {.units = {.audio_ms = 1'000}}), std::nullopt);  // time for which the model is hired
    EXPECT_EQ(cost_of("film-1", {.units = {.audio_ms = 1'000}}), std::nullopt);   // video
}

TEST_F(Small, ImagesAreChargedByTheirTokensOrByThePiece) {
    // 10 x 1,000,000 + 1,300 image tokens x 30,000,000 + 20 x 2,000,000 = 39,050,000,000; the piece is not added
    const token_counts told{.input = 10, .output = 1'320, .image_output = 1'300};
    EXPECT_EQ(cost_of("drawing-1", {.tokens = told, .units = {.images = 1}}), 39'050'000);
    // nobody says which tokens they are: 2 x 39,000,000,000 beside 10 x 1,000,000 + 20 x 2,000,000
    EXPECT_EQ(cost_of("drawing-1", {.tokens = {.input = 10, .output = 20}, .units = {.images = 2}}), 78'050'000);
    // no price for image tokens: they are in the piece. 10 x 1,000,000 + 20 x 2,000,000 + 39,000,000,000
    EXPECT_EQ(cost_of("pieces-1", {.tokens = told, .units = {.images = 1}}), 39'050'000);
    // an image of the prompt: 90 x 1,000,000 + 10 x 3,000,000
    EXPECT_EQ(cost_of("drawing-1", {.tokens = {.input = 100, .image_input = 10}}), 120'000);
    EXPECT_EQ(cost_of("image-1", {.units = {.images = 3}}), 120'000'000);          // 3 x 40,000,000,000
    EXPECT_EQ(cost_of("square/drawing-2", {.units = {.images = 2}}), 22'000'000);  // 2 x 11,000,000,000
    // all its output is images: 100 x 40,000,000
    EXPECT_EQ(cost_of("pixel-1", {.tokens = {.output = 100}, .units = {.images = 1}}), 4'000'000);
    EXPECT_EQ(cost_of("plain-1", {.units = {.images = 1}}), std::nullopt);
}

TEST_F(Small, PagesSearchUnitsAndCharactersHaveTheirPrice) {
    EXPECT_EQ(cost_of("ocr-1", {.units = {.pages = 7}}), 7'000'000);            // 7 x 1,000,000,000
    EXPECT_EQ(cost_of("rerank-1", {.units = {.search_units = 2}}), 4'000'000);  // 2 x 2,000,000,000
    EXPECT_EQ(cost_of("rerank-1", {.tokens = {.input = 500}, .units = {.search_units = 2}}), 4'000'000);
    EXPECT_EQ(cost_of("spoken-1", {.units = {.characters = 1'000}}), 15'000'000);  // 1000 x 15,000,000
    EXPECT_EQ(cost_of("spoken-1", {.units = {.pages = 1}}), std::nullopt);
    EXPECT_EQ(cost_of("ocr-1", {.units = {.pages = -7}}), 0);
}

TEST_F(Small, WebSearchesCostNothingUnlessTheirFeesAreWanted) {
    conf::pricing_settings settings = small_settings();
    settings.search_fees = false;
    prices = load(settings);
    const token_counts counts{.input = 1'000, .output = 100};
    const auto alone = cost_of("search-1", {.tokens = counts});
    ASSERT_TRUE(alone);
    EXPECT_EQ(cost_of("search-1", {.tokens = counts, .units = {.web_searches = 3}}), alone);
}

TEST_F(Small, WebSearchesCostBesideTokensAndAreUnknownWithoutAPrice) {
    // 1000 x 1,000,000 + 100 x 5,000,000 + 3 x 8,000,000,000 (a medium context) = 25,500,000,000
    const token_counts counts{.input = 1'000, .output = 100};
    EXPECT_EQ(cost_of("search-1", {.tokens = counts, .units = {.web_searches = 3}}), 25'500'000);
    EXPECT_EQ(cost_of("search-1", {.tokens = counts, .units = {.web_searches = 0}}), 1'500'000);
    EXPECT_EQ(cost_of("plain-1", {.tokens = counts, .units = {.web_searches = 1}}), std::nullopt);
    EXPECT_EQ(cost_of("plain-1", {.tokens = counts, .units = {.web_searches = 0}}), 210'000);
}

TEST_F(Small, UnitsWithoutAPriceAreInThePriceOfTheTokensThatWereTold) {
    // 378 x 150,000 + 11 x 600,000 = 63,300,000: the audio of a prompt is among its tokens
    EXPECT_EQ(cost_of("plain-1", {.tokens = {.input = 378, .output = 11}, .units = {.audio_ms = 30'000}}), 63'300);
    EXPECT_EQ(cost_of("plain-1", {.units = {.audio_ms = 30'000}}), std::nullopt);
}

TEST_F(Small, AFeeIsChargedForEachRequest) {
    EXPECT_EQ(cost("fee-1", {.input = 100, .output = 10}), 5'020'000);  // 10 x 2,000,000 + 5,000,000,000
}

TEST_F(Small, MediaThatWereCachedAreChargedOnce) {
    // input 100: 60 cached, 80 audio; 40 of them must be both.
    //   20 cached text x 400,000 + 40 cached audio x 300,000 + 40 audio x 32,000,000 = 1,300,000,000
    EXPECT_EQ(cost("live-1", {.input = 100, .cached = 60, .audio_input = 80}), 1'300'000);
    // input 100: 30 stored, 80 audio; 10 both: 20 x 5,000,000 + 10 x 33,000,000 + 70 x 32,000,000
    EXPECT_EQ(cost("live-1", {.input = 100, .cache_write = 30, .audio_input = 80}), 2'670'000);
    // input 100: 60 cached, 80 of images; 40 both: 60 x 400,000 + 40 x 6,000,000
    EXPECT_EQ(cost("live-1", {.input = 100, .cached = 60, .image_input = 80}), 264'000);
    // they fit beside each other: 30 x 4,000,000 + 20 x 400,000 + 50 x 32,000,000
    EXPECT_EQ(cost("live-1", {.input = 100, .cached = 20, .audio_input = 50}), 1'728'000);
}

TEST_F(Small, SlabsPriceTheWholeRequestToo) {
    EXPECT_EQ(cost("slab-1", {.input = 1'000, .output = 10}), 54'000);   // 1000 x 50,000 + 10 x 400,000
    EXPECT_EQ(cost("slab-1", {.input = 1'001, .output = 10}), 270'250);  // 1001 x 250,000 + 10 x 2,000,000
}

TEST_F(Small, WhatARequestCostsIsWhatItsExplanationAddsUpTo) {
    // explain() lists each class; price() takes a shorter way where only plain, cached and generated tokens were used.
    std::mt19937_64 random(7);
    const auto count = [&random] {
        const auto kind = random() % 16;
        if (kind < 6) return std::int64_t{0};
        if (kind == 6) return std::int64_t{-1};
        if (kind == 7) return most - static_cast<std::int64_t>(random() % 1000);
        return static_cast<std::int64_t>(random() % 5000);
    };
    for (const std::string model :
         {"plain-1", "parts-1", "slab-1", "live-1", "embed-1", "pixel-1", "free-1", "image-1"}) {
        for (int i = 0; i < 2000; ++i) {
            billed_usage usage{
                .tokens = {.input = count(), .cached = count(), .output = count(), .reasoning = count()}};
            if (i % 4 == 0) usage.tokens.audio_input = count();
            if (i % 4 == 1) usage.tokens.cache_write = count();
            if (i % 8 == 2) usage.units.images = count();
            const auto priced = prices->price("acme", model, usage, false);
            const auto explained = prices->explain("acme", model, usage, false);
            ASSERT_EQ(priced.has_value(), explained.has_value()) << model << " " << i;
            if (!priced) continue;
            EXPECT_EQ(priced->nano, explained->nano) << explained->explanation;
            EXPECT_EQ(priced->saturated, explained->saturated) << explained->explanation;
            EXPECT_EQ(priced->price_id, explained->price_id);
        }
    }
}

TEST_F(Small, UnitsBeyondInt64AreCutAndSaySo) {
    const auto quote = prices->price("acme", "image-1", {.units = {.images = most}}, false);
    ASSERT_TRUE(quote);
    EXPECT_EQ(quote->nano, most);
    EXPECT_TRUE(quote->saturated);
}

TEST_F(Small, ASumBeyondInt64IsCutAndSaysSo) {
    const auto quote = prices->price("acme", "plain-1", {.tokens = {.input = most, .output = most}}, false);
    ASSERT_TRUE(quote);
    EXPECT_EQ(quote->nano, most);
    EXPECT_TRUE(quote->saturated);
    const auto parts =
        prices->price("acme", "parts-1", {.tokens = {most, most, most, most, most, most, most, most}}, false);
    ASSERT_TRUE(parts);
    EXPECT_EQ(parts->nano, most);
    EXPECT_FALSE(prices->price("acme", "plain-1", {.tokens = {.input = 1}}, false)->saturated);
}

TEST_F(Small, AnUnknownPriceIsNotAZero) {
    EXPECT_EQ(cost("nobody-knows-it", {.input = 1}), std::nullopt);
    EXPECT_EQ(cost("", {.input = 1}), std::nullopt);
    EXPECT_EQ(cost("embed-1", {.input = 100}), 2'000);
    EXPECT_EQ(cost("embed-1", {.input = 100, .output = 1}), std::nullopt);  // no price for output
    EXPECT_EQ(cost("rerank-1", {.input = 100}), std::nullopt);              // priced by query
    EXPECT_EQ(cost("image-1", {.input = 0}), std::nullopt);                 // priced by image
    EXPECT_EQ(cost("pixel-1", {.input = 10, .output = 10}), 450'000);       // 10 x 5,000,000 + 10 x 40,000,000
    EXPECT_EQ(cost("free-1", {.input = 100, .output = 100}), 0);
}

}  // namespace
}  // namespace tracking
