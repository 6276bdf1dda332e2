// The log's lines while nobody reads them, and when somebody does again.
#include "proxy/log_sink.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace {

// Stderr is a pipe that the test reads.
class LogSink : public testing::Test {
protected:
    LogSink() {
        EXPECT_EQ(::pipe(ends.data()), 0);
        ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
        kept = ::dup(STDERR_FILENO);
        ::dup2(ends[1], STDERR_FILENO);
    }
    ~LogSink() override {
        ::dup2(kept, STDERR_FILENO);
        for (const int fd : {ends[0], ends[1], kept}) ::close(fd);
    }

    std::string read_all() const {
        std::string text;
        std::array<char, 4096> piece;
        for (ssize_t n = 0; (n = ::read(ends[0], piece.data(), piece.size())) > 0;)
            text.append(piece.data(), static_cast<std::size_t>(n));
        return text;
    }

    std::array<int, 2> ends{};
    int kept = -1;
    spdlog::logger log{"test", std::make_shared<proxy::log_sink>()};
};

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

TEST_F(LogSink, LinesWaitForTheirReaderAndComeInOrder) {
    log.set_pattern("%v");
    for (int i = 0; i < 1'000; ++i)
        log.info("line {:04} of 90 bytes {}", i, std::string(68, '.'));  // a pipe takes 64 KB
    std::string text = read_all();
    log.flush();
    text += read_all();
    const auto lines = lines_of(text);
    ASSERT_EQ(lines.size(), 1'000U);
    for (std::size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(std::stoul(lines[i].substr(5, 4)), i);
}

TEST_F(LogSink, WhatIsBeyondTheBoundIsCounted) {
    log.set_pattern("%v");
    for (int i = 0; i < 3'000; ++i) log.info("line {:04} of 90 bytes {}", i, std::string(68, '.'));
    std::string text = read_all();
    log.flush();
    text += read_all();
    log.info("and on");
    text += read_all();
    const auto lines = lines_of(text);
    ASSERT_GT(lines.size(), 1'000U);
    ASSERT_LT(lines.size(), 3'000U);
    EXPECT_EQ(lines[lines.size() - 2],
              std::to_string(3'000 - (lines.size() - 2)) + " lines of the log were dropped: stderr did not take them");
    EXPECT_EQ(lines.back(), "and on");
}

}  // namespace
