#include "proxy/admin_answer.hpp"

#include <array>
#include <charconv>

#include "proxy/errors.hpp"
#include "proxy/write_all.hpp"

namespace proxy {
namespace {

using body_piece = admin::body_source::piece;

struct next_piece {
    event ready;
    body_piece is;
};

task<bool> write(const admin_client& to, std::span<iovec> pieces) {
    co_return static_cast<bool>(co_await write_all(to.client, pieces, to.timeout));
}

// Whether the client is still there; takes what it sent ahead.
bool is_there(const admin_client& to) {
    if (to.received.full()) return true;
    const io_result got = to.client.try_read(to.received.room());
    if (got) to.received.filled(got.bytes);
    if (to.received.empty()) to.received.release();
    if (got || got.error == io_error::would_block) return true;
    return got.error == io_error::end && to.half_close;
}

// One piece in its framing; nothing for an empty one, which would be the end of a chunked body.
task<bool> write_piece(const admin_client& to, std::string_view head, std::string_view bytes, bool last) {
    const bool chunked = to.minor_version > 0;
    if (head.empty() && bytes.empty() && !(chunked && last)) co_return true;
    std::array<char, 24> size{};
    std::size_t digits = 0;
    if (chunked && !bytes.empty()) {
        auto* const end = std::to_chars(size.data(), size.data() + 16, bytes.size(), 16).ptr;
        end[0] = '\r';
        end[1] = '\n';
        digits = static_cast<std::size_t>(end - size.data()) + 2;
    }
    const std::string_view behind = chunked && !bytes.empty() ? "\r\n" : "";
    const std::string_view over = chunked && last ? "0\r\n\r\n" : "";
    std::array<iovec, 5> pieces{piece_of(head), piece_of(std::string_view(size.data(), digits)), piece_of(bytes),
                                piece_of(behind), piece_of(over)};
    co_return co_await write(to, pieces);
}

// The body is not whole, and must not look as if it were: no last chunk, and where the end of the connection is the end
// of the body, no orderly end.
bool cut(const admin_client& to) {
    if (to.minor_version == 0) to.client.reset();
    to.client.close();
    return false;
}

task<bool> send_pieces(const admin_client& to, const admin::response& answer) {
    const bool stays = to.stays && to.minor_version > 0;
    const std::string_view framing = to.minor_version > 0 ? "Transfer-Encoding: chunked\r\n" : "";
    const std::string head = answer_head(answer.status, field_lines(answer), framing, stays);
    if (to.to_head) {
        std::array<iovec, 1> whole{piece_of(head)};
        const bool sent = co_await write(to, whole);
        co_return sent&& stays;
    }
    if (!co_await write_piece(to, head, answer.body, false)) co_return cut(to);
    for (;;) {
        if (!is_there(to)) co_return cut(to);
        const auto next = std::make_shared<next_piece>();
        to.parts.next_piece(answer.rest, [next](body_piece piece) {
            next->is = std::move(piece);
            next->ready.set();
        });
        co_await next->ready;
        if (next->is.failed) co_return cut(to);
        if (!co_await write_piece(to, std::string_view(), next->is.bytes, next->is.last)) co_return cut(to);
        if (next->is.last) co_return stays;
    }
}

}  // namespace

std::string field_lines(const admin::response& of) {
    std::string lines;
    for (const auto& [name, value] : of.headers) lines.append(name).append(": ").append(value).append("\r\n");
    return lines;
}

task<bool> send_answer(admin_client to, admin::response answer) {
    if (answer.rest) co_return co_await send_pieces(to, answer);
    const std::string whole = plain_response(answer.status, field_lines(answer), answer.body, to.stays, to.to_head);
    std::array<iovec, 1> pieces{piece_of(whole)};
    const bool sent = co_await write(to, pieces);
    co_return sent&& to.stays;
}

}  // namespace proxy
