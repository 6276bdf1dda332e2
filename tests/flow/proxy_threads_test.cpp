// Workers and control at work together, for ThreadSanitizer: a report of it is the exit code 99. Without it the same
// run shows that reloads, admin requests and the end cost no request.
#include "tests/support/counted_load.hpp"
#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

TEST_F(proxy_test, reloads_reports_and_the_end_under_load_share_nothing_unguarded) {
    AIMETER_ONLY();
    ends_well = false;
    upstream.otherwise({serve(counted_answer())});
    start({.config = "workers = 2\n[track]\nlog = \"json\"\n[journal]\nsize = \"16MB\"", .drain_timeout = "5s"});
    counted_load load({proxy->port()}, 6, milliseconds(4));
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(load.go_on_for(100)) << proxy->process().err();
        proxy->process().signal(i % 2 == 0 ? SIGHUP : SIGUSR1);
        const auto ready = ask("GET /api/admin/readyz HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_EQ(ready.status(), 200) << ready.body;
        EXPECT_EQ(ask("GET /api/admin/ai/overview HTTP/1.1\r\nHost: a\r\n\r\n").status(), 401);
    }
    EXPECT_TRUE(proxy->process().wait_err("configuration reloaded"));
    EXPECT_TRUE(load.failures().empty()) << load.failures().front();
    proxy->process().signal(SIGTERM);
    EXPECT_EQ(proxy->process().wait_exit(milliseconds(30'000)), 0) << proxy->process().err();
    EXPECT_EQ(proxy->process().err().find("ThreadSanitizer"), std::string::npos) << proxy->process().err();
}

}  // namespace
}  // namespace tests
