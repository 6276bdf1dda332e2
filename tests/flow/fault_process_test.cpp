// The fault matrix, processes: aimeter is killed or stopped at any moment, with Redis there or not, alone or as one of
// several. Every request that was answered or forwarded stands in Redis once. The rows are those of
// docs/reliability.md.
#include <filesystem>

#include "tests/support/fault_stage.hpp"
#include "tests/support/record_test.hpp"

namespace tests {
namespace {

namespace fs = std::filesystem;

// Small segments, so that kills meet rolls.
const std::string small_journal = "[journal]\nsize = \"4MB\"";

class fault_process : public fault_stage {
protected:
    void random_pause(std::size_t below_ms) { std::this_thread::sleep_for(milliseconds(at_random(below_ms))); }
    // Redis is away, and what was answered meanwhile waits in the journal.
    void make_a_backlog(std::size_t requests) {
        redis.kill();
        play(requests);
    }
};

TEST_F(fault_process, K2_sigterm_under_load) {
    ASSERT_NO_FATAL_FAILURE(curtain_up());
    play(300);
    const auto before = clock::now();
    EXPECT_EQ(stop_aimeter(), 0) << first().process().err();
    EXPECT_LT(clock::now() - before, std::chrono::seconds(10));
    const auto shipped = recorded();
    EXPECT_GE(shipped, load->answered().size()) << "what was answered before the exit is in Redis";
    start_aimeter();
    play();
    curtain();
}

TEST_F(fault_process, K3_sigterm_with_redis_away) {
    ASSERT_NO_FATAL_FAILURE(curtain_up());
    ASSERT_NO_FATAL_FAILURE(make_a_backlog(300));
    EXPECT_EQ(stop_aimeter(), 0) << first().process().err();
    start_aimeter();
    play();
    redis.start();
    play();
    curtain();
}

TEST_F(fault_process, K3_sigterm_with_redis_hung) {
    ASSERT_NO_FATAL_FAILURE(curtain_up());
    redis.freeze();
    play(200);
    EXPECT_EQ(stop_aimeter(), 0) << first().process().err();
    redis.thaw();
    start_aimeter();
    play();
    curtain();
}

TEST_F(fault_process, K4_killed_at_random_moments) {
    ASSERT_NO_FATAL_FAILURE(curtain_up({.config = small_journal, .pace = milliseconds(2)}));
    for (int i = fault_rounds(8); i > 0; --i) {
        play(1 + at_random(500));
        random_pause(30);
        ASSERT_NO_FATAL_FAILURE(restart_aimeter());
    }
    play();
    curtain();
}

TEST_F(fault_process, K4_killed_while_segments_roll) {
    // The least size: a segment is full after a hundred requests or so, and shipped ones make room at once.
    ASSERT_NO_FATAL_FAILURE(curtain_up({.config = "[journal]\nsize = \"1MB\""}));
    for (int i = fault_rounds(6); i > 0; --i) {
        play(100 + at_random(300));
        ASSERT_NO_FATAL_FAILURE(restart_aimeter());
    }
    play();
    curtain();
}

TEST_F(fault_process, K5_killed_while_redis_is_away) {
    ASSERT_NO_FATAL_FAILURE(curtain_up());
    for (int i = fault_rounds(2); i > 0; --i) {
        ASSERT_NO_FATAL_FAILURE(make_a_backlog(150));
        for (int kills = 2; kills > 0; --kills) {
            ASSERT_NO_FATAL_FAILURE(restart_aimeter());
            play(50);
        }
        redis.start();
        play(50);
    }
    curtain();
}

TEST_F(fault_process, K6_killed_during_recovery_and_replay) {
    ASSERT_NO_FATAL_FAILURE(curtain_up({.config = small_journal, .pace = milliseconds(2)}));
    ASSERT_NO_FATAL_FAILURE(make_a_backlog(2'000));
    redis.start();
    for (int i = fault_rounds(12); i > 0; --i) {
        ASSERT_NO_FATAL_FAILURE(kill_aimeter());
        first().launch();
        random_pause(i % 2 == 0 ? 30 : 150);  // while it reads what is there; while it ships that
    }
    ASSERT_NO_FATAL_FAILURE(restart_aimeter());
    play();
    curtain();
}

TEST_F(fault_process, K7_killed_in_the_middle_of_streams) {
    upstream.otherwise({serve([](const http_message& request) {
        if (request.target() != "/api/ai/stream") return counted_answer()(request);
        return open_stream({"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Dear\"}]}}]}\n\n"});
    })});
    ASSERT_NO_FATAL_FAILURE(curtain_up());
    std::vector<raw_client> streams;
    extra_requests = 8;
    for (std::size_t i = 0; i < extra_requests; ++i) {
        streams.push_back(first().connect());
        streams.back().send("POST /api/ai/stream HTTP/1.1\r\nHost: a\r\nX-Request-Id: stream-" + std::to_string(i) +
                            "\r\nContent-Length: 2\r\n\r\n{}");
        ASSERT_TRUE(streams.back().read_until("Dear"));
    }
    play(60);
    ASSERT_NO_FATAL_FAILURE(restart_aimeter());
    play();
    curtain();
    std::size_t interrupted = 0;
    for (const auto& one : data().stream("aimeter:usage"))
        if (one.at("requestId").starts_with("stream-")) interrupted += one.at("outcome") == "interrupted";
    EXPECT_EQ(interrupted, streams.size());
}

TEST_F(fault_process, M1_four_at_one_redis_killed_in_turn) {
    ASSERT_NO_FATAL_FAILURE(curtain_up({.aimeters = 4}));
    for (int i = fault_rounds(6); i > 0; --i) {
        play(at_random(150));
        ASSERT_NO_FATAL_FAILURE(restart_aimeter(at_random(4)));
        if (i == 3) {  // and Redis with them
            redis.kill();
            play(at_random(100));
            redis.start();
        }
    }
    play();
    curtain();
    EXPECT_GT(data().number({"HLEN", "aimeter:journals"}), 4) << "no start writes to a journal of another";
}

TEST_F(fault_process, S5_copies_of_a_spool_replayed_by_two_at_once) {
    ASSERT_NO_FATAL_FAILURE(curtain_up({.aimeters = 2}));
    redis.kill();
    play(400);
    ASSERT_NO_FATAL_FAILURE(kill_aimeter(0));
    ASSERT_NO_FATAL_FAILURE(kill_aimeter(1));
    const std::string mine = first().data_dir() + "/journal", other = aimeters[1]->data_dir() + "/journal";
    temp_dir kept;
    fs::copy(mine, kept.path() + "/journal", fs::copy_options::recursive);
    fs::copy(mine, other, fs::copy_options::recursive);
    redis.start();
    for (int i = 0; i < 2; ++i) {  // the second time after it was replayed as a whole
        first().launch();
        aimeters[1]->launch();
        start_aimeter(0);
        start_aimeter(1);
        play(50);
        ASSERT_TRUE(ready_says("\"lag\":0"));
        ASSERT_NO_FATAL_FAILURE(kill_aimeter(0));
        ASSERT_NO_FATAL_FAILURE(kill_aimeter(1));
        for (const std::string& to : {mine, other})
            fs::copy(kept.path() + "/journal", to, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    }
    start_aimeter(0);
    start_aimeter(1);
    play();
    curtain();
}

TEST_F(fault_process, S7_a_second_one_at_the_same_data_dir_refuses) {
    ASSERT_NO_FATAL_FAILURE(curtain_up());
    const auto second = first().run("serve");
    EXPECT_NE(second.exit_code, 0);
    EXPECT_THAT(second.err + second.out, testing::HasSubstr("is locked by another aimeter (pid "));
    play();
    curtain();
}

}  // namespace
}  // namespace tests
