// The fault matrix, the wire: the connection to Redis is cut behind every byte that a shipper sends, from its login to
// the end of a batch, and behind every byte of the answers. Some of them each time; all of them with
// AIMETER_LONG_TESTS=1 (ten minutes).
#include <gmock/gmock.h>

#include <cstdlib>

#include "tests/support/redis_wire.hpp"
#include "tests/support/shipper_fixture.hpp"

namespace tests {
namespace {

std::int64_t stride(std::int64_t usual) {
    const char* const asked = std::getenv("AIMETER_LONG_TESTS");
    return asked != nullptr && std::string_view(asked) == "1" ? 1 : usual;
}

class fault_bytes : public shipping_test {
protected:
    void SetUp() override {
        to = journals.add_journal();
        start(wire.url());
        append_random(to, 3);
        ASSERT_TRUE(flush());
    }
    // With a batch on its way, cut behind byte `at`; false = less than that was sent, or answered.
    bool cut_behind(std::atomic<std::int64_t>& left, std::int64_t at) {
        const int before = wire.cuts();
        left = at;
        append_random(to, 3);
        EXPECT_TRUE(flush()) << "cut behind byte " << at;
        left = redis_wire::never;
        return wire.cuts() > before;
    }

    redis_fixture redis;
    redis_wire wire{dir + "/wire", redis.socket()};
    tracking::journal::journal_id to{};
};

TEST_F(fault_bytes, R5_of_a_batch) {
    std::int64_t at = 0;
    while (cut_behind(wire.request_bytes_left, at)) at += stride(211);
    EXPECT_GT(at, 3'000) << "a batch is longer than that";
    expect_all_counted_once(redis);
}

TEST_F(fault_bytes, R5_of_what_a_connection_begins_with) {
    for (std::int64_t at = 0; at < 400; at += stride(29)) {
        wire.cut();
        ASSERT_TRUE(run_until([&] {
            append_random(to, 1);
            return !ship->current().connected;
        }));
        wire.request_bytes_left = at;
        ASSERT_TRUE(flush()) << "cut behind byte " << at;
        wire.request_bytes_left = redis_wire::never;
    }
    expect_all_counted_once(redis);
}

TEST_F(fault_bytes, R5_of_an_answer) {
    for (std::int64_t at = 0; cut_behind(wire.answer_bytes_left, at); at += stride(3))
        if (at > 100) break;
    expect_all_counted_once(redis);
}

}  // namespace
}  // namespace tests
