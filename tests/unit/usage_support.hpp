// Shared by the tests of tracking/usage: reads recorded answers, runs a scanner over them in pieces, compresses.
#pragma once

#include <cstdint>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "tests/unit/aws_messages.hpp"
#include "tests/unit/codings.hpp"
#include "tracking/usage/answer.hpp"

namespace usage_test {

using tracking::usage::answer_head;
using tracking::usage::answer_scanner;
using tracking::usage::usage_facts;

inline std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

// One answer with what must be found in it.
struct sample {
    std::string name;
    std::string body;
    std::string content_type;
    std::string content_encoding;
    std::string host;
    std::string path;
    int status = 200;
    nlohmann::json expected;
    std::vector<std::size_t> message_ends;  // of an AWS event stream: where its messages end

    answer_head head() const { return head(content_encoding); }
    answer_head head(std::string_view coding) const {
        return {.content_type = content_type,
                .content_encoding = coding,
                .status = status,
                .provider = tracking::usage::read_target(host, path).provider,
                .is_head_request = false};
    }
};

// Everything found, in a form that compares and prints.
inline nlohmann::json all_of(const usage_facts& f) {
    const auto number = [](const std::optional<std::int64_t>& n) { return n ? nlohmann::json(*n) : nlohmann::json(); };
    return {{"provider", f.provider},
            {"model", f.model},
            {"finish", f.finish_reason},
            {"error", f.error_message},
            {"error_event", f.error_event},
            {"input_tokens", number(f.input_tokens)},
            {"cached_tokens", number(f.cached_tokens)},
            {"cache_write_tokens", number(f.cache_write_tokens)},
            {"cache_write_1h_tokens", number(f.cache_write_1h_tokens)},
            {"output_tokens", number(f.output_tokens)},
            {"reasoning_tokens", number(f.reasoning_tokens)},
            {"reported_cost_pico", number(f.reported_cost_pico)},
            {"audio_input_tokens", number(f.audio_input_tokens)},
            {"image_input_tokens", number(f.image_input_tokens)},
            {"audio_output_tokens", number(f.audio_output_tokens)},
            {"image_output_tokens", number(f.image_output_tokens)},
            {"audio_ms", number(f.units.audio_ms)},
            {"images", number(f.units.images)},
            {"pages", number(f.units.pages)},
            {"search_units", number(f.units.search_units)},
            {"web_searches", number(f.units.web_searches)},
            {"characters", number(f.units.characters)},
            {"service_tier", f.service_tier},
            {"cached_flag", f.cached_flag ? f.cached_flag_name : std::string()},
            {"stream", f.stream},
            {"text_bytes", f.text_bytes},
            {"uncounted_text_bytes", f.uncounted_text_bytes},
            {"contradictory", f.contradictory}};
}

inline bool same(const usage_facts& a, const usage_facts& b) {
    const auto all = [](const usage_facts& f) {
        return std::tie(f.provider, f.model, f.finish_reason, f.error_message, f.error_event, f.input_tokens,
                        f.cached_tokens, f.cache_write_tokens, f.cache_write_1h_tokens, f.output_tokens,
                        f.reasoning_tokens, f.audio_input_tokens, f.image_input_tokens, f.audio_output_tokens,
                        f.image_output_tokens, f.service_tier, f.reported_cost_pico, f.cached_flag, f.cached_flag_name,
                        f.stream, f.text_bytes, f.uncounted_text_bytes, f.contradictory);
    };
    return all(a) == all(b) && a.units == b.units;
}

struct outcome {
    usage_facts found;
    int first_tokens = 0;  // how often feed() said so
    int first_token_piece = -1;

    nlohmann::json facts() const { return all_of(found); }
};

inline outcome scan(answer_scanner& scanner, const answer_head& head, const std::vector<std::string_view>& pieces) {
    outcome result;
    scanner.begin(head);
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        // A copy of its own for each piece, so that reading outside of it is seen by the address sanitizer.
        const std::vector<char> piece(pieces[i].begin(), pieces[i].end());
        if (scanner.feed({piece.data(), piece.size()})) {
            ++result.first_tokens;
            if (result.first_token_piece < 0) result.first_token_piece = static_cast<int>(i);
        }
    }
    scanner.finish();
    result.found = scanner.facts();
    return result;
}

inline outcome scan(const answer_head& head, const std::vector<std::string_view>& pieces) {
    answer_scanner scanner;
    return scan(scanner, head, pieces);
}

inline std::vector<std::string_view> in_two(std::string_view body, std::size_t at) {
    return {body.substr(0, at), body.substr(at)};
}

inline std::vector<std::string_view> byte_by_byte(std::string_view body) {
    std::vector<std::string_view> pieces;
    for (std::size_t i = 0; i < body.size(); ++i) pieces.push_back(body.substr(i, 1));
    return pieces;
}

// The lines of a fixture become an AWS event stream.
inline void frame(sample& s) {
    const std::vector<std::string> messages = aws_messages(s.body);
    s.body.clear();
    for (const std::string& message : messages) {
        s.body += message;
        s.message_ends.push_back(s.body.size());
    }
}

inline std::vector<sample> own_samples() {
    const std::string folder = std::string(AIMETER_SOURCE_DIR) + "/tests/fixtures/provider/";
    std::vector<sample> samples;
    for (const auto& row : nlohmann::json::parse(read_file(folder + "manifest.json"))) {
        const std::string file = row.at("file");
        sample& made = samples.emplace_back(sample{row.at("case"),
                                                   read_file(folder + file),
                                                   row.at("content_type"),
                                                   "",
                                                   row.at("host"),
                                                   row.at("path"),
                                                   row.at("status"),
                                                   row.at("expected"),
                                                   {}});
        if (file.ends_with(".messages")) frame(made);
    }
    return samples;
}

// Recordings that are not part of this repository; none when they are not there.
inline std::vector<sample> recorded_samples() {
    const std::string folder = std::string(AIMETER_SHARED_DIR) + "/data/provider-samples/";
    std::ifstream manifest(folder + "manifest.jsonl");
    std::vector<sample> samples;
    for (std::string line; std::getline(manifest, line);) {
        const auto row = nlohmann::json::parse(line);
        const std::string name = row.at("case");
        const auto& coding = row.at("content_encoding");
        samples.push_back({name,
                           read_file(folder + name + ".response"),
                           row.at("content_type"),
                           coding.is_null() ? "" : coding.get<std::string>(),
                           row.at("host"),
                           row.at("path"),
                           row.at("status"),
                           row,
                           {}});
    }
    return samples;
}

}  // namespace usage_test
