// "Nothing lost, nothing twice" against everything that can go wrong between journals and Redis, explored at random:
// kills, lost answers, commands that arrive late, Redis back at an older state, segments that roll and expire, several
// instances, each at every step. What is real here, and what a model: support/protocol_model.hpp.
//
// AIMETER_PROTOCOL_RUNS=N explores N runs (a few hundred otherwise), AIMETER_PROTOCOL_SEED=S begins with seed S: a
// failure names its seed, and the same seed is the same run.
#include "tests/support/protocol_model.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <deque>
#include <set>
#include <sstream>

namespace protocol {
namespace {

using tracking::record;
using tracking::journal::directory;
using tracking::journal::journal_id;
using tracking::store::batch;
using tracking::store::calendar;
using tracking::store::key_names;
using tracking::store::lane;

constexpr std::int64_t keep_ms = 600'000;

// One aimeter: its journals, and the turns of its shipper.
class instance {
public:
    instance(int number, const key_names& keys, const calendar& when, std::int64_t keep, bool keep_while_away)
        : number_(number),
          keep_(keep),
          keep_while_away_(keep_while_away),
          folder_(kit::memory_folder()),
          filling_(keys, when),
          sending_(keys, when) {
        start();
    }

    // ---- a worker
    std::uint64_t begin(const record& what) { return journals_->writer_of(0).begin(what); }
    bool end(std::uint64_t ticket, const record& what) { return journals_->writer_of(0).end(ticket, what); }
    // shipper::impl::tick
    void maintain(std::int64_t now_ms) {
        journals_->keep_shipped(is != state::connected && keep_while_away_);
        journals_->maintain(now_ms);
    }

    // kill -9, and a new process at the same data_dir.
    void restart() {
        lanes_.clear();
        journals_.reset();
        start();
    }

    // ---- shipper::impl::open_up: agree_on_data_set, then ask_positions, with anything in between
    enum class state { away, agreed, connected };
    state is = state::away;
    std::uint64_t connection = 0;
    void agree(redis_model& redis) {
        if (redis.now.dataset.empty())
            redis.now.dataset = "set-" + std::to_string(++made_sets_) + "-" + std::to_string(number_);
        dataset_ = redis.now.dataset;
        ++connection;
        is = state::agreed;
    }
    void ask_positions(redis_model& redis) {
        filling_.clear();
        const auto ids = journals_->journals();
        std::erase_if(lanes_,
                      [&](const auto& one) { return std::find(ids.begin(), ids.end(), one.first) == ids.end(); });
        for (const auto& id : ids) {
            const std::uint64_t position = redis.now.positions[tracking::journal::to_text(id)];
            auto& of = lanes_[id];
            if (of && of->ended() && of->position() == position) continue;
            if (!of) of = std::make_unique<lane>(*journals_, id);
            of->go_on_from(position);
            journals_->shipped(id, position);
        }
        waits_ = false;
        is = state::connected;
    }
    void lose_connection() {
        is = state::away;
        waits_ = false;
    }

    // ---- fill() and apply(): the next command, or nothing to send
    std::optional<command> next(std::mt19937_64& random) {
        if (waits_ || is != state::connected) return std::nullopt;
        const std::size_t most = 1 + random() % 12;
        for (auto& [id, of] : lanes_) of->read(most, filling_);
        if (filling_.records() == 0) return std::nullopt;
        std::swap(filling_, sending_);
        filling_.clear();
        waits_ = true;
        return sending_.apply({.script = "sha", .by_sha = true, .dataset = dataset_, .stream_maxlen = 0});
    }
    // ---- fill_meanwhile(): the next batch is filled while Redis applies the last
    void fill_meanwhile() {
        if (!waits_) return;
        for (auto& [id, of] : lanes_) of->read(3, filling_);
    }
    // ---- take_answer()
    void take(const redis_answer& answer) {
        waits_ = false;
        if (answer.what == "ok") {
            for (const auto& share : sending_.shares()) {
                lanes_.at(share.of)->applied(share.last);
                journals_->shipped(share.of, share.last);
            }
            return;
        }
        if (answer.what != "position") return lose_connection();
        filling_.clear();  // rewind()
        for (auto& [id, of] : lanes_) {
            if (!of->ended()) of->go_on_from(of->position());
        }
        for (const auto& share : sending_.shares()) {
            if (tracking::journal::to_text(share.of) == answer.journal)
                lanes_.at(share.of)->go_on_from(answer.position);
        }
    }

private:
    void start() {
        auto how = kit::options_for(folder_.path(), 64ULL << 20, kit::small_segment);
        how.keep_ms = keep_;
        journals_ = kit::open(how);
        lose_connection();
        filling_.clear();
    }

    static inline int made_sets_ = 0;
    int number_;
    std::int64_t keep_;
    bool keep_while_away_;
    kit::temp_folder folder_;
    std::unique_ptr<directory> journals_;
    std::map<journal_id, std::unique_ptr<lane>> lanes_;
    batch filling_, sending_;
    std::string dataset_;
    bool waits_ = false;  // for the answer to what is being sent
};

class world {
public:
    world(std::uint64_t seed, mutation without) : random_(seed), redis_(without) {
        const std::int64_t keep = without == mutation::segments_go_at_once ? 0 : keep_ms;
        const int count = 1 + static_cast<int>(random_() % 3);
        for (int i = 0; i < count; ++i)
            instances_.push_back(std::make_unique<instance>(i, keys_, when_, keep,
                                                            without != mutation::segments_go_while_redis_is_away));
    }

    // What is wrong at the end; "" = nothing.
    std::string run() {
        const std::size_t steps = 40 + random_() % 120;
        for (std::size_t i = 0; i < steps; ++i) step();
        settle();
        return wrong();
    }

private:
    struct sent {
        std::size_t from;
        std::uint64_t connection;
        command words;
    };
    struct open_request {
        std::uint64_t ticket;
        record what;
    };

    std::size_t any_instance() { return random_() % instances_.size(); }
    bool one_in(std::uint64_t n) { return random_() % n == 0; }

    void step() {
        const std::size_t who = any_instance();
        auto& one = *instances_[who];
        one.maintain(now_ms_);
        switch (random_() % 24) {
            case 0:
            case 1:
                return begin(who);
            case 2:
            case 3:
            case 4:
            case 5:
                begin(who);
                return end(who);
            case 6:
                return end(who);
            case 7:
            case 8:
            case 9:
            case 10:
            case 11:
            case 12:
                return ship(who);
            case 13:
            case 14:
            case 15:
            case 16:
                return deliver(true);
            case 17:
                return deliver(false);
            case 18:
                one.lose_connection();  // what was sent may still arrive
                return;
            case 19:
                return lose_command();
            case 20:
                if (one_in(2)) restart(who);
                return;
            case 21:
                past_.push_back({now_ms_, redis_.now});
                return;
            case 22:
                if (one_in(3)) roll_back();
                return;
            default:
                now_ms_ += static_cast<std::int64_t>(random_() % 200'000);
        }
    }

    void begin(std::size_t who) {
        open_request made;
        made.what = kit::some_record(static_cast<std::int64_t>(++requests_));
        made.what.request_id = std::to_string(requests_);
        if (one_in(2)) {  // long ones, so that segments roll
            made.what.user_claim.assign(2'500, 'u');
            made.what.content_type.assign(2'500, 'c');
        }
        made.ticket = instances_[who]->begin(made.what);
        if (made.ticket == 0) return;
        expected_.insert(made.what.request_id);
        open_[who].push_back(std::move(made));
    }
    void end(std::size_t who) {
        auto& open = open_[who];
        if (open.empty()) return;
        const auto which = open.begin() + static_cast<std::ptrdiff_t>(random_() % open.size());
        EXPECT_TRUE(instances_[who]->end(which->ticket, which->what));
        open.erase(which);
    }
    void restart(std::size_t who) {
        open_[who].clear();  // they become records of interrupted requests
        instances_[who]->restart();
    }

    void ship(std::size_t who) {
        auto& one = *instances_[who];
        if (one.is == instance::state::away) return one.agree(redis_);
        if (one.is == instance::state::agreed) return one.ask_positions(redis_);
        if (auto words = one.next(random_)) {
            wire_.push_back({who, one.connection, std::move(*words)});
        } else {
            one.fill_meanwhile();
        }
    }
    // Any command on the wire may be the next: connections do not wait for each other, and each has one command under
    // way.
    void deliver(bool answered) {
        if (wire_.empty()) return;
        const auto which = wire_.begin() + static_cast<std::ptrdiff_t>(random_() % wire_.size());
        const sent arrived = std::move(*which);
        wire_.erase(which);
        const auto answer = redis_.apply(arrived.words);
        auto& one = *instances_[arrived.from];
        if (one.connection != arrived.connection || one.is != instance::state::connected) return;  // a zombie
        if (answered) {
            one.take(answer);
        } else {
            one.lose_connection();
        }
    }
    void lose_command() {
        if (wire_.empty()) return;
        auto& one = *instances_[wire_.back().from];
        if (one.connection == wire_.back().connection) one.lose_connection();
        wire_.pop_back();
    }
    // Redis comes back from an older file, or as a replica that was behind, or empty: within journal.keep. Whoever was
    // connected is not any more; what is on the wire may still arrive.
    void roll_back() {
        std::erase_if(past_, [&](const auto& one) { return one.first + keep_ms <= now_ms_ + 1; });
        const bool empty = now_ms_ < start_ms + keep_ms && one_in(4);
        if (past_.empty() && !empty) return;
        const auto& to = empty ? nothing_ : past_[random_() % past_.size()].second;
        redis_.now = to;
        for (const auto& one : instances_) one->lose_connection();
        if (one_in(2)) wire_.clear();
        // What was saved after that moment is not there any more either.
        if (empty) past_.clear();
    }

    // No more faults: every process starts again, and ships until nothing is left.
    void settle() {
        for (std::size_t i = 0; i < instances_.size(); ++i) restart(i);
        for (int quiet = 0; quiet < 3;) {
            while (!wire_.empty()) deliver(true);
            const auto before = redis_.now.entries.size();
            for (std::size_t i = 0; i < instances_.size(); ++i) {
                for (int turn = 0; turn < 4; ++turn) ship(i);
            }
            quiet = wire_.empty() && redis_.now.entries.size() == before ? quiet + 1 : 0;
        }
    }
    std::string wrong() const {
        std::ostringstream what;
        std::map<std::string, int> found;
        for (const auto& id : redis_.now.entries) ++found[id];
        for (const auto& id : expected_) {
            if (!found.contains(id)) what << "lost " << id << "; ";
        }
        for (const auto& [id, times] : found) {
            if (times > 1) what << times << " times " << id << "; ";
            if (!expected_.contains(id)) what << "unknown " << id << "; ";
        }
        if (redis_.now.requests != static_cast<std::int64_t>(redis_.now.entries.size()))
            what << redis_.now.requests << " requests in the sums; ";
        if (redis_.now.cost != redis_.now.entries_cost)
            what << "cost " << redis_.now.cost << ", of the entries " << redis_.now.entries_cost << "; ";
        return what.str();
    }

    static constexpr std::int64_t start_ms = 1'800'000'000'000;
    const key_names keys_{"aimeter"};
    const calendar when_ = std::get<calendar>(calendar::open("UTC"));
    std::mt19937_64 random_;
    redis_model redis_;
    const redis_state nothing_;
    std::vector<std::unique_ptr<instance>> instances_;
    std::map<std::size_t, std::vector<open_request>> open_;
    std::deque<sent> wire_;
    std::vector<std::pair<std::int64_t, redis_state>> past_;
    std::set<std::string> expected_;
    std::size_t requests_ = 0;
    std::int64_t now_ms_ = start_ms;
};

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(Protocol, LosesNothingAndCountsNothingTwice) {
    const std::uint64_t first = number_from("AIMETER_PROTOCOL_SEED", 20261123);
    const std::uint64_t runs = number_from("AIMETER_PROTOCOL_RUNS", 400);
    for (std::uint64_t seed = first; seed < first + runs; ++seed) {
        ASSERT_EQ(world(seed, mutation::none).run(), "") << "AIMETER_PROTOCOL_SEED=" << seed;
    }
}

// The test of the test: a protocol without one of its parts is found out.
class ProtocolWithout : public testing::TestWithParam<mutation> {};

TEST_P(ProtocolWithout, IsFoundOut) {
    for (std::uint64_t seed = 600; seed < 1'000; ++seed) {
        if (!world(seed, GetParam()).run().empty()) {
            RecordProperty("runs", static_cast<int>(seed));
            return;
        }
    }
    FAIL() << "nobody noticed";
}
std::string name_of(const testing::TestParamInfo<mutation>& one) {
    constexpr const char* names[] = {"Nothing", "CompareAndSet", "ThePositionInTheSameStep", "KeptSegments",
                                     "KeepingThemWhileRedisIsAway"};
    return names[static_cast<int>(one.param)];
}
INSTANTIATE_TEST_SUITE_P(Parts, ProtocolWithout,
                         testing::Values(mutation::no_compare_and_set, mutation::position_apart,
                                         mutation::segments_go_at_once, mutation::segments_go_while_redis_is_away),
                         name_of);

}  // namespace
}  // namespace protocol
