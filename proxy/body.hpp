// Bodies on their way: take an incoming body apart (body_reader) and frame what goes out anew (framed_piece), without
// copying payload. Chunked framing is parsed strictly (RFC 9112, 7.1): CRLF only, sizes bounded, extensions checked and
// dropped.
// Sans-IO; one reader per direction of an exchange.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "proxy/framing.hpp"
#include "tracking/request/identity.hpp"

namespace proxy {

enum class body_of : std::uint8_t { request, answer };

class body_reader {
public:
    // `trailer_bytes` bounds the trailer section and any chunk-size line. An answer may have white space behind a chunk
    // size, with which some servers fill the line. `stranger`: the body is of a peer that is not trusted, whose
    // identity fields are no trailers either; null = of anybody else.
    void begin(body_framing framing, std::size_t trailer_bytes, body_of from,
               const tracking::identity_rules* stranger = nullptr) noexcept;

    struct step {
        std::size_t consumed = 0;  // bytes of the input that are done with
        std::string_view payload;  // body bytes, at the beginning of the input (framing was squeezed out)
    };
    // Takes bytes as they arrived. Chunk framing is removed in place. Stops behind the end of the body.
    step take(std::span<char> received) noexcept;
    // The connection ended. True = that completes the body (close-delimited, or already complete).
    bool end_of_stream() noexcept;

    bool done() const noexcept { return done_; }
    bool failed() const noexcept { return *problem_ != '\0'; }
    const char* problem() const noexcept { return problem_; }
    std::uint64_t payload_bytes() const noexcept { return payload_bytes_; }
    // How many bytes may be read without running into a following message; SIZE_MAX when it cannot be known.
    std::size_t wanted() const noexcept;
    // The trailer fields that may be forwarded, as "Name: value\r\n" lines.
    const std::string& trailers() const noexcept { return trailers_; }

private:
    enum class state : std::uint8_t { size, extension, size_lf, data, data_cr, data_lf, trailer };
    // Where in a chunk extension; `whole`: the line may end here, `padding`: blanks came behind that.
    enum class part : std::uint8_t {
        whole,
        padding,
        name_start,
        name,
        name_end,
        value_start,
        value,
        quoted,
        escaped,
        bad
    };
    step take_chunked(std::span<char> received) noexcept;
    void size_byte(char c) noexcept;
    void extension_byte(char c) noexcept;
    void judge_extension(char c) noexcept;
    void extension_line_end() noexcept;
    part extension_part_behind(char c) const noexcept;
    void trailer_byte(char c) noexcept;
    void trailer_line() noexcept;
    bool may_be_trailer(std::string_view name) const noexcept;
    void fail(const char* problem) noexcept { problem_ = problem; }

    body_framing framing_;
    const tracking::identity_rules* stranger_ = nullptr;
    std::uint64_t remaining_ = 0;  // of the body, or of the chunk
    std::uint64_t payload_bytes_ = 0;
    std::size_t line_limit_ = 0;
    std::size_t line_bytes_ = 0;
    bool sized_ = false;  // the chunk's size has a digit
    body_of from_ = body_of::request;
    state state_ = state::size;
    part part_ = part::whole;
    bool done_ = true;
    const char* problem_ = "";
    std::string line_;
    std::string trailers_;
};

// What one write sends: a head that is still waiting, a piece of the body in its framing, and the end of a chunked body
// with its trailers when `body` is done. Views of what it is given, and of itself.
class framed_piece {
public:
    // `spare`: bytes in front of the payload that nobody needs any more. Where the head fits there it is put there,
    // since one piece costs the kernel less than two.
    framed_piece(std::string_view head, std::string_view payload, body_kind framing, const body_reader& body,
                 std::size_t spare = 0) noexcept;
    framed_piece(const framed_piece&) = delete;
    framed_piece& operator=(const framed_piece&) = delete;

    std::span<iovec> pieces() noexcept { return std::span(pieces_).first(used_); }

private:
    void add(std::string_view bytes) noexcept;
    std::string_view size_line(std::size_t bytes) noexcept;

    std::array<char, 20> digits_;
    std::array<iovec, 7> pieces_;
    std::size_t used_ = 0;
};

inline iovec piece_of(std::string_view bytes) noexcept { return {const_cast<char*>(bytes.data()), bytes.size()}; }

}  // namespace proxy
