// Prices as an operator meets them: a new catalogue in a running aimeter, and the commands that look at prices.
#include <chrono>
#include <fstream>

#include "tests/support/record_test.hpp"

namespace tests {
namespace {

using ::testing::HasSubstr;

class proxy_price : public record_test {
protected:
    void list_price(const std::string& as_of, const std::string& input) const {
        std::ofstream(folder.path() + "/prices.json", std::ios::trunc)
            << R"({"schema":"aimeter-prices/1","unit":"pico-USD","as_of":")" << as_of
            << R"(","models":{"gemini-2.0-flash":{"in":)" << input << R"(,"out":2000000}}})";
    }
    void start_with_prices() { start({.config = "[pricing]\ncatalogue = \"" + folder.path() + "/prices.json\""}); }
    static std::string day_of(const redis_record& record) {
        const std::chrono::milliseconds ts(std::stoll(value(record, "ts")));
        const auto day = std::chrono::floor<std::chrono::days>(std::chrono::sys_time<std::chrono::milliseconds>(ts));
        const std::chrono::year_month_day date(day);
        char text[40];
        std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(date.year()),
                      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
        return text;
    }

    temp_dir folder;
};

TEST_F(proxy_price, a_new_catalogue_prices_the_next_request_after_sighup_and_a_bad_one_is_refused) {
    list_price("2026-11-01", "1000000");
    start_with_prices();
    // 1000 input and 600 output tokens: 1000 x 1 + 600 x 2 millionths of a USD
    expect_fields(record_of(json_answer()), {{"cost", "0.0022"}, {"priceId", "gemini-2.0-flash@2026-11-01"}});

    list_price("2026-11-02", "2000000");
    expect_fields(record_of(json_answer()), {{"cost", "0.0022"}});  // not before it is told
    proxy->process().signal(SIGHUP);
    ASSERT_TRUE(proxy->process().wait_err("configuration reloaded")) << proxy->process().err();
    expect_fields(record_of(json_answer()), {{"cost", "0.0032"}, {"priceId", "gemini-2.0-flash@2026-11-02"}});

    list_price("2026-11-03", "-5");
    proxy->process().signal(SIGHUP);
    ASSERT_TRUE(proxy->process().wait_err("not a price catalogue")) << proxy->process().err();
    expect_fields(record_of(json_answer()), {{"cost", "0.0032"}, {"priceId", "gemini-2.0-flash@2026-11-02"}});
}

TEST_F(proxy_price, recorded_requests_are_priced_again_and_verify_still_agrees) {
    list_price("2026-11-01", "1000000");
    start_with_prices();
    const auto record = record_of(json_answer());
    const std::string day = day_of(record);
    const auto same = aimeter().run("reprice", {"--from", day, "--to", day});
    EXPECT_THAT(same.out, ::testing::ContainsRegex(day + " +1 +0.0022 +0.0022 +0 +0 +0 +0 +1\n")) << same.err;
    list_price("2026-11-02", "2000000");
    const auto report = aimeter().run("reprice", {"--from", day, "--to", day});
    EXPECT_EQ(report.exit_code, 0) << report.err;
    EXPECT_THAT(report.out, ::testing::ContainsRegex(day + " +1 +0.0022 +0.0032 +\\+0.001 +1"));
    for (int twice = 0; twice < 2; ++twice) {
        const auto applied = aimeter().run("reprice", {"--from", day, "--to", day, "--apply"});
        EXPECT_EQ(applied.exit_code, 0) << applied.err;
        EXPECT_EQ(redis().hash("aimeter:corrections:day:" + day)["differenceNanoUsd"], "1000000");
        EXPECT_EQ(redis().number({"XLEN", "aimeter:corrections:day:" + day + ":records"}), 1);
    }
    const auto verified = aimeter().run("verify");
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
}

TEST_F(proxy_price, wrong_usage_of_the_commands_is_exit_2) {
    list_price("2026-11-01", "1000000");
    start_with_prices();
    EXPECT_EQ(aimeter().run("reprice", {"--from", "2026-11-01"}).exit_code, 2);
    EXPECT_EQ(aimeter().run("reprice", {"--from", "2026-11-02", "--to", "2026-11-01"}).exit_code, 2);
    EXPECT_EQ(aimeter().run("reprice", {"--from", "2026-02-30", "--to", "2026-03-01"}).exit_code, 2);
    EXPECT_EQ(aimeter().run("price", {"gemini-2.0-flash"}).exit_code, 2);
    EXPECT_EQ(aimeter().run("price", {"gemini-2.0-flash", "--input", "-1"}).exit_code, 2);
    EXPECT_EQ(aimeter().run("price", {"gemini-2.0-flash", "--audio-seconds", "1e3"}).exit_code, 2);
    EXPECT_EQ(aimeter().run("price", {"gemini-2.0-flash", "--input", "1", "--service-tier", "gold"}).exit_code, 2);
}

TEST_F(proxy_price, the_price_command_prices_every_class) {
    std::ofstream(folder.path() + "/prices.json", std::ios::trunc)
        << R"({"schema":"aimeter-prices/1","unit":"pico-USD","as_of":"2026-11-01","models":{"all":{"in":1000000,
        "out":2000000,"cache_read":100000,"cache_write":1250000,"cache_write_1h":2000000,"reasoning":3000000,
        "audio_in":4000000,"audio_out":5000000,"image_tok_in":6000000,"image_tok_out":7000000,
        "batch":{"in":500000,"out":1000000},"unit":{"page":1000000000,"query":2000000000},
        "search":{"medium":3000000000}},
        "pieces":{"unit":{"audio_second_in":100000000,"image_out":40000000000,"char_in":15000000}}}})";
    start_with_prices();
    const auto all = aimeter().run(
        "price", {"all", "--input",          "1000", "--output",       "100",  "--cached",      "100", "--cache-write",
                  "100", "--cache-write-1h", "40",   "--reasoning",    "10",   "--audio-input", "10",  "--audio-output",
                  "10",  "--image-input",    "10",   "--image-output", "10",   "--pages",       "1",   "--search-units",
                  "1",   "--searches",       "1",    "--service-tier", "batch"});
    // input: 780 x 0.5 + 100 x 0.1 + 60 x 1.25 + 40 x 2 + 10 x 4 + 10 x 6 = 655 millionths of a USD
    // output: 70 x 1 + 10 x 3 + 10 x 5 + 10 x 7 = 220; units: 1000 + 2000 + 3000; together 6875
    EXPECT_EQ(all.exit_code, 0) << all.err;
    EXPECT_THAT(all.out, HasSubstr("total          0.006875 USD\n"));
    // 2.5 x 0.0001 + 2 x 0.04 + 1000 x 0.000015
    const auto pieces =
        aimeter().run("price", {"pieces", "--audio-seconds", "2.5", "--images", "2", "--characters", "1000"});
    EXPECT_THAT(pieces.out, HasSubstr("total          0.09525 USD\n")) << pieces.err;
    EXPECT_EQ(aimeter().run("price", {"all", "--characters", "5"}).exit_code, 1);
}

TEST_F(proxy_price, check_refuses_a_catalogue_that_serve_would_refuse_and_names_its_place) {
    list_price("2026-11-01", "-5");
    const aimeter_process made(
        {.upstream = upstream.url(), .config = "[pricing]\ncatalogue = \"" + folder.path() + "/prices.json\""});
    const auto checked = made.run("check");
    EXPECT_EQ(checked.exit_code, 1);
    EXPECT_EQ(checked.out, "");
    EXPECT_THAT(checked.err, ::testing::StartsWith(made.config_path() + ":7:13: pricing.catalogue: " + folder.path() +
                                                   "/prices.json: not a price catalogue"));
    list_price("2026-11-01", "5");
    const auto mended = made.run("check");
    EXPECT_EQ(mended.exit_code, 0) << mended.err;
    EXPECT_EQ(mended.out, "configuration ok\n");
}

}  // namespace
}  // namespace tests
