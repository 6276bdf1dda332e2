// GET /ai/export from outside: every record as redis-cli shows it, read by the csv and json modules of Python; in
// constant memory, at the client's speed; and an export that is not whole never looks whole.
#include <gmock/gmock.h>
#include <zlib.h>

#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/child_process.hpp"
#include "tests/support/record_test.hpp"

namespace {

using namespace tests;
using nlohmann::json;

const std::string bearer = "Authorization: Bearer secret\r\n";
constexpr std::int64_t an_hour = 3'600'000, a_day = 24 * an_hour;
constexpr std::int64_t noon = 1'793'448'000'000;  // 2026-10-31T12:00:00Z

// Compares an export with what XRANGE showed (as JSON, by the test), with nothing of ours in between.
constexpr const char* compare = R"(
import csv, json, re, sys
expected = json.load(open(sys.argv[1]))
if sys.argv[3] == 'csv':
    text = open(sys.argv[2], newline='', encoding='utf-8')
    rows = list(csv.DictReader(text, strict=True))
    def cell(value):
        formula = value[:1] in ('=', '+', '-', '@', '\t', '\r') and value and not re.fullmatch(r'-?\d+(\.\d+)?', value)
        return "'" + value if formula else value
    rows = [{k: v for k, v in row.items() if v != ''} for row in rows]
    expected = [{k: cell(v) for k, v in row.items()} for row in expected]
else:
    def as_text(value):
        return {True: '1', False: '0'}.get(value, value) if isinstance(value, bool) else value
    lines = open(sys.argv[2], encoding='utf-8', newline='\n').read().split('\n')
    assert lines.pop() == '', 'no end of line at the end'
    rows = [json.loads(line, parse_int=str, parse_float=str) for line in lines]
    rows = [{k: as_text(v) for k, v in row.items() if v is not None and k != 'time'} for row in rows]
assert len(rows) == len(expected), (len(rows), len(expected))
for row, wanted in zip(rows, expected):
    assert row == wanted, (row, wanted)
)";

class proxy_export : public record_test {
protected:
    void begin(const std::string& top = {}) {
        start({.config = top + "\n[redis]\nstream_maxlen = 0\n[admin]\ntokens = [\"secret\"]\n"});
        redis();
    }

    static std::string target(const std::string& parameters) { return "/api/admin/ai/export" + parameters; }
    http_message get(const std::string& parameters, const std::string& fields = "") const {
        return ask("GET " + target(parameters) + " HTTP/1.1\r\nHost: a\r\n" + bearer + fields + "\r\n");
    }

    // An entry that was stored at `id` (ms or whole), in the order of its fields.
    void add(const std::string& id, std::int64_t ts, const std::vector<std::string>& fields) const {
        std::vector<std::string> words{"XADD", "aimeter:usage", id, "id", "r" + id, "ts", std::to_string(ts)};
        words.insert(words.end(), fields.begin(), fields.end());
        redis().command(words);
    }
    // So many entries of 20 fields, one each millisecond.
    void fill(int count) const {
        const auto view = redis();
        const std::string script =
            "for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do redis.call('XADD', KEYS[1], string.format('%d-0', "
            "tonumber(ARGV[3]) + i), 'id', 'id-' .. i, 'requestId', string.rep('r', 36), 'ts', string.format('%d', "
            "tonumber(ARGV[3]) + i), 'userId', 'user-' .. i % 1000, 'plan', 'free', 'provider', 'gemini', 'aiModel', "
            "'gemini-2.0-flash', 'contentType', 'cover-letter', 'feature', 'cover-letter', 'inputTokens', '1000', "
            "'outputTokens', '500', 'tokensUsed', '1500', 'usageSource', 'body', 'cost', '0.000325', 'costSource', "
            "'catalogue', 'success', '1', 'status', '200', 'requestDuration', '1234.567', 'stream', '0', 'outcome', "
            "'ok') end";
        constexpr int step = 10'000;
        for (int i = 0; i < count; i += step)
            view.command({"EVAL", script, "1", "aimeter:usage", std::to_string(i),
                          std::to_string(std::min(i + step, count) - 1), std::to_string(noon)});
    }
    long long pages_read() const {
        const std::string text = redis().text({"INFO", "commandstats"});
        const auto at = text.find("cmdstat_xrange:calls=");
        return at == std::string::npos ? 0 : std::strtoll(text.c_str() + at + 21, nullptr, 10);
    }
    // How many pages have been read once no more are.
    long long pages_when_still() const {
        long long before = -1, now = pages_read();
        eventually([&] {
            std::this_thread::sleep_for(milliseconds(300));
            before = std::exchange(now, pages_read());
            return before == now;
        });
        return now;
    }

    void expect_same(const std::string& body, const std::vector<redis_record>& wanted, const std::string& form) const {
        const temp_dir folder;
        json expected = json::array();
        for (auto record : wanted) {
            record.erase("_entry");
            expected.push_back(record);
        }
        std::ofstream(folder.path() + "/expected") << expected.dump();
        std::ofstream(folder.path() + "/export", std::ios::binary) << body;
        child_process python(
            {{"/usr/bin/env", "python3", "-c", compare, folder.path() + "/expected", folder.path() + "/export", form},
             {},
             ""});
        const auto code = python.wait_exit(std::chrono::seconds(60));
        python.wait_output_end();
        EXPECT_EQ(code, 0) << python.err() << body.substr(0, 2000);
    }
};

TEST_F(proxy_export, GivesWhatRedisShows) {
    begin();
    upstream.otherwise({serve(answer_with(json_answer()))});
    EXPECT_EQ(ask(tracked()).status(), 200);
    EXPECT_EQ(ask(tracked("X-User-Id: =cmd|' /C calc'!A0\r\n")).status(), 200);
    records(2);
    const std::int64_t now = std::time(nullptr) * std::int64_t{1000};
    add("*", now,
        {"userId", "a,b \"c\"\r\nd", "feature", "=1+1", "errorMessage", "+49 (0) 1\t\xE2\x82\xAC", "cost", "-0.5"});
    add("*", now, {"userId", "@x", "plan", "-", "finishReason", "\tx", "cached", "1", "success", "0", "ttft", "12.5"});
    const auto all = redis().stream("aimeter:usage");
    ASSERT_EQ(all.size(), 4U);

    const auto csv = get("?days=2");
    EXPECT_EQ(csv.status(), 200);
    EXPECT_TRUE(csv.complete);
    EXPECT_EQ(csv.field("content-type"), "text/csv; charset=utf-8; header=present");
    EXPECT_THAT(csv.field("content-disposition").value_or(""),
                ::testing::MatchesRegex("attachment; filename=\"aimeter-[0-9-]+-to-[0-9-]+.csv\""));
    EXPECT_EQ(csv.field("cache-control"), "no-store");
    expect_same(csv.body, all, "csv");

    const auto lines = get("?days=2&format=ndjson");
    EXPECT_EQ(lines.field("content-type"), "application/x-ndjson");
    expect_same(lines.body, all, "ndjson");
    const json record = json::parse(lines.body.substr(0, lines.body.find('\n')));
    const auto page =
        json::parse(ask("GET /api/admin/ai/requests?limit=500 HTTP/1.1\r\nHost: a\r\n" + bearer + "\r\n").body);
    EXPECT_EQ(record, page["records"].back());  // the oldest
}

TEST_F(proxy_export, TheDayIsThatOfTheRecordAndNotOfItsStoring) {
    begin("timezone = \"Asia/Kolkata\"");  // 31 October there is 18:30 to 18:30 UTC
    const std::int64_t from = noon - noon % a_day - 330 * 60'000, until = from + a_day;
    add(std::to_string(from - 1) + "-0", from - 1, {"userId", "before"});
    add(std::to_string(from) + "-0", from, {"userId", "first"});
    add(std::to_string(until - 1) + "-0", until - 1, {"userId", "last"});
    add(std::to_string(until) + "-0", until, {"userId", "after"});
    add(std::to_string(until + 3 * a_day) + "-0", from + an_hour, {"userId", "shipped-late"});
    add(std::to_string(until + 3 * a_day) + "-1", until + 3 * a_day, {"userId", "later"});
    std::vector<redis_record> wanted;
    for (const auto& one : redis().stream("aimeter:usage"))
        if (const auto& user = one.at("userId"); user == "first" || user == "last" || user == "shipped-late")
            wanted.push_back(one);
    expect_same(get("?from=2026-10-31&to=2026-10-31").body, wanted, "csv");
    wanted.erase(wanted.begin(), wanted.begin() + 2);
    expect_same(get("?from=2026-10-31&to=2026-10-31&user=shipped-late&format=ndjson").body, wanted, "ndjson");
}

TEST_F(proxy_export, AnEmptyRangeIsAHeaderAlone) {
    begin();
    const auto csv = get("");
    EXPECT_EQ(csv.status(), 200);
    EXPECT_TRUE(csv.body.starts_with("id,requestId,ts,"));
    EXPECT_EQ(csv.body.find("\r\n"), csv.body.size() - 2);
    const auto lines = get("?days=7&format=ndjson");
    EXPECT_EQ(lines.status(), 200);
    EXPECT_EQ(lines.body, "");
}

TEST_F(proxy_export, WrongParametersAreNamed) {
    begin();
    const auto named = [&](const std::string& parameters) {
        const auto answer = get(parameters);
        EXPECT_EQ(answer.status(), 400) << parameters;
        return json::parse(answer.body).value("parameter", "");
    };
    EXPECT_EQ(named("?format=xml"), "format");
    EXPECT_EQ(named("?format=csv,ndjson"), "format");
    EXPECT_EQ(named("?from=2026-13-01"), "from");
    EXPECT_EQ(named("?from=2026-11-02&to=2026-11-01"), "from");
    EXPECT_EQ(named("?to=2026-11-01"), "from");
    EXPECT_EQ(named("?days=0"), "days");
    EXPECT_EQ(named("?outcome=good"), "outcome");
    EXPECT_EQ(named("?limit=5"), "limit");
    EXPECT_EQ(ask("POST " + target("") + " HTTP/1.1\r\nHost: a\r\n" + bearer + "Content-Length: 0\r\n\r\n").status(),
              405);
    EXPECT_EQ(ask("GET " + target("") + " HTTP/1.1\r\nHost: a\r\n\r\n").status(), 401);
}

TEST_F(proxy_export, AllKindsOfClientsAreServed) {
    begin();
    fill(2'000);
    const std::string parameters = "?from=2026-10-31&to=2026-10-31";
    raw_client one = connect();
    const std::string request = "GET " + target(parameters) + " HTTP/1.1\r\nHost: a\r\n" + bearer + "\r\n";
    one.send(request + request);  // pipelined
    const auto first = one.read(), second = one.read();
    EXPECT_TRUE(first.complete && first.chunked);
    EXPECT_EQ(std::count(first.body.begin(), first.body.end(), '\n'), 2'001);
    EXPECT_EQ(second.body, first.body);

    const auto head = ask("HEAD " + target(parameters) + " HTTP/1.1\r\nHost: a\r\n" + bearer + "\r\n");
    EXPECT_EQ(head.status(), 200);
    EXPECT_EQ(head.field("content-type"), first.field("content-type"));
    EXPECT_EQ(head.body, "");

    raw_client old = connect();
    old.send("GET " + target(parameters) + " HTTP/1.0\r\n" + bearer + "\r\n");
    const auto plain = old.read();
    EXPECT_FALSE(plain.chunked || plain.field("transfer-encoding") || plain.field("content-length"));
    EXPECT_TRUE(plain.complete);
    EXPECT_EQ(plain.body, first.body);

    const auto packed = get(parameters, "Accept-Encoding: gzip\r\n");
    EXPECT_EQ(packed.field("content-encoding"), "gzip");
    EXPECT_LT(packed.body.size(), first.body.size() / 4);
    std::string unpacked(first.body.size() + 1, '\0');
    z_stream z{};
    ASSERT_EQ(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.body.data()));
    z.avail_in = static_cast<uInt>(packed.body.size());
    z.next_out = reinterpret_cast<Bytef*>(unpacked.data());
    z.avail_out = static_cast<uInt>(unpacked.size());
    EXPECT_EQ(inflate(&z, Z_FINISH), Z_STREAM_END);
    unpacked.resize(z.total_out);
    inflateEnd(&z);
    EXPECT_EQ(unpacked, first.body);
}

// AIMETER_EXPORT_RECORDS=10000000 for the whole size.
TEST_F(proxy_export, ASlowReaderHoldsTheReadingAndNotTheMemory) {
    const char* const wanted = std::getenv("AIMETER_EXPORT_RECORDS");
    const int usual = built_with_sanitizer() ? 100'000 : 200'000;
    const int count = wanted != nullptr ? std::atoi(wanted) : usual;
    begin();
    fill(count);
    raw_client client = connect();
    client.send("GET " + target("?from=2026-10-31&to=2026-11-01") + " HTTP/1.1\r\nHost: a\r\n" + bearer + "\r\n");
    ASSERT_TRUE(client.read_until("id,requestId,ts,"));
    const auto before = memory_kib(proxy->pid(), "VmRSS");
    const auto pages = pages_when_still();
    EXPECT_LT(pages, 160) << "it reads on while nobody takes it";  // what sockets hold: of 300 records each
    if (!built_with_sanitizer()) {                                 // which keeps what was freed
        EXPECT_LT(memory_kib(proxy->pid(), "VmRSS") - before, 8 * 1024);
    }
    // The rest arrives in order, and whole.
    std::size_t lines = 0;
    std::string last;
    while (auto line = client.read_until("\n")) {
        if (*line == "\r\n" && last == "0\r\n") break;
        lines += line->starts_with("id-") ? 1 : 0;
        last = std::move(*line);
    }
    // Lines that a chunk begins with stand behind its size; those in two chunks are cut by it: count them as well.
    EXPECT_EQ(last, "0\r\n");
    EXPECT_GE(lines, static_cast<std::size_t>(count) - static_cast<std::size_t>(count) / 100);
    if (!built_with_sanitizer()) {
        EXPECT_LT(memory_kib(proxy->pid(), "VmHWM") - before, 16 * 1024);
    }
}

TEST_F(proxy_export, AClientThatLeavesStopsTheReading) {
    begin();
    fill(100'000);
    raw_client client = connect();
    client.send("GET " + target("?from=2026-10-31&to=2026-11-01&format=ndjson") + " HTTP/1.1\r\nHost: a\r\n" + bearer +
                "\r\n");
    ASSERT_TRUE(client.read_until("id-0"));
    client.close();
    EXPECT_LT(pages_when_still(), 100'000 / 300 / 2);
    // One that nothing matches has nothing to send, and notices as well.
    const auto pages = pages_read();
    raw_client nothing = connect();
    nothing.send("GET " + target("?from=2026-10-31&to=2026-11-01&user=nobody") + " HTTP/1.1\r\nHost: a\r\n" + bearer +
                 "\r\n");
    ASSERT_TRUE(nothing.read_until("id,requestId,ts,"));
    nothing.close();
    EXPECT_LT(pages_when_still() - pages, 100'000 / 300);
    expect_still_serving();
}

TEST_F(proxy_export, RedisDyingEndsItInError) {
    begin();
    fill(100'000);
    for (const std::string version : {"1.1", "1.0"}) {
        raw_client client = connect();
        client.send("GET " + target("?from=2026-10-31&to=2026-11-01") + " HTTP/" + version + "\r\nHost: a\r\n" +
                    bearer + "\r\n");
        const std::string head = client.read_until("\r\n\r\n").value_or("");
        EXPECT_THAT(head, ::testing::StartsWith("HTTP/1.1 200"));
        pages_when_still();
        const pid_t server = redis().server_pid();
        ::kill(server, SIGKILL);
        EXPECT_TRUE(eventually([&] { return ::kill(server, 0) != 0; }));
        const std::string body = client.read_to_end(milliseconds(20'000));
        if (version == "1.0") {
            EXPECT_EQ(client.ended(), ending::rst);
        } else {
            EXPECT_FALSE(body.ends_with("0\r\n\r\n"));
            EXPECT_NE(client.ended(), ending::none);
        }
        EXPECT_LT(std::count(body.begin(), body.end(), '\n'), 100'000);
        EXPECT_TRUE(
            eventually([&] { return aimeter().redis(milliseconds(20'000)).number({"XLEN", "aimeter:usage"}) > 0; }));
    }
    EXPECT_THAT(proxy->process().err(), ::testing::HasSubstr("an export ended early"));
}

TEST_F(proxy_export, WhatIsTrimmedMeanwhileIsMissed) {
    begin();
    fill(100'000);
    raw_client client = connect();
    client.send("GET " + target("?from=2026-10-31&to=2026-11-01") + " HTTP/1.1\r\nHost: a\r\n" + bearer + "\r\n");
    ASSERT_TRUE(client.read_until("id,requestId,ts,"));
    pages_when_still();
    // As the shipper trims.
    redis().command({"XTRIM", "aimeter:usage", "MINID", std::to_string(noon + 90'000)});
    redis().command({"HSET", "aimeter:meta", "trimmedTo", std::to_string(noon + 89'999) + "-0"});
    EXPECT_FALSE(client.read_to_end(milliseconds(20'000)).ends_with("0\r\n\r\n"));
    EXPECT_TRUE(proxy->process().wait_err("trimmed away")) << proxy->process().err();
}

TEST_F(proxy_export, ARedisThatWasEmptiedMeanwhileIsNoticed) {
    begin();
    fill(60'000);
    raw_client client = connect();
    client.send("GET " + target("?from=2026-10-31&to=2026-11-01") + " HTTP/1.1\r\nHost: a\r\n" + bearer + "\r\n");
    ASSERT_TRUE(client.read_until("id,requestId,ts,"));
    pages_when_still();
    redis().command({"FLUSHALL"});
    EXPECT_FALSE(client.read_to_end(milliseconds(20'000)).ends_with("0\r\n\r\n"));
}

}  // namespace
