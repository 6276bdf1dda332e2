// How bytes are cut on the wire means nothing: whole, byte by byte or in a few pieces, the same message has the same
// outcome on both sides, whether it is right, malformed or never complete.
#include <gmock/gmock.h>

#include "tests/support/mutant.hpp"
#include "tests/support/passed_fields.hpp"
#include "tests/support/proxy_test.hpp"

namespace tests {
namespace {

// What comes behind an answer must not be the answer to the next request.
const std::string no_reuse = "[limits]\nupstream_idle = 0";

// Where a text is cut: the pieces' ends.
using cuts = std::vector<std::size_t>;

cuts cut_everywhere(std::size_t size) {
    cuts ends;
    for (std::size_t at = 1; at < size; ++at) ends.push_back(at);
    return ends;
}

cuts cut_somewhere(std::size_t size, std::mt19937& random) {
    cuts ends;
    for (int i = 0; i < 3; ++i) ends.push_back(random() % (size + 1));
    std::sort(ends.begin(), ends.end());
    return ends;
}

std::vector<std::string> pieces_of(const std::string& text, const cuts& ends) {
    std::vector<std::string> pieces;
    std::size_t from = 0;
    for (const std::size_t end : ends) {
        pieces.push_back(text.substr(from, end - from));
        from = end;
    }
    pieces.push_back(text.substr(from));
    std::erase_if(pieces, [](const std::string& piece) { return piece.empty(); });
    return pieces;
}

std::string told(const field_list& fields) {
    std::string out;
    for (const auto& [name, value] : fields) out.append(name).append(": ").append(value).append("|");
    return out;
}

class proxy_segments : public proxy_test {
protected:
    // What both sides saw of this on a connection of its own.
    std::vector<std::string> outcome_of_request(const std::string& bytes, const cuts& ends) const {
        const std::size_t before = upstream.requests().size();
        raw_client client = connect();
        const bool drips = ends.size() > 3;
        for (const std::string& piece : pieces_of(bytes, ends)) {
            client.send(piece);
            if (!drips) client.silent(milliseconds(1));  // so that the proxy reads this piece alone
        }
        std::vector<std::string> outcome;
        std::string got = client.read_to_end();
        for (std::string_view rest = got; !rest.empty();) {
            http_reader reader(http_reader::kind::response);
            rest.remove_prefix(reader.feed(rest));
            const http_message& answer = reader.message();
            EXPECT_TRUE(answer.complete) << reader.failure() << " in " << got;
            if (!answer.complete) break;
            outcome.push_back("answer " + answer.start_line + " " + (answer.status() == 200 ? answer.body : ""));
        }
        outcome.push_back(client.ended() == ending::none ? "stays" : "ends");
        const auto requests = upstream.requests();
        for (std::size_t i = before; i < requests.size(); ++i) {
            std::string fields;
            for (const std::string& field : passed_fields(requests[i])) fields += field + "|";
            outcome.push_back("request " + requests[i].start_line + "|host " + requests[i].field("host").value_or("") +
                              "|" + fields + "|" + requests[i].body + "|" + told(requests[i].trailers));
        }
        return outcome;
    }

    // What the client gets of this answer; all that failed is one.
    std::string outcome_of_answer(const std::string& bytes, const cuts& ends) {
        script steps{wait_head()};
        for (const std::string& piece : pieces_of(bytes, ends)) {
            steps.push_back(send(piece));
            if (ends.size() <= 3)
                steps.push_back([](upstream_connection&) {
                    std::this_thread::sleep_for(milliseconds(1));  // so that the proxy reads this piece alone
                    return true;
                });
        }
        steps.push_back(close_now());
        upstream.next(steps);
        raw_client client = connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        std::string outcome;
        http_message answer;
        do {
            answer = client.read();
            outcome += answer.start_line + "|";
            for (const std::string& field : passed_fields(answer)) outcome += field + "|";
        } while (answer.complete && answer.status() >= 100 && answer.status() < 200);
        if (!answer.complete || answer.status() == 502) return "failed";
        return outcome + answer.body + "|" + told(answer.trailers);
    }
};

TEST_F(proxy_segments, cuts_change_nothing_of_a_request) {
    AIMETER_ONLY();
    upstream.otherwise(
        {serve([](const http_message& request) { return ok_response(request.target() + " " + request.body); })});
    start({.config = "[limits]\nheader_timeout = \"400ms\"\nbody_timeout = \"400ms\"\nidle_timeout = \"400ms\""});
    const std::string last = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    const std::vector<std::string> seeds{
        "GET /a?b HTTP/1.1\r\nHost: a\r\nX-A: b\r\nx-a: \tc \r\n\r\n" + last,
        "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\r\n" + last,
        "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3;a=\"b\\\"\"\r\nabc\r\n00A\r\n0123456789\r\n0;z"
        "\r\nX-T: y\r\nHost: z\r\n\r\n" +
            last,
        "\r\n\r\nOPTIONS http://q/z?x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + last};
    std::mt19937 random(20261124);
    int served = 0;
    for (int i = 0; i < 160; ++i) {
        const std::string& seed = seeds[static_cast<std::size_t>(i) % seeds.size()];
        const std::string bytes = i < 8 ? seed : mutant(seed, random);
        const auto whole = outcome_of_request(bytes, {});
        EXPECT_EQ(outcome_of_request(bytes, cut_somewhere(bytes.size(), random)), whole) << bytes;
        EXPECT_EQ(outcome_of_request(bytes, cut_everywhere(bytes.size())), whole) << bytes;
        if (HasFailure()) break;
        served += whole.front().starts_with("answer HTTP/1.1 200") ? 1 : 0;
    }
    EXPECT_GT(served, 40) << "the mutants are too wild to show anything";
}

TEST_F(proxy_segments, cuts_change_nothing_of_an_answer) {
    AIMETER_ONLY();
    start({.config = no_reuse});
    const std::vector<std::string> seeds{
        "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\nx-a: c\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0A  \r\n0123456789\r\n0\r\nX: y\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone",
        "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nuntil the end", "HTTP/1.1 204 No Content\r\n\r\n"};
    std::mt19937 random(20261125);
    int passed = 0;
    for (int i = 0; i < 300; ++i) {
        const std::string& seed = seeds[static_cast<std::size_t>(i) % seeds.size()];
        const std::string bytes = i < 10 ? seed : mutant(seed, random);
        const std::string whole = outcome_of_answer(bytes, {});
        EXPECT_EQ(outcome_of_answer(bytes, cut_somewhere(bytes.size(), random)), whole) << bytes;
        EXPECT_EQ(outcome_of_answer(bytes, cut_everywhere(bytes.size())), whole) << bytes;
        if (HasFailure()) break;
        passed += whole == "failed" ? 0 : 1;
    }
    EXPECT_GT(passed, 40) << "the mutants are too wild to show anything";
}

TEST_F(proxy_segments, a_right_answer_may_be_cut_at_every_byte) {
    AIMETER_ONLY();
    start({.config = no_reuse});
    const std::string bytes =
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3;a=\"b\\\"c\"\r\nabc\r\n00A\r\n0123456789\r\n0\r\nX: y\r\n\r\n";
    const std::string whole = outcome_of_answer(bytes, {});
    EXPECT_NE(whole, "failed");
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) EXPECT_EQ(outcome_of_answer(bytes, {cut}), whole) << cut;
}

TEST_F(proxy_segments, an_answer_that_ends_early_anywhere_never_looks_whole) {
    AIMETER_ONLY();
    start({.config = no_reuse});
    for (const std::string bytes :
         {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
          "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"}) {
        for (std::size_t size = 0; size < bytes.size(); ++size)
            EXPECT_EQ(outcome_of_answer(bytes.substr(0, size), {}), "failed") << bytes.substr(0, size);
    }
}

}  // namespace
}  // namespace tests
