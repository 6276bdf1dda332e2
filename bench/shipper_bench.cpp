// What recording costs behind the proxy: CPU of Redis and of the shipper per record, with the real keys and the
// settings of the embedded Redis (AOF everysec).
//   shipper_bench                            a table: full speed and 5,000/s, 100 and 100,000 users
//   shipper_bench batches USERS SIZE [N]     one batch of SIZE after the other, made from records in memory
//   shipper_bench flow USERS RATE [N]        journal, shipper and Redis as in the proxy; RATE 0 = what is there already
// SHIPPER_BENCH_REDIS="--hash-max-listpack-entries 64 ..." adds settings; SHIPPER_BENCH_COMMANDS=1 prints commandstats.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <string>
#include <thread>

#include "bench/app_records.hpp"
#include "tests/support/redis_fixture.hpp"
#include "tests/support/run_coroutine.hpp"
#include "tracking/store/batch.hpp"
#include "tracking/store/data_set.hpp"
#include "tracking/store/embedded_redis.hpp"
#include "tracking/store/scripts.hpp"
#include "tracking/store/shipper.hpp"

namespace {

using namespace tracking;
using namespace tracking::store;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

// ---- What is measured ----------------------------------------------------------------------------------------------

// Of the server, its main thread and the rest: background threads, and children that rewrite the AOF.
struct server_cpu {
    double main_us = 0, rest_us = 0;
};

double all_cpu_us(pid_t pid) {  // with its children that have ended
    std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
    std::string text{std::istreambuf_iterator<char>(in), {}};
    std::istringstream fields(text.substr(text.rfind(')') + 2));
    std::vector<std::string> words{std::istream_iterator<std::string>(fields), {}};
    double ticks = 0;
    for (std::size_t i = 11; i <= 14; ++i) ticks += std::strtod(words.at(i).c_str(), nullptr);
    return ticks * 1e6 / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

server_cpu cpu_of(pid_t pid) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/schedstat");
    double ns = 0;
    in >> ns;
    return {ns / 1000, std::max(0.0, all_cpu_us(pid) - ns / 1000)};
}

double own_cpu_us() {
    rusage used{};
    getrusage(RUSAGE_THREAD, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
           static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

void print_cost(std::size_t records, const server_cpu& before, const server_cpu& after, double own_us) {
    const auto each = [&](double us) { return us / static_cast<double>(records); };
    std::printf("Redis %6.2f us/record (and beside its main thread %5.2f), shipper %5.2f us/record",
                each(after.main_us - before.main_us), each(after.rest_us - before.rest_us), each(own_us));
}

// ---- What is recorded ----------------------------------------------------------------------------------------------

constexpr std::int64_t start_ms = 1795326060'000;

std::vector<record> app_records(int users) {
    std::mt19937_64 random(1);
    std::vector<record> records;
    for (std::size_t i = 0; i < 20'000; ++i) records.push_back(bench::app_record(random, start_ms, users));
    return records;
}

tests::redis_fixture::options server_options() {
    tests::redis_fixture::options how{.append_only = true, .arguments = embedded_redis_settings()};
    const char* more = std::getenv("SHIPPER_BENCH_REDIS");
    std::istringstream words(more != nullptr ? more : "");
    how.arguments.insert(how.arguments.end(), std::istream_iterator<std::string>(words), {});
    return how;
}

void print_commands(tests::redis_fixture& redis) {
    if (std::getenv("SHIPPER_BENCH_COMMANDS") == nullptr) return;
    std::puts(redis.text({"INFO", "commandstats"}).c_str());
}

// ---- Batches -------------------------------------------------------------------------------------------------------

void ship_batches(int users, std::size_t size, std::size_t records) {
    tests::redis_fixture redis(server_options());
    boost::asio::io_context context;
    redis_client client(context.get_executor(), std::get<redis_url>(redis_url::parse(redis.url())));
    tests::run_coroutine(context, client.connect(5s));
    const key_names keys("aimeter");
    const auto when = std::get<calendar>(calendar::open("UTC"));
    const auto found = std::get<data_set>(tests::run_coroutine(context, agree_on_data_set(client, keys, "UTC")));
    const std::string sha = redis.text({"SCRIPT", "LOAD", std::string(apply_script)});

    std::vector<journal::entry> entries;
    for (auto& one : app_records(users)) entries.push_back({0, std::move(one)});
    batch one(keys, when);
    std::uint64_t sequence = 0;
    server_cpu before;
    double own_us = 0;
    const std::size_t warm = records / 5 / size * size;  // the day's keys exist by then
    std::size_t done = 0;
    for (std::size_t at = 0; done < records + warm; done += size) {
        if (done == warm) before = cpu_of(redis.pid()), own_us = 0;
        one.clear();
        const std::uint64_t behind = sequence;
        const double started = own_cpu_us();
        for (std::size_t i = 0; i < size; ++i) {
            auto& entry = entries[at++ % entries.size()];
            entry.sequence = ++sequence;
            entry.what.ts_ms = start_ms + static_cast<std::int64_t>(sequence / 2);  // 2,000 a second
            one.add({}, behind, entry);
        }
        const std::vector<command> commands{one.apply({sha, true, found.id, 1'000'000})};
        const auto answer = tests::run_coroutine(context, client.pipeline(commands, 20s));
        own_us += own_cpu_us() - started;
        const auto& reply = std::get<std::vector<store::reply>>(answer).front();
        if (reply.is_error() || reply.elements.front().text != "ok") {
            std::fprintf(stderr, "refused: %s\n", reply.text.c_str());
            std::exit(1);
        }
    }
    const auto after = cpu_of(redis.pid());
    std::printf("%6d users, batches of %4zu: ", users, size);
    print_cost(done - warm, before, after, own_us);
    std::puts("");
    print_commands(redis);
}

// ---- The whole way -------------------------------------------------------------------------------------------------

// Two workers that append `rate` records a second, in slices of a millisecond.
void append_at(journal::directory& journals, const std::vector<record>& records, std::size_t rate, std::size_t count) {
    const auto started = steady_clock::now();
    record now;
    for (std::size_t done = 0, slice = 1; done < count; ++slice) {
        const std::size_t due = rate == 0 ? count : std::min(count, slice * rate / 1000);
        for (; done < due; ++done) {
            now = records[done % records.size()];
            now.ts_ms = system_time{}.wall_ms();
            auto& writer = journals.writer_of(done % 2);
            writer.end(writer.begin(now), now);
        }
        if (rate > 0) std::this_thread::sleep_until(started + slice * 1ms);
    }
}

// From the end of a record (its ts here) to its entry in the stream (the id says when), in ms.
std::vector<std::int64_t> lags(tests::redis_fixture& redis) {
    std::vector<std::int64_t> all;
    const auto number = [](const std::string& text) { return std::strtoll(text.c_str(), nullptr, 10); };
    for (const auto& entry : redis.stream("aimeter:analytics"))
        all.push_back(number(entry.id) - number(entry.fields.at("ts")));
    std::sort(all.begin(), all.end());
    return all;
}

void ship_flow(int users, std::size_t rate, std::size_t records) {
    tests::redis_fixture redis(server_options());
    std::string folder = (std::filesystem::temp_directory_path() / "aimeter-bench-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) std::exit(1);
    auto opened = journal::directory::open({.data_dir = folder, .size = 2ULL << 30, .keep_ms = 600'000, .writers = 2});
    auto& journals = *std::get<std::unique_ptr<journal::directory>>(opened);
    const auto samples = app_records(users);

    boost::asio::io_context context;
    conf::settings settings;
    settings.redis.stream_maxlen = 0;
    const auto when = std::get<calendar>(calendar::open("UTC"));
    const system_time clock;
    shipper ship({.executor = context.get_executor(),
                  .settings = settings,
                  .journals = journals,
                  .when = when,
                  .clock = clock,
                  .redis_url = [&] { return redis.url(); },
                  .data_set_file = folder + "/data-set"});
    const auto run_until = [&](std::size_t shipped) {
        while (ship.current().shipped < shipped) context.run_one_for(1s);
    };
    boost::asio::co_spawn(context, ship.run(), boost::asio::detached);
    const std::size_t warm = std::max<std::size_t>(records / 5, 1);
    append_at(journals, samples, 0, warm);
    run_until(warm);
    redis.run({"DEL", "aimeter:analytics"});

    std::thread writing;
    if (rate == 0) append_at(journals, samples, 0, records);
    const auto batches = ship.current().batches;
    const auto before = cpu_of(redis.pid());
    const double own_before = own_cpu_us();
    const auto started = steady_clock::now();
    if (rate > 0) writing = std::thread([&] { append_at(journals, samples, rate, records); });
    run_until(warm + records);
    const std::chrono::duration<double> took = steady_clock::now() - started;
    const double own_us = own_cpu_us() - own_before;
    const auto after = cpu_of(redis.pid());
    if (writing.joinable()) writing.join();

    std::printf("%6d users, %6.0f records/s, batches of %4.0f: ", users, static_cast<double>(records) / took.count(),
                static_cast<double>(records) / static_cast<double>(ship.current().batches - batches));
    print_cost(records, before, after, own_us);
    if (rate > 0) {
        const auto all = lags(redis);
        std::printf(", lag p50 %lld ms, p99 %lld, max %lld", static_cast<long long>(all[all.size() / 2]),
                    static_cast<long long>(all[all.size() * 99 / 100]), static_cast<long long>(all.back()));
    }
    std::puts("");
    print_commands(redis);
    ship.stop();
    context.restart();
    context.run_for(1s);
    std::filesystem::remove_all(folder);
}

}  // namespace

int main(int argc, char** argv) {
    const auto number = [&](int at, std::size_t otherwise) {
        return argc > at ? std::strtoull(argv[at], nullptr, 10) : otherwise;
    };
    const std::string_view mode = argc > 1 ? argv[1] : "";
    if (mode == "batches") {
        ship_batches(static_cast<int>(number(2, 100)), number(3, 500), number(4, 100'000));
    } else if (mode == "flow") {
        ship_flow(static_cast<int>(number(2, 100)), number(3, 0), number(4, 100'000));
    } else {
        for (const int users : {100, 100'000})
            for (const std::size_t rate : {0, 5'000}) ship_flow(users, rate, rate == 0 ? 200'000 : 50'000);
    }
}
