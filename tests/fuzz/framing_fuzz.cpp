// Any bytes as a request, an answer and a chunked body: no crash, and the verdict does not depend on how they are cut.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "proxy/body.hpp"
#include "proxy/forward.hpp"

namespace {

template <class Head>
proxy::head_status parse(std::string_view bytes, std::size_t cut, Head& head,
                         const proxy::head_limits& limits = {4096, 64}) {
    proxy::head_parser<Head> parser;
    const auto first = parser.feed(bytes.substr(0, cut), head, limits);
    return first == proxy::head_status::incomplete ? parser.feed(bytes, head, limits) : first;
}

std::string take(std::string bytes, std::size_t most, proxy::body_of from, bool& done) {
    proxy::body_reader reader;
    reader.begin({proxy::body_kind::chunked, 0}, 512, from);
    std::string payload;
    for (std::size_t at = 0; at < bytes.size() && !reader.done() && !reader.failed();) {
        const auto step = reader.take({bytes.data() + at, std::min(most, bytes.size() - at)});
        payload += step.payload;
        at += step.consumed;
    }
    done = reader.done();
    return payload;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::size_t cut = data[0];
    const std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);

    proxy::request_head whole, pieces;
    const auto status = parse(bytes, bytes.size(), whole);
    if (parse(bytes, std::min(cut, bytes.size()), pieces) != status) std::abort();
    if (status == proxy::head_status::complete && proxy::check_request(whole).refusal == 0) {
        std::string out;
        proxy::write_request_head(out, whole, proxy::check_request(whole).body,
                                  {.peer = "192.0.2.1", .request_id = "id"});
        proxy::request_head again;  // what we send must be acceptable to ourselves, with the same framing
        if (parse(out, out.size(), again, {8192, 128}) != proxy::head_status::complete) std::abort();
        if (proxy::check_request(again).body.length != proxy::check_request(whole).body.length) std::abort();
    }
    proxy::response_head answer;
    if (parse(bytes, bytes.size(), answer) == proxy::head_status::complete &&
        proxy::check_response(answer, false).refusal == 0) {
        std::string out;
        proxy::write_response_head(out, answer, {.body = proxy::check_response(answer, false).body});
    }
    for (const auto from : {proxy::body_of::request, proxy::body_of::answer}) {
        bool done = false, done_again = false;
        if (take(bytes, bytes.size(), from, done) != take(bytes, cut + 1, from, done_again) || done != done_again)
            std::abort();
    }
    return 0;
}
