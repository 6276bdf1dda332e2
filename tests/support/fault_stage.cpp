#include "tests/support/fault_stage.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iostream>

namespace tests {
namespace {

constexpr milliseconds settle_within{40'000};
constexpr long memory_more_kib = 64 * 1024;

std::uint64_t number_of(const char* name, std::uint64_t usual) {
    const char* const text = std::getenv(name);
    std::uint64_t value = usual;
    if (text != nullptr) std::from_chars(text, text + std::string_view(text).size(), value);
    return value;
}

// "0.000453" as nano-dollars, without a double.
std::int64_t nano_of(const std::string& decimal) {
    const auto point = decimal.find('.');
    std::string digits = decimal.substr(0, point);
    std::string places = point == std::string::npos ? "" : decimal.substr(point + 1);
    places.resize(9, '0');
    return std::strtoll((digits + places).c_str(), nullptr, 10);
}

std::int64_t at(const redis_record& hash, const std::string& field) {
    const auto found = hash.find(field);
    return found == hash.end() ? 0 : std::strtoll(found->second.c_str(), nullptr, 10);
}

}  // namespace

std::uint64_t fault_seed() { return number_of("AIMETER_FAULT_SEED", 20'261'123); }
int fault_rounds(int usual) { return usual * static_cast<int>(number_of("AIMETER_FAULT_ROUNDS", 1)); }

void fault_stage::SetUp() {
    AIMETER_ONLY();
    ::signal(SIGPIPE, SIG_IGN);  // hiredis writes without MSG_NOSIGNAL
    RecordProperty("seed", std::to_string(fault_seed()));
    upstream.otherwise({serve(counted_answer())});
}

void fault_stage::curtain_up(fault_setting how) {
    how_ = std::move(how);
    if (!how_.embedded) {
        redis.start();
        wire = std::make_unique<redis_wire>(redis.folder() + ".wire", redis.socket());
        if (how_.redis_url.empty()) how_.redis_url = wire->url();
    }
    for (int i = 0; i < how_.aimeters; ++i) {
        std::string config = "workers = 2\n" + how_.config;
        if (config.find("[track]") == std::string::npos) config += "\n[track]\nlog = \"off\"";
        config += "\n[identity]\nheader = \"x-user-id\"\n";
        how_.env["AIMETER_REDIS_URL"] = how_.redis_url;
        if (config.find("stream_maxlen") == std::string::npos) how_.env["AIMETER_REDIS_STREAM_MAXLEN"] = "0";
        aimeters.push_back(std::make_unique<aimeter_process>(
            proxy_options{.upstream = upstream.url(), .config = config, .env = how_.env, .drain_timeout = "5s"}));
        aimeters.back()->start();
    }
    load = std::make_unique<counted_load>(ports(), 6, how_.pace);
    play(50);
    if (testing::Test::HasFatalFailure()) return;
    ASSERT_TRUE(ready_says(R"("detail":"connected")")) << ready();
    memory_before_ = memory_kib(first().pid(), "VmHWM");
    watcher_ = std::thread([this] { watch_sums(); });
}

void fault_stage::TearDown() {
    over_ = true;
    if (watcher_.joinable()) watcher_.join();
    load.reset();
    aimeters.clear();
    wire.reset();
}

std::vector<std::uint16_t> fault_stage::ports() const {
    std::vector<std::uint16_t> all;
    for (const auto& one : aimeters) all.push_back(one->port());
    return all;
}

void fault_stage::kill_aimeter(std::size_t which) {
    clients_notice_nothing = false;
    aimeters[which]->process().signal(SIGKILL);
    ASSERT_EQ(aimeters[which]->process().wait_exit(), 128 + SIGKILL) << aimeters[which]->process().err();
    earlier_logs_ += aimeters[which]->process().err() + "(killed)\n";
}

int fault_stage::stop_aimeter(std::size_t which) {
    clients_notice_nothing = false;
    aimeters[which]->process().signal(SIGTERM);
    return aimeters[which]->process().wait_exit(milliseconds(20'000)).value_or(-1);
}

void fault_stage::start_aimeter(std::size_t which) {
    aimeters[which]->start();
    load->use_ports(ports());
}

// ---- What a user sees of it ----------------------------------------------------------------------------------------

std::string fault_stage::ready(std::size_t which) const {
    std::string token;
    std::ifstream(aimeters[which]->data_dir() + "/admin-token") >> token;
    raw_client client = aimeters[which]->connect();
    client.send("GET /api/admin/readyz HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + token + "\r\n\r\n");
    return client.read().body;
}

std::int64_t fault_stage::ready_number(const std::string& field) const {
    const std::string text = ready();
    const auto found = text.find('"' + field + "\":");
    return found == std::string::npos ? -1 : std::strtoll(text.c_str() + found + field.size() + 3, nullptr, 10);
}

bool fault_stage::ready_says(const std::string& part, milliseconds within) const {
    return eventually([&] { return ready().find(part) != std::string::npos; }, within);
}

void fault_stage::meanwhile(const std::string& told, std::size_t requests) {
    ASSERT_TRUE(ready_says(told)) << "wanted: " << told << "\nsaid: " << ready();
    play(requests);
}

std::size_t fault_stage::log_lines(std::string_view with) const {
    const std::string text = first().process().err();
    std::size_t count = 0;
    for (std::size_t from = 0; (from = text.find(with, from)) != std::string::npos; from += with.size()) ++count;
    return count;
}

// Invariant D of the matrix: at no moment more than the truth, and never less than a moment before.
void fault_stage::watch_sums() {
    std::size_t before = 0;
    int deaths = 0;
    while (!over_) {
        std::this_thread::sleep_for(milliseconds(50));
        std::size_t counted = before;
        try {
            const auto view = data(milliseconds(0));
            counted = static_cast<std::size_t>(view.number({"HGET", "aimeter:usage:total", "requests"}));
        } catch (const std::exception&) {
            continue;  // away, or busy, or full
        }
        EXPECT_LE(counted, load->sent() + extra_requests) << "more than were ever sent";
        // A Redis that is killed while its disk is slow may have confirmed what it had not written yet: the write waits
        // for a running fsync. It is shipped again.
        const bool died = redis.deaths() != deaths;
        deaths = redis.deaths();
        if (counted < before && !redis_forgets && !died)
            ADD_FAILURE() << "counters fell from " << before << " to " << counted;
        before = counted;
    }
}

// ---- The end -------------------------------------------------------------------------------------------------------

std::set<std::string> fault_stage::wanted() const {
    std::set<std::string> all = load->answered();
    for (const auto& request : upstream.requests()) all.insert(request.field("x-request-id").value_or(""));
    return all;
}

std::size_t fault_stage::recorded() const {
    const auto view = data();
    return static_cast<std::size_t>(view.number({"XLEN", "aimeter:usage"}) +
                                    view.number({"HGET", "aimeter:meta", "trimmedEntries"}));
}

bool fault_stage::all_recorded(std::size_t wanted) const {
    return eventually(
        [&] {
            try {
                const auto lost = static_cast<std::size_t>(ready_number("lost"));
                return recorded() + lost + may_miss >= wanted && ready_number("lag") == 0;
            } catch (const std::exception&) {
                return false;
            }
        },
        settle_within);
}

void fault_stage::curtain() {
    load->stop();
    const auto all = wanted();
    ASSERT_GT(load->answered().size(), load->sent() / 3) << "hardly any load got through: the row shows nothing";
    if (clients_notice_nothing) {
        EXPECT_THAT(load->failures(), testing::IsEmpty());
    }
    EXPECT_TRUE(all_recorded(all.size())) << recorded() << " recorded of " << all.size() << "; " << ready();
    ASSERT_TRUE(ready_says(R"("detail":"connected")")) << ready();
    look_at_streams(data());
    for (const auto& one : aimeters) {
        const auto verified = one->run("verify");
        EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
    }
    look_at_processes();
}

void fault_stage::look_at_streams(const redis_view& view) {
    const auto all = wanted();
    const auto usage = view.stream("aimeter:usage");
    const auto analytics = view.stream("aimeter:analytics");
    const auto meta = view.hash("aimeter:meta");
    std::map<std::string, int> times;
    std::int64_t cost = at(meta, "trimmedCostNanoUsd");
    std::int64_t other_cost = cost;
    ASSERT_EQ(usage.size(), analytics.size());
    for (std::size_t i = 0; i < usage.size(); ++i) {
        ++times[usage[i].at("requestId")];
        EXPECT_EQ(usage[i].at("_entry"), analytics[i].at("_entry"));
        EXPECT_EQ(usage[i].at("id"), analytics[i].at("id"));
        if (const auto found = usage[i].find("cost"); found != usage[i].end()) cost += nano_of(found->second);
        if (const auto found = analytics[i].find("cost"); found != analytics[i].end())
            other_cost += nano_of(found->second);
    }
    const auto trimmed = static_cast<std::size_t>(at(meta, "trimmedEntries"));
    const std::size_t entries = usage.size() + trimmed;
    std::size_t missing = 0, twice = 0;
    std::string which;
    for (const auto& id : all) {
        if (times.contains(id)) continue;
        if (++missing <= 20) which += id + ' ';
    }
    for (const auto& [id, count] : times) twice += count > 1 ? 1 : 0;
    EXPECT_EQ(twice, 0U) << "of " << times.size() << " recorded";
    const auto lost = ready_number("lost");
    EXPECT_LE(lost, may_lose) << ready();
    const std::size_t explained = trimmed + static_cast<std::size_t>(lost);
    EXPECT_GE(missing, explained) << "counted as lost, and recorded";
    EXPECT_LE(missing, explained + may_miss) << "of " << all.size() << " answered or forwarded: " << which
                                             << earlier_logs_ << first().process().err() << first().run("verify").out;
    EXPECT_LE(entries, load->sent() + extra_requests) << "records of requests that nobody made";
    EXPECT_EQ(cost, other_cost);
    // What the clients know of the money, unless requests were cut or lost in the middle.
    if (clients_notice_nothing && lost == 0) {
        std::int64_t told = 0;
        for (const auto& id : all) told += counted_price(id).nano();
        EXPECT_EQ(cost, told);
    }
    look_at_hashes(view, entries, cost);
}

void fault_stage::look_at_hashes(const redis_view& view, std::size_t entries, std::int64_t cost) const {
    const auto requests = static_cast<std::int64_t>(entries);
    const auto total = view.hash("aimeter:usage:total");
    EXPECT_EQ(at(total, "requests"), requests);
    EXPECT_EQ(at(total, "costNanoUsd"), cost);
    const auto analytics = view.hash("aimeter:analytics:total");
    EXPECT_EQ(at(analytics, "ai_generation"), requests);
    EXPECT_EQ(at(analytics, "costNanoUsd"), cost);
    // Every kind of hash by itself: whatever the key, the same sum.
    const std::string date = "[0-9][0-9][0-9][0-9]-[0-9][0-9]";
    for (const std::string& pattern :
         {"usage:month:" + date, "usage:day:" + date + "-[0-9][0-9]", "usage:month:" + date + ":user:*",
          "usage:month:" + date + ":feature:*", "usage:day:" + date + "-[0-9][0-9]:model:*"}) {
        std::int64_t sum = 0, money = 0;
        for (const auto& key : view.command({"KEYS", "aimeter:" + pattern})) {
            if (key.ends_with(":latency")) continue;
            const auto hash = view.hash(key);
            sum += at(hash, "requests");
            money += at(hash, "costNanoUsd");
        }
        if (pattern.find("model") != std::string::npos && sum < requests) continue;  // an interrupted one has none
        EXPECT_EQ(sum, requests) << pattern;
        EXPECT_EQ(money, cost) << pattern;
    }
}

void fault_stage::look_at_processes() const {
    const std::string log = first().process().err();
    EXPECT_LE(log_lines("] redis: "), redis_log_lines_most) << log;
    for (const auto& secret : never_logged) EXPECT_EQ(log.find(secret), std::string::npos) << log;
    if (clients_notice_nothing && !built_with_sanitizer()) {
        EXPECT_LT(memory_kib(first().pid(), "VmHWM"), memory_before_ + memory_more_kib);
    }
    for (const auto& one : aimeters) {
        EXPECT_TRUE(one->process().running()) << one->process().err();
        one->process().signal(SIGTERM);
        EXPECT_EQ(one->process().wait_exit(milliseconds(20'000)), 0) << one->process().err();
    }
}

}  // namespace tests
