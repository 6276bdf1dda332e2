// The line per tracked request: on stderr whatever Redis does, and never a reason to wait.
#include "tracking/store/record_log.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <string>

#include "tests/support/sample_records.hpp"

namespace tracking::store {
namespace {

using namespace std::chrono_literals;
using log_form = conf::track_settings::log_form;

class RecordLog : public testing::Test {
protected:
    std::string printed(log_form form, const std::vector<record>& records) {
        const auto own = journals.add_journal();
        for (const auto& one : records) journals.append(own, one);
        testing::internal::CaptureStderr();
        record_log log({context.get_executor(), form, journals});
        boost::asio::co_spawn(context, log.run(), boost::asio::detached);
        context.run_for(50ms);
        log.stop();
        context.restart();
        context.run_for(50ms);
        return testing::internal::GetCapturedStderr();
    }
    boost::asio::io_context context;
    tests::memory_journal journals;
};

TEST_F(RecordLog, PrintsTheLineOfTheContract) {
    const auto text = printed(log_form::line, {tests::plain_record(1795348800'000)});
    EXPECT_EQ(text,
              "[AI Analytics] ✅ Tracked experience-description (feature: content-gen, cost: $0.000453, cached: false, "
              "model: gemini-2.0-flash-exp, tokens: 1523, status: 200, 3194 ms)\n");
}

TEST_F(RecordLog, PrintsJsonOrNothing) {
    const auto one = tests::plain_record(1795348800'000);
    const auto text = printed(log_form::json, {one, one});
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
    EXPECT_THAT(text, testing::StartsWith("{"));
    EXPECT_THAT(text, testing::HasSubstr("\"tokensUsed\":1523"));
    EXPECT_EQ(printed(log_form::off, {one}), "");
}

TEST_F(RecordLog, LeavesOutWhatADeadProcessHasLogged) {
    journals.append(journals.add_journal(false), tests::plain_record(1795348800'000));
    EXPECT_EQ(printed(log_form::line, {}), "");
}

TEST_F(RecordLog, DoesNotWaitForAReaderThatDoesNotRead) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const int kept = ::dup(STDERR_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    const auto own = journals.add_journal();
    constexpr int records = 2'000;  // 350 KB of lines: more than a pipe takes
    for (int i = 0; i < records; ++i) journals.append(own, tests::plain_record(1795348800'000));
    record_log log({context.get_executor(), log_form::line, journals});
    boost::asio::co_spawn(context, log.run(), boost::asio::detached);
    context.run_for(100ms);  // returns: nothing blocks
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    std::string text;
    char piece[65536];
    for (const auto end = std::chrono::steady_clock::now() + 10s; std::chrono::steady_clock::now() < end;) {
        const ssize_t size = ::read(ends[0], piece, sizeof piece);
        if (size > 0) text.append(piece, static_cast<std::size_t>(size));
        if (std::count(text.begin(), text.end(), '\n') == records) break;
        context.restart();
        context.run_for(5ms);
    }
    ::dup2(kept, STDERR_FILENO);
    for (const int descriptor : {kept, ends[0], ends[1]}) ::close(descriptor);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), records) << "every line comes when the reader does";
    log.stop();
    context.restart();
    context.run_for(50ms);
}

}  // namespace
}  // namespace tracking::store
