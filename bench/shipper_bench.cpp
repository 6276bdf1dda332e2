// What shipping costs: Redis's CPU and this process's per record, with the real keys, at several batch sizes and
// numbers of users, against a redis-server of its own (AOF everysec).
//   shipper_bench [records] [users] [batch]
#include <hiredis/hiredis.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/support/redis_fixture.hpp"
#include "tests/support/run_coroutine.hpp"
#include "tests/support/sample_records.hpp"
#include "tracking/store/batch.hpp"
#include "tracking/store/data_set.hpp"
#include "tracking/store/scripts.hpp"

namespace {

using namespace tracking;
using namespace tracking::store;

double cpu_us_of(pid_t pid) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/schedstat");
    double ns = 0;
    in >> ns;
    return ns / 1000;
}

double own_cpu_us() {
    rusage used{};
    getrusage(RUSAGE_THREAD, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
           static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

void measure(std::size_t records, int users, std::size_t size) {
    tests::redis_fixture redis({.append_only = true, .arguments = {}});
    boost::asio::io_context context;
    redis_client client(context.get_executor(), std::get<redis_url>(redis_url::parse(redis.url())));
    tests::run_coroutine(context, client.connect(std::chrono::seconds(5)));
    const key_names keys("aimeter");
    const auto when = std::get<calendar>(calendar::open("UTC"));
    const auto found = std::get<data_set>(tests::run_coroutine(context, agree_on_data_set(client, keys, "UTC")));
    const std::string sha = redis.text({"SCRIPT", "LOAD", std::string(apply_script)});

    std::mt19937_64 random(1);
    std::vector<journal::entry> entries;
    const std::int64_t now = 1795326060'000;
    for (std::size_t i = 0; i < 20'000; ++i) entries.push_back({0, tests::random_record(random, now, now + 1, users)});

    batch one(keys, when);
    std::uint64_t sequence = 0;
    double redis_us = -cpu_us_of(redis.pid()), own_us = 0;
    std::size_t done = 0;
    for (std::size_t at = 0; done < records; done += size) {
        one.begin({}, sequence);
        const double before = own_cpu_us();
        for (std::size_t i = 0; i < size; ++i) {
            auto& entry = entries[at++ % entries.size()];
            entry.sequence = ++sequence;
            entry.what.ts_ms = now + static_cast<std::int64_t>(sequence / 2);  // 2,000 a second
            one.add(entry);
        }
        const std::vector<command> commands{one.apply({sha, true, found.id, 1'000'000})};
        const auto answer = tests::run_coroutine(context, client.pipeline(commands, std::chrono::seconds(20)));
        own_us += own_cpu_us() - before;
        const auto& reply = std::get<std::vector<store::reply>>(answer).front();
        if (reply.is_error() || reply.elements.front().text != "ok") {
            std::fprintf(stderr, "refused: %s\n", reply.text.c_str());
            std::exit(1);
        }
    }
    redis_us += cpu_us_of(redis.pid());
    std::printf("%8zu records, %6d users, batches of %4zu: Redis %6.2f us/record, shipper %5.2f us/record\n", done,
                users, size, redis_us / static_cast<double>(done), own_us / static_cast<double>(done));
    if (std::getenv("SHIPPER_BENCH_COMMANDS")) std::puts(redis.text({"INFO", "commandstats"}).c_str());
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t records = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100'000;
    if (argc > 3) {
        measure(records, std::atoi(argv[2]), std::strtoul(argv[3], nullptr, 10));
        return 0;
    }
    for (const int users : {100, 100'000}) {
        for (const std::size_t size : {20, 100, 500, 2'000}) measure(records, users, size);
    }
}
