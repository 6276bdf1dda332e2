// The usage scanners over any bytes: they neither fail nor read astray, say the same however the bytes are cut, and
// stay within their bounds. The last two bytes choose head and cuts, so that plain bodies serve as a corpus.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static constexpr std::string_view types[] = {"application/json", "text/event-stream", "text/plain",
                                                 "application/x-ndjson"};
    static constexpr std::string_view codings[] = {"", "", "gzip", "deflate"};
    if (size < 2) return 0;
    const unsigned choice = data[size - 1];
    const std::string_view body(reinterpret_cast<const char*>(data), size - 2);
    const auto target = tracking::usage::read_target("127.0.0.1:3000", body);
    const answer_head head{.content_type = types[choice & 3U],
                           .content_encoding = codings[(choice >> 2U) & 3U],
                           .status = (choice & 16U) != 0 ? 429 : 200,
                           .provider = target.provider,
                           .is_head_request = false};
    static answer_scanner whole;
    static answer_scanner cut;
    whole.begin(head);
    const int told = whole.feed(body) ? 1 : 0;
    whole.finish();
    cut.begin(head);
    require(feed(cut, body, data[size - 2] + 1U) == told);
    const usage_facts& facts = whole.facts();
    require(all_of(facts) == all_of(cut.facts()));
    require(facts.error_message.size() <= 300 && facts.model.size() <= 256 && facts.finish_reason.size() <= 64);
    for (const auto& count : {facts.input_tokens, facts.output_tokens, facts.cached_tokens, facts.reported_cost_pico}) {
        require(!count || *count >= 0);
    }

    static request_scanner whole_request;
    static request_scanner cut_request;
    whole_request.begin(target, head.content_encoding);
    whole_request.feed(body);
    whole_request.finish();
    cut_request.begin(target, head.content_encoding);
    feed(cut_request, body, data[size - 2] + 1U);
    require(all_of(whole_request.facts()) == all_of(cut_request.facts()));
    require(whole_request.facts().model.size() <= 256 && whole_request.facts().user_claim.size() <= 256);
    return 0;
}
