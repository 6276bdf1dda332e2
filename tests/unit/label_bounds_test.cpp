// What becomes of the names in a record when track.max_labels is reached.
#include "proxy/label_bounds.hpp"

#include <gtest/gtest.h>

namespace proxy {
namespace {

constexpr std::int64_t day_ms = 86'400'000;
constexpr std::int64_t noon = 20'000 * day_ms + day_ms / 2;

tracking::record of_feature(std::string feature, std::int64_t arrived_ms) {
    tracking::record made;
    made.feature = std::move(feature);
    made.ts_ms = arrived_ms;
    return made;
}

TEST(LabelBounds, ARequestThatLastsForDaysDoesNotBeginTheDayAnew) {
    const auto zone = std::get<tracking::store::calendar>(tracking::store::calendar::open("UTC"));
    conf::track_settings most;
    most.max_labels = 1;
    label_bounds bounds(most, zone);
    auto first = of_feature("first", noon);
    bounds.fold(first, noon);
    EXPECT_EQ(first.feature, "first");

    auto long_one = of_feature("of-old", noon - 2 * day_ms);
    bounds.fold(long_one, noon);
    EXPECT_EQ(long_one.feature, "other");
    EXPECT_EQ(long_one.raw_feature, "of-old");
    auto next = of_feature("next", noon);
    bounds.fold(next, noon);
    EXPECT_EQ(next.feature, "other") << "there is room for one feature a day";
}

}  // namespace
}  // namespace proxy
