#include <zstd.h>

#include <array>
#include <new>

#include "tracking/usage/codings.hpp"

namespace tracking::usage {

namespace {

class zstd_coding final : public coding {
public:
    ~zstd_coding() override { drop(); }

    bool begin() noexcept override {
        magic_size_ = 0;
        if (context_ != nullptr) return ZSTD_isError(ZSTD_DCtx_reset(context_, ZSTD_reset_session_only)) == 0;
        context_ = ZSTD_createDCtx();
        return context_ != nullptr &&
               ZSTD_isError(ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, window_bits)) == 0;
    }

    progress decode(std::string_view from, std::span<char> to) noexcept override {
        if (from.empty() && magic_size_ < magic_.size()) return {};
        if (magic_size_ < magic_.size()) return read_magic(from[0], to);
        return decode_some(from, to);
    }

    // A context is 160 KB and its window up to 8 MiB; making one costs less than a body's worth of decoding.
    void rest() noexcept override { drop(); }

private:
    // The library also knows formats older than RFC 8878, whose windows it does not bound: each frame's magic number is
    // looked at before the library sees it.
    progress read_magic(char next, std::span<char> to) noexcept {
        magic_[magic_size_++] = next;
        if (magic_size_ < magic_.size()) return {1, 0, result::more};
        const std::string_view magic(magic_.data(), magic_.size());
        const bool skippable = magic.substr(1) == "\x2A\x4D\x18" && (static_cast<unsigned char>(magic[0]) >> 4U) == 5;
        if (magic != "\x28\xB5\x2F\xFD" && !skippable) return {1, 0, result::corrupt};
        progress done = decode_some(magic, to);
        done.read = 1;
        return done;
    }

    progress decode_some(std::string_view from, std::span<char> to) noexcept {
        ZSTD_inBuffer in{from.data(), from.size(), 0};
        ZSTD_outBuffer out{to.data(), to.size(), 0};
        const std::size_t code = ZSTD_decompressStream(context_, &out, &in);
        if (ZSTD_isError(code) != 0) return {in.pos, out.pos, result::corrupt};
        if (code == 0) magic_size_ = 0;  // the frame is over and all of it was given out: another may follow
        return {in.pos, out.pos, result::more};
    }

    void drop() noexcept {
        ZSTD_freeDCtx(context_);
        context_ = nullptr;
    }

    ZSTD_DCtx* context_ = nullptr;
    std::size_t magic_size_ = 0;
    std::array<char, 4> magic_{};
};

}  // namespace

std::unique_ptr<coding> make_zstd_coding() noexcept { return std::unique_ptr<coding>(new (std::nothrow) zstd_coding); }

}  // namespace tracking::usage
