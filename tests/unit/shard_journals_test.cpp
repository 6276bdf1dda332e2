// Journals divided by the shards of their users: each record to one shard, in order; who falls behind holds up nobody.
#include "tracking/store/shard_journals.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

#include "tests/support/sample_records.hpp"
#include "tracking/store/shards.hpp"

namespace tracking::store {
namespace {

constexpr std::uint32_t shards = 4;

class ShardJournals : public testing::Test {
protected:
    ShardJournals() { parts.divide(shards); }
    void append(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            const auto one = tests::random_record(random, 0, 1'000'000);
            const auto sequence = whole.append(id, one);
            expected[shard_of(one.user_id, shards)].push_back(sequence);
        }
    }
    std::size_t take(std::uint32_t shard, std::size_t most) {
        if (!readers[shard]) readers[shard] = parts.of(shard).read(id);
        return readers[shard]->each(most, [&](const journal::entry& one) { taken[shard].push_back(one.sequence); });
    }
    void take_all(std::uint32_t shard) {
        while (take(shard, 100) > 0 || !readers[shard]->at_end()) {
        }
    }
    std::int64_t counted() const {
        std::int64_t sum = 0;
        for (const auto& one : metrics.series()) sum += one->sums[static_cast<std::size_t>(counter::requests)];
        return sum;
    }
    void apply(std::uint32_t shard) { parts.of(shard).shipped(id, taken[shard].empty() ? 0 : taken[shard].back()); }

    tests::memory_journal whole;
    tests::memory_journal::id_type id = whole.add_journal();
    record_metrics metrics{100};
    shard_journals parts{whole, &metrics};
    std::map<std::uint32_t, std::unique_ptr<journal::reader>> readers;
    std::map<std::uint32_t, std::vector<std::uint64_t>> expected, taken;
    std::mt19937_64 random{7};
};

TEST_F(ShardJournals, GiveEachRecordToOneShardInOrder) {
    append(3'000);
    for (int round = 0; round < 60; ++round)
        for (std::uint32_t shard = 0; shard < shards; ++shard) take(shard, 40);
    for (std::uint32_t shard = 0; shard < shards; ++shard) take_all(shard);
    EXPECT_EQ(taken, expected);
}

TEST_F(ShardJournals, AShardThatTakesNothingHoldsUpNoOtherAndMissesNothing) {
    for (int i = 0; i < 40; ++i) {
        append(500);
        for (std::uint32_t shard = 1; shard < shards; ++shard) take_all(shard);  // 0 is away
    }
    for (std::uint32_t shard = 1; shard < shards; ++shard) {
        EXPECT_EQ(taken[shard], expected[shard]);
        apply(shard);
    }
    parts.settle();
    EXPECT_LT(whole.shipped_of(id), expected[0].front());  // kept for the one that is away
    EXPECT_GT(parts.lag(), 19'000U);
    take_all(0);
    EXPECT_EQ(taken[0], expected[0]);
    apply(0);
    append(10);  // it follows again
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
        take_all(shard);
        apply(shard);
    }
    EXPECT_EQ(taken, expected);
    parts.settle();
    EXPECT_EQ(whole.shipped_of(id), 20'010U);
    EXPECT_EQ(parts.lag(), 0U);
}

TEST_F(ShardJournals, AShardGoesBackAloneToWhatItsRedisHolds) {
    append(2'000);
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
        take_all(shard);
        apply(shard);
    }
    const auto held = expected[2][100];  // its data came back older
    readers[2]->seek(held);
    parts.settle();
    EXPECT_EQ(whole.shipped_of(id), held);
    append(500);
    taken[2].resize(101);
    for (std::uint32_t shard = 0; shard < shards; ++shard) take_all(shard);
    EXPECT_EQ(taken, expected);
}

TEST_F(ShardJournals, AShardThatHoldsMoreThanWasReadSkipsIt) {
    append(1'000);
    const auto held = expected[1].back();  // by an earlier process
    readers[1] = parts.of(1).read(id);
    readers[1]->seek(held);
    append(100);
    for (std::uint32_t shard = 0; shard < shards; ++shard) take_all(shard);
    EXPECT_EQ(taken[0], expected[0]);
    std::vector<std::uint64_t> later;
    for (const auto sequence : expected[1])
        if (sequence > held) later.push_back(sequence);
    EXPECT_EQ(taken[1], later);
}

// A shard that has nothing to take while another has no room is not at the end.
TEST_F(ShardJournals, NobodyIsAtTheEndBeforeTheJournalWasRead) {
    auto one = tests::plain_record(0), other = one;
    for (int user = 0; shard_of(other.user_id, shards) == shard_of(one.user_id, shards); ++user)
        other.user_id = "user-" + std::to_string(user);
    const auto busy = shard_of(one.user_id, shards), idle = shard_of(other.user_id, shards);
    for (int i = 0; i < 2'000; ++i) whole.append(id, one);
    whole.append(id, other);
    EXPECT_EQ(take(busy, 1), 1U);
    EXPECT_EQ(take(idle, 100), 0U);
    EXPECT_FALSE(readers[idle]->at_end());
    take_all(busy);
    take_all(idle);
    EXPECT_EQ(taken[busy].size(), 2'000U);
    EXPECT_EQ(taken[idle].size(), 1U);
}

TEST_F(ShardJournals, CountEachRecordForMetricsOnceHoweverItIsRead) {
    append(1'000);
    parts.look_ahead(600);
    EXPECT_EQ(counted(), 600);
    for (std::uint32_t shard = 0; shard < shards; ++shard) take_all(shard);
    EXPECT_EQ(counted(), 1'000);
    readers[0]->seek(0);
    take_all(0);
    append(100);
    parts.look_ahead(5'000);
    for (std::uint32_t shard = 0; shard < shards; ++shard) take_all(shard);
    EXPECT_EQ(counted(), 1'100);
}

TEST_F(ShardJournals, AnIdleShardKeepsNoSegments) {
    const auto one = tests::plain_record(0);  // one user alone
    for (int i = 0; i < 100; ++i) whole.append(id, one);
    const auto busy = shard_of(one.user_id, shards);
    take_all(busy);
    apply(busy);
    for (std::uint32_t shard = 0; shard < shards; ++shard) take_all(shard);
    parts.settle();
    EXPECT_EQ(whole.shipped_of(id), 100U);
}

// Anything in any order: shards take, apply, lose what they took, and find their Redis in an older state. Each gets its
// records in order and without a gap, and the journal never counts as shipped beyond what a shard still needs.
class AnyOrder : public testing::TestWithParam<int> {};

TEST_P(AnyOrder, EveryShardGetsItsRecordsAndTheJournalIsKeptForThem) {
    std::mt19937_64 random(static_cast<std::uint64_t>(GetParam()));
    const auto below = [&](std::uint64_t most) { return random() % most; };
    tests::memory_journal whole;
    const auto id = whole.add_journal(GetParam() % 2 == 0);
    record_metrics metrics{100};
    shard_journals parts(whole, &metrics, GetParam() % 3 == 0 ? std::chrono::hours{1} : std::chrono::milliseconds{0});
    parts.divide(shards);
    struct shard_state {
        std::unique_ptr<journal::reader> reader;
        std::vector<std::uint64_t> expected, taken;  // sequences; taken: behind what was applied
        std::size_t applied = 0;                     // of expected: what its Redis has
        std::uint64_t position() const { return applied == 0 ? 0 : expected[applied - 1]; }
    };
    std::vector<shard_state> all(shards);
    for (std::uint32_t shard = 0; shard < shards; ++shard) all[shard].reader = parts.of(shard).read(id);
    const auto apply = [&](std::uint32_t shard) {
        auto& one = all[shard];
        for (const auto sequence : one.taken) {
            ASSERT_LT(one.applied, one.expected.size());
            ASSERT_EQ(sequence, one.expected[one.applied]) << "shard " << shard;
            ++one.applied;
        }
        one.taken.clear();
        parts.of(shard).shipped(id, one.position());
    };
    const auto take = [&](std::uint32_t shard, std::size_t most) {
        return all[shard].reader->each(most, [&](const auto& one) { all[shard].taken.push_back(one.sequence); });
    };
    for (int step = 0; step < 600; ++step) {
        const auto shard = static_cast<std::uint32_t>(below(shards));
        auto& one = all[shard];
        switch (below(6)) {
            case 0:
                for (auto count = below(400); count > 0; --count) {
                    const auto what = tests::random_record(random, 0, 1'000'000);
                    const auto sequence = whole.append(id, what);
                    all[shard_of(what.user_id, shards)].expected.push_back(sequence);
                }
                break;
            case 1:
            case 2:
                take(shard, 1 + below(300));
                break;
            case 3:
                ASSERT_NO_FATAL_FAILURE(apply(shard));
                break;
            case 4:
                if (below(4) == 0) one.applied -= std::min(one.applied, static_cast<std::size_t>(below(200)));
                one.taken.clear();
                one.reader->seek(one.position());
                parts.of(shard).shipped(id, one.position());
                break;
            default:
                parts.look_ahead(below(1'000));
        }
        parts.settle();
        for (const auto& each : all) {
            if (each.applied < each.expected.size()) {
                ASSERT_LT(whole.shipped_of(id), each.expected[each.applied]);
            }
        }
    }
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
        for (int tries = 0; tries < 1'000 && !(take(shard, 500) == 0 && all[shard].reader->at_end()); ++tries)
            for (std::uint32_t other = 0; other < shards; ++other) take(other, 500);
    }
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
        ASSERT_NO_FATAL_FAILURE(apply(shard));
        EXPECT_EQ(all[shard].applied, all[shard].expected.size()) << shard;
    }
    parts.settle();
    std::uint64_t last = 0;
    for (const auto& each : all) last = std::max(last, each.expected.empty() ? 0 : each.expected.back());
    EXPECT_EQ(whole.shipped_of(id), last);
    EXPECT_EQ(parts.lag(), 0U);
    std::int64_t counted = 0;
    for (const auto& one : metrics.series()) counted += one->sums[static_cast<std::size_t>(counter::requests)];
    EXPECT_EQ(counted, GetParam() % 2 == 0 ? static_cast<std::int64_t>(last) : 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, AnyOrder, testing::Range(1, 31));

}  // namespace
}  // namespace tracking::store
