#include "tracking/usage/decoder.hpp"

#include <array>

#include "tracking/usage/ascii.hpp"
#include "tracking/usage/inflate.hpp"

namespace tracking::usage {

namespace {

// Decoding is over before feed() returns, so one buffer serves all bodies of a thread, and an idle connection holds
// none.
std::span<char> shared_buffer() noexcept {
    static thread_local std::array<char, 16384> buffer;
    return buffer;
}

}  // namespace

// Codings are listed in the order in which they were applied; more than one of them is not worth the trouble.
decoder::kind decoder::kind_named(std::string_view content_encoding) noexcept {
    kind found = kind::identity;
    while (!content_encoding.empty()) {
        const std::size_t comma = content_encoding.find(',');
        const std::string_view name = trim(content_encoding.substr(0, comma));
        content_encoding = comma == std::string_view::npos ? std::string_view() : content_encoding.substr(comma + 1);
        if (name.empty() || same_word(name, "identity")) continue;
        if (found != kind::identity) return kind::unknown;
        if (same_word(name, "gzip") || same_word(name, "x-gzip")) {
            found = kind::gzip;
        } else if (same_word(name, "deflate")) {
            found = kind::deflate;
        } else {
            return kind::unknown;
        }
    }
    return found;
}

bool decoder::begin(std::string_view content_encoding) noexcept {
    kind_ = kind_named(content_encoding);
    read_ = 0;
    written_ = 0;
    finished_ = false;
    over_ = kind_ == kind::unknown;
    if (kind_ == kind::gzip) {
        if (!gzip_) gzip_ = make_gzip_coding();
        over_ = !gzip_ || !gzip_->begin();
    } else if (kind_ == kind::deflate) {
        if (!deflate_) deflate_ = make_deflate_coding();
        over_ = !deflate_ || !deflate_->begin();
    }
    return !over_;
}

bool decoder::feed(std::string_view piece, decoded_sink& to) noexcept {
    if (over_) return false;
    if (kind_ == kind::identity) {
        to.on_decoded(piece);
        return true;
    }
    if (finished_) return true;
    over_ = !run(piece, to);
    return !over_;
}

bool decoder::within_limits() const noexcept {
    if (written_ > limits_.bytes) return false;
    return written_ < limits_.ratio_after || written_ / (read_ + 1) <= limits_.ratio;
}

bool decoder::run(std::string_view piece, decoded_sink& to) noexcept {
    coding& active = kind_ == kind::gzip ? *gzip_ : *deflate_;
    const std::span<char> buffer = shared_buffer();
    bool full = false;  // the buffer was, so that more may come without more input
    while (!piece.empty() || full) {
        const coding::progress done = active.decode(piece, buffer);
        full = done.written == buffer.size();
        read_ += done.read;
        written_ += done.written;
        piece.remove_prefix(done.read);
        if (done.written != 0) to.on_decoded(std::string_view(buffer.data(), done.written));
        if (done.state == coding::result::corrupt || !within_limits()) return false;
        finished_ = done.state == coding::result::end;
        if (finished_ || (done.read == 0 && done.written == 0)) return true;
    }
    return true;
}

}  // namespace tracking::usage
