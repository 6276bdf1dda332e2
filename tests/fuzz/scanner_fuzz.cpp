// The usage scanners over any bytes: they neither fail nor read astray, say the same however the bytes are cut, and
// stay within their bounds. The last two bytes choose head and cuts, so that plain bodies serve as a corpus. In what is
// compressed or carries checksums a fuzzer would hardly get beyond the first check: with the last byte's highest bit
// the body is compressed here, or framed here from lines as in fixtures/provider/*.messages.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "tests/unit/aws_messages.hpp"
#include "tests/unit/codings.hpp"
#include "tracking/usage/answer.hpp"

namespace {

using tracking::usage::answer_head;
using tracking::usage::answer_scanner;
using tracking::usage::request_facts;
using tracking::usage::request_scanner;
using tracking::usage::usage_facts;

auto all_of(const usage_facts& f) {
    return std::tuple(f.provider, f.model, f.finish_reason, f.error_message, f.error_event, f.input_tokens,
                      f.cached_tokens, f.cache_write_tokens, f.cache_write_1h_tokens, f.output_tokens,
                      f.reasoning_tokens, f.reported_cost_pico, f.cached_flag, f.cached_flag_name, f.stream,
                      f.text_bytes, f.uncounted_text_bytes, f.contradictory);
}

auto all_of(const request_facts& f) { return std::tuple(f.model, f.user_claim, f.stream); }

// Each piece in memory of its own, so that the address sanitizer sees a step outside.
template <typename scanner>
int feed(scanner& to, std::string_view body, unsigned seed) {
    int told = 0;
    while (!body.empty()) {
        seed = seed * 1664525U + 1013904223U;
        const std::size_t size = std::min<std::size_t>(body.size(), 1 + (seed >> 24U) % 40);
        const std::vector<char> piece(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(size));
        if constexpr (std::is_same_v<scanner, answer_scanner>) {
            told += to.feed({piece.data(), piece.size()}) ? 1 : 0;
        } else {
            to.feed({piece.data(), piece.size()});
        }
        body.remove_prefix(size);
    }
    to.finish();
    return told;
}

void require(bool holds) {
    if (!holds) std::abort();
}

constexpr std::string_view types[] = {"application/json", "text/event-stream", "text/plain", "application/x-ndjson"};
constexpr std::string_view aws_type = "application/vnd.amazon.eventstream";
constexpr std::string_view codings[] = {"", "", "gzip", "deflate", "br", "zstd", "gzip, br", "zstd, br"};

std::string packed(std::string_view coding, std::string_view body) {
    if (coding == "gzip") return usage_test::deflated(body, 31);
    if (coding == "deflate") return usage_test::deflated(body, -15);
    if (coding == "br") return usage_test::brotlied(body);
    if (coding == "zstd") return usage_test::zstandard(body);
    if (coding == "gzip, br") return usage_test::brotlied(usage_test::deflated(body, 31));
    if (coding == "zstd, br") return usage_test::brotlied(usage_test::zstandard(body));
    return std::string(body);
}

void check_answer(const answer_head& head, std::string_view body, unsigned seed) {
    static answer_scanner whole;
    static answer_scanner cut;
    whole.begin(head);
    const int told = whole.feed(body) ? 1 : 0;
    whole.finish();
    cut.begin(head);
    const int told_cut = feed(cut, body, seed);
    const usage_facts& facts = whole.facts();
    // Brotli and zstd do not give out what they decoded before damage in the same call: there, less may be known.
    if (head.content_encoding.find("br") == std::string_view::npos && head.content_encoding != "zstd") {
        require(told_cut == told && all_of(facts) == all_of(cut.facts()));
    }
    require(facts.error_message.size() <= 300 && facts.model.size() <= 256 && facts.finish_reason.size() <= 64);
    for (const auto& count : {facts.input_tokens, facts.output_tokens, facts.cached_tokens, facts.reported_cost_pico}) {
        require(!count || *count >= 0);
    }
}

// What is compressed says what it said plain.
void check_packed(answer_head head, std::string_view body, unsigned seed) {
    static answer_scanner plain;
    static answer_scanner coded;
    const std::string bytes = packed(head.content_encoding, body);
    coded.begin(head);
    const int told = feed(coded, bytes, seed);
    head.content_encoding = "";
    plain.begin(head);
    require(told == (plain.feed(body) ? 1 : 0));
    plain.finish();
    require(all_of(coded.facts()) == all_of(plain.facts()));
}

void check_request(const tracking::usage::target_facts& target, std::string_view coding, std::string_view body,
                   unsigned seed) {
    static request_scanner whole;
    static request_scanner cut;
    whole.begin(target, "application/json", coding);
    whole.feed(body);
    whole.finish();
    cut.begin(target, "application/json", coding);
    feed(cut, body, seed);
    if (coding.find("br") == std::string_view::npos && coding != "zstd") {
        require(all_of(whole.facts()) == all_of(cut.facts()));
    }
    require(whole.facts().model.size() <= 256 && whole.facts().user_claim.size() <= 256);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const unsigned choice = data[size - 1];
    const unsigned seed = data[size - 2] + 1U;
    const bool aws = (choice & 32U) != 0;
    const bool made = (choice & 128U) != 0;
    std::string body(reinterpret_cast<const char*>(data), size - 2);
    const auto target = tracking::usage::read_target("127.0.0.1:3000", body);
    const answer_head head{.content_type = aws ? aws_type : types[choice & 3U],
                           .content_encoding = codings[((choice >> 2U) & 3U) | ((choice >> 4U) & 4U)],
                           .status = (choice & 16U) != 0 ? 429 : 200,
                           .provider = target.provider,
                           .is_head_request = false};
    if (aws && made) {
        std::string framed;
        for (const std::string& message : usage_test::aws_messages(body)) framed += message;
        body = framed;
    }
    if (made) check_packed(head, body, seed);
    check_answer(head, body, seed);
    check_request(target, head.content_encoding, body, seed);
    return 0;
}
