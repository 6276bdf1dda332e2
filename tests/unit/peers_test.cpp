// Which peer a request goes to: the less loaded one; none that is left out while another is there. Each that is left
// out is tested by one request when its back-off is over, and comes back when that goes well.
#include "proxy/peers.hpp"

#include <gmock/gmock.h>

#include <deque>
#include <map>

namespace {

using namespace proxy;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

upstream_addresses addresses(const std::vector<std::string>& names) {
    upstream_addresses made;
    for (const auto& name : names) {
        made.all.emplace_back();
        made.all.back().text = name;
    }
    return made;
}

class Peers : public testing::Test {
protected:
    void SetUp() override { use(3, 1s, 8s); }

    void use(std::uint32_t max_fails, std::chrono::milliseconds first, std::chrono::milliseconds longest) {
        conf::forward_settings settings;
        settings.max_fails = max_fails;
        settings.fail_timeout = first;
        settings.max_fail_timeout = longest;
        list.use(settings);
    }
    void use(const std::vector<std::string>& names) { list.use(addresses(names)); }

    static std::string name(const peer_turn& turn) { return turn.at().address.text; }
    std::string chosen() {
        peer_turn turn;
        return list.choose(turn) ? name(turn) : "none";
    }
    std::map<std::string, int> chosen(int times) {
        std::map<std::string, int> counts;
        for (int i = 0; i < times; ++i) ++counts[chosen()];
        return counts;
    }
    // A request that came to `wanted`.
    peer_turn& request_to(const std::string& wanted) {
        for (int i = 0; i < 1000; ++i) {
            peer_turn& turn = requests.emplace_back();
            if (list.choose(turn) && name(turn) == wanted) return turn;
            requests.pop_back();
        }
        throw std::runtime_error(wanted + " is never chosen");
    }
    void refuse(const std::string& who) {
        list.connect_failed(request_to(who), "refused");
        requests.clear();
    }

    tracking::manual_time clock{0};
    std::vector<std::string> changes;
    peer_list list{clock, 7, [this](const peer_change& what) {
                       changes.push_back(what.address + (what.problem ? " fails: " + *what.problem : " is back"));
                   }};
    std::deque<peer_turn> requests;  // under way
};

// ---- the choice ---------------------------------------------------------------------------------------------------

TEST_F(Peers, WithoutAddressesThereIsNone) { EXPECT_EQ(chosen(), "none"); }

TEST_F(Peers, AllGetTheirShareWhenNobodyIsLoaded) {
    use({"a", "b", "c"});
    for (const auto& [who, times] : chosen(3000)) EXPECT_NEAR(times, 1000, 150) << who;
}

TEST_F(Peers, OfTwoTheLessLoadedIsAlwaysChosen) {
    use({"a", "b"});
    request_to("a");
    EXPECT_EQ(chosen(100), (std::map<std::string, int>{{"b", 100}}));
    request_to("b");
    request_to("b");
    EXPECT_EQ(chosen(100), (std::map<std::string, int>{{"a", 100}}));
}

// Of three, the most loaded one is never the less loaded of two.
TEST_F(Peers, TheMostLoadedOfManyIsNeverChosen) {
    use({"a", "b", "c"});
    request_to("a");
    const auto counts = chosen(300);
    EXPECT_FALSE(counts.contains("a"));
    EXPECT_EQ(counts.size(), 2U);
}

// A slow peer ends up with as many requests under way as the others, however often it is drawn.
TEST_F(Peers, LoadsStayEqualWhenNothingEnds) {
    use({"a", "b", "c", "d"});
    std::map<std::string, int> loads;
    for (int i = 0; i < 400; ++i) {
        ASSERT_TRUE(list.choose(requests.emplace_back()));
        ++loads[name(requests.back())];
    }
    for (const auto& [who, load] : loads) EXPECT_NEAR(load, 100, 4) << who;
}

TEST_F(Peers, TheSameSeedDrawsTheSame) {
    const auto draw = [this] {
        peer_list same(clock, 42, [](const peer_change&) {});
        same.use(addresses({"a", "b", "c"}));
        std::string order;
        for (int i = 0; i < 50; ++i) {
            peer_turn turn;
            EXPECT_TRUE(same.choose(turn));
            order += name(turn);
        }
        return order;
    };
    EXPECT_EQ(draw(), draw());
}

// ---- after a failure ----------------------------------------------------------------------------------------------

TEST_F(Peers, ARequestTriesEachPeerOnce) {
    use({"a", "b", "c"});
    peer_turn turn;
    std::string tried;
    while (list.choose(turn)) {
        tried += name(turn);
        list.connect_failed(turn, "refused");
    }
    std::sort(tried.begin(), tried.end());
    EXPECT_EQ(tried, "abc");
}

TEST_F(Peers, AnotherTryAvoidsThePeerOfTheFirst) {
    use({"a", "b"});
    for (int i = 0; i < 20; ++i) {
        peer_turn turn;
        list.choose(turn);
        const std::string first = name(turn);
        ASSERT_TRUE(list.choose(turn));
        EXPECT_NE(name(turn), first);
    }
    use({"a"});
    peer_turn only;
    list.choose(only);
    EXPECT_TRUE(list.choose(only)) << "unless there is no other";
}

TEST_F(Peers, ALostRequestCountsAsNobodysLoad) {
    use({"a", "b"});
    list.connect_failed(request_to("a"), "refused");
    requests.clear();
    list.for_each([](const peer& one) { EXPECT_EQ(one.under_way, 0U) << one.address.text; });
}

// ---- being left out -----------------------------------------------------------------------------------------------

TEST_F(Peers, OneThatCannotBeConnectedToIsLeftOutAtOnceAndSaidOnce) {
    use({"a", "b", "c"});
    peer_turn& first = request_to("a");
    peer_turn& second = request_to("b");  // keeps b from being drawn again
    peer_turn third;                      // to a, begun before it was known to fail
    while (!list.choose(third) || name(third) != "a") std::destroy_at(&third), std::construct_at(&third);
    list.connect_failed(first, "refused");
    list.connect_failed(third, "refused");
    list.connected(second);
    EXPECT_FALSE(chosen(200).contains("a"));
    EXPECT_THAT(changes, ElementsAre("a fails: refused"));
}

TEST_F(Peers, UnansweredRequestsInARowLeaveItOut) {
    use({"a", "b"});
    for (const bool answered_between : {true, false}) {
        for (int i = 0; i < 2; ++i) list.unanswered(request_to("a"), "reset"), requests.clear();
        EXPECT_THAT(changes, IsEmpty());
        if (answered_between) list.answered(request_to("a")), requests.clear();
    }
    list.unanswered(request_to("a"), "reset");
    requests.clear();
    EXPECT_THAT(changes, ElementsAre("a fails: reset"));
    EXPECT_FALSE(chosen(100).contains("a"));
}

TEST_F(Peers, WithMaxFails0NobodyIsEverLeftOut) {
    use({"a", "b"});
    refuse("a");
    use(0, 1s, 8s);
    EXPECT_THAT(changes, ElementsAre("a fails: refused", "a is back"));
    for (int i = 0; i < 5; ++i) refuse("a");
    for (int i = 0; i < 5; ++i) list.unanswered(request_to("a"), "reset"), requests.clear();
    EXPECT_TRUE(chosen(100).contains("a"));
}

TEST_F(Peers, TheBackOffDoublesUpToItsCapAndIsAtMostAQuarterShorter) {
    use({"a", "b"});
    refuse("a");
    for (const std::chrono::milliseconds longest : {1s, 2s, 4s, 8s, 8s, 8s}) {
        clock.advance(longest * 3 / 4 - 1ms);
        EXPECT_FALSE(chosen(50).contains("a")) << longest.count();
        clock.advance(longest / 4 + 1ms);
        peer_turn test;
        ASSERT_TRUE(list.choose(test));
        EXPECT_EQ(name(test), "a");
        EXPECT_TRUE(test.is_test());
        list.connect_failed(test, "refused");
    }
    EXPECT_THAT(changes, ElementsAre("a fails: refused"));
}

TEST_F(Peers, WorkersDoNotTestAtTheSameMoment) {
    std::map<std::int64_t, int> moments;
    for (std::uint32_t seed = 1; seed <= 20; ++seed) {
        peer_list one(clock, seed, [](const peer_change&) {});
        one.use(conf::forward_settings{});
        one.use(addresses({"a"}));
        peer_turn turn;
        one.choose(turn);
        one.connect_failed(turn, "refused");
        one.for_each([&](const peer& it) { ++moments[it.until.time_since_epoch().count()]; });
    }
    EXPECT_GT(moments.size(), 10U);
}

// ---- coming back --------------------------------------------------------------------------------------------------

TEST_F(Peers, OneRequestIsTheTestAndTheOthersGoElsewhereMeanwhile) {
    use({"a", "b"});
    refuse("a");
    clock.advance(1s);
    peer_turn test;
    list.choose(test);
    ASSERT_EQ(name(test), "a");
    EXPECT_EQ(chosen(50), (std::map<std::string, int>{{"b", 50}}));
    list.connected(test);
    EXPECT_THAT(changes, ElementsAre("a fails: refused", "a is back"));
    EXPECT_TRUE(chosen(50).contains("b"));
    std::destroy_at(&test), std::construct_at(&test);
    EXPECT_TRUE(chosen(50).contains("a"));
}

TEST_F(Peers, AfterComingBackTheBackOffBeginsAnew) {
    use({"a", "b"});
    refuse("a");
    clock.advance(1s);
    refuse("a");
    clock.advance(2s);
    list.connected(request_to("a"));
    requests.clear();
    refuse("a");
    clock.advance(1s);
    EXPECT_EQ(chosen(), "a");
}

TEST_F(Peers, OneThatDidNotAnswerMustAnswerToComeBack) {
    use({"a", "b"});
    for (int i = 0; i < 3; ++i) list.unanswered(request_to("a"), "reset"), requests.clear();
    clock.advance(1s);
    peer_turn test;
    list.choose(test);
    ASSERT_EQ(name(test), "a");
    list.connected(test);
    EXPECT_THAT(changes, ElementsAre("a fails: reset"));
    list.answered(test);
    EXPECT_THAT(changes, ElementsAre("a fails: reset", "a is back"));
}

TEST_F(Peers, ATestThatEndsWithoutAVerdictLeavesItToTheNext) {
    use({"a", "b"});
    refuse("a");
    clock.advance(1s);
    EXPECT_EQ(chosen(), "a") << "whose client left";
    EXPECT_EQ(chosen(), "a");
}

TEST_F(Peers, AnAnswerFromBeforeTheFailureBringsNobodyBack) {
    use({"a", "b"});
    peer_turn& old = request_to("a");
    request_to("b");
    peer_turn& fails = request_to("a");
    list.connect_failed(fails, "refused");
    list.answered(old);
    list.connected(old);
    EXPECT_THAT(changes, ElementsAre("a fails: refused"));
}

// ---- when nobody is fit -------------------------------------------------------------------------------------------

TEST_F(Peers, WhenAllAreOutTheOneThatFailedLongestAgoIsAsked) {
    use({"a", "b", "c"});
    for (const char* const who : {"b", "c", "a"}) {
        refuse(who);
        clock.advance(10ms);
    }
    EXPECT_EQ(chosen(), "b");
    refuse("b");
    EXPECT_EQ(chosen(), "c") << "and then the next";
    list.connected(request_to("c"));
    requests.clear();
    EXPECT_EQ(changes.back(), "c is back") << "without waiting for its back-off";
    EXPECT_EQ(chosen(50), (std::map<std::string, int>{{"c", 50}}));
}

TEST_F(Peers, RequestsWithoutAChoiceDoNotMakeTheBackOffLonger) {
    use({"a", "b"});
    refuse("a");
    refuse("b");
    for (int i = 0; i < 20; ++i) refuse(chosen());
    clock.advance(1s);
    peer_turn test;
    list.choose(test);
    EXPECT_TRUE(test.is_test());
}

TEST_F(Peers, TheOnlyOneIsAlwaysAsked) {
    use({"a"});
    for (int i = 0; i < 5; ++i) refuse("a");
    EXPECT_THAT(changes, ElementsAre("a fails: refused"));
    list.answered(request_to("a"));
    EXPECT_THAT(changes, ElementsAre("a fails: refused", "a is back"));
}

// ---- addresses that come and go -----------------------------------------------------------------------------------

TEST_F(Peers, LoadAndHealthOfAddressesThatStayAreKept) {
    use({"a", "b", "c"});
    refuse("a");
    request_to("b");
    use({"d", "b", "a"});
    const auto counts = chosen(300);
    EXPECT_EQ(counts, (std::map<std::string, int>{{"d", 300}})) << "a is left out, b has a request, c is gone";
}

TEST_F(Peers, ARequestOutlivesItsPeer) {
    use({"a", "b"});
    peer_turn& last = request_to("a");
    use({"b"});
    EXPECT_TRUE(last.at().gone);
    list.answered(last);
    list.unanswered(last, "reset");
    list.connect_failed(last, "refused");
    EXPECT_THAT(changes, IsEmpty()) << "nobody asks how it is";
    EXPECT_TRUE(list.choose(last));
    EXPECT_EQ(name(last), "b");
    use({});
    EXPECT_EQ(chosen(), "none");
}

}  // namespace
