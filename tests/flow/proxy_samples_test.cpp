// Whole answers of providers through the whole proxy: what stands in Redis afterwards is what the answer says, to the
// token and to the nano-dollar. The recordings are not part of this repository; without them the tests are skipped.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tests/support/record_test.hpp"

namespace tests {
namespace {

using document = nlohmann::json;

const std::string folder = std::string(AIMETER_SHARED_DIR) + "/data/provider-samples/";

std::string read_whole(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<document> recordings() {
    std::ifstream manifest(folder + "manifest.jsonl");
    std::vector<document> rows;
    for (std::string line; std::getline(manifest, line);) rows.push_back(document::parse(line));
    return rows;
}

// "" and "null" are one: what is not known is absent.
std::string text_of(const document& value) { return value.is_null() ? "(absent)" : value.dump(); }

// The field in the record is what is expected, or another value that the recording accepts.
void expect_figure(const redis_record& record, const document& expected, const char* theirs, const char* ours) {
    const auto found = record.find(ours);
    const std::string value = found == record.end() ? "(absent)" : found->second;
    std::vector<std::string> right{text_of(expected.value(theirs, document()))};
    if (expected.contains("accept") && expected.at("accept").contains(theirs))
        for (const document& other : expected.at("accept").at(theirs)) right.push_back(text_of(other));
    const bool part = std::string_view(ours) != "inputTokens" && std::string_view(ours) != "outputTokens";
    if (part && (right[0] == "0" || right[0] == "(absent)")) right.insert(right.end(), {"0", "(absent)"});
    EXPECT_THAT(right, ::testing::Contains(value)) << ours;
}

// "0.000453" -> 453000
long long nano_usd(const std::string& decimal) {
    const std::size_t point = std::min(decimal.find('.'), decimal.size());
    std::string digits = decimal.substr(0, point) + (point < decimal.size() ? decimal.substr(point + 1) : "");
    digits.append(9 - std::min<std::size_t>(9, decimal.size() - std::min(point + 1, decimal.size())), '0');
    return std::stoll(digits);
}

class proxy_samples : public record_test {
protected:
    void SetUp() override {
        AIMETER_ONLY();
        if (recordings().empty()) GTEST_SKIP() << "no recordings at " << folder;
        start({.config = "[track]\npaths = [\"/*\"]"});
    }

    redis_record record_of_recording(const document& row) {
        const std::string name = row.at("case");
        const std::string body = read_whole(folder + name + ".response");
        std::string fields = "Content-Type: " + row.at("content_type").get<std::string>() + "\r\n";
        if (!row.at("content_encoding").is_null())
            fields += "Content-Encoding: " + row.at("content_encoding").get<std::string>() + "\r\n";
        const std::string answer = "HTTP/1.1 " + std::to_string(row.at("status").get<int>()) + " -\r\n" + fields +
                                   "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
        const document asked{{"model", row.at("requested_model")}, {"stream", row.at("stream_requested")}};
        const std::string ask = asked.dump();
        return record_of(answer, row.at("method").get<std::string>() + " " + row.at("path").get<std::string>() +
                                     " HTTP/1.1\r\nHost: " + row.at("host").get<std::string>() +
                                     "\r\nContent-Type: application/json\r\nContent-Length: " +
                                     std::to_string(ask.size()) + "\r\n\r\n" + ask);
    }
};

TEST_F(proxy_samples, recordings_are_recorded_as_they_say) {
    for (const document& row : recordings()) {
        SCOPED_TRACE(row.at("case").get<std::string>());
        const auto record = record_of_recording(row);
        const document& expected = row.at("expected");
        EXPECT_EQ(last_answer.body, read_whole(folder + row.at("case").get<std::string>() + ".response"));
        EXPECT_EQ(record.at("provider"), row.at("provider").get<std::string>());
        EXPECT_EQ(record.at("aiModel"), expected.at("model").get<std::string>());
        EXPECT_EQ(record.at("requestedModel"), row.at("requested_model").get<std::string>());
        EXPECT_EQ(record.at("success"), expected.at("success").get<bool>() ? "1" : "0");
        // What failed without a word of usage cost the text that came before it: without any, nothing.
        const bool told = !expected.at("input_tokens").is_null();
        EXPECT_EQ(record.at("usageSource") == "body", told) << record.at("usageSource");
        if (told) {
            expect_figure(record, expected, "input_tokens", "inputTokens");
            expect_figure(record, expected, "output_tokens", "outputTokens");
        } else {
            EXPECT_THAT(value(record, "inputTokens"), ::testing::AnyOf("0", "(absent)"));
            const bool generated = record.at("usageSource") == "estimated" && record.contains("outputTokens");
            EXPECT_THAT(record.at("costSource"), ::testing::AnyOf(generated ? "catalogue" : "none", "estimated"));
        }
        expect_figure(record, expected, "cached_input_tokens", "cachedTokens");
        expect_figure(record, expected, "cache_write_tokens", "cacheWriteTokens");
        expect_figure(record, expected, "reasoning_tokens", "reasoningTokens");
        if (expected.contains("cost_nano_usd") && record.at("costSource") == "catalogue") {
            EXPECT_EQ(nano_usd(record.at("cost")), expected.at("cost_nano_usd").get<long long>())
                << record.at("priceId");
        }
        if (expected.contains("provider_cost_nano_usd")) {
            EXPECT_EQ(record.at("costSource"), "reported");
        }
    }
}

}  // namespace
}  // namespace tests
