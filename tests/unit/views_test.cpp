// The figures that a dashboard reads: names as in the contract, nulls where nothing was counted, money to the last
// nano-dollar, and valid JSON whatever a client called itself. Expected values are worked out by hand.
#include "admin-api/views.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "admin-api/json_writer.hpp"
#include "admin-api/query.hpp"
#include "tracking/record.hpp"

namespace {

using namespace std::chrono_literals;
using admin::date;
using nlohmann::json;
using std::chrono::sys_days;
using testing::ElementsAre;
using tracking::store::calendar;
using tracking::store::counter;
using tracking::store::counters;

calendar zone(const std::string& name) { return std::move(std::get<calendar>(calendar::open(name))); }

counters with(std::initializer_list<std::pair<counter, std::int64_t>> values) {
    counters made{};
    for (const auto& [which, value] : values) made[static_cast<std::size_t>(which)] = value;
    return made;
}

date day(int y, unsigned m, unsigned d) {
    return sys_days{std::chrono::year{y} / std::chrono::month{m} / std::chrono::day{d}};
}

std::string written(auto value) {
    admin::json_writer writer;
    writer.value(value);
    return writer.take();
}

admin::query asked(std::string_view text) {
    static constexpr std::array<std::string_view, 3> known{"days", "from", "to"};
    return std::get<admin::query>(admin::query::parse(text, known));
}

// ---- numbers and texts --------------------------------------------------------------------------------------------

TEST(JsonNumbers, MoneyIsExactToTheNanoDollar) {
    EXPECT_EQ(written(admin::usd{0}), "0");
    EXPECT_EQ(written(admin::usd{1}), "0.000000001");
    EXPECT_EQ(written(admin::usd{453'000}), "0.000453");
    EXPECT_EQ(written(admin::usd{999'999'123'456'789}), "999999.123456789");
    EXPECT_EQ(written(admin::usd{-500'000'000}), "-0.5");
}

TEST(JsonNumbers, MillisecondsHaveThreePlaces) {
    EXPECT_EQ(written(admin::millis{3'194'000}), "3194");
    EXPECT_EQ(written(admin::millis{1'050}), "1.05");
    EXPECT_EQ(written(admin::millis{7}), "0.007");
    EXPECT_EQ(written(admin::millis{-1'500}), "-1.5");
    EXPECT_EQ(written(admin::millis{std::numeric_limits<std::int64_t>::min()}), "-9223372036854775.808");
}

TEST(JsonNumbers, WhatIsNoNumberIsNull) {
    EXPECT_EQ(written(std::numeric_limits<double>::quiet_NaN()), "null");
    EXPECT_EQ(written(std::numeric_limits<double>::infinity()), "null");
    EXPECT_EQ(written(0.5), "0.5");
}

TEST(JsonNumbers, PlainDecimalsAreTold) {
    for (const char* good : {"0", "-1", "12.5", "0.000453"}) EXPECT_TRUE(admin::is_plain_decimal(good)) << good;
    for (const char* bad : {"", "-", ".5", "5.", "01", "1e9", "NaN", "1,5", " 1", "0x1", "--1", "1.2.3"}) {
        EXPECT_FALSE(admin::is_plain_decimal(bad)) << bad;
    }
}

TEST(JsonTexts, EscapesAndReplacements) {
    EXPECT_EQ(written("a\"b\\c\n\r\t\x01\x7f"), "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u007f\"");
    EXPECT_EQ(written("<script>\xE2\x9C\x85"), "\"<script>\xE2\x9C\x85\"");
    EXPECT_EQ(written(std::string_view("\0x", 2)), "\"\\u0000x\"");
    const std::string bad = "\xEF\xBF\xBD";
    EXPECT_EQ(written("a\xFFz"), "\"a" + bad + "z\"");
    EXPECT_EQ(written("\xC3"), "\"" + bad + "\"") << "cut short";
    EXPECT_EQ(written("\xE2\x9C!"), "\"" + bad + "!\"") << "one error for the part that began well";
    EXPECT_EQ(written("\xC0\xAF"), "\"" + bad + bad + "\"") << "overlong";
    EXPECT_EQ(written("\xED\xA0\x80"), "\"" + bad + bad + bad + "\"") << "a surrogate";
    EXPECT_EQ(written("\xF4\x90\x80\x80"), "\"" + bad + bad + bad + bad + "\"") << "above U+10FFFF";
    EXPECT_EQ(written("\xF0\x9F\x98\x80"), "\"\xF0\x9F\x98\x80\"");
}

TEST(JsonTexts, EveryByteStringMakesValidJson) {
    std::uint32_t seed = 12345;
    for (int round = 0; round < 2'000; ++round) {
        std::string text;
        for (int i = 0; i < 24; ++i) text += static_cast<char>((seed = seed * 1'664'525 + 1'013'904'223) >> 24);
        ASSERT_TRUE(json::accept(written(text)));
    }
}

// ---- ranges -------------------------------------------------------------------------------------------------------

TEST(Ranges, DaysIncludeToday) {
    const date today = day(2026, 11, 22);
    const auto range = std::get<admin::date_range>(admin::range_of(asked("days=7"), today));
    EXPECT_EQ(admin::date_text(range.from), "2026-11-16");
    EXPECT_EQ(admin::date_text(range.to), "2026-11-22");
    EXPECT_EQ(range.days(), 7);
    EXPECT_EQ(std::get<admin::date_range>(admin::range_of(asked(""), today)).days(), 30);
    EXPECT_EQ(std::get<admin::date_range>(admin::range_of(asked("days=365"), today)).dates().size(), 365U);
}

TEST(Ranges, DatesTakeTheirPlace) {
    const date today = day(2026, 11, 22);
    const auto range = std::get<admin::date_range>(admin::range_of(asked("from=2028-02-28&to=2028-03-01"), today));
    EXPECT_EQ(range.days(), 3);
    EXPECT_EQ(admin::date_text(range.dates()[1]), "2028-02-29");
    EXPECT_EQ(std::get<admin::date_range>(admin::range_of(asked("from=2026-11-20"), today)).days(), 3);
    EXPECT_EQ(std::get<admin::date_range>(admin::range_of(asked("from=2025-11-23"), today)).days(), 365);
}

TEST(Ranges, WhatIsWrongIsNamed) {
    const date today = day(2026, 11, 22);
    const std::pair<const char*, const char*> wrong[] = {
        {"days=0", "days"},
        {"days=366", "days"},
        {"days=-1", "days"},
        {"days=7x", "days"},
        {"days=1e1", "days"},
        {"days=99999999999999999999", "days"},
        {"days=%2B7", "days"},
        {"from=2026-02-29", "from"},
        {"from=2026-13-01", "from"},
        {"from=2026-1-01", "from"},
        {"from=22.11.2026", "from"},
        {"from=2026-11-22T00", "from"},
        {"from=-026-11-22", "from"},
        {"to=2026-11-22", "from"},
        {"from=2026-11-22&to=x", "to"},
        {"from=2026-11-22&to=2026-11-21", "from"},
        {"from=2026-11-23", "from"},
        {"from=2025-11-22", "from"},
        {"days=7&from=2026-11-22", "days"},
    };
    for (const auto& [text, name] : wrong) {
        const auto range = admin::range_of(asked(text), today);
        ASSERT_TRUE(std::holds_alternative<admin::bad_parameter>(range)) << text;
        EXPECT_EQ(std::get<admin::bad_parameter>(range).name, name) << text;
    }
}

TEST(Queries, UnknownRepeatedAndMalformedParametersAreNamed) {
    static constexpr std::array<std::string_view, 2> known{"user", "limit"};
    const std::pair<const char*, const char*> wrong[] = {
        {"users=1", "users"}, {"user=a&user=b", "user"}, {"user=%zz", "user"}, {"user=%4", "user"},
        {"user=", "user"},    {"user", "user"},          {"=1", ""},           {"%=1", "%"},
    };
    for (const auto& [text, name] : wrong) {
        const auto parsed = admin::query::parse(text, known);
        ASSERT_TRUE(std::holds_alternative<admin::bad_parameter>(parsed)) << text;
        EXPECT_EQ(std::get<admin::bad_parameter>(parsed).name, name) << text;
    }
    const auto good = std::get<admin::query>(admin::query::parse("&user=a+b%26%C3%A9&&limit=%31", known));
    EXPECT_EQ(good.get("user"), "a b&\xC3\xA9");
    EXPECT_EQ(std::get<int>(good.integer("limit", 1, 5, 3)), 1);
}

TEST(Ranges, WholeMonthsAreReadAsMonths) {
    const date today = day(2026, 11, 22);
    EXPECT_THAT(admin::fewest_periods({day(2026, 9, 30), today}, today),
                ElementsAre("day:2026-09-30", "month:2026-10", "month:2026-11"));
    EXPECT_THAT(admin::fewest_periods({day(2026, 10, 31), day(2026, 11, 2)}, today),
                ElementsAre("day:2026-10-31", "day:2026-11-01", "day:2026-11-02"));
    EXPECT_THAT(admin::fewest_periods({day(2028, 2, 1), day(2028, 2, 29)}, day(2028, 3, 5)),
                ElementsAre("month:2028-02"));
    EXPECT_EQ(admin::fewest_periods({day(2024, 1, 1), day(2024, 1, 31)}, day(2026, 11, 22)).size(), 31U)
        << "beyond 800 days a month would say more than its days";
}

// ---- the wall-clock comparison ------------------------------------------------------------------------------------

double part_of(const std::vector<admin::share>& shares, const std::string& period) {
    for (const auto& one : shares) {
        if (one.period == period) return one.part;
    }
    return 0;
}

TEST(Trends, CompareUpToTheSameWallClock) {
    const auto when = zone("Asia/Kolkata");
    const auto now = when.instant(2026, 11, 22, 5, 41, 30);
    const auto against = admin::compare_at(when, now);
    EXPECT_EQ(against.today, day(2026, 11, 22));
    EXPECT_EQ(against.yesterday.size(), 5U + 42U);
    EXPECT_EQ(part_of(against.yesterday, "hour:2026-11-21T04"), 1.0);
    EXPECT_EQ(part_of(against.yesterday, "hour:2026-11-21T05"), 0.0);
    EXPECT_EQ(part_of(against.yesterday, "minute:2026-11-21T05:40"), 1.0);
    EXPECT_EQ(part_of(against.yesterday, "minute:2026-11-21T05:41"), 0.5);
    EXPECT_EQ(part_of(against.yesterday, "minute:2026-11-21T05:42"), 0.0);
    EXPECT_EQ(against.last_month.size(), 21U + 5U + 1U);
    EXPECT_EQ(part_of(against.last_month, "day:2026-10-21"), 1.0);
    EXPECT_EQ(part_of(against.last_month, "day:2026-10-22"), 0.0);
    EXPECT_EQ(part_of(against.last_month, "hour:2026-10-22T04"), 1.0);
    EXPECT_DOUBLE_EQ(part_of(against.last_month, "hour:2026-10-22T05"), (41 * 60 + 30) / 3600.0);
}

TEST(Trends, ClampToTheLastDayOfAShorterMonth) {
    const auto when = zone("UTC");
    const auto march = admin::compare_at(when, when.instant(2027, 3, 31, 1));
    EXPECT_EQ(part_of(march.last_month, "day:2027-02-27"), 1.0);
    EXPECT_EQ(part_of(march.last_month, "day:2027-02-28"), 0.0);
    EXPECT_EQ(part_of(march.last_month, "hour:2027-02-28T00"), 1.0);
    const auto leap = admin::compare_at(when, when.instant(2028, 3, 30, 1));
    EXPECT_EQ(part_of(leap.last_month, "hour:2028-02-29T00"), 1.0);
    const auto january = admin::compare_at(when, when.instant(2027, 1, 1, 0, 30));
    EXPECT_EQ(january.last_month.size(), 1U);
    EXPECT_EQ(part_of(january.last_month, "hour:2026-12-01T00"), 0.5);
    EXPECT_EQ(part_of(january.yesterday, "minute:2026-12-31T00:29"), 1.0);
}

TEST(Trends, HoldOnTheDaysOfAClockChange) {
    const auto when = zone("America/New_York");
    // 2026-03-09 02:30 exists, yesterday's 02 did not: its buckets are empty, its wall clock is compared all the same.
    const auto spring = admin::compare_at(when, when.instant(2026, 3, 9, 2, 30));
    EXPECT_EQ(part_of(spring.yesterday, "hour:2026-03-08T01"), 1.0);
    EXPECT_EQ(part_of(spring.yesterday, "minute:2026-03-08T02:29"), 1.0);
    // 2026-11-01 01:30 for the second time: yesterday up to 01:30, once.
    const auto autumn = admin::compare_at(when, when.instant(2026, 11, 1, 2) - 1'800'000);
    EXPECT_EQ(autumn.yesterday.size(), 1U + 31U);
    EXPECT_EQ(part_of(autumn.yesterday, "minute:2026-10-31T01:29"), 1.0);
    EXPECT_EQ(part_of(autumn.yesterday, "minute:2026-10-31T01:30"), 0.0);
}

// ---- overview -----------------------------------------------------------------------------------------------------

TEST(Overview, OfNothingHasNullsAndZeros) {
    const auto when = zone("UTC");
    admin::overview_figures figures;
    figures.now_ms = when.instant(2026, 11, 22, 5, 41, 7);
    const auto view = json::parse(admin::overview_json(figures, when));
    EXPECT_EQ(view["generatedAt"], "2026-11-22T05:41:07.000Z");
    EXPECT_EQ(view["timezone"], "UTC");
    for (const char* period : {"today", "month"}) {
        const auto& of = view[period];
        for (const char* zero : {"requests", "success", "errors", "blocked", "aborted", "cached", "cost", "saved",
                                 "wasted", "inputTokens", "outputTokens", "tokensUsed", "activeUsers"}) {
            EXPECT_EQ(of[zero], 0) << zero;
        }
        for (const char* null :
             {"cacheHitRate", "successRate", "avgDurationMs", "p50DurationMs", "p95DurationMs", "p99DurationMs"}) {
            ASSERT_TRUE(of.contains(null)) << null;
            EXPECT_TRUE(of[null].is_null()) << null;
        }
        EXPECT_TRUE(of["coverage"]["priced"].is_null());
        EXPECT_TRUE(of["coverage"]["usageKnown"].is_null());
        EXPECT_TRUE(of["coverage"]["identified"].is_null());
        EXPECT_EQ(of.size(), 20U);
    }
    for (const char* metric : {"requests", "cost", "errors", "avgDurationMs"}) {
        EXPECT_TRUE(view["trends"][metric]["changePct"].is_null()) << metric;
        EXPECT_TRUE(view["trends"][metric]["monthChangePct"].is_null()) << metric;
    }
    EXPECT_EQ(view["trends"]["requests"]["yesterday"], 0);
    EXPECT_TRUE(view["trends"]["avgDurationMs"]["today"].is_null());
    EXPECT_EQ(view["quality"]["byStatus"], json::object());
    EXPECT_EQ(view["quality"]["topErrors"], json::array());
    EXPECT_TRUE(view["quality"]["avgTtftMs"].is_null());
}

admin::overview_figures busy_day(const calendar& when) {
    admin::overview_figures figures;
    figures.now_ms = when.instant(2026, 11, 22, 12);
    figures.today.values = with({{counter::requests, 10},
                                 {counter::success, 6},
                                 {counter::errors, 2},
                                 {counter::blocked, 1},
                                 {counter::aborted, 1},
                                 {counter::cached, 3},
                                 {counter::estimated, 1},
                                 {counter::unpriced, 2},
                                 {counter::identified, 9},
                                 {counter::usage_known, 5},
                                 {counter::input_tokens, 700},
                                 {counter::output_tokens, 300},
                                 {counter::tokens_used, 2'500},
                                 {counter::cost_nano, 1'234'567'891},
                                 {counter::saved_nano, 5},
                                 {counter::wasted_nano, 7},
                                 {counter::duration_us, 9'000'001},
                                 {counter::duration_count, 3},
                                 {counter::ttft_us, 500'000},
                                 {counter::ttft_count, 2}});
    figures.today.active_users = 4;
    figures.month = figures.today;
    figures.yesterday = {7.6, 1e9, 0, 2'000'000, 1};
    figures.last_month = {0, 2'469'135'782, 4, 0, 0};
    figures.statuses = {{200, 7}, {500, 2}, {429, 1}};
    figures.errors = {{"quota <b>\"x\"</b>\xFF", 2}};
    return figures;
}

TEST(Overview, RatesHaveTheDenominatorsOfTheContract) {
    const auto when = zone("UTC");
    const auto view = json::parse(admin::overview_json(busy_day(when), when));
    const auto& today = view["today"];
    EXPECT_DOUBLE_EQ(today["cacheHitRate"], 0.5) << "cached / success";
    EXPECT_DOUBLE_EQ(today["successRate"], 0.75) << "success / (success + errors)";
    EXPECT_DOUBLE_EQ(today["coverage"]["priced"], 0.8);
    EXPECT_DOUBLE_EQ(today["coverage"]["usageKnown"], 0.5);
    EXPECT_DOUBLE_EQ(today["coverage"]["identified"], 0.9);
    EXPECT_EQ(today["cost"].dump(), "1.234567891");
    EXPECT_EQ(today["avgDurationMs"].dump(), "3000") << "9,000,001 us / 3, to the microsecond";
    EXPECT_EQ(today["activeUsers"], 4);
    const auto& quality = view["quality"];
    EXPECT_DOUBLE_EQ(quality["errorRate"], 0.25);
    EXPECT_DOUBLE_EQ(quality["estimatedRate"], 0.1);
    EXPECT_DOUBLE_EQ(quality["avgTtftMs"], 250.0);
    EXPECT_EQ(quality["byStatus"], (json{{"200", 7}, {"429", 1}, {"500", 2}}));
    EXPECT_EQ(quality["topErrors"][0]["message"], "quota <b>\"x\"</b>\xEF\xBF\xBD");
    EXPECT_EQ(quality["topErrors"][0]["count"], 2);
}

TEST(Overview, TrendsAreInPercentOfWhatIsShown) {
    const auto when = zone("UTC");
    const auto trends = json::parse(admin::overview_json(busy_day(when), when))["trends"];
    EXPECT_EQ(trends["requests"]["yesterday"], 8) << "7.6 rounded";
    EXPECT_DOUBLE_EQ(trends["requests"]["changePct"], 25.0);
    EXPECT_TRUE(trends["requests"]["monthChangePct"].is_null()) << "last month had none";
    EXPECT_DOUBLE_EQ(trends["cost"]["yesterday"], 1.0);
    EXPECT_NEAR(trends["cost"]["changePct"], 23.4567891, 1e-9);
    EXPECT_DOUBLE_EQ(trends["cost"]["monthChangePct"], -50.0);
    EXPECT_TRUE(trends["errors"]["changePct"].is_null());
    EXPECT_DOUBLE_EQ(trends["errors"]["monthChangePct"], -50.0);
    EXPECT_DOUBLE_EQ(trends["avgDurationMs"]["changePct"], 50.0);
    EXPECT_TRUE(trends["avgDurationMs"]["lastMonth"].is_null());
}

// ---- usage --------------------------------------------------------------------------------------------------------

TEST(Usage, RowsAreCompleteAndInOrder) {
    const auto when = zone("UTC");
    admin::usage_figures figures;
    figures.now_ms = when.instant(2026, 11, 22, 12);
    figures.range = {day(2026, 11, 20), day(2026, 11, 22)};
    figures.days.resize(3);
    figures.days[1] = with({{counter::requests, 2}, {counter::success, 1}, {counter::cost_nano, 600'000}});
    figures.totals.values = with({{counter::requests, 4},
                                  {counter::success, 1},
                                  {counter::errors, 1},
                                  {counter::blocked, 1},
                                  {counter::aborted, 1}});
    figures.features = {{"b", with({{counter::requests, 1}})},
                        {"a", with({{counter::requests, 1}})},
                        {"most", with({{counter::requests, 2}})}};
    figures.feature_latency["most"] = {{10, 1}};
    figures.hours[5] = {3, 1'000, 1};
    figures.heatmap[6][5] = 3;
    figures.users = {{"user_1", "pro", 3, 1'500, 42}, {"user_2", "", 1, 0, 0}};
    const auto view = json::parse(admin::usage_json(figures, when));
    EXPECT_EQ(view["range"], (json{{"from", "2026-11-20"}, {"to", "2026-11-22"}, {"days", 3}}));
    ASSERT_EQ(view["overTime"].size(), 3U);
    EXPECT_EQ(view["overTime"][0]["date"], "2026-11-20");
    EXPECT_EQ(view["overTime"][0]["requests"], 0) << "zeros included";
    EXPECT_EQ(view["overTime"][1]["cost"].dump(), "0.0006");
    EXPECT_EQ(view["overTime"][1].size(), 12U);
    EXPECT_EQ(view["byFeature"][0]["name"], "most") << "most requests first";
    EXPECT_EQ(view["byFeature"][1]["name"], "a");
    EXPECT_DOUBLE_EQ(view["byFeature"][0]["p95DurationMs"], 0.01);
    EXPECT_TRUE(view["byFeature"][1]["p95DurationMs"].is_null());
    EXPECT_EQ(view["byModel"], json::array());
    ASSERT_EQ(view["byHour"].size(), 24U);
    EXPECT_EQ(view["byHour"][5], (json{{"hour", 5}, {"requests", 3}, {"cost", 0.000001}, {"errors", 1}}));
    ASSERT_EQ(view["heatmap"].size(), 7U);
    ASSERT_EQ(view["heatmap"][6].size(), 24U);
    EXPECT_EQ(view["heatmap"][6][5], 3);
    EXPECT_EQ(view["topUsers"][0],
              (json{{"userId", "user_1"}, {"plan", "pro"}, {"requests", 3}, {"cost", 0.0000015}, {"tokensUsed", 42}}));
    EXPECT_TRUE(view["topUsers"][1]["plan"].is_null());
    EXPECT_EQ(view["successRate"], (json{{"success", 1}, {"error", 1}, {"blocked", 1}, {"aborted", 1}}));
}

// ---- records ------------------------------------------------------------------------------------------------------

TEST(Records, HaveEveryFieldTypedAndNullWhenAbsent) {
    const auto when = zone("Asia/Kolkata");
    const std::vector<admin::entry_fields> entries{{{"id", "0190"},
                                                    {"ts", "1795325467123"},
                                                    {"userId", "user_1"},
                                                    {"inputTokens", "12"},
                                                    {"cost", "0.000453"},
                                                    {"cached", "0"},
                                                    {"success", "1"},
                                                    {"status", "200"},
                                                    {"requestDuration", "3194.250"},
                                                    {"audioSeconds", "12.500"},
                                                    {"images", "2"},
                                                    {"serviceTier", "batch"},
                                                    {"outcome", "ok"}}};
    const auto view = json::parse(admin::requests_json(entries, "17-0", when));
    EXPECT_EQ(view["next"], "17-0");
    const auto& record = view["records"][0];
    EXPECT_EQ(record["ts"], 1'795'325'467'123);
    EXPECT_EQ(record["time"], when.rfc3339(1'795'325'467'123));
    EXPECT_EQ(record["inputTokens"], 12);
    EXPECT_EQ(record["cost"].dump(), "0.000453");
    EXPECT_EQ(record["cached"], false);
    EXPECT_EQ(record["success"], true);
    EXPECT_EQ(record["status"], 200);
    EXPECT_DOUBLE_EQ(record["requestDuration"], 3194.25);
    EXPECT_DOUBLE_EQ(record["audioSeconds"], 12.5);
    EXPECT_EQ(record["images"], 2);
    EXPECT_EQ(record["serviceTier"], "batch");
    EXPECT_TRUE(record["pages"].is_null() && record["cacheWrite1hTokens"].is_null());
    for (const auto& field : tracking::usage_fields()) {
        ASSERT_TRUE(record.contains(std::string(field.name))) << field.name;
    }
    EXPECT_TRUE(record["outputTokens"].is_null()) << "absent is not 0";
    EXPECT_TRUE(record["plan"].is_null());
    EXPECT_TRUE(json::parse(admin::requests_json({}, "", when))["next"].is_null());
}

TEST(Records, EditedByHandAreStillJson) {
    const auto when = zone("UTC");
    const std::vector<admin::entry_fields> entries{{{"ts", "99999999999999999999"},
                                                    {"userId", "<script>alert(\"1\")</script>\x01\xC3\x28"},
                                                    {"inputTokens", "twelve"},
                                                    {"cost", "1e-3; DROP"},
                                                    {"cached", "yes"},
                                                    {"status", ""},
                                                    {"requestDuration", "NaN"}},
                                                   {{"ts", "-5"}},
                                                   {}};
    const auto view = json::parse(admin::requests_json(entries, "", when));
    const auto& record = view["records"][0];
    for (const char* name : {"ts", "time", "inputTokens", "cost", "cached", "status", "requestDuration"}) {
        EXPECT_TRUE(record[name].is_null()) << name;
    }
    EXPECT_EQ(record["userId"], "<script>alert(\"1\")</script>\x01\xEF\xBF\xBD(");
    EXPECT_TRUE(view["records"][1]["time"].is_null());
    EXPECT_TRUE(view["records"][2]["id"].is_null());
}

TEST(Stats, HasTheGeneralViewOnly) {
    admin::stats_figures figures{{3, 1, 2, 1, 1'500'000}, {30, 10, 20, 10, 15'000'000}, {300, 0, 0, 0, 0}, {}};
    figures.recent = {{{"event", "ai_generation"},
                       {"id", "x"},
                       {"cached", "1"},
                       {"cost", "0.0005"},
                       {"success", "1"},
                       {"ts", "1795325467123"},
                       {"model", "m"}}};
    const auto view = json::parse(admin::stats_json(figures));
    EXPECT_EQ(view["aiRequestsToday"], 3);
    EXPECT_EQ(view["aiRequestsThisMonth"], 30);
    EXPECT_EQ(view["aiRequestsTotal"], 300);
    EXPECT_EQ(view["cachedToday"], 1);
    EXPECT_EQ(view["costToday"].dump(), "0.0015");
    EXPECT_EQ(view["costThisMonth"].dump(), "0.015");
    const auto& recent = view["recentActivity"][0];
    EXPECT_EQ(recent["event"], "ai_generation");
    EXPECT_EQ(recent["cached"], true);
    EXPECT_EQ(recent["ts"], 1'795'325'467'123);
    EXPECT_TRUE(recent["userId"].is_null());
    EXPECT_EQ(recent.size(), 11U);
}

TEST(Percentiles, AreThoseOfTheMergedHistogram) {
    using tracking::store::histogram_bucket;
    tracking::store::histogram of;
    for (std::int64_t ms = 1; ms <= 100; ++ms) ++of[histogram_bucket(ms * 1'000)];
    EXPECT_NEAR(static_cast<double>(*tracking::store::percentile_us(of, 0.50)), 50'000, 50'000 * 0.02);
    EXPECT_NEAR(static_cast<double>(*tracking::store::percentile_us(of, 0.95)), 95'000, 95'000 * 0.02);
    EXPECT_NEAR(static_cast<double>(*tracking::store::percentile_us(of, 0.99)), 99'000, 99'000 * 0.02);
    EXPECT_NEAR(static_cast<double>(*tracking::store::percentile_us(of, 1.0)), 100'000, 100'000 * 0.02);
    EXPECT_FALSE(tracking::store::percentile_us({}, 0.5).has_value());
}

TEST(Health, DetailsAreForThoseWithAToken) {
    admin::health now;
    now.upstream_reachable = true;
    now.upstream = "http://10.0.0.7:3000: connected";
    now.redis = "redis://cache.internal: connection refused";
    now.journal_lag = 12;
    now.journal_lost = 3;
    const auto open = json::parse(admin::ready_json(now, true, false));
    EXPECT_EQ(open["journal"]["lag"], 12);
    EXPECT_EQ(open["journal"]["lost"], 3);
    EXPECT_EQ(open["redis"]["connected"], false);
    EXPECT_EQ(open.dump().find("10.0.0.7"), std::string::npos);
    EXPECT_EQ(open.dump().find("internal"), std::string::npos);
    const auto detailed = json::parse(admin::ready_json(now, true, true));
    EXPECT_EQ(detailed["upstream"]["detail"], now.upstream);
    EXPECT_EQ(detailed["redis"]["detail"], now.redis);
}

TEST(Health, EachPeerSaysWhetherAndSinceWhenItFails) {
    admin::health now;
    now.peers = {{"http://10.0.0.7:3000", "", ""},
                 {"http://10.0.0.8:3000", "2026-11-22T05:41:07.123+05:30", "Connection refused"}};
    const auto peers = json::parse(admin::ready_json(now, true, true))["upstream"]["peers"];
    EXPECT_EQ(peers, json::parse(R"([
        {"address":"http://10.0.0.7:3000","healthy":true,"failingSince":null,"lastError":null},
        {"address":"http://10.0.0.8:3000","healthy":false,"failingSince":"2026-11-22T05:41:07.123+05:30",
         "lastError":"Connection refused"}])"));
    EXPECT_FALSE(json::parse(admin::ready_json(now, true, false))["upstream"].contains("peers"));
}

}  // namespace
