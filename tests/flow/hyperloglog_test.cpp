// HyperLogLogs read here must say what Redis says of the same keys, in both of its encodings.
#include "tracking/store/hyperloglog.hpp"

#include <gtest/gtest.h>

#include "tests/support/redis_fixture.hpp"

namespace tracking::store {
namespace {

std::string user(int number) { return "user_2abcdefghijklmnop" + std::to_string(number); }

class HyperLogLog : public testing::Test {
protected:
    void add(const std::string& key, int from, int to) {
        for (int i = from; i < to; i += 500) {
            std::vector<std::string> words{"PFADD", key};
            for (int n = i; n < std::min(i + 500, to); ++n) words.push_back(user(n));
            redis.run(words);
        }
    }
    hyperloglog read(const std::string& key) {
        hyperloglog of;
        EXPECT_TRUE(of.merge(redis.text({"GET", key}))) << key;
        return of;
    }
    tests::redis_fixture redis;
};

TEST_F(HyperLogLog, CountsAsRedisDoes) {
    for (const int users : {0, 1, 2, 20, 300, 3'000, 40'000, 200'000}) {
        const std::string key = "of" + std::to_string(users);
        redis.run({"PFADD", key});
        add(key, 0, users);
        EXPECT_EQ(read(key).count(), redis.number({"PFCOUNT", key}));
        hyperloglog own;
        for (int i = 0; i < users; ++i) own.add(user(i));
        EXPECT_EQ(own, read(key)) << users;
    }
}

TEST_F(HyperLogLog, MergesAsRedisDoes) {
    add("sparse", 0, 200);
    add("dense", 100, 30'000);
    hyperloglog both = read("sparse");
    both.merge(read("dense"));
    EXPECT_EQ(both.count(), redis.number({"PFCOUNT", "sparse", "dense"}));
    EXPECT_TRUE(both.covers(read("sparse")));
    EXPECT_FALSE(read("sparse").covers(both));
}

TEST_F(HyperLogLog, WritesWhatRedisReads) {
    hyperloglog own;
    for (int i = 0; i < 5'000; ++i) own.add(user(i));
    redis.run({"SET", "ours", own.to_string()});
    EXPECT_EQ(redis.number({"PFCOUNT", "ours"}), own.count());
    EXPECT_EQ(redis.number({"PFADD", "ours", user(17)}), 0) << "it is in there";
    redis.run({"PFADD", "ours", "somebody", "else", "or", "other"});
    EXPECT_NEAR(static_cast<double>(redis.number({"PFCOUNT", "ours"})), 5'004, 100);
}

TEST(HyperLogLogText, RefusesWhatIsNone) {
    hyperloglog own;
    EXPECT_TRUE(own.merge(std::string_view())) << "a key that is not there";
    for (const std::string text : {"x", "HYLL", "HYLL\x01............", "HYLL\x07............abcdefgh"})
        EXPECT_FALSE(own.merge(text));
    const std::string whole = hyperloglog{}.to_string();
    EXPECT_FALSE(own.merge(std::string_view(whole).substr(0, whole.size() - 1)));
    EXPECT_EQ(own.count(), 0);
}

}  // namespace
}  // namespace tracking::store
