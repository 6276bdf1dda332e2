// A data set as it stands after many days, put into a Redis with the real keys by the real batches.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "bench/app_records.hpp"
#include "tests/support/run_coroutine.hpp"
#include "tracking/clock.hpp"
#include "tracking/store/batch.hpp"
#include "tracking/store/data_set.hpp"
#include "tracking/store/scripts.hpp"

namespace bench {

struct growth {
    int days = 365, users = 1'000, records = 2'000;  // users and records of a day
    std::uint64_t maxlen = 0;
    double all() const { return static_cast<double>(days) * records; }
};

// [DAYS [USERS-A-DAY [RECORDS-A-DAY [STREAM-MAXLEN]]]], from argument `at` on.
inline growth growth_of(int argc, char** argv, int at) {
    const auto number = [&](int which, int otherwise) {
        return argc > at + which ? static_cast<int>(std::strtol(argv[at + which], nullptr, 10)) : otherwise;
    };
    return {.days = number(0, 365),
            .users = number(1, 1'000),
            .records = number(2, 2'000),
            .maxlen = static_cast<std::uint64_t>(number(3, 0))};
}

// From the oldest day to today, each day's requests spread over its hours. Ends the process where Redis refuses.
inline void grow(boost::asio::io_context& context, store::redis_client& client, const growth& how) {
    constexpr std::int64_t day_ms = 86'400'000;
    constexpr std::size_t batch_size = 1'000;
    const store::key_names keys{"aimeter"};
    const auto when = std::get<store::calendar>(store::calendar::open("UTC"));
    const std::string dataset =
        std::get<store::data_set>(tests::run_coroutine(context, store::agree_on_data_set(client, keys, "UTC"))).id;
    const auto ask = [&](store::command what) {
        const std::vector<store::command> commands{std::move(what)};
        const auto answer = tests::run_coroutine(context, client.pipeline(commands, std::chrono::seconds{20}));
        return std::get<std::vector<store::reply>>(answer).front();
    };
    const std::string sha = ask({"SCRIPT", "LOAD", std::string(store::apply_script)}).text;
    const auto ship = [&](store::batch& one) {
        const auto reply = ask(one.apply({sha, true, dataset, how.maxlen}));
        if (reply.is_error() || reply.elements.front().text != "ok") {
            std::fprintf(stderr, "refused: %s\n", reply.text.c_str());
            std::exit(1);
        }
        one.clear();
    };
    std::mt19937_64 random(1);
    const std::int64_t now = system_time{}.wall_ms(), midnight = now - now % day_ms;
    std::uint64_t sequence = 0;
    store::batch one(keys, when);
    for (int day = how.days - 1; day >= 0; --day) {
        const std::int64_t begins = midnight - day * day_ms, length = day == 0 ? now - midnight : day_ms;
        for (int i = 0; i < how.records; ++i) {
            journal::entry entry{++sequence, app_record(random, begins + length * i / how.records, how.users)};
            one.add({}, entry.sequence - 1, entry);
            if (one.records() == batch_size) ship(one);
        }
    }
    if (one.records() > 0) ship(one);
}

}  // namespace bench
