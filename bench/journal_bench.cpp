// What the journal costs a worker: CPU ns for one begin and one end of a typical record, while a control thread
// maintains, reads and ships as in the proxy. Prints medians over rounds; also what encoding and decoding alone cost.
//   journal_bench [folder] [requests]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/sample_records.hpp"
#include "tracking/journal/journal.hpp"

namespace {

namespace fs = std::filesystem;

// CPU time of this thread, so that a busy machine does not count; page faults that it takes do.
double cpu_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <typename F>
double ns_each(std::size_t count, const F& body) {
    const double start = cpu_ns();
    for (std::size_t i = 0; i < count; ++i) body(i);
    return (cpu_ns() - start) / static_cast<double>(count);
}

// As the proxy's control thread: every 2 ms read what is new, say that it is shipped, maintain.
void control(tracking::journal::directory& journals, const std::atomic<bool>& stop, std::uint64_t& read) {
    const auto id = journals.journals().front();
    const auto reader = journals.read(id);
    std::vector<tracking::journal::entry> batch;
    std::int64_t now = 1'900'000'000'000;
    while (!stop) {
        batch.clear();
        while (reader->read(1000, batch) > 0) {
            read = batch.back().sequence;
            batch.clear();
        }
        journals.shipped(id, read);
        journals.maintain(now += 2);
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

int measure(const std::string& folder, std::size_t requests) {
    const tracking::record record = tests::plain_record(1'800'000'000'000);
    std::vector<char> room(tracking::record_bytes_max);
    std::size_t size = 0;
    const double encoding = ns_each(requests, [&](std::size_t) { size = tracking::encode(record, room); });
    tracking::record back;
    bool good = true;
    const double decoding =
        ns_each(requests, [&](std::size_t) { good = tracking::decode({room.data(), size}, back) && good; });
    std::printf("record: %zu bytes, encode %.0f ns, decode %.0f ns\n", size, encoding, decoding);

    auto opened =
        tracking::journal::directory::open({.data_dir = folder, .size = 1ULL << 30, .keep_ms = 100, .writers = 1});
    if (const auto* wrong = std::get_if<std::string>(&opened)) {
        std::fprintf(stderr, "%s\n", wrong->c_str());
        return 1;
    }
    auto& journals = *std::get<std::unique_ptr<tracking::journal::directory>>(opened);
    journals.maintain(1'900'000'000'000);
    std::atomic<bool> stop{false};
    std::uint64_t read = 0;
    std::thread reading([&] { control(journals, stop, read); });
    auto& writer = journals.writer_of(0);
    const auto pairs = [&](std::size_t rounds, std::size_t in_each, std::chrono::microseconds pause) {
        std::vector<double> each;
        for (std::size_t round = 0; round < rounds; ++round) {
            each.push_back(ns_each(in_each, [&](std::size_t) { writer.end(writer.begin(record), record); }));
            std::this_thread::sleep_for(pause);
        }
        std::sort(each.begin(), each.end());
        return each;
    };
    // At 40,000 requests a second control keeps ahead of the writer; flat out (more than 1 GB/s) it cannot, and the
    // writer meets page faults and makes segments itself.
    const auto paced = pairs(requests / 200, 100, std::chrono::microseconds(2500));
    const auto flat_out = pairs(15, requests / 10, std::chrono::milliseconds(20));
    stop = true;
    reading.join();
    std::printf("begin + end: median %.0f ns (best %.0f, p99 %.0f); flat out %.0f; %llu read behind, %llu lost\n",
                paced[paced.size() / 2], paced.front(), paced[paced.size() * 99 / 100], flat_out[flat_out.size() / 2],
                static_cast<unsigned long long>(read), static_cast<unsigned long long>(journals.current().lost));
    return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    std::string folder = argc > 1 ? argv[1] : (fs::temp_directory_path() / "aimeter-journal-bench").string();
    const std::size_t requests = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 200'000;
    const int result = measure(folder, requests);
    std::error_code ignored;
    if (argc <= 1) fs::remove_all(folder, ignored);
    return result;
}
