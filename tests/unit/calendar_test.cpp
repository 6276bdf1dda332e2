// Which minute, hour, day and month an instant belongs to: offsets that are not whole hours, both DST changes, a DST
// change of half an hour, and the ends of months and years. Expected instants are worked out by hand from the zones'
// published rules (UTC instants from the proleptic calendar, offsets from the tz database's documentation).
#include "tracking/store/calendar.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace {

using tracking::store::calendar;
using tracking::store::civil_time;

calendar zone(const std::string& name) {
    auto opened = calendar::open(name);
    if (auto* error = std::get_if<std::string>(&opened)) throw std::runtime_error(*error);
    return std::move(std::get<calendar>(opened));
}

// Independent of the code under test: C++20 <chrono> in UTC.
std::int64_t utc(int y, unsigned mo, unsigned d, int h = 0, int mi = 0, int s = 0, int ms = 0) {
    using namespace std::chrono;
    const sys_days day{year{y} / month{mo} / std::chrono::day{d}};
    return duration_cast<milliseconds>(day.time_since_epoch()).count() + ((h * 60LL + mi) * 60 + s) * 1000 + ms;
}

TEST(Calendar, UtcKeysAreThoseOfTheInstant) {
    const auto when = zone("UTC");
    const auto t = utc(2026, 11, 22, 5, 41, 7, 123);
    EXPECT_EQ(when.minute_key(t), "2026-11-22T05:41");
    EXPECT_EQ(when.hour_key(t), "2026-11-22T05");
    EXPECT_EQ(when.day_key(t), "2026-11-22");
    EXPECT_EQ(when.month_key(t), "2026-11");
    EXPECT_EQ(when.rfc3339(t), "2026-11-22T05:41:07.123Z");
    EXPECT_EQ(when.at(t).weekday, 6);  // a Sunday
    EXPECT_EQ(when.zone(), "UTC");
}

TEST(Calendar, IndiaIsHalfAnHourOff) {
    const auto when = zone("Asia/Kolkata");
    EXPECT_EQ(when.day_key(utc(2026, 11, 22, 18, 29, 59, 999)), "2026-11-22");
    EXPECT_EQ(when.day_key(utc(2026, 11, 22, 18, 30)), "2026-11-23");
    EXPECT_EQ(when.hour_key(utc(2026, 11, 22, 18, 30)), "2026-11-23T00");
    EXPECT_EQ(when.rfc3339(utc(2026, 11, 22, 0, 11, 7, 5)), "2026-11-22T05:41:07.005+05:30");
    EXPECT_EQ(when.instant(2026, 11, 23), utc(2026, 11, 22, 18, 30));
}

TEST(Calendar, NepalIsThreeQuartersOff) {
    const auto when = zone("Asia/Kathmandu");
    EXPECT_EQ(when.minute_key(utc(2026, 12, 31, 18, 14)), "2026-12-31T23:59");
    EXPECT_EQ(when.minute_key(utc(2026, 12, 31, 18, 15)), "2027-01-01T00:00");
    EXPECT_EQ(when.month_key(utc(2026, 12, 31, 18, 15)), "2027-01");
    EXPECT_EQ(when.at(utc(2026, 12, 31, 18, 15)).utc_offset, 5 * 3600 + 45 * 60);
    EXPECT_EQ(when.instant(2027, 1, 1), utc(2026, 12, 31, 18, 15));
}

TEST(Calendar, NewYorkSkipsAnHourInMarch) {  // 2026-03-08, 02:00 EST -> 03:00 EDT at 07:00 UTC
    const auto when = zone("America/New_York");
    EXPECT_EQ(when.minute_key(utc(2026, 3, 8, 6, 59)), "2026-03-08T01:59");
    EXPECT_EQ(when.minute_key(utc(2026, 3, 8, 7, 0)), "2026-03-08T03:00");
    EXPECT_EQ(when.rfc3339(utc(2026, 3, 8, 6, 59)), "2026-03-08T01:59:00.000-05:00");
    EXPECT_EQ(when.rfc3339(utc(2026, 3, 8, 7, 0)), "2026-03-08T03:00:00.000-04:00");
    EXPECT_EQ(when.instant(2026, 3, 8, 2, 30), utc(2026, 3, 8, 7, 0)) << "skipped: the instant of the change";
    EXPECT_EQ(when.instant(2026, 3, 8, 3, 0), utc(2026, 3, 8, 7, 0));
    EXPECT_EQ(when.instant(2026, 3, 9) - when.instant(2026, 3, 8), 23 * 3'600'000LL);
}

TEST(Calendar, NewYorkRepeatsAnHourInNovember) {  // 2026-11-01, 02:00 EDT -> 01:00 EST at 06:00 UTC
    const auto when = zone("America/New_York");
    EXPECT_EQ(when.hour_key(utc(2026, 11, 1, 5, 30)), "2026-11-01T01");
    EXPECT_EQ(when.hour_key(utc(2026, 11, 1, 6, 30)), "2026-11-01T01") << "the second time round";
    EXPECT_EQ(when.hour_key(utc(2026, 11, 1, 7, 0)), "2026-11-01T02");
    EXPECT_EQ(when.instant(2026, 11, 1, 1, 30), utc(2026, 11, 1, 5, 30)) << "twice: the earlier one";
    EXPECT_EQ(when.instant(2026, 11, 1, 2, 0), utc(2026, 11, 1, 7, 0));
    EXPECT_EQ(when.instant(2026, 11, 2) - when.instant(2026, 11, 1), 25 * 3'600'000LL);
}

TEST(Calendar, LordHoweChangesByHalfAnHour) {
    const auto when = zone("Australia/Lord_Howe");
    // 2026-10-04 02:00 +10:30 -> 02:30 +11:00, at 15:30 UTC the day before.
    EXPECT_EQ(when.minute_key(utc(2026, 10, 3, 15, 29)), "2026-10-04T01:59");
    EXPECT_EQ(when.minute_key(utc(2026, 10, 3, 15, 30)), "2026-10-04T02:30");
    EXPECT_EQ(when.instant(2026, 10, 4, 2, 10), utc(2026, 10, 3, 15, 30));
    // 2026-04-05 02:00 +11:00 -> 01:30 +10:30, at 15:00 UTC the day before.
    EXPECT_EQ(when.minute_key(utc(2026, 4, 4, 14, 59)), "2026-04-05T01:59");
    EXPECT_EQ(when.minute_key(utc(2026, 4, 4, 15, 0)), "2026-04-05T01:30");
    EXPECT_EQ(when.instant(2026, 4, 5, 1, 45), utc(2026, 4, 4, 14, 45));
    EXPECT_EQ(when.at(utc(2026, 4, 4, 15, 0)).utc_offset, 10 * 3600 + 1800);
}

TEST(Calendar, LeapDaysAndEndsOfMonthsAndYears) {
    const auto when = zone("UTC");
    EXPECT_EQ(when.day_key(utc(2028, 2, 28, 23, 59, 59, 999) + 1), "2028-02-29");
    EXPECT_EQ(when.day_key(utc(2027, 2, 28, 23, 59, 59, 999) + 1), "2027-03-01");
    EXPECT_EQ(when.month_key(utc(2026, 12, 31, 23, 59, 59, 999)), "2026-12");
    EXPECT_EQ(when.month_key(utc(2026, 12, 31, 23, 59, 59, 999) + 1), "2027-01");
}

TEST(Calendar, DaysAndMonthsOutOfRangeAreNormalised) {
    const auto when = zone("UTC");
    EXPECT_EQ(when.instant(2026, 3, 0), utc(2026, 2, 28));
    EXPECT_EQ(when.instant(2026, 11, 31), utc(2026, 12, 1));
    EXPECT_EQ(when.instant(2026, 1, -364), utc(2025, 1, 1));
    EXPECT_EQ(when.instant(2026, 13, 1), utc(2027, 1, 1));
    EXPECT_EQ(when.instant(2026, 0, 1), utc(2025, 12, 1));
}

TEST(Calendar, TimesBeforeTheEpochDoNotBreakIt) {
    const auto when = zone("UTC");
    EXPECT_EQ(when.rfc3339(-1), "1969-12-31T23:59:59.999Z");
    EXPECT_EQ(when.day_key(-86'400'001), "1969-12-30");
}

// Each civil minute that exists leads to an instant whose civil time is that minute again.
TEST(Calendar, InstantIsTheInverseOfAt) {
    for (const char* name : {"UTC", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo",
                             "Pacific/Apia", "Africa/Casablanca", "Europe/Dublin"}) {
        const auto when = zone(name);
        for (std::int64_t t = utc(2026, 1, 1); t < utc(2027, 1, 1); t += 1'800'000) {
            const civil_time c = when.at(t);
            const auto back = when.instant(c.year, c.month, c.day, c.hour, c.minute, c.second);
            ASSERT_LE(back, t) << name;
            ASSERT_EQ(when.minute_key(back), when.minute_key(t)) << name;
            ASSERT_LE(t - back, 3'600'000) << name;  // an hour that occurs twice, at most
        }
    }
}

TEST(Calendar, UnknownZonesAreNamed) {
    for (const char* name : {"Mars/Olympus", "", "../../../etc/passwd", "America/new_york"}) {
        const auto opened = calendar::open(name);
        ASSERT_TRUE(std::holds_alternative<std::string>(opened)) << name;
        EXPECT_NE(std::get<std::string>(opened).find(name), std::string::npos);
    }
}

TEST(Calendar, LinkedNamesWork) {
    EXPECT_EQ(zone("Asia/Calcutta").hour_key(utc(2026, 1, 1)), "2026-01-01T05");
    EXPECT_EQ(zone("Etc/UTC").hour_key(utc(2026, 1, 1)), "2026-01-01T00");
    EXPECT_EQ(zone("US/Eastern").hour_key(utc(2026, 1, 1)), "2025-12-31T19");
}

}  // namespace
