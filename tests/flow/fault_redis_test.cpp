// The fault matrix, Redis: killed, hung, full, refusing, forgetful. The proxy serves on, records wait in the journal,
// /readyz says what is wrong, and afterwards every request stands in Redis once. The rows are those of
// docs/reliability.md.
#include <filesystem>

#include "tests/support/fault_stage.hpp"

namespace tests {
namespace {

class fault_redis;

struct fault {
    const char* row;
    const char* name;
    const char* told;  // what /readyz says meanwhile; "" = nothing
    void (*act)(fault_redis&);
};

class fault_redis : public fault_stage, public testing::WithParamInterface<fault> {
public:
    using fault_stage::at_random;
    using fault_stage::play;
    using fault_stage::ready_says;
    using fault_stage::redis;
    using fault_stage::redis_forgets;
    using fault_stage::redis_log_lines_most;
    using fault_stage::wire;

    bool log_says(const std::string& words) { return first().process().wait_err(words); }
    void endure() { meanwhile(GetParam().told); }
    void endure_and(const std::vector<std::string>& then) {
        endure();
        redis.run(then);
    }
};

// In one step, so that no batch comes in between.
void overwrite(fault_redis& s, const std::string& key) {
    redis_view view = s.redis.view();
    ASSERT_TRUE(eventually([&] { return view.number({"EXISTS", key}) == 1; }));
    view.command({"EVAL", "redis.call('RENAME', KEYS[1], 'kept') redis.call('SET', KEYS[1], 'x')", "1", key});
    s.endure();
    view.command({"RENAME", "kept", key});
}

void with_setting(fault_redis& s, const std::string& name, const std::string& bad, const std::string& good) {
    s.redis.run({"CONFIG", "SET", name, bad});
    s.endure_and({"CONFIG", "SET", name, good});
}

const fault faults[] = {
    {"K1", "nothing", "\"detail\":\"connected\"", [](fault_redis& s) { s.endure(); }},
    {"R1", "killed_and_started_again", "\"connected\":false",
     [](fault_redis& s) {
         s.redis.kill();
         s.endure();
         s.redis.start();
     }},
    {"R1", "killed_again_and_again", "",
     [](fault_redis& s) {
         s.redis_log_lines_most = 40;
         for (int i = fault_rounds(4); i > 0; --i) {
             s.redis.kill();
             s.play(s.at_random(60));
             s.redis.start();
             s.play(s.at_random(120));
         }
     }},
    {"R2", "started_again_without_its_data", "\"detail\":\"connected\"",
     [](fault_redis& s) {
         s.redis_forgets = true;
         s.redis.forget();
         s.play(50);
         s.redis.start();
         s.endure();
     }},
    {"R3", "hung_for_seconds", "no answer",
     [](fault_redis& s) {
         s.redis.freeze();
         s.endure();
         s.redis.thaw();
     }},
    {"R3", "hung_for_a_moment", "",
     [](fault_redis& s) {
         for (int i = fault_rounds(3); i > 0; --i) {
             s.redis.freeze();
             s.play(150);
             s.redis.thaw();
             s.play(60);
         }
     }},
    {"R4", "answers_get_lost", "",
     [](fault_redis& s) {
         s.redis_log_lines_most = 40;
         for (int i = fault_rounds(5); i > 0; --i) {
             s.wire->swallow_answers = true;
             s.play(80);
             s.wire->swallow_answers = false;
             s.wire->cut();
             s.play(40);
         }
     }},
    {"R5", "cut_in_the_middle_of_what_is_sent", "",
     [](fault_redis& s) {
         const int cuts = fault_rounds(10);
         s.redis_log_lines_most = static_cast<std::size_t>(4 * cuts);
         for (int i = 0; i < cuts; ++i) {
             ASSERT_TRUE(s.ready_says("\"detail\":\"connected\""));
             // Every other one within the first bytes of a connection: login, questions, positions.
             s.wire->request_bytes_left = static_cast<std::int64_t>(s.at_random(i % 2 == 0 ? 40'000 : 1'500));
             ASSERT_TRUE(eventually([&] { return s.wire->cuts() > i; }));
         }
     }},
    {"R5", "cut_in_the_middle_of_an_answer", "",
     [](fault_redis& s) {
         const int cuts = fault_rounds(10);
         s.redis_log_lines_most = static_cast<std::size_t>(4 * cuts);
         for (int i = 0; i < cuts; ++i) {
             ASSERT_TRUE(s.ready_says("\"detail\":\"connected\""));
             s.wire->answer_bytes_left = static_cast<std::int64_t>(s.at_random(20));
             ASSERT_TRUE(eventually([&] { return s.wire->cuts() > i; }));
         }
     }},
    {"R5", "a_dead_connections_script_arrives_late", "",
     [](fault_redis& s) {
         s.redis_log_lines_most = 20;
         for (std::size_t i = 0; i < 3; ++i) {
             s.wire->strand = true;
             ASSERT_TRUE(eventually([&] { return s.wire->stranded() > i; }));
             s.play(60);
         }
         s.wire->deliver_stranded();
         s.play(60);
     }},
    {"R6", "200_ms_away", "",
     [](fault_redis& s) {
         s.wire->delay_ms = 200;
         s.play(300);
         s.wire->delay_ms = 0;
     }},
    {"R6", "seconds_away", "no answer",
     [](fault_redis& s) {
         s.wire->delay_ms = 2'500;
         s.endure();
         s.wire->delay_ms = 0;
     }},
    {"R7", "its_clients_killed_every_100_ms", "",
     [](fault_redis& s) {
         s.redis_log_lines_most = 80;
         for (int i = fault_rounds(12); i > 0; --i) {
             s.redis.run({"CLIENT", "KILL", "TYPE", "normal"});
             s.play(60);
         }
     }},
    {"R8", "full", "OOM", [](fault_redis& s) { with_setting(s, "maxmemory", "1mb", "0"); }},
    {"R9", "may_evict", "maxmemory-policy",
     [](fault_redis& s) { with_setting(s, "maxmemory-policy", "allkeys-lru", "noeviction"); }},
    {"R10", "a_replica", "READONLY",
     [](fault_redis& s) {
         s.redis.run({"REPLICAOF", "127.0.0.1", "1"});
         s.endure_and({"REPLICAOF", "NO", "ONE"});
     }},
    {"R11", "its_scripts_flushed_again_and_again", "",
     [](fault_redis& s) {
         for (int i = fault_rounds(10); i > 0; --i) {
             s.redis.run({"SCRIPT", "FLUSH"});
             s.play(40);
         }
     }},
    {"R12", "loading", "LOADING",
     [](fault_redis& s) {
         s.redis.run({"EVAL", "for i = 1, 20000 do redis.call('SET', 'junk:' .. i, i) end", "0"});
         s.redis.add({"--key-load-delay", "50"});
         s.redis.kill();
         s.redis.start();
         s.endure();
         s.redis.run({"CONFIG", "SET", "key-load-delay", "0"});
     }},
    {"R12", "busy_with_a_script", "BUSY",
     [](fault_redis& s) {
         s.redis.run({"CONFIG", "SET", "busy-reply-threshold", "50"});
         std::thread busy([&] { s.redis.try_run({"EVAL", "while true do end", "0"}); });
         s.endure();
         EXPECT_TRUE(eventually([&] {
             s.redis.try_run({"SCRIPT", "KILL"});
             try {
                 return s.redis.run({"PING"}).front() == "PONG";
             } catch (const std::exception&) {
                 return false;
             }
         }));
         busy.join();
     }},
    {"R12", "a_replica_without_its_primary", "MASTERDOWN",
     [](fault_redis& s) {
         s.redis.run({"CONFIG", "SET", "replica-serve-stale-data", "no"});
         s.redis.run({"REPLICAOF", "127.0.0.1", "1"});
         s.endure_and({"REPLICAOF", "NO", "ONE"});
     }},
    {"R13", "wants_a_password", "NOAUTH",
     [](fault_redis& s) {
         redis_view view = s.redis.view();
         view.command({"CONFIG", "SET", "requirepass", "a-new-secret"});
         view.command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
         s.redis_log_lines_most = 8;
         s.endure();
         view.command({"AUTH", "a-new-secret"});
         view.command({"CONFIG", "SET", "requirepass", ""});
     }},
    {"R13", "forbids_scripts", "NOPERM",
     [](fault_redis& s) {
         s.redis.run({"ACL", "SETUSER", "default", "-eval", "-evalsha"});
         s.endure_and({"ACL", "SETUSER", "default", "+@all"});
     }},
    {"R13", "forbids_one_command_of_the_script", "XTRIM",
     [](fault_redis& s) {
         s.redis.run({"ACL", "SETUSER", "default", "-xtrim"});
         s.endure_and({"ACL", "SETUSER", "default", "+@all"});
     }},
    {"R14", "cannot_save", "MISCONF",
     [](fault_redis& s) {
         const std::string in_the_way = s.redis.folder() + "/dump.rdb";
         std::filesystem::create_directories(in_the_way + "/x");
         s.redis.run({"CONFIG", "SET", "save", "3600 1"});
         s.redis.run({"BGSAVE"});
         s.endure();
         std::filesystem::remove_all(in_the_way);
         s.redis.run({"CONFIG", "SET", "save", ""});
         s.redis.run({"BGSAVE"});
     }},
    {"R14", "takes_no_more_clients", "max number of clients",
     [](fault_redis& s) {
         redis_view view = s.redis.view();
         s.redis_log_lines_most = 12;
         view.command({"CONFIG", "SET", "maxclients", "1"});
         view.command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
         s.endure();
         view.command({"CONFIG", "SET", "maxclients", "1000"});
     }},
    {"R15", "a_stream_overwritten", "WRONGTYPE",
     [](fault_redis& s) {
         s.redis_forgets = true;
         overwrite(s, "aimeter:usage");
     }},
    {"R15", "a_users_hash_overwritten", "WRONGTYPE",
     [](fault_redis& s) {
         std::vector<std::string> keys;
         ASSERT_TRUE(eventually([&] {
             keys = s.redis.run({"KEYS", "aimeter:usage:month:*:user:user-3"});
             return !keys.empty();
         }));
         overwrite(s, keys.at(0));
     }},
    {"R2", "flushed_by_mistake", "",
     [](fault_redis& s) {
         s.redis_forgets = true;
         s.redis.run({"FLUSHALL"});
         ASSERT_TRUE(s.log_says("this is another data set"));
     }},
    {"T2", "slower_than_the_load", "",
     [](fault_redis& s) {
         s.wire->bytes_a_second = 60'000;
         s.play(700);
         s.wire->bytes_a_second = 0;
     }},
};

std::string name_of(const testing::TestParamInfo<fault>& one) {
    return std::string(one.param.row) + "_" + one.param.name;
}

TEST_P(fault_redis, loses_and_doubles_nothing) {
    ASSERT_NO_FATAL_FAILURE(curtain_up());
    play();
    ASSERT_NO_FATAL_FAILURE(GetParam().act(*this));
    play();
    curtain();
}
INSTANTIATE_TEST_SUITE_P(row, fault_redis, testing::ValuesIn(faults), name_of);

// ---- Rows with a setting of their own ------------------------------------------------------------------------------

class fault_redis_with : public fault_stage {};

TEST_F(fault_redis_with, R13_a_password_that_changes) {
    std::uint16_t port = 0;
    {
        const descriptor free = listen_on("127.0.0.1", port);
    }
    redis.add({"--port", std::to_string(port), "--requirepass", "first-secret"});
    redis.log_in_with("first-secret");
    never_logged = {"first-secret", "second-secret"};
    ASSERT_NO_FATAL_FAILURE(curtain_up({.redis_url = "redis://:first-secret@127.0.0.1:" + std::to_string(port)}));
    const redis_view view = redis.view();
    view.command({"CONFIG", "SET", "requirepass", "second-secret"});
    redis.log_in_with("second-secret");
    view.command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    ASSERT_NO_FATAL_FAILURE(meanwhile("WRONGPASS"));
    EXPECT_EQ(ready().find("secret"), std::string::npos);
    view.command({"CONFIG", "SET", "requirepass", "first-secret"});
    redis.log_in_with("first-secret");
    play();
    curtain();
}

TEST_F(fault_redis_with, T1_streams_that_are_trimmed) {
    redis_log_lines_most = 20;
    ASSERT_NO_FATAL_FAILURE(curtain_up({.config = "[redis]\nstream_maxlen = 200", .pace = milliseconds(2)}));
    for (int i = 0; i < 3; ++i) {
        play(500);
        redis.kill();
        play(100);
        redis.start();
    }
    curtain();
    EXPECT_LE(data().number({"XLEN", "aimeter:usage"}), 200);
    EXPECT_GT(data().number({"HGET", "aimeter:meta", "trimmedEntries"}), 1'000);
}

}  // namespace
}  // namespace tests
