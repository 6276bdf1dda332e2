// `aimeter reprice`: records that were shipped to a real Redis are priced again under a changed catalogue. Costs are
// worked out by hand beside each case, in pico-USD per token; 1000 pico are a nano.
#include "tracking/store/reprice.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "tests/support/shipper_fixture.hpp"
#include "tracking/store/verify.hpp"

namespace tracking::store {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using tests::redis_fixture;

class Reprice : public tests::shipping_test {
protected:
    void SetUp() override {
        settings.redis.url = redis.url();
        settings.data_dir = dir;
        settings.pricing.catalogue = dir + "/prices.json";
        settings.pricing.search_fees = true;
        // Noon of yesterday: a day that has ended whatever the time is.
        noon_ms = clock.wall_ms() / day_ms * day_ms - day_ms / 2;
        day = calendar_of("UTC").day_key(noon_ms);
    }

    void list_prices(const std::string& models) const {
        std::ofstream(settings.pricing.catalogue, std::ios::trunc)
            << R"({"schema":"aimeter-prices/1","unit":"pico-USD","as_of":"2026-11-21","models":{)" << models << "}}";
    }
    static calendar calendar_of(const std::string& zone) { return std::get<calendar>(calendar::open(zone)); }

    // A record of noon that the catalogue priced under `model`; without a cost it was unknown.
    record priced(const std::string& model, std::int64_t input, std::int64_t output, std::optional<std::int64_t> cost) {
        record one = tests::plain_record(noon_ms++);
        one.ai_model = model;
        one.input_tokens = input;
        one.output_tokens = output;
        one.tokens_used = input + output;
        one.cost_nano = cost;
        one.cost_from = cost ? cost_source::catalogue : cost_source::unknown;
        one.price_id = cost ? model + "@2026-11-01" : "";
        return one;
    }
    // Two priced records, one that will change; one unknown that gets a price, one that loses it; one that is reported.
    void ship_a_day() {
        const auto journal = journals.add_journal();
        append(journal, priced("rises", 1'000, 100, 1'200'000));
        append(journal, priced("new", 10, 5, std::nullopt));
        append(journal, priced("goes", 100, 0, 500'000));
        append(journal, priced("stays", 10, 0, 30'000));
        record reported = priced("rises", 1'000, 100, 777);
        reported.cost_from = cost_source::reported;
        append(journal, reported);
        ship_all();
    }
    void ship_all() {
        start(redis.url());
        ASSERT_TRUE(flush());
        stop();
    }

    bool run(bool apply, const std::string& from = "", const std::string& to = "") {
        const auto days = read_days(from.empty() ? day : from, to.empty() ? day : to);
        std::ostringstream out;
        error.clear();
        const bool done = reprice(settings, std::get<day_range>(days), apply, out, error);
        said = out.str();
        return done;
    }
    bool verified() {
        std::ostringstream out;
        std::string problem;
        const bool agrees = verify(settings, {}, out, problem);
        EXPECT_TRUE(agrees) << out.str() << problem;
        return agrees;
    }
    std::string corrections() const { return "aimeter:corrections:day:" + day; }
    using entries = std::vector<std::pair<std::string, std::map<std::string, std::string>>>;
    entries corrected() {
        entries all;
        for (const auto& [id, fields] : redis.stream(corrections() + ":records")) all.emplace_back(id, fields);
        return all;
    }

    static constexpr std::int64_t day_ms = 86'400'000;
    const std::string todays = R"("rises":{"in":1500000,"out":2000000},"new":{"in":2000000,"out":4000000},
        "stays":{"in":3000000,"out":3000000})";
    redis_fixture redis;
    std::int64_t noon_ms = 0;
    std::string day, said, error;
};

TEST_F(Reprice, SaysWhatEachDayAndModelCostsNowAndWritesNothing) {
    ship_a_day();
    list_prices(todays);
    const auto keys = redis.number({"DBSIZE"});
    ASSERT_TRUE(run(false)) << error;
    // rises: 1000 x 1,500,000 + 100 x 2,000,000 = 1,700,000 nano; new: 10 x 2,000,000 + 5 x 4,000,000 = 40,000 nano.
    // Together 1,200,000 + 500,000 + 30,000 = 1,730,000 before, 1,700,000 + 40,000 + 30,000 = 1,770,000 now.
    const std::string all = " +4 +0.00173 +0.00177 +\\+0.00004 +1 +1 +1 +1\n";
    EXPECT_THAT(said, ContainsRegex(day + all));
    EXPECT_THAT(said, ContainsRegex("total" + all));
    EXPECT_THAT(said, ContainsRegex("  rises +1 +0.0012 +0.0017 +\\+0.0005 +1 +0 +0 +0\n"));
    EXPECT_THAT(said, ContainsRegex("  new +1 +0 +0.00004 +\\+0.00004 +0 +1 +0 +0\n"));
    EXPECT_THAT(said, ContainsRegex("  goes +1 +0.0005 +0 +-0.0005 +0 +0 +1 +0\n"));
    EXPECT_THAT(said, ContainsRegex("  stays +1 +0.00003 +0.00003 +0 +0 +0 +0 +1\n"));
    EXPECT_THAT(said, Not(HasSubstr("INCOMPLETE")));
    EXPECT_EQ(redis.number({"DBSIZE"}), keys);
}

TEST_F(Reprice, RecordsCorrectionsBesideTheRecordsOnce) {
    ship_a_day();
    list_prices(todays);
    const auto records = redis.stream("aimeter:usage");
    ASSERT_TRUE(run(true)) << error;
    const std::map<std::string, std::string> sums{{"recordsRead", "5"},
                                                  {"recordsMissing", "0"},
                                                  {"records", "4"},
                                                  {"changed", "1"},
                                                  {"newlyPriced", "1"},
                                                  {"noLongerPriced", "1"},
                                                  {"unchanged", "1"},
                                                  {"oldCostNanoUsd", "1730000"},
                                                  {"newCostNanoUsd", "1770000"},
                                                  {"catalogue", "2026-11-21"},
                                                  {"differenceNanoUsd", "40000"}};
    EXPECT_EQ(redis.hash(corrections()), sums);
    const auto once = corrected();
    ASSERT_EQ(once.size(), 3U);
    EXPECT_EQ(once[0].first, records[0].id);
    const std::map<std::string, std::string> rises{{"id", records[0].fields.at("id")}, {"aiModel", "rises"},
                                                   {"oldCostNanoUsd", "1200000"},      {"newCostNanoUsd", "1700000"},
                                                   {"oldPriceId", "rises@2026-11-01"}, {"priceId", "rises@2026-11-21"}};
    EXPECT_EQ(once[0].second, rises);
    EXPECT_FALSE(once[1].second.contains("oldCostNanoUsd"));
    EXPECT_FALSE(once[2].second.contains("newCostNanoUsd"));
    EXPECT_EQ(redis.number({"SISMEMBER", "aimeter:corrections:days", day}), 1);
    EXPECT_GT(redis.number({"TTL", corrections()}), 700 * 86'400);
    EXPECT_GT(redis.number({"TTL", corrections() + ":records"}), 700 * 86'400);

    const auto keys = redis.number({"DBSIZE"});
    ASSERT_TRUE(run(true)) << error;
    EXPECT_EQ(redis.hash(corrections()), sums);
    EXPECT_EQ(corrected(), once);
    EXPECT_EQ(redis.number({"DBSIZE"}), keys) << "nothing staged is left";
    expect_all_counted_once(redis);
    EXPECT_TRUE(verified());
}

TEST_F(Reprice, ANewerCatalogueReplacesTheCorrections) {
    ship_a_day();
    list_prices(todays);
    ASSERT_TRUE(run(true)) << error;
    list_prices(R"("rises":{"in":1000000,"out":2000000},"goes":{"in":5000000},"stays":{"in":3000000})");
    ASSERT_TRUE(run(true)) << error;
    // All as it was: 1000 x 1,000,000 + 100 x 2,000,000, 100 x 5,000,000, 10 x 3,000,000; "new" is unknown again.
    EXPECT_EQ(redis.hash(corrections()).at("unchanged"), "4");
    EXPECT_EQ(redis.hash(corrections()).at("differenceNanoUsd"), "0");
    EXPECT_TRUE(corrected().empty());
    EXPECT_TRUE(verified());
}

TEST_F(Reprice, EverythingThatWasBilledIsPricedAgain) {
    list_prices(R"("all":{"in":1000000,"out":2000000,"cache_read":100000,"cache_write":1250000,"cache_write_1h":2000000,
        "reasoning":3000000,"audio_in":4000000,"audio_out":5000000,"image_tok_in":6000000,"image_tok_out":7000000,
        "batch":{"in":500000,"out":1000000},"unit":{"page":1000000000,"query":2000000000},
        "search":{"medium":3000000000}},
        "heard":{"mode":"audio_transcription","unit":{"second_in":100000000}})");
    record one = priced("all", 1'000, 100, std::nullopt);
    one.cached_tokens = 100;
    one.cache_write_tokens = 100;
    one.cache_write_1h_tokens = 40;
    one.audio_input_tokens = 10;
    one.image_input_tokens = 10;
    one.reasoning_tokens = 10;
    one.audio_output_tokens = 10;
    one.image_output_tokens = 10;
    one.units.pages = 1;
    one.units.search_units = 1;
    one.units.web_searches = 1;
    one.service_tier = "batch";
    record heard = priced("heard", 0, 0, std::nullopt);
    heard.units.audio_ms = 2'500;
    record silent = priced("all", 0, 0, std::nullopt);
    silent.input_tokens = silent.output_tokens = silent.tokens_used = std::nullopt;
    const auto journal = journals.add_journal();
    append(journal, one);
    append(journal, heard);
    append(journal, silent);  // tells nothing: stays unknown, and never becomes 0
    ship_all();
    const auto shipped = redis.stream("aimeter:usage");
    EXPECT_EQ(shipped[0].fields.at("cacheWrite1hTokens"), "40");
    EXPECT_EQ(shipped[0].fields.at("serviceTier"), "batch");
    EXPECT_EQ(shipped[1].fields.at("audioSeconds"), "2.500");
    for (const char* name : {"audioSeconds", "pages", "webSearches", "imageInputTokens", "serviceTier"})
        EXPECT_FALSE(shipped[2].fields.contains(name)) << name;
    ASSERT_TRUE(run(true)) << error;
    // input: 780 x 0.5 + 100 x 0.1 + 60 x 1.25 + 40 x 2 + 10 x 4 + 10 x 6 = 655 millionths of a USD
    // output: 70 x 1 + 10 x 3 + 10 x 5 + 10 x 7 = 220; units: 1000 + 2000 + 3000; together 6875
    ASSERT_EQ(corrected().size(), 2U);
    EXPECT_EQ(corrected()[0].second.at("newCostNanoUsd"), "6875000");
    EXPECT_EQ(corrected()[1].second.at("newCostNanoUsd"), "250000");  // 2.5 s x 100,000,000
}

TEST_F(Reprice, ADayOfATrimmedStreamIsIncompleteAndKeepsWhatWasKnownOfItBefore) {
    settings.redis.stream_maxlen = 100;
    const auto journal = journals.add_journal();
    for (int i = 0; i < 300; ++i) append(journal, priced("rises", 1'000, 100, 1'200'000));
    start(redis.url());
    ASSERT_TRUE(flush());
    for (int i = 0; i < 10; ++i) append(journal, priced("rises", 1'000, 100, 1'200'000));
    ASSERT_TRUE(flush());  // trims by whole checkpoints
    stop();
    list_prices(todays);
    const auto left = redis.number({"XLEN", "aimeter:usage"});
    ASSERT_LT(left, 310);
    ASSERT_TRUE(run(true)) << error;
    EXPECT_THAT(said, HasSubstr("INCOMPLETE: of 310 records of this day " + std::to_string(310 - left) +
                                " are no longer in the stream"));
    EXPECT_EQ(redis.number({"HGET", corrections(), "recordsMissing"}), 310 - left);
    EXPECT_TRUE(verified());

    const auto before = corrected();
    redis.run({"XTRIM", "aimeter:usage", "MAXLEN", "20"});
    ASSERT_TRUE(run(true)) << error;
    EXPECT_THAT(said, HasSubstr("NOT APPLIED: the corrections that are there were made from " + std::to_string(left)));
    EXPECT_EQ(redis.number({"HGET", corrections(), "recordsRead"}), left);
    EXPECT_EQ(corrected(), before);
}

TEST_F(Reprice, DaysAreThoseOfTheTimezone) {
    settings.timezone = "Asia/Kolkata";                    // 5:30 ahead of UTC
    noon_ms = noon_ms / day_ms * day_ms + 20 * 3'600'000;  // 20:00 UTC: half past one of the next day
    append(journals.add_journal(), priced("rises", 1'000, 100, 1'200'000));
    ship_all();
    list_prices(todays);
    ASSERT_TRUE(run(false)) << error;
    EXPECT_THAT(said, Not(HasSubstr("rises")));
    const std::string next = calendar_of("UTC").day_key(noon_ms + day_ms);
    ASSERT_TRUE(run(false, next, next)) << error;
    EXPECT_THAT(said, ContainsRegex(next + " +1 +0.0012 +0.0017"));
    settings.timezone = "Europe/Paris";
    EXPECT_FALSE(run(false));
    EXPECT_THAT(error, HasSubstr("Asia/Kolkata"));
}

TEST_F(Reprice, WhatCannotBeWrittenLeavesEverythingAsItWas) {
    ship_a_day();
    list_prices(todays);
    redis.run({"SET", corrections() + ":records", "mine"});
    EXPECT_FALSE(run(true));
    EXPECT_THAT(error, HasSubstr("WRONGTYPE the key " + corrections() + ":records"));
    EXPECT_EQ(redis.text({"GET", corrections() + ":records"}), "mine");
    EXPECT_EQ(redis.number({"EXISTS", corrections()}), 0);
    redis.run({"DEL", corrections() + ":records"});
    EXPECT_TRUE(run(true)) << error;
    EXPECT_EQ(corrected().size(), 3U);
}

TEST_F(Reprice, SaysWhyItCannotLook) {
    EXPECT_FALSE(run(false));
    EXPECT_THAT(error, HasSubstr("prices.json"));
    list_prices(todays);
    settings.redis.url = "unix:/tmp/there-is-no-redis.sock";
    EXPECT_FALSE(run(false));
    EXPECT_THAT(error, HasSubstr("there-is-no-redis.sock"));
}

TEST(RepriceDays, AreDatesInOrder) {
    const auto days = read_days("2026-11-01", "2026-11-30");
    EXPECT_TRUE(std::holds_alternative<day_range>(days));
    EXPECT_TRUE(std::holds_alternative<day_range>(read_days("2028-02-29", "2028-02-29")));
    const std::pair<const char*, const char*> wrong[] = {{"2026-11-02", "2026-11-01"},
                                                         {"2026-02-29", "2026-03-01"},
                                                         {"2026-13-01", "2026-13-02"},
                                                         {"26-11-01", "2026-11-01"},
                                                         {"", ""},
                                                         {"2026-11-01", "2026-11-1x"},
                                                         {"2020-01-01", "2026-11-01"},
                                                         {"-026-11-01", "2026-11-01"}};
    for (const auto& [from, to] : wrong) EXPECT_TRUE(std::holds_alternative<std::string>(read_days(from, to))) << from;
}

}  // namespace
}  // namespace tracking::store
