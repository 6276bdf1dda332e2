// What /metrics costs the control thread: CPU ns for counting a record, of the same series again and again and of a
// random one of many; and CPU time and size of a scrape of as many series as there may be.
//   metrics_bench [records]
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "admin-api/metrics.hpp"
#include "conf/config.hpp"
#include "tests/support/sample_records.hpp"
#include "tracking/store/record_metrics.hpp"

namespace {

// CPU time of this thread, so that a busy machine counts little.
double cpu_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double ns_a_record(const std::vector<tracking::record>& of, std::size_t records) {
    tracking::store::record_metrics metrics(1'000);
    for (const auto& one : of) metrics.count(one);
    const double start = cpu_ns();
    for (std::size_t i = 0; i < records; ++i) metrics.count(of[i % of.size()]);
    return (cpu_ns() - start) / static_cast<double>(records);
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t records = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 5'000'000;
    std::mt19937_64 random(1);
    const std::int64_t now = 1'800'000'000'000;
    std::vector<tracking::record> one{tests::plain_record(now)}, many;
    for (int i = 0; i < 500; ++i) many.push_back(tests::random_record(random, now, now + 1'000));
    std::printf("one series   %6.1f ns a record\n", ns_a_record(one, records));
    std::printf("many series  %6.1f ns a record\n", ns_a_record(many, records));

    const std::size_t series = conf::admin_settings{}.metrics_series;
    tracking::store::record_metrics full(series);
    for (std::size_t i = 0; i < series; ++i) {
        one.front().ai_model = one.front().requested_model = "a-model-with-a-long-name-" + std::to_string(i);
        full.count(one.front());
    }
    admin::metrics_state state;
    state.records = &full;
    const double start = cpu_ns();
    const auto text = admin::metrics_text(state, admin::read_process_figures(), admin::exposition_format::text);
    std::printf("a scrape of %zu series  %.1f ms, %.1f MB\n", series, (cpu_ns() - start) / 1e6,
                static_cast<double>(text.size()) / 1e6);
}
