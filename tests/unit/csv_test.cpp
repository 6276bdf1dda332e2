// Exports as CSV: what RFC 4180 says, and what spreadsheets would otherwise make of texts from strangers.
#include "admin-api/csv.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "admin-api/content_coding.hpp"
#include "tracking/record.hpp"

namespace {

using namespace std::string_literals;

std::string cell(std::string_view text) {
    std::string out;
    admin::append_csv_cell(out, text);
    return out;
}

std::size_t columns() { return tracking::usage_fields().size(); }

TEST(Csv, TextStaysAsItIs) {
    EXPECT_EQ(cell(""), "");
    EXPECT_EQ(cell("gemini-2.0-flash"), "gemini-2.0-flash");
    EXPECT_EQ(cell("a b;c'd"), "a b;c'd");
    EXPECT_EQ(cell("Größe €"), "Größe €");
}

TEST(Csv, QuotesWhatRfc4180Quotes) {
    EXPECT_EQ(cell("a,b"), "\"a,b\"");
    EXPECT_EQ(cell("say \"hi\""), "\"say \"\"hi\"\"\"");
    EXPECT_EQ(cell("two\r\nlines"), "\"two\r\nlines\"");
    EXPECT_EQ(cell("one\n"), "\"one\n\"");
}

TEST(Csv, AFormulaBecomesText) {
    EXPECT_EQ(cell("=1+1"), "'=1+1");
    EXPECT_EQ(cell("+1-1"), "'+1-1");
    EXPECT_EQ(cell("-cmd"), "'-cmd");
    EXPECT_EQ(cell("@SUM(A1)"), "'@SUM(A1)");
    EXPECT_EQ(cell("\tx"), "'\tx");
    EXPECT_EQ(cell("\rx"), "\"'\rx\"");
    EXPECT_EQ(cell("=HYPERLINK(\"http://x\",\"y\")"), "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"");
    EXPECT_EQ(cell("a=1"), "a=1");
}

TEST(Csv, ANegativeNumberStaysANumber) {
    EXPECT_EQ(cell("-5"), "-5");
    EXPECT_EQ(cell("-0.000453"), "-0.000453");
    EXPECT_EQ(cell("-1e9"), "'-1e9");
    EXPECT_EQ(cell("+5"), "'+5");
    EXPECT_EQ(cell("-2+3"), "'-2+3");
}

TEST(Csv, IsUtf8WhateverAClientSent) {
    EXPECT_EQ(cell("a\xFF"
                   "b"),
              "a\xEF\xBF\xBD"
              "b");
    EXPECT_EQ(cell("a\0b"s),
              "a\xEF\xBF\xBD"
              "b");
}

TEST(Csv, ARowHasAllColumnsInTheirOrderWhateverTheOrderOfTheEntry) {
    std::string header, row;
    admin::append_csv_header(header);
    EXPECT_TRUE(header.starts_with("id,requestId,ts,")) << header;
    EXPECT_TRUE(header.ends_with("\r\n"));
    admin::append_csv_row(row, {{"ts", "1700000000000"}, {"unknown", "x"}, {"id", "1,2"}});
    EXPECT_TRUE(row.starts_with("\"1,2\",,1700000000000,")) << row;
    EXPECT_TRUE(row.ends_with("\r\n"));
    EXPECT_EQ(static_cast<std::size_t>(std::count(header.begin(), header.end(), ',')), columns() - 1);
    EXPECT_EQ(static_cast<std::size_t>(std::count(row.begin(), row.end(), ',')), columns());
}

TEST(Gzip, IsTakenWhereItIsWanted) {
    for (const char* const yes : {"gzip", "GZIP", "br, gzip", "gzip;q=0.5", "deflate , gzip ;q=0.001"})
        EXPECT_TRUE(admin::accepts_coding(yes, "gzip")) << yes;
    for (const char* const no : {"", "br", "gzip;q=0", "gzip; q=0.000", "gzip;Q=0", "gzipped", "*;q=0"})
        EXPECT_FALSE(admin::accepts_coding(no, "gzip")) << no;
}

}  // namespace
