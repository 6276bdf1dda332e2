// GET /metrics of a running aimeter: what a Prometheus would see of requests that were really made.
#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "tests/support/metrics_text.hpp"
#include "tests/support/record_test.hpp"

namespace tests {
namespace {

using ::testing::HasSubstr;
using labels = std::map<std::string, std::string>;

const labels content_gen{{"feature", "content-gen"}, {"provider", "gemini"}, {"model", "gemini-2.0-flash"}};

labels with(labels to, const std::string& name, const std::string& value) {
    to[name] = value;
    return to;
}

// What promtool has to say of a text; empty = nothing. It is in Debian's package `prometheus`.
std::string complaint_of_promtool(const std::string& command, const std::string& text) {
    const temp_dir folder;
    std::ofstream(folder.path() + "/text") << text;
    child_process tool({{"/bin/sh", "-c", "promtool " + command + " < " + folder.path() + "/text"}, {}, ""});
    const int code = tool.wait_exit(std::chrono::seconds(30)).value_or(-1);
    tool.wait_output_end();
    return code == 0 ? "" : "exit " + std::to_string(code) + ": " + tool.out() + tool.err();
}

bool has_promtool() {
    child_process tool({{"/bin/sh", "-c", "command -v promtool"}, {}, ""});
    return tool.wait_exit() == 0;
}

class proxy_metrics : public record_test {
protected:
    http_message get(const std::string& fields, const std::string& path = "/api/admin/metrics") const {
        return ask("GET " + path + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");
    }
    std::string authorization() const {
        std::ifstream file(aimeter().data_dir() + "/admin-token");
        std::string token;
        std::getline(file, token);
        return "Authorization: Bearer " + token + "\r\n";
    }
    metrics_text scrape() const { return metrics_text::parse(get(authorization()).body); }
    // Once `requests` have been counted.
    metrics_text scrape_of(double requests) const {
        EXPECT_TRUE(eventually([&] { return scrape().sum("aimeter_requests_total") >= requests; }))
            << get(authorization()).raw_head << proxy->process().err();
        auto now = scrape();
        EXPECT_EQ(now.sum("aimeter_requests_total"), requests);
        return now;
    }
    void answer_once(std::string answer, const std::string& request = tracked()) {
        answer.insert(answer.find("\r\n"), "\r\nConnection: close");
        upstream.otherwise({wait_request(), send(answer), close_now()});
        ask(request);
    }

    const temp_dir temp;
};

TEST_F(proxy_metrics, counters_are_what_was_sent) {
    start();
    for (int i = 0; i < 3; ++i) answer_once(json_answer());  // 1000 in, 600 out, 0.000325 USD each
    answer_once(json_answer("", 429, R"({"error":{"code":429,"message":"quota"}})"));
    answer_once(json_answer("X-AI-Cached: 1\r\n"));
    answer_once(json_answer("X-AI-Model: nobody-sells-this\r\n"));
    const auto now = scrape_of(6);

    EXPECT_EQ(now.value("aimeter_requests_total", with(content_gen, "outcome", "success")), "4");
    EXPECT_EQ(now.sum("aimeter_requests_total", {{"outcome", "error"}}), 1);
    EXPECT_EQ(now.value("aimeter_cached_requests_total", content_gen), "1");
    EXPECT_EQ(now.value("aimeter_input_tokens_total", content_gen), "3000");
    EXPECT_EQ(now.value("aimeter_output_tokens_total", content_gen), "1800");
    EXPECT_EQ(now.value("aimeter_cached_tokens_total", content_gen), "600");
    EXPECT_EQ(now.value("aimeter_reasoning_tokens_total", content_gen), "300");
    EXPECT_EQ(now.value("aimeter_cost_usd_total", content_gen), "0.000975");
    EXPECT_EQ(now.value("aimeter_saved_usd_total", content_gen), gemini_cost);
    EXPECT_EQ(now.value("aimeter_unpriced_requests_total", {{"model", "nobody-sells-this"}}), "1");

    const labels otel{{"gen_ai_provider_name", "gcp.gemini"}, {"gen_ai_response_model", "gemini-2.0-flash"}};
    const auto input = with(otel, "gen_ai_token_type", "input");
    EXPECT_EQ(now.value("gen_ai_client_token_usage_count", input), "3");
    EXPECT_EQ(now.value("gen_ai_client_token_usage_sum", input), "3000");
    EXPECT_EQ(now.value("gen_ai_client_token_usage_bucket", with(input, "le", "256.0")), "0");
    EXPECT_EQ(now.value("gen_ai_client_token_usage_bucket", with(input, "le", "1024.0")), "3");
    EXPECT_EQ(now.value("gen_ai_client_token_usage_sum", with(otel, "gen_ai_token_type", "output")), "1800");
    EXPECT_EQ(now.value("gen_ai_client_operation_duration_seconds_count", with(otel, "error_type", "")), "4");
    EXPECT_EQ(now.sum("gen_ai_client_operation_duration_seconds_count", {{"error_type", "429"}}), 1);
    EXPECT_EQ(now.value("gen_ai_server_time_to_first_token_seconds_count", otel), "3") << "not of a cache";
    now.expect_consistent_histograms();

    EXPECT_EQ(now.sum("aimeter_upstream_requests_total"), 6);
    EXPECT_EQ(now.sum("aimeter_client_connections"), 1) << "that of the scrape";
    EXPECT_GT(now.sum("process_resident_memory_bytes"), 1e6);
    EXPECT_GT(now.sum("process_open_fds"), 5);
    EXPECT_NEAR(now.sum("process_start_time_seconds"), static_cast<double>(std::time(nullptr)), 120);
}

TEST_F(proxy_metrics, sums_are_those_of_redis) {
    start({.config = "[track]\nlog = \"off\""});
    for (int i = 0; i < 5; ++i) answer_once(json_answer("", i == 0 ? 500 : 200));
    records(5);
    auto total = redis().hash("aimeter:usage:total");
    const auto now = scrape_of(5);
    EXPECT_EQ(now.sum("aimeter_requests_total", {{"outcome", "success"}}), std::stod(total["success"]));
    EXPECT_EQ(now.sum("aimeter_tokens_used_total"), std::stod(total["tokensUsed"]));
    EXPECT_NEAR(now.sum("aimeter_cost_usd_total") * 1e9, std::stod(total["costNanoUsd"]), 1e-3);
    EXPECT_NEAR(now.sum("gen_ai_client_operation_duration_seconds_sum") * 1e6, std::stod(total["durationUs"]), 1e-3);
    EXPECT_TRUE(eventually([&] { return scrape().value("aimeter_redis_records_applied_total") == "5"; }));
    EXPECT_EQ(scrape().value("aimeter_journal_lag_records"), "0");
}

TEST_F(proxy_metrics, tools_of_prometheus_find_nothing_wrong) {
    if (!has_promtool()) GTEST_SKIP() << "promtool is missing: apt-get install prometheus";
    start();
    answer_once(json_answer());
    answer_once(json_answer("X-AI-Model: a\"b\\c{d},e=f\r\nX-AI-Feature: x\\\r\n", 503));
    scrape_of(2);
    EXPECT_EQ(complaint_of_promtool("check metrics", get(authorization()).body), "");
}

TEST_F(proxy_metrics, both_formats_say_what_they_are) {
    start();
    const auto text = get(authorization());
    EXPECT_EQ(text.field("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_EQ(text.field("cache-control"), "no-store");
    const auto open = get(authorization() + "Accept: application/openmetrics-text; version=1.0.0\r\n");
    EXPECT_EQ(open.field("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    EXPECT_TRUE(open.body.ends_with("\n# EOF\n"));
    EXPECT_THAT(open.body, HasSubstr("# TYPE aimeter_requests counter\n"));
    EXPECT_EQ(ask("HEAD /api/admin/metrics HTTP/1.1\r\nHost: a\r\n" + authorization() + "\r\n").status(), 200);
    EXPECT_EQ(get(authorization(), "/api/admin/metrics?x=1").status(), 400);
}

TEST_F(proxy_metrics, hostile_names_stay_in_their_label) {
    start({.config = "[identity]\nheader = \"x-user-id\""});
    answer_once(json_answer("X-AI-Model: a\"} 1\\n# EOF\r\nX-AI-Provider: p\\\"q\r\n"));
    const auto now = scrape_of(1);
    const auto found = now.matching("aimeter_requests_total", {{"outcome", "success"}});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0]->labels.at("model"), "a\"} 1\\n# EOF");
    EXPECT_EQ(found[0]->labels.at("provider"), "p\\\"q");
}

TEST_F(proxy_metrics, a_token_is_needed_unless_they_are_public) {
    start();
    expect_problem(get(""), 401);
    expect_problem(get("Authorization: Bearer wrong\r\n"), 401);
    EXPECT_EQ(get("", "/metrics").status(), 200) << "the root is the application's";
    EXPECT_EQ(upstream.requests().size(), 1U);
    start({.config = "[admin]\nmetrics_public = true"});
    EXPECT_EQ(get("").status(), 200);
    expect_problem(get("", "/api/admin/stats"), 401);
}

TEST_F(proxy_metrics, an_own_listener_has_them_at_its_root) {
    const std::string path = temp.path() + "/admin";
    start({.config = "[admin]\nlisten = \"unix:" + path + "\""});
    const auto ask_there = [&](const std::string& target, const std::string& fields) {
        raw_client client(path, 0);
        client.send("GET " + target + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");
        return client.read();
    };
    EXPECT_EQ(ask_there("/metrics", authorization()).status(), 200);
    EXPECT_EQ(ask_there("/api/admin/metrics", authorization()).status(), 200);
    expect_problem(ask_there("/metrics", ""), 401);
    expect_problem(ask_there("/stats", authorization()), 404);
    EXPECT_EQ(get("").status(), 200) << "elsewhere the path is the application's";
    EXPECT_EQ(upstream.requests().size(), 1U);
}

TEST_F(proxy_metrics, series_are_bounded) {
    start({.config = "workers = 1\n[admin]\nmetrics_series = 3"});
    for (int i = 0; i < 8; ++i) answer_once(json_answer("X-AI-Feature: f" + std::to_string(i) + "\r\n"));
    const auto now = scrape_of(8);
    EXPECT_EQ(now.matching("aimeter_requests_total", {{"outcome", "success"}}).size(), 4U);
    EXPECT_EQ(now.value("aimeter_requests_total", {{"feature", "other"}, {"outcome", "success"}}), "5");
    EXPECT_EQ(now.value("aimeter_metrics_folded_requests_total"), "5");
    EXPECT_EQ(now.value("aimeter_metrics_series_limit"), "3");
}

// A scrape asks neither Redis nor the upstream, and what was recorded is counted all the same.
TEST_F(proxy_metrics, are_there_without_redis) {
    start({.config = "[redis]\nurl = \"unix:" + temp.path() + "/nobody\""});
    for (int i = 0; i < 4; ++i) answer_once(json_answer());
    scrape_of(4);
    EXPECT_TRUE(eventually([&] { return scrape().sum("aimeter_journal_lag_seconds") > 0; }));
    const auto now = scrape();
    EXPECT_EQ(now.value("aimeter_redis_connected"), "0");
    EXPECT_EQ(now.value("aimeter_journal_lag_records"), "4");
    EXPECT_GT(now.sum("aimeter_redis_connection_failures_total"), 0);
}

TEST_F(proxy_metrics, peers_that_fail_are_seen) {
    std::uint16_t closed = 0;
    listen_on("127.0.0.1", closed);  // and nobody listens there any more
    const std::string dead = "http://127.0.0.1:" + std::to_string(closed);
    upstream.otherwise({serve(answer_with(json_answer()))});
    start({.upstream = upstream.url() + "," + dead, .config = "workers = 1"});
    EXPECT_TRUE(eventually([&] {
        ask(tracked());
        return scrape().value("aimeter_upstream_peer_up", {{"peer", dead}}) == "0";
    }));
    const auto now = scrape();
    EXPECT_GE(now.sum("aimeter_upstream_failures_total", {{"peer", dead}}), 1);
    EXPECT_EQ(now.value("aimeter_upstream_failures_total", {{"peer", upstream.url()}}), "0");
    EXPECT_EQ(now.value("aimeter_upstream_peer_up", {{"peer", upstream.url()}}), "1");
    EXPECT_EQ(now.value("aimeter_upstream_requests_in_flight", {{"peer", upstream.url()}}), "0");
}

TEST_F(proxy_metrics, a_refused_reload_is_seen) {
    start();
    const auto succeeded = [&] { return scrape().value("aimeter_config_last_reload_successful"); };
    const double first = scrape().sum("aimeter_config_last_reload_success_timestamp_seconds");
    EXPECT_EQ(succeeded(), "1");
    aimeter().rewrite_config("nonsense = 1");
    proxy->process().signal(SIGHUP);
    EXPECT_TRUE(eventually([&] { return succeeded() == "0"; }));
    EXPECT_EQ(scrape().sum("aimeter_config_last_reload_success_timestamp_seconds"), first);
    aimeter().rewrite_config("");
    proxy->process().signal(SIGHUP);
    EXPECT_TRUE(eventually([&] { return succeeded() == "1"; }));
    EXPECT_GT(scrape().sum("aimeter_config_last_reload_success_timestamp_seconds"), first);
}

// ---- the dashboard and the alerts in conf/
// ------------------------------------------------------------------------------

std::string file_text(const std::string& name) {
    std::ifstream in(std::string(AIMETER_SOURCE_DIR) + "/" + name);
    EXPECT_TRUE(in) << name;
    return {std::istreambuf_iterator<char>(in), {}};
}

// Every query of the dashboard, with a value for each of Grafana's variables.
std::vector<std::string> dashboard_queries() {
    std::vector<std::string> all;
    const auto dashboard = nlohmann::json::parse(file_text("conf/grafana-dashboard.json"));
    for (const auto& panel : dashboard["panels"]) {
        for (const auto& target : panel.value("targets", nlohmann::json::array())) {
            std::string query = target["expr"];
            for (const auto& [variable, value] :
                 {std::pair("\\$__rate_interval", "5m"), std::pair("\\$__range", "1h"), std::pair("\\$[a-z]+", ".*")})
                query = std::regex_replace(query, std::regex(variable), value);
            all.push_back(query);
        }
    }
    return all;
}

TEST_F(proxy_metrics, dashboard_and_alerts_ask_for_what_there_is) {
    start();
    answer_once(json_answer());
    std::set<std::string> known;
    for (const auto& one : scrape_of(1).samples) {
        known.insert(one.name);
        for (const auto& [label, value] : one.labels) known.insert(label);
    }
    known.insert("error_type");                                        // of failures
    known.insert("aimeter_tls_certificate_expiry_timestamp_seconds");  // with tls.cert
    std::string text = file_text("conf/alert-rules.yml");
    for (const auto& query : dashboard_queries()) text += "\nexpr: " + query;
    const std::regex name("(aimeter|gen_ai|process)_[a-z_]+");
    std::size_t names = 0;
    for (std::sregex_iterator at(text.begin(), text.end(), name), end; at != end; ++at, ++names)
        EXPECT_TRUE(known.contains(at->str())) << at->str();
    EXPECT_GT(names, 60U);
}

TEST_F(proxy_metrics, rules_and_queries_are_those_of_prometheus) {
    if (!has_promtool()) GTEST_SKIP() << "promtool is missing: apt-get install prometheus";
    const std::string rules = std::string(AIMETER_SOURCE_DIR) + "/conf/alert-rules.yml";
    EXPECT_EQ(complaint_of_promtool("check rules " + rules, ""), "");

    // promtool reads rule files beside the test.
    std::filesystem::copy(rules, temp.path() + "/alert-rules.yml");
    std::ofstream(temp.path() + "/test.yml") << file_text("tests/fixtures/alert-rules-test.yml");
    EXPECT_EQ(complaint_of_promtool("test rules " + temp.path() + "/test.yml", ""), "");

    nlohmann::json recorded = nlohmann::json::array();
    for (const auto& query : dashboard_queries())
        recorded.push_back({{"record", "query:" + std::to_string(recorded.size())}, {"expr", query}});
    std::ofstream(temp.path() + "/queries.yml")
        << nlohmann::json{{"groups", {{{"name", "dashboard"}, {"rules", recorded}}}}};
    EXPECT_EQ(complaint_of_promtool("check rules " + temp.path() + "/queries.yml", ""), "");
}

// A real Prometheus scrapes aimeter, in the format that it prefers (OpenMetrics), and works with the rules.
TEST_F(proxy_metrics, a_prometheus_takes_them) {
    const std::string program = "/usr/bin/prometheus";
    if (!std::filesystem::exists(program)) GTEST_SKIP() << "prometheus is missing: apt-get install prometheus";
    start();
    for (int i = 0; i < 3; ++i) answer_once(json_answer());
    scrape_of(3);
    std::uint16_t port = 0;
    listen_on("127.0.0.1", port);
    const std::string where = "127.0.0.1:" + std::to_string(port);
    std::ofstream(temp.path() + "/prometheus.yml")
        << "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
        << "rule_files: [" << AIMETER_SOURCE_DIR << "/conf/alert-rules.yml]\n"
        << "scrape_configs:\n  - job_name: aimeter\n    metrics_path: /api/admin/metrics\n"
        << "    authorization: {credentials_file: " << aimeter().data_dir() << "/admin-token}\n"
        << "    static_configs: [{targets: ['127.0.0.1:" << proxy->port() << "']}]\n";
    child_process prometheus({{program, "--config.file=" + temp.path() + "/prometheus.yml",
                               "--storage.tsdb.path=" + temp.path() + "/data", "--web.listen-address=" + where},
                              {},
                              ""});
    const auto query = [&](const std::string& what) {
        const descriptor there = connect_to("127.0.0.1", port, milliseconds(200));
        if (!there.valid()) return std::string("not up yet");
        raw_client client("127.0.0.1", port);
        client.send("GET /api/v1/query?query=" + what + " HTTP/1.1\r\nHost: " + where + "\r\n\r\n");
        return client.read().body;
    };
    EXPECT_TRUE(eventually([&] { return query("sum(aimeter_requests_total)").find(R"(,"3"])") != std::string::npos; },
                           std::chrono::seconds(30)))
        << query("up") << prometheus.err();
    EXPECT_THAT(query("sum(aimeter_cost_usd_total)"), HasSubstr("\"0.000975\""));
    EXPECT_THAT(query("gen_ai_client_operation_duration_seconds_bucket%7Ble=%22%2BInf%22%7D"), HasSubstr("\"3\""));
    prometheus.signal(SIGTERM);
    prometheus.wait_exit(std::chrono::seconds(20));
}

}  // namespace
}  // namespace tests
