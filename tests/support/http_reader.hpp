// A small HTTP/1 message reader for assertions: keeps the head as it came and takes the body apart by its framing.
// It is strict where a test must notice something (a wrong chunk is a failure), and knows nothing of connections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tests {

using field_list = std::vector<std::pair<std::string, std::string>>;  // names in their case, in their order

struct http_message {
    std::string start_line;
    field_list fields;
    std::string body;
    field_list trailers;
    std::string raw_head;   // with the blank line
    bool chunked = false;   // the body came in chunks
    bool complete = false;  // the message ended as its framing says (a body until EOF: by a FIN)

    int status() const;          // of a response; 0 = not a response
    std::string method() const;  // of a request
    std::string target() const;
    // Names are compared case-blind.
    std::optional<std::string> field(std::string_view name) const;  // the first one
    std::vector<std::string> all(std::string_view name) const;
    std::size_t count(std::string_view name) const { return all(name).size(); }
};

bool equals_ignoring_case(std::string_view a, std::string_view b);

class http_reader {
public:
    enum class kind : std::uint8_t { request, response, response_to_head };
    explicit http_reader(kind of = kind::response) : kind_(of) {}

    // Takes bytes up to the message's end and says how many.
    std::size_t feed(std::string_view bytes);
    void end_of_input(bool clean);  // ends a body that lasts until EOF

    bool head_done() const { return state_ > state::head; }
    bool done() const { return state_ == state::done; }
    bool failed() const { return !failure_.empty(); }
    const std::string& failure() const { return failure_; }
    http_message& message() { return message_; }

private:
    enum class state : std::uint8_t { head, fixed, until_eof, chunk_size, chunk_data, chunk_end, trailers, done };

    bool take_line(std::string_view bytes, std::size_t& used);
    void take_head();
    void choose_framing();
    void on_line();
    void finish();
    void fail(std::string why);

    kind kind_;
    state state_ = state::head;
    std::uint64_t left_ = 0;  // bytes of the body or the chunk that are still to come
    std::string line_;
    std::string failure_;
    http_message message_;
};

// The whole text as one message; `complete` says whether it was one.
http_message parse_message(std::string_view bytes, http_reader::kind of);

}  // namespace tests
