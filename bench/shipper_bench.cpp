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

// A small application's traffic: six kinds of content, two models, durations of seconds, 4 % errors, 10 % cached.
record app_record(std::mt19937_64& random, std::int64_t now, int users) {
    static const char* const contents[][2] = {
        {"experience-description", "content-gen"}, {"project-description", "content-gen"},
        {"tailored-bullets", "ats-optimizer"},     {"job-match", "job-matcher"},
        {"cover-letter", "cover-letter"},          {"skill-gap", "skill-gap"}};
    std::lognormal_distribution<double> seconds(0.7, 0.5), tokens(6.5, 0.6);
    record one = tests::plain_record(now);
    one.request_id = "req-" + std::to_string(random() % 1'000'000'000'000);
    const auto& content = contents[random() % 6];
    one.content_type = content[0];
    one.feature = content[1];
    one.user_id = one.clerk_user_id =
        "user_2abcdefghijklmnop" + std::to_string(random() % static_cast<unsigned>(users));
    one.plan = random() % 4 == 0 ? "pro" : "free";
    if (random() % 3 == 0) one.ai_model = "gemini-1.5-pro";
    one.input_tokens = static_cast<std::int64_t>(tokens(random));
    one.output_tokens = static_cast<std::int64_t>(tokens(random) / 3);
    one.tokens_used = *one.input_tokens + *one.output_tokens;
    one.cost_nano = *one.input_tokens * 75 + *one.output_tokens * 300;
    one.upstream_us = static_cast<std::int64_t>(seconds(random) * 1e6);
    one.duration_us = *one.upstream_us + 400;
    one.ttft_us = *one.upstream_us / 3;
    if (random() % 25 == 0) {
        one.result = outcome::error, one.success = false, one.status = 500;
        one.error_message = "The model is overloaded";
    } else if (random() % 10 == 0) {
        one.cached = true, one.cost_nano = 0, one.cost_from = cost_source::cache;
    }
    return one;
}

void measure(std::size_t records, int users, std::size_t size) {
    tests::redis_fixture redis(
        {.append_only = true,  // and what embedded_redis sets
         .arguments = {"--hash-max-listpack-entries", "32", "--zset-max-listpack-entries", "16"}});
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
    for (std::size_t i = 0; i < 20'000; ++i) entries.push_back({0, app_record(random, now, users)});

    batch one(keys, when);
    std::uint64_t sequence = 0;
    double redis_us = 0, own_us = 0;
    const std::size_t warm = records / 5 / size * size;  // the day's keys exist by then
    std::size_t done = 0;
    for (std::size_t at = 0; done < records + warm; done += size) {
        if (done == warm) redis_us = -cpu_us_of(redis.pid()), own_us = 0;
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
    done -= warm;
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
