// A worker writes, control reads, maintains and ships at the same time: nothing is lost, doubled or out of order.
// Made for ThreadSanitizer as much as for its assertions.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/support/journal_kit.hpp"

namespace {

using namespace kit;

constexpr std::int64_t requests = 20'000;

void write_requests(journal::writer& writer, std::atomic<bool>& done) {
    std::vector<std::uint64_t> open_tickets;
    for (std::int64_t n = 1; n <= requests; ++n) {
        const auto record = some_record(n);
        open_tickets.push_back(writer.begin(record));
        if (n % 5 == 0) continue;  // some stay open for a while
        EXPECT_TRUE(writer.end(open_tickets.back(), record));
        open_tickets.pop_back();
        if (open_tickets.size() < 50) continue;
        for (const std::uint64_t ticket : open_tickets) EXPECT_TRUE(writer.end(ticket, record));
        open_tickets.clear();
    }
    for (const std::uint64_t ticket : open_tickets) EXPECT_TRUE(writer.end(ticket, some_record(requests)));
    done = true;
}

TEST(JournalThreads, ControlReadsBehindBusyWriters) {
    const temp_folder folder;
    auto how = options_for(folder.path(), 64ULL << 20, 64 * 1024, 2);
    how.keep_ms = 5;
    const auto opened = open(how);
    std::array<std::atomic<bool>, 2> done{};
    std::array<std::thread, 2> workers;
    for (std::uint32_t w = 0; w < 2; ++w)
        workers[w] = std::thread([&, w] { write_requests(opened->writer_of(w), done[w]); });

    const auto ids = opened->journals();
    std::array<std::unique_ptr<journal::reader>, 2> readers{opened->read(ids[0]), opened->read(ids[1])};
    std::array<std::uint64_t, 2> seen{};
    std::int64_t clock = 1'900'000'000'000;
    std::vector<journal::entry> batch;
    bool more = true;
    while (more) {
        more = !done[0] || !done[1];
        for (std::size_t w = 0; w < 2; ++w) {
            batch.clear();
            readers[w]->read(500, batch);
            for (const auto& each : batch) {
                ASSERT_EQ(each.sequence, ++seen[w]);
                ASSERT_EQ(each.what.output_tokens, 500);
            }
            more = more || !batch.empty();
            opened->shipped(ids[w], seen[w]);
        }
        opened->maintain(++clock);
        if (clock % 16 == 0) opened->sync();
        EXPECT_EQ(opened->current().lost, 0U);
    }
    for (auto& worker : workers) worker.join();
    EXPECT_EQ(seen[0], static_cast<std::uint64_t>(requests));
    EXPECT_EQ(seen[1], static_cast<std::uint64_t>(requests));
    EXPECT_EQ(opened->current().damaged, 0U);
    EXPECT_LT(segment_files(folder.path()).size(), 100U) << "shipped segments were not removed";
}

}  // namespace
