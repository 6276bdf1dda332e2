// Metrics as text: the Prometheus text format 0.0.4 and OpenMetrics 1.0.
#include "admin-api/exposition.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/metrics_text.hpp"

namespace admin {
namespace {

using enum metric_type;

TEST(Exposition, AMetricIsItsHelpItsTypeAndItsSamples) {
    exposition to(exposition_format::text);
    to.one("aimeter_a_total", counter, "What a is.", 7);
    to.family("aimeter_b", gauge, "What b is.");
    to.sample({{"x", "1"}, {"empty", ""}, {"y", "2"}}, -3);
    EXPECT_EQ(to.take(),
              "# HELP aimeter_a_total What a is.\n# TYPE aimeter_a_total counter\naimeter_a_total 7\n"
              "# HELP aimeter_b What b is.\n# TYPE aimeter_b gauge\naimeter_b{x=\"1\",y=\"2\"} -3\n");
}

TEST(Exposition, OpenMetricsNamesTheFamilyOfACounterWithoutTotalAndEnds) {
    exposition to(exposition_format::open_metrics);
    to.one("aimeter_a_total", counter, "What a is.", 7);
    EXPECT_EQ(to.take(), "# HELP aimeter_a What a is.\n# TYPE aimeter_a counter\naimeter_a_total 7\n# EOF\n");
}

TEST(Exposition, LabelValuesAreEscapedAndValid) {
    exposition to(exposition_format::text);
    to.family("m", gauge, "h");
    to.sample({{"a", "quote\" back\\slash line\nend"}, {"b", "caf\xC3\xA9 \xFF\xC3"}, {"c", "}{,="}}, 1);
    const std::string text = to.take();
    EXPECT_NE(text.find(R"(m{a="quote\" back\\slash line\nend",b="café )"), std::string::npos) << text;
    EXPECT_NE(text.find("\xEF\xBF\xBD\xEF\xBF\xBD\""), std::string::npos);
    const auto read = tests::metrics_text::parse(text);
    ASSERT_EQ(read.samples.size(), 1U);
    EXPECT_EQ(read.samples[0].labels.at("a"), "quote\" back\\slash line\nend");
    EXPECT_EQ(read.samples[0].labels.at("c"), "}{,=");
}

TEST(Exposition, AHistogramIsCumulative) {
    constexpr std::array<std::int64_t, 3> bounds{500, 1'000, 2'500};  // ms
    tracking::store::bounded_histogram of;
    for (const std::int64_t value : {1, 500, 501, 1'000, 2'501, 9'000}) of.add(bounds, value);
    exposition to(exposition_format::text);
    to.family("m_seconds", histogram, "h");
    to.histogram({{"x", "y"}}, of, bounds, 3);
    EXPECT_EQ(to.take(),
              "# HELP m_seconds h\n# TYPE m_seconds histogram\n"
              "m_seconds_bucket{x=\"y\",le=\"0.5\"} 2\n"  // a bound belongs to its bucket
              "m_seconds_bucket{x=\"y\",le=\"1.0\"} 4\n"
              "m_seconds_bucket{x=\"y\",le=\"2.5\"} 4\n"
              "m_seconds_bucket{x=\"y\",le=\"+Inf\"} 6\n"
              "m_seconds_sum{x=\"y\"} 13.503\n"
              "m_seconds_count{x=\"y\"} 6\n");
}

TEST(Exposition, NumbersAreExactDecimals) {
    EXPECT_EQ(decimal_text(0, 9), "0");
    EXPECT_EQ(decimal_text(1, 9), "0.000000001");
    EXPECT_EQ(decimal_text(1'500'000'000, 9), "1.5");
    EXPECT_EQ(decimal_text(-453'000, 9), "-0.000453");
    EXPECT_EQ(decimal_text(120, 0), "120");
    EXPECT_EQ(decimal_text(std::numeric_limits<std::int64_t>::max(), 9), "9223372036.854775807");
    EXPECT_EQ(decimal_text(std::numeric_limits<std::int64_t>::min(), 0), "-9223372036854775808");
}

TEST(Exposition, TheFormatIsTheOneAskedFor) {
    const auto open = exposition_format::open_metrics, text = exposition_format::text;
    EXPECT_EQ(format_for(""), text);
    EXPECT_EQ(format_for("*/*"), text);
    EXPECT_EQ(format_for("text/plain;version=0.0.4;q=1,*/*;q=0.1"), text);
    // as Prometheus asks
    EXPECT_EQ(format_for("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
              open);
    EXPECT_EQ(format_for("text/plain, Application/OpenMetrics-Text; q=0.5"), open);
    EXPECT_EQ(format_for("application/openmetrics-text;q=0"), text);
    EXPECT_EQ(format_for("application/openmetrics-text; q=0.0, text/plain"), text);
}

}  // namespace
}  // namespace admin
