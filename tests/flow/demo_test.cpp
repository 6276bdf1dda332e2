// The demo service as a proxy in front of it sees it: real sockets, a port of its own, and each wire format whole.
#include "demo/service.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "demo/traffic.hpp"
#include "demo/traffic_plan.hpp"

namespace {

namespace net = boost::asio;
namespace http = boost::beast::http;
using net::ip::tcp;
using nlohmann::json;
using testing::HasSubstr;

struct reply {
    http::response<http::string_body> message;
    boost::system::error_code ec;

    unsigned status() const { return message.result_int(); }
    std::string field(const std::string& name) const { return std::string(message[name]); }
    json body() const { return json::parse(message.body()); }
    // The data of each server-sent event that is JSON.
    std::vector<json> events() const {
        std::vector<json> found;
        std::istringstream lines(message.body());
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with("data: {")) found.push_back(json::parse(line.substr(6)));
        }
        return found;
    }
};

class DemoService : public testing::Test {
protected:
    DemoService() : service_(context_, "127.0.0.1", 0), thread_([this] { context_.run(); }) {}
    ~DemoService() override {
        context_.stop();
        thread_.join();
    }

    tcp::socket connect() {
        tcp::socket socket(client_);
        socket.connect({net::ip::make_address("127.0.0.1"), service_.port()});
        return socket;
    }
    static reply read(tcp::socket& socket, bool head_only = false) {
        boost::beast::flat_buffer buffer;
        http::response_parser<http::string_body> parser;
        parser.skip(head_only);
        reply result;
        http::read(socket, buffer, parser, result.ec);
        result.message = parser.release();
        return result;
    }
    reply send(http::verb method, const std::string& target, const std::string& body) {
        tcp::socket socket = connect();
        http::request<http::string_body> message(method, target, 11);
        message.set(http::field::host, "demo");
        message.body() = body;
        message.prepare_payload();
        http::write(socket, message);
        return read(socket, method == http::verb::head);
    }
    reply post(const std::string& target, json body) {
        if (!body.contains("delay_ms")) body["delay_ms"] = 0;
        return send(http::verb::post, target, body.dump());
    }
    std::uint16_t port() const { return service_.port(); }

    net::io_context context_{1};
    net::io_context client_;
    demo::service service_;
    std::thread thread_;
};

TEST_F(DemoService, AnswersFeaturesAsGeminiDoes) {
    for (const std::string feature : {"generate-experience-description", "generate-project-description"}) {
        const reply got = post("/api/ai/" + feature, {{"prompt", "four years of backend work"}});
        ASSERT_EQ(got.status(), 200U);
        const json body = got.body();
        EXPECT_FALSE(body["candidates"][0]["content"]["parts"][0]["text"].get<std::string>().empty());
        EXPECT_EQ(body["candidates"][0]["finishReason"], "STOP");
        EXPECT_EQ(body["modelVersion"], "gemini-2.0-flash-exp");
        const json& usage = body["usageMetadata"];
        EXPECT_GT(usage["promptTokenCount"].get<int>(), 0);
        EXPECT_EQ(usage["totalTokenCount"].get<int>(),
                  usage["promptTokenCount"].get<int>() + usage["candidatesTokenCount"].get<int>());
    }
    const json thinking = post("/api/ai/tailored-bullets", {{"prompt", "x"}}).body()["usageMetadata"];
    EXPECT_EQ(thinking["totalTokenCount"].get<int>(), thinking["promptTokenCount"].get<int>() +
                                                          thinking["candidatesTokenCount"].get<int>() +
                                                          thinking["thoughtsTokenCount"].get<int>());
}

TEST_F(DemoService, CountsMoreTokensForALongerPrompt) {
    const auto input = [&](std::size_t bytes) {
        const json body = post("/api/ai/tailored-bullets", {{"prompt", std::string(bytes, 'x')}}).body();
        return body["usageMetadata"]["promptTokenCount"].get<int>();
    };
    EXPECT_EQ(input(4400) - input(400), 1000) << "four bytes a token";
}

TEST_F(DemoService, StatesFactsInHeadersOrInTheBodyOrNotAtAll) {
    const reply match = post("/api/ai/job-match", {{"prompt", "x"}});
    EXPECT_EQ(match.field("X-AI-Provider"), "gemini");
    EXPECT_EQ(match.field("X-AI-Model"), "gemini-2.5-pro");
    EXPECT_GT(std::stoi(match.field("X-AI-Input-Tokens")), 0);
    EXPECT_GT(std::stoi(match.field("X-AI-Output-Tokens")), 0);
    EXPECT_FALSE(match.body().contains("usage"));
    const reply letter = post("/api/ai/cover-letter", {{"prompt", "x"}});
    EXPECT_GT(letter.body()["usage"]["prompt_tokens"].get<int>(), 0);
    EXPECT_EQ(letter.field("X-AI-Model"), "");
    EXPECT_FALSE(post("/api/ai/skill-gap", {{"prompt", "x"}}).body().contains("usage"));
}

TEST_F(DemoService, AnswersARepeatedQuestionFromItsCache) {
    const json question{{"prompt", "the same"}};
    EXPECT_EQ(post("/api/ai/cover-letter", question).field("X-Cache-Status"), "MISS");
    EXPECT_EQ(post("/api/ai/cover-letter", question).field("X-Cache-Status"), "HIT");
    EXPECT_EQ(post("/api/ai/generate-project-description", question).field("X-Cache-Status"), "MISS");
    EXPECT_EQ(post("/api/ai/job-match", question).field("X-Cache-Status"), "");
}

TEST_F(DemoService, StreamsTheChatWithItsUsageAtTheEnd) {
    const reply chat = post("/api/ai/chat", {{"prompt", "x"}});
    EXPECT_EQ(chat.field("Content-Type"), "text/event-stream");
    const auto events = chat.events();
    ASSERT_GT(events.size(), 3U);
    std::string text;
    for (const json& each : events) {
        for (const json& choice : each["choices"]) text += choice["delta"].value("content", "");
    }
    EXPECT_FALSE(text.empty());
    EXPECT_EQ(events.back()["usage"]["completion_tokens"].get<std::size_t>(), (text.size() + 3) / 4);
    EXPECT_TRUE(chat.message.body().ends_with("data: [DONE]\n\n"));
}

TEST_F(DemoService, SpeaksTheProvidersOwnFormats) {
    const json openai = post("/v1/chat/completions", {{"model", "gpt-4o"}}).body();
    EXPECT_EQ(openai["model"], "gpt-4o");
    EXPECT_EQ(openai["usage"]["total_tokens"].get<int>(),
              openai["usage"]["prompt_tokens"].get<int>() + openai["usage"]["completion_tokens"].get<int>());
    const auto silent = post("/v1/chat/completions", {{"stream", true}}).events();
    EXPECT_FALSE(silent.back().contains("usage")) << "only when it is asked for";
    const auto told = post("/v1/chat/completions", {{"stream", true}, {"stream_options", {{"include_usage", true}}}});
    EXPECT_TRUE(told.events().back().contains("usage"));

    const json claude = post("/v1/messages", {{"model", "claude-x"}}).body();
    EXPECT_EQ(claude["model"], "claude-x");
    EXPECT_GT(claude["usage"]["output_tokens"].get<int>(), 1);
    const auto events = post("/v1/messages", {{"stream", true}}).events();
    EXPECT_EQ(events.front()["type"], "message_start");
    EXPECT_EQ(events.back()["type"], "message_stop");
    EXPECT_GT(events[events.size() - 2]["usage"]["output_tokens"].get<int>(), 1);

    const std::string model = "/v1beta/models/gemini-9";
    EXPECT_EQ(post(model + ":generateContent", json::object()).body()["modelVersion"], "gemini-9");
    const auto chunks = post(model + ":streamGenerateContent?alt=sse", json::object()).events();
    ASSERT_GT(chunks.size(), 1U);
    EXPECT_LT(chunks.front()["usageMetadata"]["candidatesTokenCount"],
              chunks.back()["usageMetadata"]["candidatesTokenCount"]);
    const json array = post(model + ":streamGenerateContent", json::object()).body();
    ASSERT_TRUE(array.is_array());
    EXPECT_EQ(array.back()["candidates"][0]["finishReason"], "STOP");
}

TEST_F(DemoService, FailsAsItIsAskedTo) {
    const reply quota = post("/api/ai/job-match", {{"fail", "quota"}});
    EXPECT_EQ(quota.status(), 429U);
    EXPECT_EQ(quota.body()["error"]["status"], "RESOURCE_EXHAUSTED");
    EXPECT_EQ(quota.field("Retry-After"), "30");
    EXPECT_EQ(post("/api/ai/job-match", {{"fail", "crash"}}).status(), 500U);
    EXPECT_EQ(post("/v1/messages", {{"fail", "overloaded"}}).body()["error"]["type"], "overloaded_error");
    EXPECT_EQ(post("/api/ai/nothing", {{"x", 1}}).status(), 404U);
    EXPECT_EQ(send(http::verb::post, "/api/ai/job-match", "not json").status(), 400U);
    EXPECT_EQ(send(http::verb::put, "/api/ai/job-match", "{}").status(), 405U);
    EXPECT_EQ(post("/api/ai/chat", {{"fail", "cut"}}).ec, http::error::partial_message);
    EXPECT_EQ(post("/api/ai/cover-letter", {{"fail", "cut"}}).ec, http::error::partial_message);
}

TEST_F(DemoService, WaitsAsLongAsItIsAskedTo) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(post("/api/ai/job-match", {{"delay_ms", 150}}).status(), 200U);
    EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(150));
}

TEST_F(DemoService, PutsNoStrangeModelNameIntoItsAnswers) {
    const reply got = post("/api/ai/job-match", {{"model", "a\r\nX-Injected: 1"}});
    EXPECT_EQ(got.field("X-AI-Model"), "gemini-2.5-pro");
    EXPECT_EQ(got.field("X-Injected"), "");
    EXPECT_EQ(post("/v1beta/models/\xFF:generateContent", json::object()).status() / 100, 2U);
}

TEST_F(DemoService, ServesPagesToo) {
    const reply page = send(http::verb::get, "/", "");
    EXPECT_THAT(page.field("Content-Type"), HasSubstr("text/html"));
    EXPECT_THAT(page.message.body(), HasSubstr("Resume builder"));
    EXPECT_TRUE(send(http::verb::get, "/api/resumes", "").body().is_array());
    const reply head = send(http::verb::head, "/", "");
    EXPECT_EQ(head.status(), 200U);
    EXPECT_EQ(head.field("Content-Length"), std::to_string(page.message.body().size()));
}

TEST_F(DemoService, KeepsItsConnectionsAndTellsAClientToGoOn) {
    tcp::socket socket = connect();
    for (int i = 0; i < 3; ++i) {
        net::write(socket, net::buffer(std::string("GET /api/resumes HTTP/1.1\r\nHost: d\r\n\r\n")));
        EXPECT_EQ(read(socket).status(), 200U);
    }
    net::write(socket, net::buffer(std::string("POST /api/ai/job-match HTTP/1.1\r\nHost: d\r\nContent-Length: 14\r\n"
                                               "Expect: 100-continue\r\n\r\n")));
    std::string interim(25, '\0');
    net::read(socket, net::buffer(interim));
    EXPECT_EQ(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    net::write(socket, net::buffer(std::string("{\"delay_ms\":0}")));
    EXPECT_EQ(read(socket).status(), 200U);
}

TEST_F(DemoService, RefusesWhatIsNoHttp) {
    tcp::socket socket = connect();
    net::write(socket, net::buffer(std::string("nonsense\r\n\r\n")));
    EXPECT_EQ(read(socket).status(), 400U);
}

TEST_F(DemoService, AnswersTheWholeSampleDay) { EXPECT_EQ(demo::send_sample_traffic("127.0.0.1", port()), 0); }

TEST(DemoTraffic, IsVariedEnoughToShowSomething) {
    std::size_t streams = 0;
    std::size_t failures = 0;
    std::size_t departures = 0;
    std::set<std::string> users;
    std::set<std::string> targets;
    const auto day = demo::sample_day();
    for (const demo::sample_request& each : day) {
        users.insert(each.user);
        targets.insert(each.target);
        streams += each.target == "/api/ai/chat";
        failures += each.body.find("\"fail\"") != std::string::npos;
        departures += each.leaves_early;
    }
    EXPECT_GE(day.size(), 50U);
    EXPECT_GE(users.size(), 5U);
    EXPECT_GE(targets.size(), 8U);
    EXPECT_GE(streams, 5U);
    EXPECT_GE(failures, 3U);
    EXPECT_GE(departures, 1U);
}

TEST(DemoTraffic, SaysSoWhenNobodyAnswers) {
    net::io_context context;
    tcp::acceptor taken(context, {net::ip::make_address("127.0.0.1"), 0});
    const std::uint16_t port = taken.local_endpoint().port();
    taken.close();
    EXPECT_EQ(demo::send_sample_traffic("127.0.0.1", port), 1);
}

}  // namespace
