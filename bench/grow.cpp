// Fills an empty Redis with a data set as it stands after many days, and leaves it there for others to look at.
//   grow REDIS-URL [DAYS [USERS-A-DAY [RECORDS-A-DAY [STREAM-MAXLEN]]]]
#include <cstdio>

#include "bench/grown_data.hpp"

int main(int argc, char** argv) {
    using tracking::store::redis_url;
    const auto url = redis_url::parse(argc > 1 ? argv[1] : "");
    if (url.index() != 0) return std::fprintf(stderr, "usage: grow REDIS-URL [DAYS [USERS [RECORDS [MAXLEN]]]]\n"), 2;
    boost::asio::io_context context;
    tracking::store::redis_client client(context.get_executor(), std::get<redis_url>(url));
    if (tests::run_coroutine(context, client.connect(std::chrono::seconds{5})).index() != 0)
        return std::fprintf(stderr, "%s does not answer\n", argv[1]), 1;
    bench::grow(context, client, bench::growth_of(argc, argv, 2));
}
