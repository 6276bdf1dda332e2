// What a data set costs as it grows: a year of days, scaled down, into a real Redis with the real keys. Then the memory
// by kind of key, the bounds and expiries (by the audit that `aimeter verify` makes: its time and memory as well), how
// long the widest reports take, and which of their commands held Redis for more than 5 ms.
//   growth_bench [DAYS [USERS-A-DAY [RECORDS-A-DAY [STREAM-MAXLEN]]]]     default: 365 1000 2000 0
// A day of 100,000 users with 3 requests each, 2 days:     growth_bench 2 100000 300000
// Ten million records for the audit:                       growth_bench 50 20000 200000
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>

#include "admin-api/api.hpp"
#include "bench/grown_data.hpp"
#include "tests/support/redis_fixture.hpp"
#include "tests/support/run_coroutine.hpp"
#include "tracking/store/audit.hpp"
#include "tracking/store/embedded_redis.hpp"
#include "tracking/store/reports.hpp"

namespace {

using namespace tracking;
using namespace tracking::store;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

class bench_run {
public:
    explicit bench_run(bench::growth with)
        : how(with), client(context.get_executor(), std::get<redis_url>(redis_url::parse(redis.url()))) {
        settings.redis.url = redis.url();
        settings.redis.stream_maxlen = how.maxlen;
        settings.data_dir = redis.dir();
    }
    void fill();
    void weigh();
    void audit_all();
    void ask();

private:
    double used_memory() { return field("used_memory:"); }
    double field(const std::string& name) {
        const std::string info = redis.text({"INFO", "memory"});
        return std::strtod(info.c_str() + info.find("\n" + name) + 1 + name.size(), nullptr);
    }

    bench::growth how;
    tests::redis_fixture redis{{.append_only = false, .arguments = embedded_redis_settings()}};
    boost::asio::io_context context;
    conf::settings settings;
    redis_client client;
    const key_names keys{"aimeter"};
    const calendar when = std::get<calendar>(calendar::open("UTC"));
    const system_time clock;
};

double seconds_since(steady_clock::time_point start) {
    return std::chrono::duration<double>(steady_clock::now() - start).count();
}

void bench_run::fill() {
    tests::run_coroutine(context, client.connect(5s));
    const auto started = steady_clock::now();
    bench::grow(context, client, how);
    std::printf("%.0f records of %d days in %.1f s; Redis holds %.1f MB (peak %.1f)\n", how.all(), how.days,
                seconds_since(started), used_memory() / 1e6, field("used_memory_peak:") / 1e6);
}

std::string kind_of(const std::string& key) {
    const auto parts = parts_of(key, "aimeter");
    if (!parts) return key == "aimeter:usage" || key == "aimeter:analytics" ? "stream " + key : "other";
    const std::string period = parts->period.substr(0, parts->period.find(':'));
    switch (parts->holds) {
        case content::user:
            return "user-month: hash";
        case content::users_requests:
        case content::users_cost:
            return "user-day: sorted sets";
        case content::labels:
            return parts->kind == "user" ? "user-month: set of users" : "sets of labels";
        case content::latency:
            return parts->kind.empty() ? "day: latency" : "label-day: latency";
        case content::active:
            return "day: active users";
        case content::bucket:
            return parts->kind.empty() ? period + ": sums" : "label-" + period + ": sums";
        default:
            return period + ": other";
    }
}

void bench_run::weigh() {
    struct weight {
        std::int64_t keys = 0, bytes = 0, members = 0;
    };
    std::map<std::string, weight> kinds;
    std::string cursor = "0";
    do {
        const auto page = redis.run({"SCAN", cursor, "COUNT", "1000"});
        cursor = page.elements[0].text;
        for (const auto& key : page.elements[1].elements) {
            auto& of = kinds[kind_of(key.text)];
            ++of.keys;
            of.bytes += redis.number({"MEMORY", "USAGE", key.text, "SAMPLES", "100"});
            if (kind_of(key.text) == "user-day: sorted sets") of.members += redis.number({"ZCARD", key.text});
            if (key.text == "aimeter:usage" || key.text == "aimeter:analytics")
                of.members += redis.number({"XLEN", key.text});
            if (kind_of(key.text) == "user-month: set of users") of.members += redis.number({"SCARD", key.text});
        }
    } while (cursor != "0");
    std::printf("\n%-28s %10s %12s %12s\n", "kind of key", "keys", "MB", "bytes each");
    for (const auto& [name, of] : kinds) {
        const auto each = static_cast<double>(of.bytes) / static_cast<double>(of.members > 0 ? of.members : of.keys);
        std::printf("%-28s %10lld %12.2f %12.0f%s\n", name.c_str(), static_cast<long long>(of.keys),
                    static_cast<double>(of.bytes) / 1e6, each, of.members > 0 ? " (member or entry)" : "");
    }
}

void bench_run::audit_all() {
    const auto started = steady_clock::now();
    const auto before = [] {
        rusage used{};
        getrusage(RUSAGE_SELF, &used);
        return used.ru_maxrss;
    };
    const auto rss = before();
    command_redis connection(settings);
    connection.connect();
    const auto report = audit(settings, connection, {}).run();
    std::printf("\naudit: %s, %d pass(es), %.1f s, peak RSS %.0f MB (%.0f MB before)\n",
                report.agrees ? "all agree, all expiries as they must be" : "DIFFERENCES", report.passes,
                seconds_since(started), static_cast<double>(before()) / 1024, static_cast<double>(rss) / 1024);
    for (const auto& one : report.differences)
        std::printf("  %s %s: %s, expected %s\n", one.key.c_str(), one.field.c_str(), one.found.c_str(),
                    one.expected.c_str());
}

void bench_run::ask() {
    reports figures(client, keys, when);
    admin::api api({.settings = settings, .tokens = {"t"}, .reports = figures, .clock = clock, .health = {}});
    redis.run({"CONFIG", "SET", "slowlog-log-slower-than", "5000", "slowlog-max-len", "1000"});
    std::puts("");
    for (const std::string path :
         {"/ai/overview", "/ai/usage?days=30", "/ai/usage?days=365", "/stats", "/ai/requests?limit=50"}) {
        redis.run({"SLOWLOG", "RESET"});
        std::vector<double> ms;
        for (int i = 0; i < 100; ++i) {
            admin::request what{.method = "GET",
                                .target = "/api/admin" + path,
                                .headers = {{"authorization", "Bearer t"}},
                                .body = {},
                                .peer = "192.0.2.1"};
            const auto started = steady_clock::now();
            const auto answer = tests::run_coroutine(context, api.handle(std::move(what)));
            ms.push_back(seconds_since(started) * 1000);
            if (answer.status != 200) std::printf("%s: %d %s\n", path.c_str(), answer.status, answer.body.c_str());
        }
        std::sort(ms.begin(), ms.end());
        const auto slow = redis.run({"SLOWLOG", "GET", "1000"});
        std::int64_t longest = 0;
        for (const auto& one : slow.elements) longest = std::max(longest, one.elements[2].integer);
        std::printf("%-24s p50 %7.1f ms, p99 %7.1f ms; commands above 5 ms: %zu", path.c_str(), ms[50], ms[98],
                    slow.elements.size());
        if (longest > 0)
            std::printf(", the longest %.1f ms: %s", static_cast<double>(longest) / 1000,
                        slow.elements[0].elements[3].elements[0].text.c_str());
        std::puts("");
    }
}

}  // namespace

int main(int argc, char** argv) {
    bench_run run(bench::growth_of(argc, argv, 1));
    run.fill();
    run.weigh();
    run.audit_all();
    run.ask();
}
