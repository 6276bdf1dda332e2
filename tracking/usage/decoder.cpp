#include "tracking/usage/decoder.hpp"

#include <algorithm>

#include "tracking/usage/ascii.hpp"

namespace tracking::usage {

namespace {

struct named_coding {
    std::string_view name;
    std::size_t kind;
    std::unique_ptr<coding> (*make)() noexcept;
};

constexpr auto codings = std::to_array<named_coding>({
    {"gzip", 0, make_gzip_coding},
    {"x-gzip", 0, make_gzip_coding},  // RFC 9110, 8.4.1.3: the same
    {"deflate", 1, make_deflate_coding},
    {"br", 2, make_brotli_coding},
    {"zstd", 3, make_zstd_coding},
});

// No coding at all: RFC 9110's word, and the one that applications send to keep proxies from compressing a stream.
bool says_plain(std::string_view name) noexcept { return same_word(name, "identity") || same_word(name, "none"); }

// Decoding is over before feed() returns, so one buffer for each stage serves all bodies of a thread, and an idle
// connection holds none.
std::span<char> shared_buffer(std::size_t stage) noexcept {
    static thread_local std::array<std::array<char, 16384>, decoder::most_codings> buffers;
    return buffers[stage];
}

}  // namespace

bool decoder::add_stage(std::string_view name) noexcept {
    const auto* const wanted = std::ranges::find_if(codings, [&](const auto& c) { return same_word(name, c.name); });
    if (wanted == codings.end() || stage_count_ == most_codings) return false;
    stage& added = stages_[stage_count_];
    std::unique_ptr<coding>& known = added.known[wanted->kind];
    if (!known) known = wanted->make();
    if (!known || !known->begin()) return false;
    added.active = known.get();
    added.written = 0;
    added.finished = false;
    ++stage_count_;
    return true;
}

// Codings are listed in the order in which they were applied (RFC 9110, 8.4).
bool decoder::begin(std::string_view content_encoding) noexcept {
    rest();
    read_ = 0;
    over_ = false;
    while (!content_encoding.empty() && !over_) {
        const std::size_t comma = content_encoding.find(',');
        const std::string_view name = trim(content_encoding.substr(0, comma));
        content_encoding = comma == std::string_view::npos ? std::string_view() : content_encoding.substr(comma + 1);
        if (!name.empty() && !says_plain(name)) over_ = !add_stage(name);
    }
    return !over_;
}

bool decoder::feed(std::string_view piece, decoded_sink& to) noexcept {
    if (over_) return false;
    if (stage_count_ == 0) {
        to.on_decoded(piece);
        return true;
    }
    over_ = !run(stage_count_ - 1, piece, to);
    return !over_;
}

void decoder::rest() noexcept {
    for (std::size_t i = 0; i < stage_count_; ++i) stages_[i].active->rest();
    stage_count_ = 0;
    over_ = true;
}

bool decoder::within_limits(std::uint64_t written) const noexcept {
    if (written > limits_.bytes) return false;
    return limits_.ratio == 0 || written < limits_.ratio_after || written / (read_ + 1) <= limits_.ratio;
}

bool decoder::run(std::size_t number, std::string_view piece, decoded_sink& to) noexcept {
    stage& at = stages_[number];
    const std::span<char> buffer = shared_buffer(number);
    bool full = false;  // the buffer was, so that more may come without more input
    while (!at.finished && (!piece.empty() || full)) {
        const coding::progress done = at.active->decode(piece, buffer);
        full = done.written == buffer.size();
        at.written += done.written;
        if (number + 1 == stage_count_) read_ += done.read;
        piece.remove_prefix(done.read);
        const std::string_view decoded(buffer.data(), done.written);
        bool goes_on = true;
        if (number == 0) {
            if (!decoded.empty()) to.on_decoded(decoded);
        } else {
            goes_on = run(number - 1, decoded, to);
        }
        if (!goes_on || done.state == coding::result::corrupt || !within_limits(at.written)) return false;
        at.finished = done.state == coding::result::end;
        if (done.read == 0 && done.written == 0) break;
    }
    return true;
}

}  // namespace tracking::usage
