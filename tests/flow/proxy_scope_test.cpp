// Which requests are recorded and for whom, the times and the log line of a record, and that nothing hostile in a
// request or an answer can forge any of it.
#include <sstream>

#include "tests/support/record_test.hpp"

namespace tests {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Ne;
using ::testing::Not;
using ::testing::StartsWith;

class proxy_scope : public record_test {};

// ---- what is tracked, and for whom --------------------------------------------------------------------------------

TEST_F(proxy_scope, only_the_tracked_paths_and_methods_are_recorded) {
    start();
    for (const std::string& request :
         {std::string("GET /api/ai/models HTTP/1.1\r\nHost: a\r\n\r\n"),
          std::string("OPTIONS /api/ai/generate HTTP/1.1\r\nHost: a\r\n\r\n"),
          std::string("POST /api/other HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
          std::string("POST /api/ailing HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
          std::string("POST /x?/api/ai/generate HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
          std::string("HEAD /api/ai/generate HTTP/1.1\r\nHost: a\r\n\r\n")}) {
        EXPECT_EQ(ask(request).status(), 200);
    }
    record_of(json_answer());  // the only one; it comes last
    EXPECT_EQ(records(1).size(), 1U);
}

TEST_F(proxy_scope, what_is_refused_for_its_framing_is_recorded) {
    start();
    const std::string line = "POST /api/ai/generate-haiku HTTP/1.1\r\n";
    const auto ask_for = [&](const std::string& fields) { return ask(line + fields + "\r\n").status(); };
    EXPECT_EQ(ask_for("Host: a\r\nX-Request-Id: both\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n"), 400);
    EXPECT_EQ(ask_for("Host: a\r\nX-Request-Id: coded\r\nTransfer-Encoding: gzip\r\n"), 501);
    EXPECT_EQ(ask_for("X-Request-Id: hostless\r\nContent-Length: 0\r\n"), 400);
    EXPECT_EQ(ask("POST /other HTTP/1.1\r\nContent-Length: 0\r\n\r\n").status(), 400) << "not tracked";
    const auto all = records(3);
    ASSERT_EQ(all.size(), 3U);
    const std::vector<std::pair<std::string, std::string>> wanted{
        {"both", "400"}, {"coded", "501"}, {"hostless", "400"}};
    for (std::size_t i = 0; i < all.size(); ++i) {
        expect_fields(all[i], {{"requestId", wanted[i].first},
                               {"status", wanted[i].second},
                               {"contentType", "haiku"},
                               {"outcome", "error"},
                               {"attempts", "0"},
                               {"tokensUsed", "0"},
                               {"cost", "0"},
                               {"costSource", "none"},
                               {"upstreamDuration", "(absent)"}});
        EXPECT_NE(value(all[i], "errorMessage"), "(absent)");
    }
    EXPECT_EQ(upstream.connections(), 0U);
}

TEST_F(proxy_scope, what_is_refused_amid_its_fields_is_recorded) {
    start({.config = "[limits]\nheader_bytes = 2048\nheader_timeout = \"300ms\""});
    const std::string begin = "POST /api/ai/generate-haiku HTTP/1.1\r\nHost: a\r\n";
    struct row {
        std::string id, fields;
        int status;
    };
    const std::vector<row> rows{{"long", "X: " + std::string(4000, 'x') + "\r\n\r\n", 431},
                                {"folded", "X: 1\r\n folded\r\n\r\n", 400},
                                {"slow", "X: ", 408}};
    for (const row& one : rows)
        EXPECT_EQ(ask(begin + "X-Request-Id: " + one.id + "\r\n" + one.fields).status(), one.status) << one.id;
    EXPECT_EQ(ask("POST /other HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n").status(), 400) << "not tracked";
    EXPECT_EQ(ask("POST /api/ai/generate-haiku HTTP/9\r\nHost: a\r\n\r\n").status(), 400) << "not a request line";
    const auto all = records(rows.size());
    ASSERT_EQ(all.size(), rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        expect_fields(all[i], {{"requestId", rows[i].id},
                               {"status", std::to_string(rows[i].status)},
                               {"contentType", "haiku"},
                               {"outcome", "error"},
                               {"attempts", "0"},
                               {"cost", "0"},
                               {"costSource", "none"}});
        EXPECT_NE(value(all[i], "errorMessage"), "(absent)");
    }
    EXPECT_EQ(upstream.connections(), 0U);
}

TEST_F(proxy_scope, empty_lines_before_a_request_are_no_part_of_it) {
    start({.config = "[limits]\nheader_timeout = \"300ms\""});
    raw_client client = connect();
    client.send(tracked("X-Request-Id: first\r\n") + "\r\n");
    ASSERT_EQ(client.read().status(), 200);
    EXPECT_TRUE(client.silent(milliseconds(1500))) << "an idle connection was ended as a slow request";
    client.send("\r\n" + tracked("X-Request-Id: second\r\n"));
    ASSERT_EQ(client.read().status(), 200);
    const auto all = records(2);
    ASSERT_EQ(all.size(), 2U);
    EXPECT_LT(millis(all[1], "requestDuration"), 1200) << "it has not begun with the empty line";
}

TEST_F(proxy_scope, facts_in_untracked_answers_reach_the_client) {
    upstream.otherwise({serve(answer_with(json_answer("X-Own: 1\r\n")))});
    start();
    EXPECT_EQ(ask("GET /plain HTTP/1.1\r\nHost: a\r\n\r\n").field("x-own"), "1");
}

TEST_F(proxy_scope, content_types_and_features_come_from_the_path) {
    struct row {
        std::string path, content_type, feature;
    };
    const std::vector<row> rows{{"/api/ai/generate-experience-description", "experience-description", "content-gen"},
                                {"/api/ai/project-description?generate-x=1", "project-description", "content-gen"},
                                {"/api/ai/Tailored-Bullets", "tailored-bullets", "ats-optimizer"},
                                {"/api/ai/job-match/", "job-match", "job-matcher"},
                                {"/api/ai/cover-letter/12345", "cover-letter", "cover-letter"},
                                {"/api/ai/skill-gap/7f0e7a52-8f2b-4c8b-9d0e-000000000001", "skill-gap", "skill-gap"},
                                {"/api/ai/skill%2Dgap/deadbeefdeadbeef", "skill-gap", "skill-gap"},
                                {"/api/ai/v2//generate-haiku", "haiku", "haiku"}};
    for (const auto& row : rows) {
        SCOPED_TRACE(row.path);
        expect_fields(record_of(json_answer(), tracked("", "{}", row.path)),
                      {{"contentType", row.content_type}, {"feature", row.feature}});
    }
}

TEST_F(proxy_scope, identity_from_a_trusted_header) {
    start({.config = "[identity]\nheader = \"x-user-id\"\nplan_header = \"x-user-plan\""});
    const auto record = record_of(json_answer(), tracked("X-User-Id: user_42\r\nX-User-Plan: pro\r\n"));
    expect_fields(record, {{"userId", "user_42"}, {"userSource", "header"}, {"plan", "pro"}});
    expect_fields(redis().hash("aimeter:usage:total"), {{"identified", "1"}});
}

TEST_F(proxy_scope, identity_headers_of_a_stranger_are_stripped_and_ignored) {
    start({.config = "[identity]\nheader = \"x-user-id\"\nplan_header = \"x-user-plan\"\n[forward]\ntrusted_proxies = "
                     "[\"10.9.8.7/32\"]"});
    const auto record =
        record_of(json_answer(), tracked("X-User-Id: root\r\nX-User-Plan: pro\r\nX-USER-ID: root2\r\n"));
    expect_fields(record, {{"userId", "anonymous"}, {"userSource", "anonymous"}, {"plan", "(absent)"}});
    EXPECT_THAT(upstream.everything(), Not(HasSubstr("root")));
}

// ---- times and the log --------------------------------------------------------------------------------------------

TEST_F(proxy_scope, times_are_those_of_the_answer) {
    auto head_gate = make_gate();
    auto end_gate = make_gate();
    upstream.otherwise({wait_request(), pause(head_gate), send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{"),
                        pause(end_gate), send("}")});
    start();
    raw_client client = connect();
    client.send(tracked());
    ASSERT_TRUE(upstream.wait_received(0, "\r\n\r\n"));  // aimeter's clock runs from before this moment
    EXPECT_TRUE(client.silent(milliseconds(120)));
    head_gate->set();
    ASSERT_TRUE(client.read_until("{"));
    EXPECT_TRUE(client.silent(milliseconds(120)));
    end_gate->set();
    ASSERT_TRUE(client.read_until("}"));
    const auto record = records(1).front();
    EXPECT_GE(millis(record, "ttft"), 110);
    EXPECT_GE(millis(record, "requestDuration"), millis(record, "ttft") + 110);
    EXPECT_GE(millis(record, "requestDuration"), millis(record, "upstreamDuration"));
}

TEST_F(proxy_scope, one_line_in_the_log_for_each_record) {
    record_of(json_answer());
    const std::string good =
        "[AI Analytics] ✅ Tracked experience-description (feature: content-gen, cost: $0.000325, "
        "cached: false, model: gemini-2.0-flash, tokens: 1600, status: 200, ";
    EXPECT_TRUE(proxy->process().wait_err(good)) << proxy->process().err();
    EXPECT_THAT(proxy->process().err(), ContainsRegex("status: 200, [0-9.]+ ms\\)\n"));
    record_of(json_answer("", 503, "{}"));
    EXPECT_TRUE(proxy->process().wait_err("[AI Analytics] ❌ Tracked experience-description"))
        << proxy->process().err();
}

TEST_F(proxy_scope, json_log_lines_and_none) {
    start({.config = "[track]\nlog = \"json\""});
    record_of(json_answer());
    EXPECT_TRUE(proxy->process().wait_err("\"contentType\":\"experience-description\"")) << proxy->process().err();
    EXPECT_THAT(proxy->process().err(), Not(HasSubstr("Tracked")));
}

TEST_F(proxy_scope, hostile_values_forge_no_field_key_or_line) {
    start({.config = "[identity]\nheader = \"x-user-id\""});
    const std::vector<std::string> paths{"/api/ai/x%0A[AI%20Analytics]%20%E2%9C%85%20Tracked%20forged",
                                         "/api/ai/a:b:total",
                                         "/api/ai/%7B1%7Dtag",
                                         "/api/ai/a%00b",
                                         "/api/ai/%2e%2e%2f%2e%2e",
                                         "/api/ai/" + std::string(2000, 'l'),
                                         "/api/ai/%ff%fe%c3",
                                         "/api/ai/a%20b%22%27%3Cscript%3E",
                                         "/api/ai/%"};
    for (const auto& path : paths) record_of(json_answer(), tracked("X-User-Id: a:b{c}\"%0a\r\n", "{}", path));
    record_of(json_answer(
        "X-AI-Model: evil:{x}*\\r\\n\xff\r\nX-AI-Feature: f:total\r\nX-AI-Error: \x1b[31mred\r\nX-AI-Success: 0\r\n"));
    EXPECT_TRUE(last_answer.status() == 200 ||
                last_answer.status() == 502);  // the escape byte is not a legal field value
    record_of(json_answer(
        "", 200,
        R"({"model":"m\n[AI Analytics] ✅ Tracked forged\u0000\u001b[2J","usage":{"prompt_tokens":1,"completion_tokens":1,
"total_tokens":2}})"));
    const redis_view view = redis();
    const auto keys = view.command({"KEYS", "*"});
    for (const auto& key : keys) {
        EXPECT_TRUE(key.starts_with("aimeter:")) << key;
        EXPECT_EQ(key.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/@-:%"),
                  std::string::npos)
            << key;
        EXPECT_LT(key.size(), 1000U) << key;
    }
    EXPECT_EQ(view.hash("aimeter:usage:total")["requests"], std::to_string(asked));
    // Each line of the log is a line of aimeter's own, and there is one for each record.
    const auto tracked_lines = [&] {
        std::istringstream log(proxy->process().err());
        std::size_t lines = 0;
        for (std::string line; std::getline(log, line);)
            lines += line.find("[AI Analytics]") != std::string::npos ? 1 : 0;
        return lines;
    };
    EXPECT_TRUE(eventually([&] { return tracked_lines() >= asked; }));
    EXPECT_EQ(tracked_lines(), asked);
    for (const char c : proxy->process().err()) {
        ASSERT_FALSE((static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f) << proxy->process().err();
    }
    EXPECT_EQ(aimeter().run("verify").exit_code, 0);
}

TEST_F(proxy_scope, authorization_is_neither_logged_nor_stored) {
    record_of(
        json_answer(),
        tracked("Authorization: Bearer sk-secret-1234567890\r\nCookie: s=very-secret\r\nX-Api-Key: also-secret\r\n"));
    EXPECT_THAT(upstream.everything(), HasSubstr("sk-secret-1234567890"));
    EXPECT_THAT(proxy->process().err(), Not(HasSubstr("secret")));
    const redis_view view = redis();
    for (const auto& one : view.stream("aimeter:usage")) {
        for (const auto& [name, text] : one) EXPECT_THAT(text, Not(HasSubstr("secret"))) << name;
    }
}

TEST_F(proxy_scope, a_gemini_key_in_the_query_names_the_same_user_as_in_a_header) {
    start({.config = "[identity]\napi_keys = true\n[track]\npaths = [\"/v1beta/*\", \"/api/ai/*\"]"});
    const std::string path = "/v1beta/models/gemini-2.0-flash:generateContent";
    const auto user_of = [&](const std::string& target, const std::string& fields = "") {
        return value(record_of(json_answer(), tracked(fields, "{}", target)), "userId");
    };
    const std::string user = user_of(path, "X-Goog-Api-Key: AIza+secret-1\r\n");
    EXPECT_THAT(user, StartsWith("key:"));
    for (const std::string query :
         {"?key=AIza+secret-1", "?alt=sse&key=AIza%2Bsecret%2d1", "?key=AIza+secret-1&alt=sse"}) {
        EXPECT_EQ(user_of(path + query), user) << query;
    }
    EXPECT_THAT(user_of(path + "?key=AIza+secret-2"), AllOf(StartsWith("key:"), Ne(user)));
    EXPECT_EQ(user_of(path + "?key=AIza+secret-2", "X-Goog-Api-Key: AIza+secret-1\r\n"), user);
    for (const std::string& nobody : {path, path + "?key=", path + "?monkey=secret", path + "?alt=key=secret",
                                      std::string("/api/ai/cover-letter?key=secret")}) {
        EXPECT_EQ(user_of(nobody), "anonymous") << nobody;
    }
    EXPECT_THAT(proxy->process().err(), Not(HasSubstr("secret")));
    for (const auto& one : redis().stream("aimeter:usage")) {
        for (const auto& [name, text] : one) EXPECT_THAT(text, Not(HasSubstr("secret"))) << name;
    }
}

}  // namespace
}  // namespace tests
